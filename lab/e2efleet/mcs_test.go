//go:build e2e

package e2efleet

import (
	"strings"
	"testing"
	"time"

	"causeway/lab/site"
	"causeway/lab/topology"
)

var importer = []string{"--register", "--importer", topology.Location + "/" + topology.SecondCluster}

// anotherCluster: a Pod of the other cluster reaches the first one's API server by the fleet's name, for
// as long as the exposure stands.
func anotherCluster(t *testing.T) {
	ctx := within(t)
	leavesNothing(t, ctx)
	destroys(t, on("destroy", "mcs", "--yes")...)
	apply := on("apply", "mcs", append(importer, "--role", "cluster-admin", "--yes")...)
	proven(t, must(t, ctx, apply...).Text())
	proven(t, must(t, ctx, on("verify", "mcs")...).Text())
	if r := must(t, ctx, on("verify", "mcs", "-o", "json")...); !strings.Contains(r.Stdout, `"from": "cluster `+topology.SecondCluster+`"`) {
		t.Errorf("the report for programs does not say where it is from:\n%s", r.Stdout)
	}
	if left := lab.Run(ctx, lab.SecondProvider(), "kubectl", "get", "pods,secrets", "-A", "-o", "name"); strings.Contains(left.Stdout, "causeway-probe") || left.Code != 0 {
		t.Errorf("left of the probe:\n%s", left.Text())
	}

	text := kubeconfig(t, "mcs")
	who, err := lab.Pod("client", text)
	ok(t, err)
	pod := lab.Session(who, nil)
	u, err := site.Unpack(who, text)
	ok(t, err)
	host := strings.TrimPrefix(u.URL, "https://")
	if !strings.HasSuffix(host, ".svc.clusterset.local") {
		t.Fatalf("the endpoint is %s", u.URL)
	}
	// The address is one of the second cluster's Services: only kube-proxy there knows it.
	found := lab.Run(ctx, who, "getent", "ahostsv4", host)
	ok(t, found.Want(0))
	if at := strings.Fields(found.Stdout)[0]; !strings.HasPrefix(at, "10.41.") {
		t.Errorf("%s is %s, no Service address of the second cluster %s", host, at, topology.TheSecond.ServiceCIDR)
	}
	ok(t, pod.Says(ctx, "gitVersion", append(append([]string{"curl", "-sS", "--max-time", "10"}, u.Curl...), "-H", "@"+u.Header, u.URL+"/version")...))
	ok(t, lab.Run(ctx, who, "causeway", "verify", "--kubeconfig", ".kube/config", "--exec", site.Shop+"/"+site.Web, "--large-body").Want(0))
	ok(t, pod.Nodes(ctx))
	ok(t, pod.Exec(ctx, true))
	ok(t, pod.Exec(ctx, false))
	ok(t, pod.Logs(ctx))
	ok(t, pod.Copy(ctx))
	ok(t, pod.Anonymous(ctx, append(u.Curl, u.URL+"/api")...))

	changesNothing(t, ctx, apply...)
	must(t, ctx, on("status", "mcs")...)
	must(t, ctx, "causeway", "mcs", "status", "--project", topology.Project)

	// Somebody withdraws the export: the name goes, status says so, the next apply mends it.
	export := strings.Split(host, ".")
	ok(t, lab.Run(ctx, lab.Provider(), "kubectl", "-n", export[1], "delete", "serviceexports.net.gke.io", export[0]).Want(0))
	ok(t, pod.Forgotten(ctx, host, 30*time.Second))
	if r := lab.Run(ctx, operator.Who, on("status", "mcs")...); r.Code == 0 {
		t.Errorf("status of a Service that is not exported any more:\n%s", r.Text())
	}
	must(t, ctx, apply...)
	ok(t, pod.Nodes(ctx))

	must(t, ctx, on("destroy", "mcs", "--yes")...)
	ok(t, pod.Forgotten(ctx, host, 30*time.Second))
}

// proven wants a probe from a Pod of the other cluster in what was printed: the name is
// one of its Services, and the API server answers.
func proven(t *testing.T, text string) {
	t.Helper()
	hop := func(name, says string) bool {
		for line := range strings.Lines(text) {
			if f := strings.Fields(line); len(f) > 2 && f[0] == "pass" && f[1] == name && strings.Contains(line, says) {
				return true
			}
		}
		return false
	}
	if !strings.Contains(text, "probe from a pod in cluster "+topology.SecondCluster) || !hop("resolve", " 10.41.") || !hop("http", "") || !hop("identity", "") || !hop("watch", "") {
		t.Errorf("no probe from %s that passed:\n%s", topology.SecondCluster, text)
	}
}

// headless: a headless Service of one's own answers with its Pods, each under a name too.
func headless(t *testing.T) {
	ctx := within(t)
	leavesNothing(t, ctx)
	admin := lab.Provider()
	ok(t, lab.Run(ctx, admin, "kubectl", "-n", site.Shop, "label", "pod", site.Web, "app=web").Want(0))
	ok(t, lab.Run(ctx, admin, "kubectl", "-n", site.Shop, "create", "service", "clusterip", "web", "--clusterip=None", "--tcp="+site.WebPort).Want(0))
	t.Cleanup(func() {
		ok(t, lab.Run(ctx, admin, "kubectl", "-n", site.Shop, "delete", "service", "web", "--timeout=30s").Want(0))
		ok(t, lab.Run(ctx, admin, "kubectl", "-n", site.Shop, "label", "pod", site.Web, "app-").Want(0))
	})
	destroys(t, on("destroy", "mcs", "--name", "web", "--yes")...)
	must(t, ctx, on("apply", "mcs", append(importer, "--name", "web", "--service", site.Shop+"/web", "--yes")...)...)
	who, err := lab.Pod("of-web", nil)
	ok(t, err)
	pod := lab.Session(who, nil)
	const name = "web." + site.Shop + ".svc.clusterset.local"
	ok(t, pod.Says(ctx, site.WebSays, "curl", "-sS", "--max-time", "5", "http://"+name+":"+site.WebPort+"/"))
	must(t, ctx, on("destroy", "mcs", "--name", "web", "--yes")...)
	ok(t, pod.Forgotten(ctx, name, 30*time.Second))
}

package demo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"causeway/lab/site"
	"causeway/lab/topology"
)

// The exposures that the first one is published by, and the consumer's half of it:
// the names that they get by themselves.
const (
	namePublished = topology.Cluster + "-psc"
	nameEndpoint  = namePublished + "-end"
)

// natRange is the NAT subnet's range.
const natRange = "10.200.0.0/28"

// detect shows which methods can work here.
func (t *tour) detect(ctx context.Context) error {
	r, err := t.operator.Do(ctx, "causeway", "detect", "--location", topology.Location, "--cluster", topology.Cluster)
	if err != nil {
		return err
	}
	for _, want := range []string{"ilb ", "route ", "psc ", "gateway ", "mcs ", "dns ", "recommended:"} {
		if !strings.Contains(r.Stdout, want) {
			return fmt.Errorf("%s: no %q in its answer", r.Line, want)
		}
	}
	fmt.Fprintln(t.out, "# (the lab's tunnel is a bare link that Google's APIs know nothing of, so no line is seen)")
	after, err := t.s.Take(ctx)
	if err != nil {
		return err
	}
	return same("detect changed something", t.before, after)
}

// publishedArgs are the arguments of a command on what psc makes.
func publishedArgs(name string) []string {
	args := []string{"psc", "--location", topology.Location, "--cluster", topology.Cluster}
	if name != namePublished {
		args = append(args, "--project", topology.Project, "--name", name)
	}
	return args
}

func (t *tour) publish(ctx context.Context) (err error) {
	where := topology.TheConsumer
	who, err := t.s.Consumer(where, "demo")
	if err != nil {
		return err
	}
	t.consumer = t.s.Session(who, t.out)
	fmt.Fprintf(t.out, `# A customer in a network of its own (%s) in another project, whose range is the very
# one of the cluster's VPC: %s. Its machine has the address of the cluster's node. No
# route leads from one network to the other, and none could.
`, where.Namespace, where.CIDR)
	if _, err := t.consumer.Do(ctx, "ip", "-brief", "-4", "address"); err != nil {
		return err
	}
	if _, err := t.operator.Do(ctx, command("apply", publishedArgs(namePublished), "--nat-range", natRange, "--consumer", where.Project, "--role", "cluster-admin", "--yes")...); err != nil {
		return err
	}
	_, err = t.operator.Do(ctx, command("handoff", publishedArgs(namePublished))...)
	return err
}

func (t *tour) consume(ctx context.Context) error {
	where := topology.TheConsumer
	fmt.Fprintln(t.out, "# the archive was carried to an empty home of the customer's")
	archive := "handoff-" + namePublished + ".tar.gz"
	content, err := os.ReadFile(filepath.Join(t.operator.Who.Home, archive))
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(t.consumer.Who.Home, archive), content, 0o600); err != nil {
		return err
	}
	if _, err := t.consumer.Do(ctx, "tar", "xzf", archive); err != nil {
		return err
	}
	if _, err := t.consumer.Do(ctx, "causeway", "apply", "psc", "--consume", "causeway-"+namePublished+"/psc.yaml", "--consumer-project", where.Project,
		"--consumer-network", where.Network, "--consumer-subnet", where.Subnet, "--yes"); err != nil {
		return err
	}
	if err := t.addresses(ctx); err != nil {
		return err
	}
	if _, err := t.consumer.Do(ctx, "cp", "causeway-"+nameEndpoint+".kubeconfig", ".kube/config"); err != nil {
		return err
	}
	if _, err := t.consumer.Do(ctx, "causeway", "verify", "--kubeconfig", ".kube/config", "--exec", site.Shop+"/"+site.Web, "--large-body"); err != nil {
		return err
	}
	mark, err := t.s.Watermark()
	if err != nil {
		return err
	}
	for _, verb := range []func(context.Context) error{t.consumer.Nodes, t.consumer.Apply, t.consumer.Logs, t.consumer.PortForward} {
		if err := verb(ctx); err != nil {
			return err
		}
	}
	return t.seenFrom(mark)
}

// addresses tells where the endpoint and what it leads to are.
func (t *tour) addresses(ctx context.Context) error {
	all, err := t.s.Endpoints(ctx)
	if err != nil {
		return err
	}
	for _, c := range all.Connections {
		if c.Name == "causeway-"+nameEndpoint {
			fmt.Fprintf(t.out, "\n# the endpoint is %s in the customer's network; it leads to the load balancer, %s in the cluster's\n", c.EndpointIP, c.TargetIP)
			return nil
		}
	}
	return fmt.Errorf("find the endpoint causeway-%s: the emulator has none", nameEndpoint)
}

// seenFrom tells which address the API server saw.
func (t *tour) seenFrom(mark int64) error {
	calls, err := t.s.Calls(mark, "system:serviceaccount:causeway-"+namePublished+":causeway-client")
	if err != nil {
		return err
	}
	for _, call := range calls {
		if len(call.SourceIPs) > 0 && strings.HasPrefix(call.SourceIPs[0], "10.200.0.") {
			fmt.Fprintf(t.out, "\n# the API server's audit log has these calls from %s: an address of the NAT subnet\n", call.SourceIPs[0])
			return nil
		}
	}
	return fmt.Errorf("the API server saw no call from %s: %d calls of this identity", natRange, len(calls))
}

// rejected has somebody turn the customer away, and take it back.
func (t *tour) rejected(ctx context.Context) error {
	where := topology.TheConsumer
	verify := command("verify", publishedArgs(nameEndpoint))
	fmt.Fprintln(t.out, "# somebody at the producer's puts the customer on the attachment's reject list, with\n# reconcileConnections: so it counts for those who are in, too")
	if err := t.lists(ctx, nil, []string{where.Project}); err != nil {
		return err
	}
	if err := t.awaitPassing(ctx, false); err != nil {
		return err
	}
	if _, err := t.consumer.DoWith(ctx, nil, 1, "kubectl", "get", "nodes", "--request-timeout=2s"); err != nil {
		return err
	}
	r, err := t.consumer.DoWith(ctx, nil, 5, verify...)
	if err == nil && !strings.Contains(r.Text(), "CW-PSC-REJECTED") {
		err = fmt.Errorf("%s: does not name CW-PSC-REJECTED", r.Line)
	}
	if err != nil {
		return err
	}
	fmt.Fprintln(t.out, "\n# and takes the customer off it again")
	if err := t.lists(ctx, []string{where.Project}, []string{}); err != nil {
		return err
	}
	if err := t.awaitPassing(ctx, true); err != nil {
		return err
	}
	_, err = t.consumer.Do(ctx, verify...)
	return err
}

// lists sets the attachment's lists as a person with gcloud does.
func (t *tour) lists(ctx context.Context, accept, reject []string) error {
	path := "compute/v1/projects/" + topology.Project + "/regions/" + topology.Region + "/serviceAttachments/causeway-" + namePublished
	have, err := t.s.GoogleCall(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	entries := []map[string]any{}
	for _, project := range accept {
		entries = append(entries, map[string]any{"projectIdOrNum": project, "connectionLimit": 10})
	}
	_, err = t.s.GoogleCall(ctx, http.MethodPatch, path, map[string]any{
		"fingerprint": have["fingerprint"], "reconcileConnections": true, "consumerAcceptLists": entries, "consumerRejectLists": reject,
	})
	return err
}

// awaitPassing waits until packets follow what was configured.
func (t *tour) awaitPassing(ctx context.Context, want bool) error {
	return t.s.Await(ctx, "packets to follow the attachment's lists", settle, func(ctx context.Context) error {
		r := t.s.Run(ctx, t.consumer.Who, "kubectl", "get", "--raw", "/readyz", "--request-timeout=1s")
		if (r.Code == 0) != want {
			return errors.New(r.Text())
		}
		return nil
	})
}

// unpublish shows who may leave first: the exposure beneath may not.
func (t *tour) unpublish(ctx context.Context) error {
	for _, one := range []struct {
		who  site.Session
		code int
		says string
		args []string
	}{
		{t.operator, 4, "CW-RUN-GUESTS", command("destroy", named(""), "--yes")},
		{t.operator, 0, "removed", command("destroy", publishedArgs(namePublished), "--yes")},
		{t.consumer, 5, "CW-PSC-CLOSED", command("verify", publishedArgs(nameEndpoint))},
		{t.consumer, 0, "removed", command("destroy", publishedArgs(nameEndpoint), "--yes")},
	} {
		r, err := one.who.DoWith(ctx, nil, one.code, one.args...)
		if err == nil && !strings.Contains(r.Text(), one.says) {
			err = fmt.Errorf("%s: no %q in what it printed", r.Line, one.says)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

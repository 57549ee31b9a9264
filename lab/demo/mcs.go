package demo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"causeway/lab/site"
	"causeway/lab/topology"
)

// mcsName is the name that an exposure by mcs has by default.
const mcsName = topology.Cluster + "-mcs"

// ofTheFleet are the parts that take a lab with a fleet: none in one that is up without.
func (t *tour) ofTheFleet() []part {
	if !t.s.Fleet() {
		fmt.Fprintf(t.out, "\n# Connect Gateway and multi-cluster Services are left out: this lab has no fleet (make lab LINE=fleet)\n")
		return nil
	}
	return []part{
		{"Without any line: Connect Gateway", t.gatewayWay},
		{"Alice on the far side, through the gateway", t.gatewayVerbs},
		{"The gateway's way is taken away", t.gatewayEnds},
		{"For the fleet's other cluster: multi-cluster Services", t.fleetService},
		{"A Pod of the other cluster, by the fleet's name", t.fleetPod},
		{"The Service is withdrawn", t.fleetEnds},
	}
}

// fleetService exports the proxy to the fleet's other cluster.
func (t *tour) fleetService(ctx context.Context) error {
	fmt.Fprintf(t.out, "# %s is in the same VPC and a member of the fleet: its Pods are to reach the API server by a name\n", topology.SecondCluster)
	args := byMethod("mcs", "--register", "--importer", topology.Location+"/"+topology.SecondCluster, "--role", "cluster-admin")
	if _, err := t.operator.Do(ctx, command("plan", args)...); err != nil {
		return err
	}
	fmt.Fprintf(t.out, "# the way leads to %s: so the probe that ends the apply runs there, in a Pod\n", topology.SecondCluster)
	r, err := t.operator.Do(ctx, command("apply", args, "--yes")...)
	if err != nil {
		return err
	}
	if !strings.Contains(r.Text(), "probe from a pod in cluster "+topology.SecondCluster) {
		return fmt.Errorf("the apply was not proven from %s", topology.SecondCluster)
	}
	_, err = t.operator.Do(ctx, "causeway", "mcs", "status")
	return err
}

// fleetPod is a client in the other cluster.
func (t *tour) fleetPod(ctx context.Context) error {
	file := "causeway-" + mcsName + ".kubeconfig"
	text, err := os.ReadFile(filepath.Join(t.operator.Who.Home, file))
	if err != nil {
		return err
	}
	who, err := t.s.Pod("demo", text)
	if err != nil {
		return err
	}
	pod := t.s.Session(who, t.out)
	fmt.Fprintf(t.out, "# %s was carried to a Pod of %s, as ~/.kube/config; its node has no route to the control plane\n", file, topology.SecondCluster)
	if _, err := pod.DoWith(ctx, nil, curlNoRoute, "curl", "-sS", "--max-time", "2", "https://"+topology.MasterIP.String()+"/version"); err != nil {
		return err
	}
	u, err := site.Unpack(who, text)
	if err != nil {
		return err
	}
	t.clusterset = strings.TrimPrefix(u.URL, "https://")
	name, _, _ := strings.Cut(t.clusterset, ":")
	if !strings.HasSuffix(name, ".svc.clusterset.local") {
		return fmt.Errorf("the endpoint is %s, no name of a fleet's", u.URL)
	}
	if _, err := pod.Do(ctx, "getent", "ahostsv4", name); err != nil {
		return err
	}
	if err := pod.Says(ctx, "gitVersion", append(append([]string{"curl", "-sS", "--max-time", "10"}, u.Curl...), "-H", "@"+u.Header, u.URL+"/version")...); err != nil {
		return err
	}
	if _, err := pod.Do(ctx, "causeway", "verify", "--kubeconfig", ".kube/config", "--exec", site.Shop+"/"+site.Web); err != nil {
		return err
	}
	for _, verb := range []func(context.Context) error{pod.Nodes, func(ctx context.Context) error { return pod.Exec(ctx, true) }, pod.Copy} {
		if err := verb(ctx); err != nil {
			return err
		}
	}
	t.pod = pod
	return nil
}

// withdrawnBound is how soon a name is gone after the destroy that withdrew it.
const withdrawnBound = 10 * time.Second

// fleetEnds withdraws the Service: then the name is gone.
func (t *tour) fleetEnds(ctx context.Context) error {
	if _, err := t.operator.Do(ctx, command("destroy", byMethod("mcs"), "--yes")...); err != nil {
		return err
	}
	return t.pod.Forgotten(ctx, t.clusterset, withdrawnBound)
}

// leaveFleet takes both of the fleet's ways out of a lab that stays up.
func (t *tour) leaveFleet(ctx context.Context) error {
	if !t.s.Fleet() {
		return nil
	}
	errs := []error{t.s.FailGateway(ctx, "")}
	for _, method := range []string{"mcs", "gateway"} {
		errs = append(errs, dismantle(ctx, t.stage, t.operator.Who, map[string]string{"mcs": mcsName, "gateway": gatewayName}[method], byMethod(method)))
	}
	return errors.Join(errs...)
}

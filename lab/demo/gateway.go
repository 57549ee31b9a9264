package demo

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"causeway/internal/gcptest"
	"causeway/lab/daemon"
	"causeway/lab/site"
	"causeway/lab/topology"
)

// gatewayName is the name that an exposure by gateway has by default.
const gatewayName = topology.Cluster + "-gateway"

// byMethod are the arguments that name the cluster and a method.
func byMethod(method string, more ...string) []string {
	return append([]string{method, "--location", topology.Location, "--cluster", topology.Cluster}, more...)
}

// gatewayWay makes the way that takes no line: by Google's front end.
func (t *tour) gatewayWay(ctx context.Context) error {
	fmt.Fprintf(t.out, "# %s has a Google identity, an empty home on the far side, and no right anywhere\n", daemon.Alice)
	if err := t.operator.Says(ctx, "--register", "causeway", "detect", "--location", topology.Location, "--cluster", topology.Cluster); err != nil {
		return err
	}
	if _, err := t.operator.Do(ctx, "causeway", "gateway", "memberships"); err != nil {
		return err
	}
	args := byMethod("gateway", "--register", "--member", "user:"+daemon.Alice, "--stream")
	if _, err := t.operator.Do(ctx, command("plan", args)...); err != nil {
		return err
	}
	if _, err := t.operator.Do(ctx, command("apply", args, "--yes")...); err != nil {
		return err
	}
	if _, err := t.operator.Do(ctx, "causeway", "gateway", "memberships"); err != nil {
		return err
	}
	file := "causeway-" + gatewayName + ".kubeconfig"
	text, err := os.ReadFile(filepath.Join(t.operator.Who.Home, file))
	if err != nil {
		return err
	}
	who, err := t.s.Alice("alice", text)
	if err != nil {
		return err
	}
	fmt.Fprintf(t.out, "\n# %s was carried to her home, as ~/.kube/config: it holds no secret\n", file)
	t.alice = t.s.Session(who, t.out)
	return nil
}

// gatewayVerbs is what Alice does through it.
func (t *tour) gatewayVerbs(ctx context.Context) error {
	a := t.alice
	if _, err := a.Do(ctx, "causeway", "verify", "--kubeconfig", ".kube/config", "--exec", site.Shop+"/"+site.Web); err != nil {
		return err
	}
	for _, verb := range []func(context.Context) error{
		func(ctx context.Context) error { return a.Says(ctx, daemon.Alice, "kubectl", "auth", "whoami") },
		func(ctx context.Context) error {
			return a.Says(ctx, site.Web, "kubectl", "-n", site.Shop, "get", "pods")
		},
		func(ctx context.Context) error { return a.Exec(ctx, true) },
		a.PortForward, a.Copy,
	} {
		if err := verb(ctx); err != nil {
			return err
		}
	}
	return t.gatewayFails(ctx)
}

// gatewayFails has the gateway fail as Google documents it, and asks causeway about what
// kubectl says then.
func (t *tour) gatewayFails(ctx context.Context) error {
	fmt.Fprintf(t.out, "\n# now the gateway fails in one of the documented ways, and kubectl's words are given to causeway\n")
	if err := t.s.FailGateway(ctx, gcptest.FailCluster); err != nil {
		return err
	}
	err := t.alice.Says(ctx, "CW-GATEWAY-WEBSOCKET", "sh", "-c", "kubectl -v 4 -n "+site.Shop+" exec "+site.Web+" -- true 2>&1 | causeway explain -")
	if err != nil {
		return err
	}
	return t.s.FailGateway(ctx, "")
}

// gatewayEnds takes the way away again: then Alice has none.
func (t *tour) gatewayEnds(ctx context.Context) error {
	if _, err := t.operator.Do(ctx, command("destroy", byMethod("gateway"), "--yes")...); err != nil {
		return err
	}
	fmt.Fprintf(t.out, "\n# with the same kubeconfig\n")
	_, err := t.alice.DoWith(ctx, nil, 1, "kubectl", "get", "namespaces")
	return err
}

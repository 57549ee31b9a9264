//go:build e2e

package e2efleet

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"causeway/internal/gcptest"
	"causeway/lab/daemon"
	"causeway/lab/site"
)

// throughTheGateway: Alice's rights come and go with what the operator grants, and each refusal on her way
// is one that causeway names from kubectl's words.
func throughTheGateway(t *testing.T) {
	ctx := within(t)
	leavesNothing(t, ctx)
	destroys(t, on("destroy", "gateway", "--yes")...)
	refused(t, lab.Run(ctx, operator.Who, on("apply", "gateway", "--yes")...), 4, "CW-FLEET-MEMBER")

	// With the role that reads, she reads.
	member := []string{"--register", "--member", "user:" + daemon.Alice, "--yes"}
	must(t, ctx, on("apply", "gateway", member...)...)
	alice := alice(t)
	verify := []string{"causeway", "verify", "--kubeconfig", ".kube/config"}
	ok(t, lab.Run(ctx, alice.Who, verify...).Want(0))
	ok(t, alice.Says(ctx, site.Web, "kubectl", "-n", site.Shop, "get", "pods"))
	if r := lab.Run(ctx, alice.Who, "kubectl", "auth", "whoami"); r.Code == 0 { // a POST, which is no reading
		t.Errorf("gatewayReader wrote:\n%s", r.Text())
	}
	explains(t, ctx, alice, exec, "CW-GATEWAY-STREAM")

	// With streams she does it all, and a second apply has nothing to do.
	must(t, ctx, on("apply", "gateway", append(member, "--stream")...)...)
	changesNothing(t, ctx, on("apply", "gateway", append(member, "--stream")...)...)
	ok(t, lab.Run(ctx, alice.Who, append(verify, "--exec", site.Shop+"/"+site.Web)...).Want(0))
	ok(t, alice.Says(ctx, daemon.Alice, "kubectl", "auth", "whoami"))
	ok(t, alice.Exec(ctx, true))
	ok(t, alice.PortForward(ctx))
	ok(t, alice.Copy(ctx))
	ok(t, alice.Logs(ctx))

	// Somebody takes her right in the cluster away: IAM's alone is not enough. The next
	// apply mends it.
	const streams = "causeway-private-cluster-gateway-stream"
	ok(t, lab.Run(ctx, lab.Provider(), "kubectl", "delete", "clusterrolebinding", streams).Want(0))
	explains(t, ctx, alice, exec, "CW-GATEWAY-RBAC")
	must(t, ctx, on("apply", "gateway", append(member, "--stream")...)...)
	ok(t, alice.Exec(ctx, true))

	failuresAreNamed(t, ctx, alice)

	// Gone, with the very kubeconfig that worked.
	must(t, ctx, on("destroy", "gateway", "--yes")...)
	explains(t, ctx, alice, list, "CW-GATEWAY-ROLE")
}

// failuresAreNamed has the gateway fail in the ways that Google tells of: causeway knows
// each from kubectl's words.
func failuresAreNamed(t *testing.T, ctx context.Context, alice site.Session) {
	t.Helper()
	t.Cleanup(func() { ok(t, lab.FailGateway(context.Background(), "")) })
	for _, one := range []struct {
		failure gcptest.GatewayFailure
		command string
		code    string
	}{
		{gcptest.FailCluster, exec, "CW-GATEWAY-WEBSOCKET"},
		{gcptest.FailAgent, exec, "CW-GATEWAY-AGENT"},
		{gcptest.FailTerminated, exec, "CW-GATEWAY-AGENT"},
		{gcptest.FailStreams, exec, "CW-GATEWAY-STREAMS"},
		{gcptest.FailNoAgent, list, "CW-GATEWAY-NO-AGENT"},
		{gcptest.FailGroups, list, "CW-GATEWAY-HEADER"},
		{gcptest.FailURL, list, "CW-GATEWAY-ADDRESS"},
	} {
		ok(t, lab.FailGateway(ctx, one.failure))
		explains(t, ctx, alice, one.command, one.code)
	}
	ok(t, lab.FailGateway(ctx, ""))
	ok(t, alice.Exec(ctx, true))
}

// The commands whose words are given to causeway, with as much of them as it asks for.
const (
	exec = "kubectl -v 4 -n shop exec web-0 -- true"
	list = "kubectl -v 10 get namespaces"
)

// explains runs a command that must fail, and asks causeway about what it says. The API
// server may take a moment to see that a right is gone.
func explains(t *testing.T, ctx context.Context, who site.Session, command, code string) {
	t.Helper()
	const worked = "it worked"
	err := lab.Await(ctx, command+" to fail by "+code, 20*time.Second, func(ctx context.Context) error {
		r := lab.Run(ctx, who.Who, "sh", "-c", "{ "+command+" && echo "+worked+"; } 2>&1 | tee said | causeway explain -")
		said := lab.Run(ctx, who.Who, "cat", "said")
		if strings.Contains(said.Stdout, worked) {
			return errors.New(worked)
		}
		if r.Code != 0 || !strings.Contains(r.Stdout, code) {
			t.Errorf("%s: want %s, got exit %d\n%s\nof\n%s", command, code, r.Code, r.Text(), said.Stdout)
		}
		return nil
	})
	ok(t, err)
}

// alice has the kubeconfig of the exposure in her home on the far side.
func alice(t *testing.T) site.Session {
	t.Helper()
	who, err := lab.Alice("alice", kubeconfig(t, "gateway"))
	ok(t, err)
	return lab.Session(who, nil)
}

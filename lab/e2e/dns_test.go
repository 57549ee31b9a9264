//go:build e2e

package e2e

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"causeway/lab/site"
	"causeway/lab/topology"
)

// dns is a command on an exposure by dns.
func dns(verb, name string, more ...string) []string {
	return append([]string{"causeway", verb, "dns", "--location", topology.Location, "--cluster", topology.Cluster, "--name", name}, more...)
}

// byName carries the kubeconfig of an exposure by dns to somebody of the far side who
// has a Google identity.
func byName(t *testing.T, from site.Who, name string) site.Session {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(from.Home, "causeway-"+name+".kubeconfig"))
	if err != nil {
		t.Fatal(err)
	}
	who, err := lab.Far(name, text)
	if err == nil {
		who, err = lab.WithGoogle(who)
	}
	if err != nil {
		t.Fatal(err)
	}
	return lab.Session(who, nil)
}

// One test for all of it: the endpoint's switches are the cluster's own.
func TestTheDNSEndpoint(t *testing.T) {
	t.Parallel()
	ctx, x := within(t), begin(t, "by-name") // of ilb there is nothing: for its checks
	run := func(args ...string) site.Result { return lab.Run(ctx, x.operator.Who, args...) }
	t.Cleanup(func() {
		x.ok(lab.Allow(context.Background(), "container.clusters.connect"))
		for _, name := range []string{"account", "by-name"} {
			x.must(lab.Run(context.Background(), x.operator.Who, dns("destroy", name, "--yes")...), 0)
		}
	})

	x.refused(run(dns("apply", "by-name", "--yes")...), 4, "CW-DNS-CLOSED")
	x.must(run(dns("apply", "by-name", "--open-dns-endpoint", "--yes")...), 0)
	far := byName(t, x.operator.Who, "by-name")
	verify := []string{"causeway", "verify", "--kubeconfig", ".kube/config"}
	x.must(lab.Run(ctx, far.Who, append(verify, "--exec", "shop/web-0", "--large-body")...), 0)
	x.ok(far.EveryVerb(ctx))

	// IAM is asked at each request.
	x.ok(lab.Deny(ctx, "container.clusters.connect"))
	x.refused(lab.Run(ctx, far.Who, verify...), 5, "container.clusters.connect")
	x.refused(run(dns("verify", "by-name")...), 5, "CW-DNS-CONNECT")
	x.ok(lab.Allow(ctx, "container.clusters.connect"))
	x.must(lab.Run(ctx, far.Who, verify...), 0)

	// The cluster's own tokens, where they are let in.
	x.refused(run(dns("apply", "account", "--identity", "account", "--yes")...), 4, "CW-DNS-TOKENS")
	x.must(run(dns("apply", "account", "--identity", "account", "--role", "cluster-admin", "--dns-tokens", "--yes")...), 0)
	account := byName(t, x.operator.Who, "account")
	x.must(lab.Run(ctx, account.Who, append(verify, "--exec", "shop/web-0", "--large-body")...), 0)
	x.must(lab.Run(ctx, account.Who, "verify.sh", "--kubeconfig", ".kube/config"), 0)
	x.must(run(dns("destroy", "account", "--yes")...), 0)

	// Closed again: nobody gets in, and the probe says why.
	x.must(run(dns("destroy", "by-name", "--yes")...), 0)
	x.refused(lab.Run(ctx, far.Who, verify...), 5, "CW-KUBE-DNS-ENDPOINT")
}

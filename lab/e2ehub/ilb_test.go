//go:build e2e

package e2ehub

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"causeway/lab/handmade"
	"causeway/lab/site"
	"causeway/lab/topology"
)

const hubNetwork = topology.HubProject + "/" + topology.HubNetwork

// balancer is the exposure by a load balancer, behind the hub.
type balancer struct {
	rig
	operator site.Who
	at       netip.AddrPort
}

func (b balancer) command(verb string, more ...string) []string {
	return append([]string{"causeway", verb, "ilb", "--location", topology.Location, "--cluster", topology.Cluster, "--name", "hub"}, more...)
}

func (b balancer) apply() {
	b.Helper()
	b.ok(lab.Run(b.ctx, b.operator, b.command("apply", "--client-cidr", topology.FarCIDR.String(), "--role", "cluster-admin",
		"--image", lab.State.NginxImage, "--hub-network", hubNetwork, "--yes")...).Want(0))
}

func (b balancer) reached(ctx context.Context) error { return reaches(ctx, b.at) }

// Each setting alone, off and on again: the far side's connections follow, causeway
// names the one that is missing and puts it right.
func TestALoadBalancerIsReachedThroughTheHub(t *testing.T) {
	r := newRig(t)
	l := r.line()
	before, err := lab.Take(r.ctx)
	r.ok(err)
	who, err := lab.Operator("hub")
	r.ok(err)
	r.routeIsRefused(who)
	b := balancer{rig: r, operator: who}
	r.after(func(ctx context.Context) error { return lab.Run(ctx, who, b.command("destroy", "--yes")...).Want(0) })
	b.apply()
	text, err := os.ReadFile(filepath.Join(who.Home, "causeway-hub.kubeconfig"))
	r.ok(err)
	far, err := lab.Far("hub", text)
	r.ok(err)
	u, err := site.Unpack(far, text)
	r.ok(err)
	b.at, err = netip.ParseAddrPort(strings.TrimPrefix(u.URL, "https://") + ":443")
	r.ok(err)
	r.passes("the load balancer", b.reached)
	r.ok(lab.Session(far, nil).Nodes(r.ctx))
	b.switches(l)
	r.ok(lab.Run(r.ctx, who, b.command("destroy", "--yes")...).Want(0))
	r.stops("the load balancer", b.reached)
	after, err := lab.Take(r.ctx)
	r.ok(err)
	if diff := before.Diff(after); len(diff) > 0 {
		t.Errorf("hub, line or cluster are not as before: %s", strings.Join(diff, "; "))
	}
}

// routeIsRefused wants the routed way refused where the line ends in the hub, and
// the one that can work named.
func (r rig) routeIsRefused(who site.Who) {
	r.Helper()
	for code, more := range map[string][]string{
		"CW-ROUTE-NO-LINE": nil, // no line ends in the cluster's VPC
		"CW-ROUTE-TRANSIT": {"--network", hubNetwork},
	} {
		for _, cluster := range topology.LineHub.Clusters() {
			got := lab.Run(r.ctx, who, append([]string{"causeway", "plan", "route", "--location", topology.Location, "--cluster", cluster,
				"--client-cidr", topology.FarCIDR.String()}, more...)...)
			r.ok(got.Want(4))
			if !strings.Contains(got.Text(), code) || !strings.Contains(got.Text(), "ilb --hub-network "+hubNetwork) {
				r.Errorf("%s: does not name %s and what can work:\n%s", got.Line, code, got.Text())
			}
		}
	}
}

func (b balancer) switches(l handmade.Line) {
	for name, s := range map[string]struct {
		off   func(context.Context) error
		drift string // what causeway names
	}{
		"the hub exports no custom routes":  {hub(false, true), "peering/" + topology.HubNetwork + "/" + handmade.ToSpoke},
		"the VPC imports no custom routes":  {spoke(true, false), "peering/" + topology.Network + "/" + handmade.ToHub},
		"the hub's router lacks the subnet": {func(ctx context.Context) error { return l.Announce(ctx, true) }, "advertisement/" + topology.Region + "/" + l.Name},
	} {
		passed := b.Run(name, func(t *testing.T) {
			b := b
			b.T = t
			b.ok(s.off(b.ctx))
			b.stops("the load balancer", b.reached)
			status := lab.Run(b.ctx, b.operator, b.command("status", "--warn-days", "0")...)
			b.ok(status.Want(4))
			if !strings.Contains(status.Stdout, "DRIFT") || !strings.Contains(status.Stdout, s.drift) {
				t.Errorf("%s: does not name %s:\n%s", status.Line, s.drift, status.Text())
			}
			b.apply()
			b.passes("the load balancer", b.reached)
		})
		if !passed {
			b.FailNow() // what follows begins with all in place
		}
	}
}

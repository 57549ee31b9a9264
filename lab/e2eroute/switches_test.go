//go:build e2e

package e2eroute

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"causeway/lab/handmade"
	"causeway/lab/site"
	"causeway/lab/topology"
)

// toggle is one switch of the configuration.
type toggle struct {
	name    string
	stops   []netip.AddrPort // what is silent when it is off
	off, on func()
}

// Each switch alone, off and on again. What it does not govern goes on meanwhile.
func TestEachSwitchStopsThePacketsThatItGoverns(t *testing.T) {
	r := newRig(t)
	r.silent(site.ByPeering, site.ByPSC) // nothing is there yet
	r.settings()
	l := r.line("switches", topology.Region, false)
	r.silent(site.ByPeering, site.ByPSC) // the far half is not
	r.ok(l.AwaitTunnels(r.ctx, "NO_INCOMING_PACKETS", change))
	r.ok(l.FarUp(r.ctx, handmade.RightKey))
	r.ok(l.Advertise(r.ctx, true, topology.MasterCIDR))
	both := []netip.AddrPort{site.ByPeering, site.ByPSC}
	r.answers(both...)
	for _, s := range r.toggles(l, both) {
		if !t.Run(s.name, func(t *testing.T) {
			outer := r.T
			r.T = t
			defer func() { r.T = outer }()
			s.off()
			r.silent(s.stops...)
			r.answers(slices.DeleteFunc(slices.Clone(both), func(a netip.AddrPort) bool { return slices.Contains(s.stops, a) })...)
			s.on()
			r.answers(both...)
		}) {
			t.FailNow() // what follows begins with all in place
		}
	}
}

func (r *rig) toggles(l handmade.Line, both []netip.AddrPort) []toggle {
	byPeering, byPSC := both[:1], both[1:]
	do := func(f func(context.Context) error) func() { return func() { r.Helper(); r.ok(f(r.ctx)) } }
	whole := do(func(ctx context.Context) error { return l.Advertise(ctx, true, topology.MasterCIDR) })
	far := do(func(ctx context.Context) error { return l.FarUp(ctx, handmade.RightKey) })
	return []toggle{
		{"the peering exports no custom routes", byPeering, func() { r.export(false) }, func() { r.export(true) }},
		{"the control plane's range is not advertised", byPeering, do(func(ctx context.Context) error { return l.Advertise(ctx, true) }), whole},
		{"the subnets are not advertised", byPSC, do(func(ctx context.Context) error { return l.Advertise(ctx, false, topology.MasterCIDR) }), whole},
		{
			"one tunnel of two is deleted", nil,
			do(func(ctx context.Context) error { return l.Cut(ctx, 1) }), do(func(ctx context.Context) error { return l.Mend(ctx, 1) }),
		},
		{
			"both tunnels are deleted", both,
			do(func(ctx context.Context) error { return l.Cut(ctx, 0, 1) }), do(func(ctx context.Context) error { return l.Mend(ctx, 0, 1) }),
		},
		{
			"the far side has other keys", both,
			func() {
				r.ok(l.FarUp(r.ctx, handmade.WrongKey))
				r.ok(l.AwaitTunnels(r.ctx, "AUTHORIZATION_ERROR", change))
			},
			func() {
				far()
				r.ok(l.AwaitTunnels(r.ctx, "ESTABLISHED", change))
			},
		},
		{"the far side is gone", both, do(lab.FarDown), far},
		{
			"the peers are disabled", both,
			do(func(ctx context.Context) error { return l.Sessions(ctx, false, 0, 1) }), do(func(ctx context.Context) error { return l.Sessions(ctx, true, 0, 1) }),
		},
		{
			"authorized networks of the peering cluster lack the far side", byPeering,
			func() { r.authorize(topology.Cluster) }, func() { r.authorize(topology.Cluster, topology.FarCIDR) },
		},
		{
			"authorized networks of the PSC cluster lack the far side", byPSC,
			func() { r.authorize(topology.PSCCluster) }, func() { r.authorize(topology.PSCCluster, topology.FarCIDR) },
		},
	}
}

// A line in another region than the control plane's: the routing mode decides
// whether there is a way back, global access whether the control plane takes it.
func TestALineInAnotherRegionTakesGlobalRoutingAndGlobalAccess(t *testing.T) {
	r := newRig(t)
	r.settings()
	l := r.line("distant", topology.FarRegion, true)
	// The endpoint too: in REGIONAL mode a router announces its own region's subnets.
	r.ok(l.Advertise(r.ctx, true, topology.MasterCIDR, netip.PrefixFrom(topology.PSCEndpoint, 32)))
	r.ok(lab.AwaitSessions(r.ctx, handmade.Tunnels, change))
	r.silent(site.ByPeering, site.ByPSC)
	r.after(func(context.Context) error { r.global(false); return nil })
	r.global(true)
	r.silent(site.ByPeering, site.ByPSC)
	r.after(func(ctx context.Context) error { return handmade.SetRouting(ctx, lab, "REGIONAL") })
	r.ok(handmade.SetRouting(r.ctx, lab, "GLOBAL"))
	r.answers(site.ByPeering, site.ByPSC)
	r.global(false)
	r.silent(site.ByPeering, site.ByPSC)
	r.global(true)
	r.answers(site.ByPeering, site.ByPSC)
	r.ok(handmade.SetRouting(r.ctx, lab, "REGIONAL"))
	r.silent(site.ByPeering, site.ByPSC)
}

// What getRouterStatus tells is what the speakers on both ends say, and what the far
// side's kernel has.
func TestStatusAndKernelAgree(t *testing.T) {
	r := newRig(t)
	l := r.line("status", topology.Region, false)
	r.ok(l.Advertise(r.ctx, true, topology.MasterCIDR))
	// By what causeway hands over: it takes the prefix that is expected, and no other.
	r.ok(l.FarUpBy(r.ctx, t.TempDir(), topology.MasterCIDR))
	r.ok(lab.AwaitSessions(r.ctx, handmade.Tunnels, change))
	r.ok(l.AwaitTunnels(r.ctx, "ESTABLISHED", change))
	answer, err := lab.GoogleCall(r.ctx, "GET", l.At("routers", l.Name)+"/getRouterStatus", nil)
	r.ok(err)
	result := answer["result"].(map[string]any)
	for _, one := range result["bgpPeerStatus"].([]any) {
		peer := one.(map[string]any)
		if peer["status"] != "UP" || peer["state"] != "Established" || peer["numLearnedRoutes"] != 1.0 {
			t.Errorf("a peer is %v", peer)
		}
	}
	if best := result["bestRoutes"].([]any); len(best) == 0 || best[0].(map[string]any)["destRange"] != topology.FarCIDR.String() {
		t.Errorf("the network's best routes are %v", best)
	}
	want := topology.MasterCIDR.String() + " via 169.254.8.1 via 169.254.9.1 src " + topology.FarHost.String()
	r.ok(lab.Await(r.ctx, "far's kernel to have the route "+want, change, func(ctx context.Context) error {
		routes, err := lab.FarRoutes(ctx)
		if err == nil && !slices.Contains(routes, want) {
			return errRoutes(routes)
		}
		return err
	}))
	routes, err := lab.FarRoutes(r.ctx)
	r.ok(err)
	for _, one := range routes {
		if strings.HasPrefix(one, topology.SubnetCIDR.String()) {
			t.Errorf("far's kernel has a route that nobody expected: %s", one)
		}
	}
	f, err := lab.Fabric(r.ctx)
	r.ok(err)
	for _, one := range f.Tunnels {
		if one.Secret != "" {
			t.Errorf("the fabric tells the key of tunnel %s", one.Name)
		}
	}
}

// errRoutes is a list of routes as an error.
type errRoutes []string

func (e errRoutes) Error() string { return "it has " + strings.Join(e, ", ") }

// What the far side's engineer got wrong is refused aloud, and changes nothing.
func TestAFarSideThatBirdDoesNotTakeIsRefused(t *testing.T) {
	r := newRig(t)
	l := r.line("refused", topology.Region, true)
	r.ok(lab.AwaitSessions(r.ctx, handmade.Tunnels, change))
	for name, conf := range map[string]string{
		"no bird.conf":           "# krt_prefsrc = 192.0.2.1;\nthis is none\n",
		"no source to be set":    "router id 192.0.2.1;\n",
		"a source set elsewhere": l.FarConf() + "# krt_prefsrc = 192.0.2.1;\n",
	} {
		if err := lab.FarUpWith(r.ctx, conf, nil); err == nil {
			t.Errorf("%s: it is taken", name)
		}
	}
	r.ok(lab.AwaitSessions(r.ctx, handmade.Tunnels, change))
}

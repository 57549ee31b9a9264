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

// way is both clusters over one line: the one behind the peering makes it, the one
// of Private Service Connect goes along.
type way struct {
	*rig
	line, psc *exposure
	router    handmade.Router
	routerWas map[string]any // before a switch was turned
	farConf   string
	farKeys   map[string]string
}

// Each switch alone, off and on again: what it governs stops, what it does not goes
// on, and causeway names it.
func TestEachSwitchIsNeededAndNamed(t *testing.T) {
	r := newRig(t)
	w := &way{rig: r}
	r.silent(site.ByPeering, site.ByPSC) // nothing is there yet
	w.open()
	r.within("far uses it", w.used)
	r.within("status, speakers and kernel agree", w.agree)
	r.within("a second apply writes nothing", w.again)
	r.within("gcloud tells what causeway made", w.gcloud)
	r.within("a far side that BIRD does not take is refused", w.refusedConf)
	both := []netip.AddrPort{site.ByPeering, site.ByPSC}
	for _, s := range w.toggles() {
		r.within(s.name, func() {
			s.off()
			r.silent(s.stops...)
			r.answers(slices.DeleteFunc(slices.Clone(both), func(a netip.AddrPort) bool { return slices.Contains(s.stops, a) })...)
			w.line.says(s.line)
			w.psc.says(s.psc)
			s.on()
			r.ok(lab.AwaitSessions(r.ctx, handmade.Tunnels, change))
			r.answers(both...)
			w.line.says(verdict{})
			w.psc.says(verdict{})
		})
	}
}

// open makes the line in the order in which two sides do it: Google's half, the far
// side's from what is handed over, then the second cluster.
func (w *way) open() {
	w.Helper()
	w.line = w.expose("line", topology.Cluster, ourLine()...)
	w.line.apply()
	w.router = w.line.router(topology.Region)
	w.line.says(verdict{waits, "CW-VPN-SILENT"})
	w.silent(site.ByPeering) // the far half is not there
	w.line.handOver()
	w.after(lab.FarDown)
	w.line.farUp()
	w.ok(lab.AwaitSessions(w.ctx, handmade.Tunnels, change))
	w.answers(site.ByPeering)
	w.psc = w.expose("psc", topology.PSCCluster)
	w.silent(site.ByPSC) // the authorized networks are not set
	w.psc.apply()
	w.psc.handOver()
	w.answers(site.ByPSC)
	w.line.says(verdict{})
	w.psc.says(verdict{})
	var err error
	w.farConf, w.farKeys, err = site.Handed(w.line.folder)
	w.ok(err)
}

func (w *way) used() {
	for _, x := range []*exposure{w.line, w.psc} {
		w.ok(lab.Run(w.ctx, x.far.Who, "causeway", "verify", "--kubeconfig", ".kube/config", "--large-body").Want(0))
		w.ok(x.far.Nodes(w.ctx))
	}
}

// again applies both a second time.
func (w *way) again() {
	before, err := lab.Take(w.ctx)
	w.ok(err)
	w.ok(lab.ResetGoogle(w.ctx))
	mark, err := lab.Watermark()
	w.ok(err)
	for _, x := range []*exposure{w.line, w.psc} {
		r := lab.Run(w.ctx, x.operator.Who, x.applying()...)
		w.ok(r.Want(0))
		if !strings.Contains(r.Stdout, "nothing to change") {
			w.Errorf("%s: does not say that nothing is to change:\n%s", r.Line, r.Text())
		}
	}
	count, err := lab.Count(w.ctx, mark)
	w.ok(err)
	if count.Writes() > 0 {
		w.Errorf("second applies made %s", count)
	}
	after, err := lab.Take(w.ctx)
	w.ok(err)
	if diff := before.Diff(after); len(diff) > 0 {
		w.Errorf("second applies changed: %s", strings.Join(diff, "; "))
	}
}

// toggle is one switch of the configuration.
type toggle struct {
	name      string
	stops     []netip.AddrPort // what is silent when it is off
	line, psc verdict          // what causeway says of each then
	off, on   func()
}

// anew makes the tunnels again. Their sessions take longer than the apply, whose look
// at the way may come before they are up.
func (w *way) anew() {
	w.Helper()
	r := lab.Run(w.ctx, w.line.operator.Who, w.line.applying()...)
	if r.Code != 0 && !strings.Contains(r.Stdout, "CW-BGP-DOWN") {
		w.ok(r.Want(0))
	}
}

func broken(code string) verdict { return verdict{closed, code} }

func (w *way) toggles() []toggle {
	byPeering, byPSC := []netip.AddrPort{site.ByPeering}, []netip.AddrPort{site.ByPSC}
	both := append(slices.Clone(byPeering), byPSC...)
	do := func(f func(context.Context) error) func() { return func() { w.Helper(); w.ok(f(w.ctx)) } }
	apply := func() { w.line.apply() }
	return append([]toggle{
		{"the peering exports no custom routes", byPeering, broken("CW-ROUTE-NOT-EXPORTED"), verdict{}, do(func(ctx context.Context) error {
			return handmade.ExchangeRoutes(ctx, lab, topology.Project, topology.Network, handmade.ClusterPeering, false, false)
		}), apply},
		{"the control plane's range is not advertised", byPeering, broken("CW-ROUTE-NOT-ANNOUNCED"), verdict{}, w.announcing("advertisedIpRanges"), apply},
		{"the subnets are not advertised", byPSC, verdict{}, broken("CW-ROUTE-NOT-ANNOUNCED"), w.announcing("advertisedGroups"), w.restored},
		{"a peer has a list of its own", both, broken("CW-BGP-PEER-CUSTOM"), broken("CW-BGP-PEER-CUSTOM"), do(func(ctx context.Context) error {
			return w.router.Peers(ctx, func(peer map[string]any) { peer["advertiseMode"] = "CUSTOM" })
		}), do(func(ctx context.Context) error {
			return w.router.Peers(ctx, func(peer map[string]any) { peer["advertiseMode"] = "DEFAULT" })
		})},
		{"the peers are disabled", both, broken("CW-BGP-DISABLED"), broken("CW-BGP-DISABLED"),
			do(func(ctx context.Context) error { return w.router.Enable(ctx, false) }), do(func(ctx context.Context) error { return w.router.Enable(ctx, true) })},
		{"one tunnel of two is deleted", nil, verdict{warns, "CW-VPN-STATE"}, verdict{},
			do(func(ctx context.Context) error { return w.router.Cut(ctx, w.line.tunnel(1)) }), apply},
		{"both tunnels are deleted", both, broken("CW-VPN-STATE"), broken("CW-ROUTE-NO-LINE"),
			do(func(ctx context.Context) error { return w.router.Cut(ctx, w.line.tunnel(0), w.line.tunnel(1)) }), w.anew},
		{"authorized networks of the peering cluster lack the far side", byPeering, broken("CW-ROUTE-NOT-AUTHORIZED"), verdict{},
			do(func(ctx context.Context) error { return handmade.Authorize(ctx, lab, topology.Cluster) }), apply},
		{"authorized networks of the PSC cluster lack the far side", byPSC, verdict{}, broken("CW-ROUTE-NOT-AUTHORIZED"),
			do(func(ctx context.Context) error { return handmade.Authorize(ctx, lab, topology.PSCCluster) }), func() { w.psc.apply() }},
		{"a static route leads elsewhere", both, broken("CW-ROUTE-ELSEWHERE"), broken("CW-ROUTE-ELSEWHERE"),
			do(func(ctx context.Context) error { return handmade.StaticRoute(ctx, lab, "elsewhere", narrower) }),
			do(func(ctx context.Context) error { return handmade.DropRoute(ctx, lab, "elsewhere") })},
	}, w.farToggles(both)...)
}

// narrower is a part of the far side's network that holds its machine.
var narrower = netip.PrefixFrom(topology.FarHost, 20).Masked()

// farToggles are what the far side can have wrong.
func (w *way) farToggles(both []netip.AddrPort) []toggle {
	up := func(conf string, keys map[string]string) func() {
		return func() { w.Helper(); w.ok(lab.FarUpWith(w.ctx, conf, keys)) }
	}
	wrong := map[string]string{}
	for tunnel, key := range w.farKeys {
		wrong[tunnel] = handmade.WrongKey(key)
	}
	right := up(w.farConf, w.farKeys)
	quiet := strings.Replace(w.farConf, "\troute "+topology.FarCIDR.String()+" unreachable;\n", "", 1)
	if quiet == w.farConf {
		w.Fatalf("the bird.conf that was handed over announces nothing:\n%s", quiet)
	}
	return []toggle{
		{"the far side has other keys", both, broken("CW-VPN-AUTH"), broken("CW-VPN-AUTH"), up(w.farConf, wrong), right},
		{"the far side is gone", both, verdict{waits, "CW-VPN-SILENT"}, broken("CW-VPN-SILENT"), func() { w.ok(lab.FarDown(w.ctx)) }, right},
		{"the far side announces nothing", both, broken("CW-ROUTE-NOT-LEARNED"), broken("CW-ROUTE-NOT-LEARNED"), up(quiet, w.farKeys), right},
	}
}

// announcing empties a part of the router's list; restored is the list as it was.
func (w *way) announcing(nothing string) func() {
	return func() {
		w.Helper()
		var err error
		w.routerWas, err = w.router.Edit(w.ctx, func(router map[string]any) { router["bgp"].(map[string]any)[nothing] = []any{} })
		w.ok(err)
	}
}

func (w *way) restored() { w.Helper(); w.ok(w.router.Restore(w.ctx, w.routerWas)) }

//go:build e2e

package e2eroute

import (
	"context"
	"strings"
	"testing"

	"causeway/lab/handmade"
	"causeway/lab/site"
	"causeway/lab/topology"
)

// A line in another region than the control plane's: the routing mode decides
// whether there is a way there and back, global access whether the control plane
// takes it. Here the cluster of Private Service Connect makes the line, and the one
// behind the peering goes along.
func TestALineInAnotherRegionTakesGlobalRoutingAndGlobalAccess(t *testing.T) {
	r := newRig(t)
	routing := func(mode string) { r.Helper(); r.ok(handmade.SetRouting(r.ctx, lab, mode)) }
	r.after(func(ctx context.Context) error { return handmade.SetRouting(ctx, lab, "REGIONAL") })
	line := r.expose("distant", topology.PSCCluster, ourLine("--vpn-region", topology.FarRegion, "--global-access")...)
	r.refused(line, "CW-ROUTE-REGIONAL")
	routing("GLOBAL")
	line.flags = ourLine("--vpn-region", topology.FarRegion)
	r.refused(line, "CW-ROUTE-GLOBAL-ACCESS")
	line.flags = append(line.flags, "--global-access")
	line.apply()
	line.handOver()
	r.after(lab.FarDown)
	line.farUp()
	r.ok(lab.AwaitSessions(r.ctx, handmade.Tunnels, change))
	along := r.expose("along", topology.Cluster, "--global-access")
	along.apply()
	line.handOver() // the line carries more now
	line.farUp()
	r.answers(site.ByPeering, site.ByPSC)
	both := func(v verdict) { r.Helper(); line.says(v); along.says(v) }
	both(verdict{})

	r.within("the routing mode is REGIONAL", func() {
		routing("REGIONAL")
		r.silent(site.ByPeering, site.ByPSC)
		both(broken("CW-ROUTE-REGIONAL"))
		routing("GLOBAL")
		r.answers(site.ByPeering, site.ByPSC)
		both(verdict{})
	})
	for _, x := range []*exposure{line, along} {
		r.within("global access of "+x.cluster+" is off", func() {
			off, other := site.ByPSC, along
			on := site.ByPeering
			if x == along {
				off, on, other = on, off, line
			}
			r.ok(handmade.SetGlobalAccess(r.ctx, lab, x.cluster, false))
			r.silent(off)
			r.answers(on)
			x.says(broken("CW-ROUTE-GLOBAL-ACCESS"))
			other.says(verdict{})
			x.apply()
			r.answers(off)
			both(verdict{})
		})
	}
}

// refused wants a plan to be refused with the code.
func (r *rig) refused(x *exposure, code string) {
	r.Helper()
	got := lab.Run(r.ctx, x.operator.Who, x.applying()...)
	r.ok(got.Want(4))
	if text := got.Text(); !strings.Contains(text, code) {
		r.Errorf("%s: does not name %s:\n%s", got.Line, code, text)
	}
}

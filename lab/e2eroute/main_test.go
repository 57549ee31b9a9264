//go:build e2e

// Package e2eroute proves that the lab's packets follow the emulator's
// configuration: each switch of it is turned off and on again over Google's REST
// APIs, and the far side asks the control plane meanwhile. causeway has no part in
// it: what moves packets here is what causeway's own tests build upon.
//
//	make e2e
package e2eroute

import (
	"context"
	"net/netip"
	"os"
	"testing"
	"time"

	"causeway/lab/handmade"
	"causeway/lab/site"
	"causeway/lab/stage"
	"causeway/lab/topology"
)

// lab is what TestMain brings up for the tests; nothing else is global.
var lab *site.Site

func TestMain(m *testing.M) {
	os.Exit(stage.Stage{
		Root: "../..", Line: topology.LineVPN,
		Open: func(_ context.Context, s *site.Site) error { lab = s; return nil },
	}.Main(m))
}

// change is how long a change of the configuration may take to have its effect:
// an operation of the emulator takes one second, a session about two.
const change = 20 * time.Second

// rig is a test with the lab.
type rig struct {
	*testing.T
	ctx context.Context
}

func newRig(t *testing.T) *rig {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	t.Cleanup(cancel)
	return &rig{t, ctx}
}

func (r *rig) ok(err error) {
	r.Helper()
	if err != nil {
		fabric, _ := lab.Fabric(context.WithoutCancel(r.ctx)) // for whoever reads the failure
		far, _ := lab.FarState(context.WithoutCancel(r.ctx))
		r.Fatalf("%v\nfabric: %+v\nfar: %+v", err, fabric, far)
	}
}

// after has something put back at the end of the test.
func (r *rig) after(back func(context.Context) error) {
	r.Cleanup(func() {
		if err := back(context.WithoutCancel(r.ctx)); err != nil {
			r.Error(err)
		}
	})
}

// answers and silent say how the control plane's addresses are to behave.
func (r *rig) answers(to ...netip.AddrPort) {
	r.Helper()
	for _, one := range to {
		r.ok(lab.AwaitAnswer(r.ctx, one, change))
	}
}

func (r *rig) silent(to ...netip.AddrPort) {
	r.Helper()
	for _, one := range to {
		r.ok(lab.AwaitSilence(r.ctx, one, change))
	}
}

// line makes a line in a region, with the far side's half when it is asked for, and
// has both gone at the end of the test.
func (r *rig) line(name, region string, far bool) handmade.Line {
	r.Helper()
	l := handmade.Line{Site: lab, Project: topology.Project, Network: topology.Network, Region: region, Name: name, ASN: 64514, FarASN: 65010}
	r.after(l.Remove)
	r.ok(l.Make(r.ctx))
	r.after(lab.FarDown)
	if far {
		r.ok(l.FarUp(r.ctx, handmade.RightKey))
	}
	return l
}

// export, authorize and global are the settings, for the table of switches.
func (r *rig) export(on bool) {
	r.Helper()
	r.ok(handmade.ExchangeRoutes(r.ctx, lab, topology.Project, topology.Network, handmade.ClusterPeering, on, false))
}

func (r *rig) authorize(cluster string, networks ...netip.Prefix) {
	r.Helper()
	r.ok(handmade.Authorize(r.ctx, lab, cluster, networks...))
}

func (r *rig) global(on bool) {
	r.Helper()
	for _, cluster := range topology.LineVPN.Clusters() {
		r.ok(handmade.SetGlobalAccess(r.ctx, lab, cluster, on))
	}
}

// settings puts all that is not the line itself in place, and back at the end.
func (r *rig) settings() {
	r.Helper()
	r.export(true)
	r.after(func(ctx context.Context) error {
		return handmade.ExchangeRoutes(ctx, lab, topology.Project, topology.Network, handmade.ClusterPeering, false, false)
	})
	for _, cluster := range topology.LineVPN.Clusters() {
		r.authorize(cluster, topology.FarCIDR)
		r.after(func(ctx context.Context) error { return handmade.Authorize(ctx, lab, cluster) })
	}
}

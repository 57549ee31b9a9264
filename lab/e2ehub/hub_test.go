//go:build e2e

// Package e2ehub proves the way through a hub: the line to the far side ends in a VPC
// that is peered with the cluster's. The routed way is refused there; a load balancer
// in the cluster's VPC is reached exactly when the two peerings exchange routes and
// the hub's router announces its subnet, which causeway sets. The line is somebody's.
//
//	make e2e
package e2ehub

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"os"
	"testing"
	"time"

	"causeway/lab/handmade"
	"causeway/lab/site"
	"causeway/lab/stage"
	"causeway/lab/topology"
)

// lab is what TestMain brings up for the test; nothing else is global.
var lab *site.Site

func TestMain(m *testing.M) {
	os.Exit(stage.Stage{
		Root: "../..", Line: topology.LineHub,
		Open: func(_ context.Context, s *site.Site) error { lab = s; return nil },
	}.Main(m))
}

const (
	change = 40 * time.Second
	// calm is how long nothing may pass for it to count as nothing.
	calm = 1500 * time.Millisecond
)

// service is a port of the node, which stands for a load balancer's address in the
// subnet.
var service = netip.AddrPortFrom(topology.NodeIP, 8088)

// serve has the service say hello to all who come.
func serve(t *testing.T) {
	t.Helper()
	l, err := lab.VPCSpace().Listen("tcp", service.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, "hello") // whoever came may have gone
			c.Close()
		}
	}()
}

// reaches tells whether the far side gets a connection.
func reaches(ctx context.Context, to netip.AddrPort) error {
	ctx, cancel := context.WithTimeout(ctx, 800*time.Millisecond)
	defer cancel()
	c, err := lab.FarSpace().Dial(ctx, "tcp", to.String())
	if err != nil {
		return err
	}
	return c.Close()
}

// visit comes to the service from the far side.
func visit(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 800*time.Millisecond)
	defer cancel()
	c, err := lab.FarSpace().Dial(ctx, "tcp", service.String())
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(time.Second)); err != nil {
		return err
	}
	text, err := io.ReadAll(c)
	if err == nil && string(text) != "hello" {
		err = errors.New("it says " + string(text))
	}
	return err
}

// rig is a test with the lab, and what both peerings are set to.
type rig struct {
	*testing.T
	ctx context.Context
}

func (r rig) ok(err error) {
	r.Helper()
	if err != nil {
		fabric, _ := lab.Fabric(context.WithoutCancel(r.ctx)) // for whoever reads the failure
		r.Fatalf("%v\nfabric: %+v", err, fabric)
	}
}

// after has something put back at the end of the test.
func (r rig) after(back func(context.Context) error) {
	r.Cleanup(func() {
		if err := back(context.WithoutCancel(r.ctx)); err != nil {
			r.Error(err)
		}
	})
}

// passes and stops say how a way from the far side is to behave.
func (r rig) passes(what string, way func(context.Context) error) {
	r.Helper()
	r.ok(lab.Await(r.ctx, what+" to answer the far side", change, way))
}

func (r rig) stops(what string, way func(context.Context) error) {
	r.Helper()
	r.ok(lab.Await(r.ctx, what+" not to answer the far side", change, func(ctx context.Context) error {
		for began := time.Now(); time.Since(began) < calm; {
			if way(ctx) == nil {
				return errors.New("it answers")
			}
		}
		return ctx.Err() // a visit that the bound cut short proves nothing
	}))
}

// hub and spoke set what each side's peering exchanges.
func hub(exports, imports bool) func(context.Context) error {
	return func(ctx context.Context) error {
		return handmade.ExchangeRoutes(ctx, lab, topology.HubProject, topology.HubNetwork, handmade.ToSpoke, exports, imports)
	}
}

func spoke(exports, imports bool) func(context.Context) error {
	return func(ctx context.Context) error {
		return handmade.ExchangeRoutes(ctx, lab, topology.Project, topology.Network, handmade.ToHub, exports, imports)
	}
}

// line makes the line that ends in the hub, with the far side's half.
func (r rig) line() handmade.Line {
	r.Helper()
	l := handmade.Line{
		Router:  handmade.Router{Site: lab, Project: topology.HubProject, Region: topology.Region, Name: "hubline"},
		Network: topology.HubNetwork, ASN: 64515, FarASN: 65010,
	}
	r.after(l.Remove)
	r.ok(l.Make(r.ctx))
	r.after(lab.FarDown)
	r.ok(l.FarUp(r.ctx, handmade.RightKey))
	r.ok(lab.AwaitSessions(r.ctx, handmade.Tunnels, change))
	return l
}

func newRig(t *testing.T) rig {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	t.Cleanup(cancel)
	return rig{t, ctx}
}

// Whatever is set: neither the control plane behind the second peering is reached,
// nor the endpoint in the subnet.
func TestNoControlPlaneIsReachedThroughTheHub(t *testing.T) {
	r := newRig(t)
	serve(t)
	r.after(hub(false, false))
	r.after(spoke(false, false))
	l := r.line()
	r.after(func(ctx context.Context) error {
		return handmade.ExchangeRoutes(ctx, lab, topology.Project, topology.Network, handmade.ClusterPeering, false, false)
	})
	r.ok(handmade.ExchangeRoutes(r.ctx, lab, topology.Project, topology.Network, handmade.ClusterPeering, true, true))
	r.ok(l.Announce(r.ctx, true, topology.SubnetCIDR, topology.MasterCIDR))
	for _, cluster := range topology.LineHub.Clusters() {
		r.after(func(ctx context.Context) error { return handmade.Authorize(ctx, lab, cluster) })
		r.ok(handmade.Authorize(r.ctx, lab, cluster, topology.FarCIDR))
	}
	r.ok(hub(true, true)(r.ctx))
	r.ok(spoke(true, true)(r.ctx))
	r.passes("the service", visit)
	for _, to := range []netip.AddrPort{site.ByPeering, site.ByPSC} {
		r.ok(lab.AwaitSilence(r.ctx, to, change))
	}
}

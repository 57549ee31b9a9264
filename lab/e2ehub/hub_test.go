//go:build e2e

// Package e2ehub proves the lab's hub: the line to the far side ends in a VPC that
// is peered with the cluster's, and packets pass exactly as the two peerings'
// settings and the hub's router say. causeway has no part in it.
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
	change = 20 * time.Second
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

func TestTheHubPassesOnWhatBothPeeringsExchange(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	serve(t)
	ok := func(err error) {
		t.Helper()
		if err != nil {
			fabric, _ := lab.Fabric(context.WithoutCancel(ctx)) // for whoever reads the failure
			t.Fatalf("%v\nfabric: %+v", err, fabric)
		}
	}
	after := func(back func(context.Context) error) {
		t.Cleanup(func() {
			if err := back(context.WithoutCancel(ctx)); err != nil {
				t.Error(err)
			}
		})
	}
	passes := func() {
		t.Helper()
		ok(lab.Await(ctx, "the service to answer the far side", change, visit))
	}
	stops := func() {
		t.Helper()
		ok(lab.Await(ctx, "the service not to answer the far side", change, func(ctx context.Context) error {
			for began := time.Now(); time.Since(began) < calm; {
				if visit(ctx) == nil {
					return errors.New("it answers")
				}
			}
			return ctx.Err()
		}))
	}
	hub := func(exports, imports bool) func(context.Context) error {
		return func(ctx context.Context) error {
			return handmade.ExchangeRoutes(ctx, lab, topology.HubProject, topology.HubNetwork, handmade.ToSpoke, exports, imports)
		}
	}
	spoke := func(exports, imports bool) func(context.Context) error {
		return func(ctx context.Context) error {
			return handmade.ExchangeRoutes(ctx, lab, topology.Project, topology.Network, handmade.ToHub, exports, imports)
		}
	}
	l := handmade.Line{Site: lab, Project: topology.HubProject, Network: topology.HubNetwork, Region: topology.Region, Name: "hubline", ASN: 64515, FarASN: 65010}
	after(l.Remove)
	ok(l.Make(ctx))
	after(lab.FarDown)
	ok(l.FarUp(ctx, handmade.RightKey))
	ok(lab.AwaitSessions(ctx, handmade.Tunnels, change))
	after(hub(false, false))
	ok(hub(true, false)(ctx))
	after(spoke(false, false))
	ok(spoke(false, true)(ctx))
	stops() // the hub's router announces the hub's own subnets alone
	ok(l.Advertise(ctx, true, topology.SubnetCIDR))
	passes()
	for _, off := range []func(context.Context) error{hub(false, false), spoke(false, false)} {
		ok(off(ctx))
		stops()
		ok(hub(true, false)(ctx))
		ok(spoke(false, true)(ctx))
		passes()
	}

	// Two peerings are never crossed, whatever is set: neither to the control plane nor
	// to the endpoint in the subnet.
	after(func(ctx context.Context) error {
		return handmade.ExchangeRoutes(ctx, lab, topology.Project, topology.Network, handmade.ClusterPeering, false, false)
	})
	ok(handmade.ExchangeRoutes(ctx, lab, topology.Project, topology.Network, handmade.ClusterPeering, true, true))
	ok(l.Advertise(ctx, true, topology.SubnetCIDR, topology.MasterCIDR))
	for _, cluster := range topology.LineHub.Clusters() {
		after(func(ctx context.Context) error { return handmade.Authorize(ctx, lab, cluster) })
		ok(handmade.Authorize(ctx, lab, cluster, topology.FarCIDR))
	}
	ok(hub(true, true)(ctx))
	ok(spoke(true, true)(ctx))
	passes()
	for _, to := range []netip.AddrPort{site.ByPeering, site.ByPSC} {
		ok(lab.AwaitSilence(ctx, to, change))
	}
}

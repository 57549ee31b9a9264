package demo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"causeway/lab/daemon"
	"causeway/lab/handmade"
	"causeway/lab/site"
	"causeway/lab/topology"
)

// hubTour is the line that ends in a hub VPC: one peering too many for the routed
// way, and none for a load balancer in the cluster's VPC.
type hubTour struct {
	stage
	operator site.Session
	before   site.Picture
}

// nameHub is the exposure through the hub; nameOffice is the line that somebody
// made there before. hubNetwork is the hub for causeway's flags.
const (
	nameHub    = "hub"
	nameOffice = "office"
	hubNetwork = topology.HubProject + "/" + topology.HubNetwork
)

func (d Demo) hubWay() act {
	return act{
		title: "Another lab: a hub VPC between far and the cluster's VPC", line: topology.LineHub, introduce: d.introduceHub,
		tour: func(on stage) tourist { return &hubTour{stage: on} },
	}
}

func (d Demo) introduceHub(daemon.State) {
	fmt.Fprintf(d.Out, `
# A line to the far side is there, and ends in %s, which is peered with the
# cluster's VPC. causeway did not make it: here plain calls of Google's APIs do.
`, hubNetwork)
}

func (t *hubTour) run(ctx context.Context) error {
	who, err := t.s.Operator("hub")
	if err != nil {
		return err
	}
	t.operator = t.s.Session(who, t.out)
	return t.parts(ctx, []part{
		{"Somebody's line into the hub", t.line},
		{"The routed way is refused: two peerings lie in between", t.refused},
		{"A load balancer, and the hub opened for it: --hub-network", t.apply},
		{"The far side, through the hub", t.use},
		{"Destroy, and the proof that hub and line are as they were", t.destroy},
	})
}

func (t *hubTour) office() handmade.Line {
	return handmade.Line{
		Router:  handmade.Router{Site: t.s, Project: topology.HubProject, Region: topology.Region, Name: nameOffice},
		Network: topology.HubNetwork, ASN: 64515, FarASN: 65010,
	}
}

func (t *hubTour) line(ctx context.Context) error {
	office := t.office()
	if err := office.Make(ctx); err != nil {
		return err
	}
	if err := office.FarUp(ctx, handmade.RightKey); err != nil {
		return err
	}
	if err := t.s.AwaitSessions(ctx, handmade.Tunnels, settle); err != nil {
		return err
	}
	var err error
	if t.before, err = untouched(ctx, t.s); err != nil {
		return err
	}
	who, err := t.s.Far("hub-nobody", nil)
	if err != nil {
		return err
	}
	fmt.Fprintf(t.out, "# the far side learns the hub's own subnet alone\n")
	hub := topology.HubCIDR.String() + " proto bird"
	if err := t.s.Await(ctx, "the hub's subnet in far's kernel", settle, func(ctx context.Context) error {
		if r := t.s.Run(ctx, who, "ip", "route"); !strings.Contains(r.Stdout, hub) {
			return errors.New("it has " + r.Text())
		}
		return nil
	}); err != nil {
		return err
	}
	_, err = t.s.Session(who, t.out).Do(ctx, "ip", "route")
	return err
}

func (t *hubTour) refused(ctx context.Context) error {
	args := append(routed(nameHub), "--client-cidr", topology.FarCIDR.String(), "--network", hubNetwork)
	r, err := t.operator.DoWith(ctx, nil, 4, command("plan", args)...)
	if err == nil && (!strings.Contains(r.Text(), "CW-ROUTE-TRANSIT") || !strings.Contains(r.Text(), "--hub-network "+hubNetwork)) {
		err = fmt.Errorf("%s: does not name what can work", r.Line)
	}
	return err
}

func (t *hubTour) apply(ctx context.Context) error {
	_, err := t.operator.Do(ctx, command("apply", named(nameHub), "--client-cidr", topology.FarCIDR.String(), "--role", "cluster-admin",
		"--image", t.s.State.NginxImage, "--hub-network", hubNetwork, "--yes")...)
	return err
}

func (t *hubTour) use(ctx context.Context) error {
	text, err := os.ReadFile(filepath.Join(t.operator.Who.Home, "causeway-"+nameHub+".kubeconfig"))
	if err != nil {
		return err
	}
	who, err := t.s.Far("demo-"+nameHub, text)
	if err != nil {
		return err
	}
	far := t.s.Session(who, t.out)
	if _, err := far.Do(ctx, "ip", "route"); err != nil {
		return err
	}
	if _, err := far.Do(ctx, "causeway", "verify", "--kubeconfig", ".kube/config", "--large-body"); err != nil {
		return err
	}
	return far.Nodes(ctx)
}

func (t *hubTour) destroy(ctx context.Context) error {
	if _, err := t.operator.Do(ctx, command("destroy", named(nameHub), "--yes")...); err != nil {
		return err
	}
	return asBefore(ctx, t.stage, t.before)
}

func (t *hubTour) leave(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), takeAwayBound)
	defer cancel()
	return errors.Join(dismantle(ctx, t.stage, t.operator.Who, nameHub, named(nameHub)), t.s.FarDown(ctx), t.office().Remove(ctx))
}

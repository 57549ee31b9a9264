//go:build e2e

// Package e2eroute proves the routed way with packets: causeway makes the line and
// its settings, the far side's half comes from what is handed over, and then each
// switch is turned off behind causeway's back and on again. The far side's requests
// must follow, and causeway must name what is missing.
//
//	make e2e
package e2eroute

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
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
// an operation of the emulator takes one second, a session about two, and some machines
// have others at work.
const change = 40 * time.Second

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

// within is part of the test, under a name of its own.
func (r *rig) within(name string, f func()) {
	outer := r.T
	passed := outer.Run(name, func(t *testing.T) {
		r.T = t
		defer func() { r.T = outer }()
		f()
	})
	if !passed {
		outer.FailNow() // what follows begins with all in place
	}
}

// answers and silent say how the control plane's addresses are to behave.
func (r *rig) answers(to ...netip.AddrPort) {
	r.Helper()
	r.each(to, lab.AwaitAnswer)
}

func (r *rig) silent(to ...netip.AddrPort) {
	r.Helper()
	r.each(to, lab.AwaitSilence)
}

func (r *rig) each(to []netip.AddrPort, await func(context.Context, netip.AddrPort, time.Duration) error) {
	r.Helper()
	errs := make([]error, len(to))
	var all sync.WaitGroup
	for i, one := range to {
		all.Go(func() { errs[i] = await(r.ctx, one, change) })
	}
	all.Wait()
	for _, err := range errs {
		r.ok(err)
	}
}

// exposure is one of the routed way that a test makes.
type exposure struct {
	*rig
	name, cluster string
	flags         []string // of plan and apply
	operator, far site.Session
	folder        string // where the far side has what was handed over for the line
}

// expose prepares an exposure, and has it destroyed at the end of the test.
func (r *rig) expose(name, cluster string, flags ...string) *exposure {
	r.Helper()
	who, err := lab.Operator(name)
	r.ok(err)
	x := &exposure{rig: r, name: name, cluster: cluster, flags: flags, operator: lab.Session(who, nil)}
	r.after(func(ctx context.Context) error {
		if err := lab.Run(ctx, x.operator.Who, x.command("destroy", "--yes")...).Want(0); err != nil {
			return err
		}
		after, err := lab.Take(ctx)
		if left := after.Mentions("causeway-" + name); err == nil && len(left) > 0 {
			err = fmt.Errorf("after destroy: left of it: %s", strings.Join(left, "; "))
		}
		return err
	})
	return x
}

// ourLine are the flags by which causeway makes a line.
func ourLine(more ...string) []string {
	return append([]string{"--vpn", "--peer", "other", "--peer-asn", "65010", "--psk-dir", "keys", "--peer-address", "198.51.100.1,198.51.100.2"}, more...)
}

func (x *exposure) command(verb string, more ...string) []string {
	return append([]string{"causeway", verb, "route", "--location", topology.Location, "--cluster", x.cluster, "--name", x.name}, more...)
}

// applying is the command of an apply.
func (x *exposure) applying(more ...string) []string {
	args := x.command("apply", "--client-cidr", topology.FarCIDR.String(), "--role", "cluster-admin", "--yes")
	return append(append(args, x.flags...), more...)
}

func (x *exposure) apply() {
	x.Helper()
	x.ok(lab.Run(x.ctx, x.operator.Who, x.applying()...).Want(0))
}

// handOver carries what causeway hands over to an empty home of the far side.
func (x *exposure) handOver() {
	x.Helper()
	x.ok(lab.Run(x.ctx, x.operator.Who, x.command("handoff")...).Want(0))
	who, err := lab.Far(x.name, nil)
	x.ok(err)
	x.far = lab.Session(who, nil)
	x.folder, err = x.far.Receive(x.ctx, filepath.Join(x.operator.Who.Home, "handoff-"+x.name+".tar.gz"))
	x.ok(err)
}

// farUp starts the far side's half from it.
func (x *exposure) farUp() {
	x.Helper()
	x.ok(lab.FarUp(x.ctx, x.folder))
}

// verdict is what causeway verify is to say of a way: a hop's verdict and its code.
// The zero one is that all hops are well.
type verdict struct{ worst, code string }

// How a hop stands, in causeway's words.
const (
	good   = "ok"
	warns  = "warns"
	waits  = "waits"
	closed = "broken"
)

// hop is one of causeway's.
type hop struct{ Way, Name, Verdict, Code string }

func (v verdict) exit() int {
	if v.worst == closed {
		return 5
	}
	return 0
}

// says has causeway verify the way, and wants its verdict.
func (x *exposure) says(want verdict) {
	x.Helper()
	r := lab.Run(x.ctx, x.operator.Who, x.command("verify", "-o", "json")...)
	x.ok(r.Want(want.exit()))
	var answer struct{ Trace struct{ Hops []hop } }
	if err := json.Unmarshal([]byte(r.Stdout), &answer); err != nil {
		x.Fatalf("%s: %v:\n%s", r.Line, err, r.Text())
	}
	hops := answer.Trace.Hops
	ok := slices.ContainsFunc(hops, func(h hop) bool { return h.Verdict == want.worst && h.Code == want.code })
	if want == (verdict{}) {
		ok = len(hops) > 0 && !slices.ContainsFunc(hops, func(h hop) bool { return h.Verdict != good })
	}
	if !ok {
		x.Errorf("%s: not %+v:\n%s", r.Line, want, r.Stdout)
	}
}

// router is somebody's hand on the router of a line that causeway made.
func (x *exposure) router(region string) handmade.Router {
	return handmade.Router{Site: lab, Project: topology.Project, Region: region, Name: "causeway-" + x.name}
}

// tunnel is the name of a tunnel of the line.
func (x *exposure) tunnel(i int) string { return fmt.Sprintf("causeway-%s-%d", x.name, i) }

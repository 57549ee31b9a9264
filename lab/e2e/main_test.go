//go:build e2e

// Package e2e is the demo as tests, and more: the built causeway against a real
// node, real packets and the emulator, in one lab that all tests share.
//
//	make e2e
package e2e

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"causeway/lab/site"
	"causeway/lab/stage"
	"causeway/lab/topology"
)

// lab is what TestMain brings up for the tests; nothing else is global.
var lab *site.Site

func TestMain(m *testing.M) {
	os.Exit(stage.Stage{
		Root:     "../..",
		Parallel: 4, // they wait more than they compute
		Open: func(ctx context.Context, s *site.Site) error {
			lab = s
			return lab.OpenShop(ctx)
		},
	}.Main(m))
}

// exposure is one that a test makes, under a name of its own.
type exposure struct {
	t        *testing.T
	name     string
	operator site.Session
	far      site.Session // after apply
	text     []byte       // the kubeconfig
}

// bound is how long anything in a test may take; what takes longer hangs.
const bound = 4 * time.Minute

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	t.Cleanup(cancel)
	return ctx
}

// begin prepares an exposure, and at the end of the test destroys what is left
// of it and looks whether cloud and cluster still know its name. That they are as
// before in all is looked at when all tests have ended: some run at the same time.
func begin(t *testing.T, name string) *exposure {
	t.Helper()
	x := &exposure{t: t, name: name, operator: person(t, name)}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), bound)
		defer cancel()
		if r := lab.Run(ctx, x.operator.Who, x.command("destroy", "--yes")...); r.Code != 0 {
			t.Errorf("destroy:\n%s", r.Text())
		}
		after, err := lab.Take(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if left := after.Mentions(x.namespace()); len(left) > 0 {
			t.Errorf("after destroy: left of it: %s", strings.Join(left, "; "))
		}
	})
	return x
}

func person(t *testing.T, name string) site.Session {
	t.Helper()
	who, err := lab.Operator(name)
	if err != nil {
		t.Fatal(err)
	}
	return lab.Session(who, nil)
}

// command is a causeway command on this exposure.
func (x *exposure) command(verb string, more ...string) []string {
	args := append([]string{"causeway"}, strings.Fields(verb)...)
	args = append(args, "ilb", "--location", topology.Location, "--cluster", topology.Cluster, "--name", x.name)
	return append(args, more...)
}

// applying is the command of an apply.
func (x *exposure) applying(more ...string) []string {
	return x.command("apply", append([]string{"--client-cidr", topology.FarCIDR.String(), "--image", lab.State.NginxImage, "--role", "cluster-admin", "--yes"}, more...)...)
}

// apply applies and carries the kubeconfig to an empty home of the far side.
func (x *exposure) apply(ctx context.Context, more ...string) {
	x.t.Helper()
	x.must(lab.Run(ctx, x.operator.Who, x.applying(more...)...), 0)
	x.carry()
}

func (x *exposure) carry() {
	x.t.Helper()
	var err error
	if x.text, err = os.ReadFile(filepath.Join(x.operator.Who.Home, "causeway-"+x.name+".kubeconfig")); err != nil {
		x.t.Fatal(err)
	}
	who, err := lab.Far(x.name, x.text)
	if err != nil {
		x.t.Fatal(err)
	}
	x.far = lab.Session(who, nil)
}

func (x *exposure) must(r site.Result, code int) site.Result {
	x.t.Helper()
	if err := r.Want(code); err != nil {
		x.t.Fatal(err)
	}
	return r
}

func (x *exposure) ok(err error) {
	x.t.Helper()
	if err != nil {
		x.t.Fatal(err)
	}
}

func (x *exposure) unpack() site.Unpacked {
	x.t.Helper()
	u, err := site.Unpack(x.far.Who, x.text)
	x.ok(err)
	return u
}

func (x *exposure) namespace() string { return "causeway-" + x.name }

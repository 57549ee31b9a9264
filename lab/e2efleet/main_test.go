//go:build e2e

// Package e2efleet tests the fleet's two ways in a lab with two clusters: Connect
// Gateway, by which somebody of the far side reaches the first cluster as himself, and
// multi-cluster Services, by which Pods of the second do by a name.
//
//	make e2e
package e2efleet

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"causeway/lab/site"
	"causeway/lab/stage"
	"causeway/lab/topology"
)

// lab is what TestMain brings up, operator who works in it.
var (
	lab      *site.Site
	operator site.Session
)

func TestMain(m *testing.M) {
	os.Exit(stage.Stage{
		Root: "../..",
		Line: topology.LineFleet,
		Open: func(ctx context.Context, s *site.Site) error {
			lab = s
			who, err := s.Operator("fleet")
			if err != nil {
				return err
			}
			operator = s.Session(who, nil)
			return s.OpenShop(ctx)
		},
	}.Main(m))
}

// bound is how long anything in a test may take; what takes longer hangs.
const bound = 4 * time.Minute

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	t.Cleanup(cancel)
	return ctx
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// on is a command on an exposure of the first cluster by a method, under the method's
// usual name.
func on(verb, method string, more ...string) []string {
	return append([]string{"causeway", verb, method, "--location", topology.Location, "--cluster", topology.Cluster}, more...)
}

// must runs a command of the operator's.
func must(t *testing.T, ctx context.Context, args ...string) site.Result {
	t.Helper()
	r := lab.Run(ctx, operator.Who, args...)
	ok(t, r.Want(0))
	return r
}

// refused runs a command that must end with the code and name the cause.
func refused(t *testing.T, r site.Result, code int, cause string) {
	t.Helper()
	if r.Code != code || !strings.Contains(r.Text(), cause) {
		t.Errorf("%s: exit %d, want %d with %s:\n%s", r.Line, r.Code, code, cause, r.Text())
	}
}

// TestTheFleetsWays has the tests of both ways share one exposure by ilb, which takes its
// time to end: its Pods of before are drained meanwhile. That nothing is left of it is
// looked at when all has ended.
func TestTheFleetsWays(t *testing.T) {
	ctx := within(t)
	refused(t, lab.Run(ctx, operator.Who, on("apply", "mcs", append(importer, "--yes")...)...), 4, "CW-MCS-NO-ILB")
	must(t, ctx, on("apply", "ilb", "--client-cidr", topology.FarCIDR.String(), "--image", lab.State.NginxImage, "--yes")...)
	destroys(t, on("destroy", "ilb", "--yes")...)
	t.Run("another cluster reaches the API server by name", anotherCluster)
	t.Run("a headless Service answers by its Pods", headless)
	t.Run("who is let through the gateway", throughTheGateway)
}

// leavesNothing looks, at the end of the test, whether cloud and clusters are as they are
// now, but for what is in the namespace of the exposure by ilb.
func leavesNothing(t *testing.T, ctx context.Context) {
	t.Helper()
	before, err := lab.Take(ctx)
	ok(t, err)
	t.Cleanup(func() {
		after, err := lab.Take(context.WithoutCancel(ctx))
		if err != nil {
			t.Error(err)
			return
		}
		diff := slices.DeleteFunc(before.Diff(after), func(line string) bool { return strings.Contains(line, " causeway-"+topology.Cluster+"/") })
		if len(diff) > 0 {
			t.Errorf("left or changed:\n%s", strings.Join(diff, "\n"))
		}
	})
}

// destroys takes an exposure away at the end of the test, where it has not before.
func destroys(t *testing.T, args ...string) {
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), bound)
		defer cancel()
		if err := lab.Run(ctx, operator.Who, args...).Want(0); err != nil {
			t.Error(err)
		}
	})
}

// changesNothing applies a second time: no write, at most 30 requests.
func changesNothing(t *testing.T, ctx context.Context, args ...string) {
	t.Helper()
	ok(t, lab.ResetGoogle(ctx))
	mark, err := lab.Watermark()
	ok(t, err)
	if r := must(t, ctx, args...); !strings.Contains(r.Stdout, "nothing to change") {
		t.Errorf("a second apply does not say that nothing is to change:\n%s", r.Text())
	}
	count, err := lab.Count(ctx, mark)
	ok(t, err)
	if count.Writes() > 0 {
		t.Errorf("a second apply made %s", count)
	}
	t.Log(count)
}

func kubeconfig(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(operator.Who.Home, fmt.Sprintf("causeway-%s-%s.kubeconfig", topology.Cluster, name)))
	ok(t, err)
	return text
}

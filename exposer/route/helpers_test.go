package route

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"causeway/exposer"
	"causeway/exposer/conformance"
)

// Where the seeds' things lie.
const (
	lab       = "projects/lab-project"
	networkAt = lab + "/global/networks/default"
	west3     = lab + "/regions/europe-west3"
	west4     = lab + "/regions/europe-west4"
	routerAt  = west3 + "/routers/cr-line"
	clusterAt = lab + "/locations/europe-west3/clusters/private-cluster"
	pscAt     = lab + "/locations/europe-west3/clusters/psc-cluster"
	peering   = "gke-n2f8c1d5e7a9b3c4d6e8-4b2a-9c1d-peer"
	master    = "192.168.50.0/28"
	client    = "172.31.0.0/16"
)

// The same steps in each exposure.
const (
	peeringStep    = "peering/default/" + peering
	announceStep   = "advertisement/europe-west3/cr-line"
	authorizedStep = "authorized-networks/private-cluster"
	globalStep     = "global-access/private-cluster"
)

func psc(s *exposer.Spec) { s.Cluster.Name = "psc-cluster" }

// world is a seed with an exposure whose name is the test's.
func world(t *testing.T, seed string, spec exposer.Spec, edit ...func(*exposer.Spec)) *conformance.World {
	t.Helper()
	return worldOf(t, conformance.Options{Seed: seed}, spec, edit...)
}

func worldOf(t *testing.T, o conformance.Options, spec exposer.Spec, edit ...func(*exposer.Spec)) *conformance.World {
	t.Helper()
	o.NoController = true
	return conformance.Fresh(t, spec, o, edit...)
}

// beside is another exposure in the same world.
func beside(t *testing.T, w *conformance.World, edit ...func(*exposer.Spec)) *conformance.World {
	t.Helper()
	second := *w
	second.Spec.Name, second.Spec.Namespace = w.Spec.Name+"b", ""
	second.Spec.Route = &exposer.Route{}
	for _, change := range edit {
		change(&second.Spec)
	}
	second.Spec = second.Spec.WithDefaults()
	c := second.Spec.Cluster
	if err := w.Google.SetClusterCA(c.Project, c.Location, c.Name, w.Server.CA); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { clean(t, &second) })
	return &second
}

func clean(t *testing.T, w *conformance.World) { w.Clear(t) }

func apply(t testing.TB, w *conformance.World) exposer.Plan {
	t.Helper()
	return w.Applied(t, Method{})
}

// unchanged applies again and fails the test when there was anything to do.
func unchanged(t testing.TB, w *conformance.World) {
	t.Helper()
	w.Unchanged(t, Method{})
}

func destroy(t testing.TB, w *conformance.World) map[string]exposer.DestroyItem {
	t.Helper()
	return w.Destroyed(t, Method{})
}

// todo lists what a plan does: "change router/europe-west3/cr".
var todo = conformance.Todo

// open opens the exposure, as a verb would.
func open(t testing.TB, w *conformance.World) *exposure {
	t.Helper()
	return w.Opened(t, Method{}).(*exposure)
}

// trace looks at the way as `verify` does.
func trace(t testing.TB, w *conformance.World) exposer.Trace {
	t.Helper()
	way, err := open(t, w).Trace(t.Context())
	if err != nil {
		t.Fatalf("trace: %v", err)
	}
	return way
}

// passes fails the test unless the whole way is good.
func passes(t testing.TB, w *conformance.World) {
	t.Helper()
	way := trace(t, w)
	for _, h := range way.Hops {
		if h.Verdict != exposer.Good {
			t.Errorf("%s way, %s is %s: %s", h.Way, h.Name, h.Verdict, h.Text)
		}
	}
	if err := way.Err(); err != nil {
		t.Error(err)
	}
}

// breaks fails the test unless the trace says that the way is broken, at hops with
// these codes and at no other.
func breaks(t testing.TB, w *conformance.World, codes ...string) exposer.Trace {
	t.Helper()
	way := trace(t, w)
	var got []string
	for _, h := range way.Hops {
		if h.Verdict == exposer.Broken {
			got = append(got, h.Code)
			if h.Code == "" {
				t.Errorf("a broken hop without a code: %+v", h)
			}
		}
	}
	slices.Sort(got)
	slices.Sort(codes)
	if got = slices.Compact(got); !slices.Equal(got, codes) {
		t.Errorf("the way is broken by %q, want %q:\n%v", got, codes, way.Err())
	}
	return way
}

// refused plans and returns what stands in the way, each problem as "CODE text";
// it fails the test where a problem has no cure.
func refused(t testing.TB, w *conformance.World) []string {
	t.Helper()
	var all []string
	for _, p := range w.Refused(t, Method{}) {
		all = append(all, p.Code+" "+p.Text+" FIX "+p.Fix)
	}
	slices.Sort(all)
	return all
}

// want compares problems with parts of them, one each, in any order.
func want(t testing.TB, got []string, parts ...string) {
	t.Helper()
	left := slices.Clone(got)
	for _, part := range parts {
		at := slices.IndexFunc(left, func(problem string) bool { return strings.Contains(problem, part) })
		if at < 0 {
			t.Errorf("no problem says %q: %q", part, left)
			continue
		}
		left = slices.Delete(left, at, at+1)
	}
	if len(left) > 0 {
		t.Errorf("further problems: %q", left)
	}
}

var wantCode = conformance.WantCode

// forget loses the exposure's record, on this machine and in the cluster.
func forget(t testing.TB, w *conformance.World) {
	t.Helper()
	if err := os.RemoveAll(filepath.Join(w.Dir, "state")); err != nil {
		t.Fatal(err)
	}
	client, err := dynamic.NewForConfig(w.Server.Config)
	if err != nil {
		t.Fatal(err)
	}
	configMaps := client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}).Namespace(w.Spec.Namespace)
	if err := configMaps.Delete(t.Context(), "causeway-record", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
}

// asked lists the bodies of the calls of a method, since the log was emptied.
func asked(w *conformance.World, method string) []string {
	var bodies []string
	for _, request := range w.Google.Requests() {
		if request.Method == method {
			bodies = append(bodies, request.Body)
		}
	}
	return bodies
}

// onStart is a Progress that acts when a step starts.
type onStart struct{ do func(id string) }

func (o onStart) Start(id, _ string)               { o.do(id) }
func (onStart) Note(string, string)                {}
func (onStart) Done(string, time.Duration, string) {}
func (onStart) Fail(string, error)                 {}

// problemsOf are what a *PreconditionError says.
func problemsOf(t testing.TB, err error) []exposer.Problem {
	t.Helper()
	var missing *exposer.PreconditionError
	if !errors.As(err, &missing) {
		t.Fatalf("error is no *PreconditionError but %T: %v", err, err)
	}
	return missing.Problems
}

package route

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"causeway/exposer"
	"causeway/exposer/conformance"
	"causeway/internal/explain"
	"causeway/internal/gcptest"
)

// cloudState is Google's side after an apply, without what an exposure's name puts
// into it: the name decides on the links.
func cloudState(w *conformance.World) string {
	text := string(w.Google.SnapshotWithout(append(gcptest.Volatile(), "labelFingerprint", "fingerprint", "createTime")...))
	text = strings.ReplaceAll(text, w.Spec.Name, "NAME")
	return regexp.MustCompile(`169\.254\.[0-9]+\.[0-9]+`).ReplaceAllString(text, "LINK")
}

// Kinds of trouble at a call. Without a number of times they last longer than a
// call is repeated.
var (
	refusal403 = gcptest.Fault{Status: http.StatusForbidden, Reason: "forbidden", Message: "Required 'compute.some.thing' permission for 'it'"}
	outage     = gcptest.Fault{CutOff: true}
	cutAfter   = gcptest.Fault{CutOff: true, AfterEffect: true}
	glitch     = gcptest.Fault{CutOff: true, Times: 1}
	cutOnce    = gcptest.Fault{CutOff: true, AfterEffect: true, Times: 1}
	late       = gcptest.Fault{Delay: 300 * time.Millisecond}
	operation  = gcptest.Fault{OperationError: &gcptest.OperationError{Code: "INTERNAL_ERROR", Message: "try again"}}
)

// passable says whether a kind of trouble is overcome without an error.
func passable(f gcptest.Fault) bool { return f.Delay > 0 || f.Times == 1 }

// optional are calls that may be refused: what they would tell is then not known,
// and no obstacle.
var optional = []string{"container.projects.locations.clusters.list", "compute.vpnTunnels.aggregatedList",
	"compute.interconnectAttachments.aggregatedList", "compute.routes.list", "compute.networks.listPeeringRoutes"}

// writes reports whether a method of Google's changes something.
func writes(method string) bool {
	return slices.ContainsFunc([]string{".insert", ".patch", ".delete", ".update", ".updatePeering"}, func(verb string) bool { return strings.HasSuffix(method, verb) })
}

// calls are the methods that were called, each once.
func calls(w *conformance.World) []string {
	var all []string
	for _, request := range w.Google.Requests() {
		all = append(all, request.Method)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func TestEveryGoogleCallMeetsTrouble(t *testing.T) {
	t.Parallel()
	t.Run("with a line of its own", func(t *testing.T) {
		t.Parallel()
		everyCall(t, "route", newLine(), func(string) bool { return true })
	})
	t.Run("on a line that is there", func(t *testing.T) {
		t.Parallel()
		everyCall(t, "route-line", labSpec(), writes) // what is read, the other one reads too
	})
}

func everyCall(t *testing.T, seed string, spec exposer.Spec, these func(method string) bool) {
	clean := world(t, seed, spec)
	run := func(w *conformance.World) error { return applyAndTrace(t, w) }
	if err := run(clean); err != nil {
		var broken *exposer.TraceError
		if !errors.As(err, &broken) {
			t.Fatal(err)
		}
	}
	wanted, applied := cloudState(clean), calls(clean)
	clean.Google.ResetRequests()
	destroy(t, clean)
	destroyed := calls(clean)
	for _, method := range slices.Compact(slices.Sorted(slices.Values(slices.Concat(applied, destroyed)))) {
		if !these(method) {
			continue
		}
		kinds := map[string][]gcptest.Fault{"on a read": {refusal403, outage, glitch, late}}
		if writes(method) {
			kinds = map[string][]gcptest.Fault{"refused": {refusal403}, "cut off after the effect": {cutAfter}, "cut off once": {cutOnce, late}, "failed operation": {operation}}
		}
		for kind, faults := range kinds {
			t.Run(method+" "+kind, func(t *testing.T) {
				t.Parallel()
				w := world(t, seed, spec)
				before := w.State()
				for i, fault := range faults {
					met(t, w, method, fault, i == 0 && slices.Contains(applied, method), func() error { return run(w) })
				}
				apply(t, w)
				unchanged(t, w)
				if diff := cmp.Diff(wanted, cloudState(w)); diff != "" {
					t.Errorf("Google's side is not as after an apply without trouble (-want +got):\n%s", diff)
				}
				for i, fault := range faults {
					met(t, w, method, fault, i == 0 && slices.Contains(destroyed, method), func() error { _, err := w.Destroy(t.Context(), Method{}); return err })
				}
				destroy(t, w)
				w.Gone(t, before)
			})
		}
	}
}

// applyAndTrace is what the verb apply does, without a probe. A line whose far side
// is not there waits, which is no error.
func applyAndTrace(t testing.TB, w *conformance.World) error {
	if _, err := w.Apply(t.Context(), Method{}); err != nil {
		return err
	}
	job, err := w.Job(Method{})
	if err != nil {
		return err
	}
	x, err := Method{}.Open(t.Context(), w.Spec, job.Deps)
	if err != nil {
		return err
	}
	way, err := x.(exposer.Traced).Trace(t.Context())
	if err != nil {
		return err
	}
	return way.Err()
}

// met runs a verb that may meet a fault at a call, and surely does when it is the
// first one, and looks at how it ends.
func met(t testing.TB, w *conformance.World, method string, fault gcptest.Fault, first bool, run func() error) {
	t.Helper()
	fault.Match = "^" + regexp.QuoteMeta(method) + " "
	w.Google.Inject(fault)
	defer w.Google.ClearFaults()
	err := run()
	switch {
	case passable(fault):
		if err != nil {
			t.Errorf("%s meets %+v: %v", method, fault, err)
		}
	case err == nil:
		if first && !slices.Contains(optional, method) {
			t.Errorf("%s meets %+v: no error", method, fault)
		}
	case explain.CodeOf(err) == "" && fault.OperationError == nil:
		t.Errorf("%s meets %+v: an error without a code: %v", method, fault, err)
	case strings.Contains(err.Error(), "a.key_that.tests.share"):
		t.Errorf("the error tells the pre-shared key: %v", err)
	case fault.Status == http.StatusForbidden && !strings.Contains(err.Error(), "compute.some.thing"):
		t.Errorf("the error does not name the permission: %v", err)
	}
}

func TestEachMissingPermissionIsNamed(t *testing.T) {
	t.Parallel()
	w := world(t, "route", newLine())
	all := slices.Concat([]string{"container.clusters.get", "container.clusters.update", "container.operations.get"},
		networkPermissions, peeringPermissions, vpnPermissions)
	slices.Sort(all)
	all = slices.Compact(all)
	line := func(permission string) string {
		return fmt.Sprintf("CW-GCP-PERMISSION permission %s is missing on project lab-project", permission)
	}
	for _, permission := range all {
		w.Google.Deny(permission)
		t.Run(permission, func(t *testing.T) { want(t, refused(t, w), line(permission)) })
		w.Google.Allow(permission)
	}
	var lines []string
	for _, permission := range all {
		w.Google.Deny(permission)
		if !slices.Contains([]string{"container.clusters.update", "container.operations.get"}, permission) { // whether they are needed, the cluster tells
			lines = append(lines, line(permission))
		}
	}
	t.Run("all at once", func(t *testing.T) {
		problems := refused(t, w)
		for _, one := range []string{"container.clusters.get", "compute.networks.get", "compute.routers.create", "compute.vpnTunnels.create", "compute.externalVpnGateways.use"} {
			if !slices.ContainsFunc(problems, func(p string) bool { return strings.HasPrefix(p, line(one)) }) {
				t.Errorf("%s is not named: %q", one, problems)
			}
		}
		if len(problems) < len(lines)-len(peeringPermissions) {
			t.Errorf("%d problems, want about %d: %q", len(problems), len(lines), problems)
		}
	})
	for _, permission := range all {
		w.Google.Allow(permission)
	}
}

func TestPermissionsAreAskedForWhereTheyAreNeeded(t *testing.T) {
	t.Parallel()
	w := world(t, "route-shared", labSpec(), shared)
	before := w.State()
	for _, permission := range slices.Concat([]string{"container.clusters.get", "container.clusters.update", "container.operations.get"}, networkPermissions, peeringPermissions, routerPermissions) {
		where, elsewhere := "host-project", "service-project"
		if strings.HasPrefix(permission, "container.") {
			where, elsewhere = elsewhere, where
		}
		w.Google.Deny(permission, where)
		t.Run(permission, func(t *testing.T) {
			want(t, refused(t, w), fmt.Sprintf("CW-GCP-PERMISSION permission %s is missing on project %s", permission, where))
		})
		w.Google.Allow(permission)
		w.Google.Deny(permission, elsewhere) // where it is not needed
	}
	for _, permission := range vpnPermissions { // no line is made
		if !slices.Contains(slices.Concat(routerPermissions, peeringPermissions), permission) {
			w.Google.Deny(permission)
		}
	}
	apply(t, w)
	destroy(t, w)
	w.Gone(t, before)
}

func TestAClusterBehindPrivateServiceConnectTakesNoRightsOnRouters(t *testing.T) {
	t.Parallel()
	w := world(t, "route-line", labSpec(), psc)
	before := w.State()
	for _, permission := range slices.Concat(peeringPermissions[:1], routerPermissions) {
		w.Google.Deny(permission)
	}
	apply(t, w)
	destroy(t, w)
	w.Gone(t, before)
}

func TestEachAPIThatIsOffIsNamed(t *testing.T) {
	t.Parallel()
	w := world(t, "route-shared", labSpec(), shared)
	for project, apis := range map[string][]string{"service-project": {"container.googleapis.com"}, "host-project": {"compute.googleapis.com"}} {
		for _, api := range apis {
			w.Google.Disable(project, api)
			problems := refused(t, w)
			if !slices.ContainsFunc(problems, func(p string) bool {
				return strings.HasPrefix(p, "CW-GCP-API-DISABLED the API "+api+" is not enabled in project "+project)
			}) {
				t.Errorf("%s of %s is not named: %q", api, project, problems)
			}
			w.Google.Enable(project, api)
		}
	}
}

func TestInterruptedAtEveryStep(t *testing.T) {
	t.Parallel()
	steps := open(t, world(t, "route", newLine())).Steps()
	for i, step := range steps {
		t.Run(fmt.Sprint(i, " ", strings.Split(step.ID(), "/")[0]), func(t *testing.T) {
			t.Parallel()
			w := world(t, "route", newLine())
			before := w.State()
			at := open(t, w).Steps()[i].ID()
			interrupt := func(run func(context.Context) error) {
				t.Helper()
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				w.Progress = onStart{func(id string) {
					if id == at {
						cancel()
					}
				}}
				var interrupted *exposer.Interrupted
				if err := run(ctx); !errors.As(err, &interrupted) {
					t.Fatalf("interrupted: %v", err)
				}
				w.Progress = exposer.Quiet{}
			}
			interrupt(func(ctx context.Context) error { _, err := w.Apply(ctx, Method{}); return err })
			apply(t, w)
			unchanged(t, w)
			interrupt(func(ctx context.Context) error { _, err := w.Destroy(ctx, Method{}); return err })
			destroy(t, w)
			w.Gone(t, before)
		})
	}
}

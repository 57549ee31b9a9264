package route

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"causeway/exposer"
	"causeway/exposer/conformance"
)

func TestEveryGoogleCallMeetsTrouble(t *testing.T) {
	t.Parallel()
	for about, c := range map[string]struct {
		seed string
		spec exposer.Spec
		only func(string) bool
	}{
		"with a line of its own":  {"route", newLine(), nil},
		"on a line that is there": {"route-line", labSpec(), conformance.Writes}, // what is read, the other one reads too
	} {
		t.Run(about, func(t *testing.T) {
			t.Parallel()
			conformance.EveryCall(t, conformance.Trouble{Method: Method{}, Apply: applyAndTrace, Only: c.only,
				World: func(t *testing.T) *conformance.World { return world(t, c.seed, c.spec) },
				// What these would tell is then not known, and no obstacle.
				Optional: []string{"container.projects.locations.clusters.list", "compute.vpnTunnels.aggregatedList",
					"compute.interconnectAttachments.aggregatedList", "compute.routes.list", "compute.networks.listPeeringRoutes"},
				Varies: regexp.MustCompile(`169\.254\.[0-9]+\.[0-9]+`)}) // the name decides on the links
		})
	}
}

// applyAndTrace is what the verb apply does, without a probe. A line whose far side
// is not there waits, which is no error.
func applyAndTrace(t testing.TB, w *conformance.World) error {
	if _, err := w.Apply(t.Context(), Method{}); err != nil {
		return err
	}
	x, err := Method{}.Open(t.Context(), w.Spec, w.JobOf(t, Method{}).Deps)
	if err != nil {
		return err
	}
	way, err := x.(exposer.Traced).Trace(t.Context())
	if err != nil {
		return err
	}
	return way.Err()
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
	conformance.InterruptedAtEveryStep(t, Method{}, func(t *testing.T) *conformance.World { return world(t, "route", newLine()) })
}

package gateway

import (
	"net/http"
	"slices"
	"testing"

	"causeway/exposer"
	"causeway/exposer/conformance"
	"causeway/internal/explain"
	"causeway/internal/gcptest"
)

// TestEveryGoogleCallMeetsTrouble strikes each method that an apply and a destroy
// call, in each way: what passes by itself is overcome, the rest is told with its
// code, and the same command goes on afterwards.
func TestEveryGoogleCallMeetsTrouble(t *testing.T) {
	t.Parallel()
	kinds := map[string]struct {
		fault  gcptest.Fault
		passes bool
	}{
		"refused":                {gcptest.Fault{Status: http.StatusForbidden, Reason: "forbidden", Message: "Permission 'gkehub.some.thing' denied on resource (or it may not exist)."}, false},
		"cut off":                {gcptest.Fault{CutOff: true}, false},
		"its answer lost once":   {gcptest.Fault{CutOff: true, AfterEffect: true, Times: 1}, true},
		"an answer of 500, once": {gcptest.Fault{Status: http.StatusInternalServerError, Reason: "backendError", Times: 1}, true},
	}
	spec := with(forAlice(), func(o *exposer.Gateway) { o.Members = append(o.Members, bob) })
	for _, method := range []string{"gkehub.projects.locations.memberships.list", "gkehub.projects.locations.memberships.get",
		"gkehub.projects.locations.memberships.create", "gkehub.projects.locations.memberships.delete",
		"cloudresourcemanager.projects.getIamPolicy", "cloudresourcemanager.projects.setIamPolicy", "cloudresourcemanager.projects.testIamPermissions",
		"iam.roles.get", "serviceusage.services.batchGet", "serviceusage.services.batchEnable", "connectgateway.projects.locations.memberships.generateCredentials"} {
		for about, kind := range kinds {
			t.Run(method+" "+about, func(t *testing.T) {
				t.Parallel()
				w := worldOf(t, spec, conformance.Options{Speed: 60})
				bare(t, w)
				before := w.State()
				fault := kind.fault
				fault.Match = "^" + method + " "
				w.Google.Inject(fault)
				_, err := w.Apply(t.Context(), Method{})
				met := slices.ContainsFunc(w.Google.Requests(), func(r gcptest.Request) bool { return r.Method == method })
				if met && err != nil && (kind.passes || explain.CodeOf(err) == "") {
					t.Errorf("apply: %v", err)
				}
				w.Google.ClearFaults()
				apply(t, w)
				w.Google.Inject(fault)
				_, err = w.Destroy(t.Context(), Method{})
				if err != nil && (kind.passes || explain.CodeOf(err) == "") {
					t.Errorf("destroy: %v", err)
				}
				w.Google.ClearFaults()
				destroy(t, w)
				w.Gone(t, before)
				if !met && !slices.Contains(last, method) {
					t.Errorf("%s was never called", method)
				}
			})
		}
	}
}

// last are the methods with which an apply may end, and that of a destroy.
var last = []string{"connectgateway.projects.locations.memberships.generateCredentials", "gkehub.projects.locations.memberships.delete"}

package gateway

import (
	"testing"

	"causeway/exposer"
	"causeway/exposer/conformance"
)

// TestEveryGoogleCallMeetsTrouble strikes each method that an apply and a destroy
// call, in each way.
func TestEveryGoogleCallMeetsTrouble(t *testing.T) {
	t.Parallel()
	spec := with(forAlice(), func(o *exposer.Gateway) { o.Members = append(o.Members, bob) })
	m := conformance.Trouble{Method: Method{}, Optional: []string{"iam.roles.get"}, World: func(t *testing.T) *conformance.World {
		w := worldOf(t, spec, conformance.Options{Speed: 60})
		bare(t, w)
		return w
	}}
	conformance.StrikeEach(t, m, conformance.Strikes("Permission 'gkehub.some.thing' denied on resource (or it may not exist)."),
		[]string{"gkehub.projects.locations.memberships.list", "gkehub.projects.locations.memberships.get", "gkehub.projects.locations.memberships.create",
			"cloudresourcemanager.projects.getIamPolicy", "cloudresourcemanager.projects.setIamPolicy", "cloudresourcemanager.projects.testIamPermissions",
			"iam.roles.get", "serviceusage.services.batchGet", "serviceusage.services.batchEnable"},
		[]string{"connectgateway.projects.locations.memberships.generateCredentials", "gkehub.projects.locations.memberships.delete"})
}

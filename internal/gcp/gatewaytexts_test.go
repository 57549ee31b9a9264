package gcp

import (
	"net/http"
	"testing"

	"google.golang.org/api/googleapi"

	"causeway/internal/explain"
)

// TestTextsThatTellTheCause: where neither reason nor status say what is the matter,
// the words may. What status and reason say already stays as it is.
func TestTextsThatTellTheCause(t *testing.T) {
	t.Parallel()
	for sentence, test := range map[string]struct {
		status        int
		message, code string
	}{
		"no agent is connected":               {http.StatusBadRequest, "no active connections found for cluster (project: 1, membership: m)", "CW-GATEWAY-NO-AGENT"},
		"the link to the cluster":             {http.StatusBadRequest, "generic::failed_precondition: connection to agent failed", "CW-GATEWAY-AGENT"},
		"the header with the groups":          {http.StatusBadRequest, "The size of the groups returned under the gke-security-groups group exceeds the 8KB HTTP header size limit.", "CW-GATEWAY-HEADER"},
		"a permission is a permission":        {http.StatusForbidden, "Permission 'gkehub.gateway.generateCredentials' denied on resource", "CW-GCP-PERMISSION"},
		"what is not found stays so":          {http.StatusNotFound, "Resource 'projects/p/locations/l/memberships/m' was not found", "CW-GCP-NOT-FOUND"},
		"what exists already stays so":        {http.StatusConflict, "Resource 'projects/p/locations/l/memberships/m' already exists", "CW-GCP-CONFLICT"},
		"another API's bad request says none": {http.StatusBadRequest, "400 Bad Request: Invalid value for field", ""},
	} {
		err := wrap("read", "membership m", &googleapi.Error{Code: test.status, Message: test.message})
		if got := explain.CodeOf(err); got != test.code {
			t.Errorf("%s: %s, want %s (%v)", sentence, got, test.code, err)
		}
	}
}

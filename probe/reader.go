package probe

import (
	"net/http"
	"strings"
)

// mayPost is the permission that Connect Gateway asks for a POST. The reviews by which
// an API server tells who calls, and what he may, are sent by POST, though they change
// nothing; roles/gkehub.gatewayReader lacks it.
const mayPost = "gkehub.gateway.post"

// readsAlone reports that the gateway refused a POST for want of a permission. That it
// lets the caller in to read, the HTTP hop has shown before.
func (s *session) readsAlone(a answer) bool {
	return a.code == http.StatusForbidden && throughGateway(s.server) && strings.Contains(string(a.body), mayPost)
}

// guess sets the collection for list and watch where rights can't be asked for.
func (s *session) guess() Result {
	s.guessed, s.quiet = true, "api/v1/namespaces"
	if s.options.Namespace != "" {
		s.quiet = "api/v1/namespaces/" + s.namespace + "/pods"
	}
	return skip("can't be asked for without %s, which readers lack; whether it may list %s is tried", mayPost, s.collection())
}

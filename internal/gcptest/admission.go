package gcptest

import (
	"fmt"
	"net/http"
	"slices"
	"time"
)

// AddToken makes the emulator take an access token until expires; the zero time
// means for ever.
func (s *Server) AddToken(token string, expires time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens[token] = expires
}

// RevokeToken makes the emulator answer 401 to that token from now on.
func (s *Server) RevokeToken(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.tokens, token)
}

// Deny takes a permission ("compute.addresses.createInternal") away, in the given
// projects or, without any, everywhere.
func (s *Server) Deny(permission string, projects ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.denied[permission] = projects
}

// Allow gives a denied permission back.
func (s *Server) Allow(permission string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.denied, permission)
}

// RejectPermission makes testIamPermissions answer 400 to every call that names it,
// as for a permission that does not exist on the resource.
func (s *Server) RejectPermission(permission string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unknown[permission] = true
}

// Disable turns an API ("container.googleapis.com") of a project off.
func (s *Server) Disable(project, service string) { s.setService(project, service, false) }

// Enable turns it on again.
func (s *Server) Enable(project, service string) { s.setService(project, service, true) }

func (s *Server) setService(project, service string, on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.services[project] == nil {
		s.services[project] = map[string]bool{}
	}
	s.services[project][service] = on
}

// admit answers what stands before every method: the token, the project, the API.
func (s *Server) admit(c *call) *Error {
	expires, known := s.tokens[c.token]
	if !known || !expires.IsZero() && !s.options.Now().Before(expires) {
		return &Error{Status: http.StatusUnauthorized, Reason: "authError",
			Message: "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project.",
			Domain:  "googleapis.com", Info: "ACCESS_TOKEN_EXPIRED"}
	}
	if c.service.Name == "iamcredentials" || c.service.Name != "compute" && c.project() == "" {
		return nil // its path names a service account, a role of all, an operation: not a project
	}
	name := c.project()
	project := s.projectObject(name)
	if project == nil {
		if c.service.Name == "compute" {
			return notFound("projects/" + name)
		}
		// These APIs do not tell the absent from the forbidden.
		return &Error{Status: http.StatusForbidden, Reason: "forbidden", Message: "The caller does not have permission"}
	}
	api := c.service.Name + ".googleapis.com"
	if !s.services[project["projectId"].(string)][api] {
		return disabled(api, project["projectNumber"].(string))
	}
	return nil
}

func disabled(api, number string) *Error {
	return &Error{Status: http.StatusForbidden, Reason: "accessNotConfigured",
		Message: fmt.Sprintf("%s has not been used in project %s before or it is disabled. Enable it by visiting https://console.developers.google.com/apis/api/%s/overview?project=%s then retry. If you enabled this API recently, wait a few minutes for the action to propagate to our systems and retry.", title(api), number, api, number),
		Domain:  "googleapis.com", Info: "SERVICE_DISABLED", Meta: map[string]string{"service": api, "consumer": "projects/" + number}}
}

func title(api string) string {
	switch api {
	case "compute.googleapis.com":
		return "Compute Engine API"
	case "container.googleapis.com":
		return "Kubernetes Engine API"
	case "cloudresourcemanager.googleapis.com":
		return "Cloud Resource Manager API"
	case "dns.googleapis.com":
		return "Cloud DNS API"
	case "connectgateway.googleapis.com":
		return "Connect Gateway API"
	case "gkehub.googleapis.com":
		return "GKE Hub API"
	case "iam.googleapis.com":
		return "Identity and Access Management (IAM) API"
	}
	return "Service Usage API"
}

// need answers 403 when the permission is denied in the project.
func (c *call) need(project, permission, resource string) *Error {
	if c.server.may(c.token, project, permission) {
		return nil
	}
	if c.service.Name == "compute" {
		return &Error{Status: http.StatusForbidden, Reason: "forbidden",
			Message: fmt.Sprintf("Required '%s' permission for '%s'", permission, resource)}
	}
	return &Error{Status: http.StatusForbidden, Reason: "forbidden",
		Message: fmt.Sprintf("Permission '%s' denied on resource '//%s.googleapis.com/%s' (or it may not exist).", permission, c.service.Name, resource),
		Domain:  "iam.googleapis.com", Info: "IAM_PERMISSION_DENIED", Meta: map[string]string{"permission": permission, "resource": resource}}
}

func (s *Server) allowed(project, permission string) bool {
	projects, denied := s.denied[permission]
	return !denied || len(projects) > 0 && !slices.Contains(projects, project)
}

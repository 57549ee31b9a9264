package gcptest

import (
	"slices"
	"strings"
	"time"
)

// Owner is whom the emulator's own tokens belong to: an operator who may do all that
// was not denied.
const Owner = "user:user@example.com"

const impersonated = "ya29.impersonated."

// AddPrincipal makes the emulator take a token of somebody else than the operator's,
// for ever: member is "user:alice@example.com", "serviceAccount:ci@p.iam.gserviceaccount.com"
// or the like. What it may do is what the policy of each project gives it.
func (s *Server) AddPrincipal(token, member string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens[token] = time.Time{}
	s.principals[token] = member
}

// AddServiceAccount makes an account known, so that a token of it that is got by
// impersonation may do no more than policies give it. Accounts that a policy names
// are known.
func (s *Server) AddServiceAccount(email string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.accounts[strings.ToLower(email)] = true
}

// AddToGroup makes somebody ("user:alice@example.com") a member of a group
// ("group:admins@example.com"), which policies may name.
func (s *Server) AddToGroup(group, member string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.groups[group] = append(s.groups[group], member)
}

// memberOf is whom a token belongs to, in the words of a policy; "" for a token that
// is not taken. The caller holds mu.
func (s *Server) memberOf(token string) string {
	if expires, known := s.tokens[token]; !known || !expires.IsZero() && !s.options.Now().Before(expires) {
		return ""
	}
	if member, ok := s.principals[token]; ok {
		return member
	}
	if email, ok := strings.CutPrefix(token, impersonated); ok {
		return "serviceAccount:" + email
	}
	return Owner
}

// may says whether the owner of a token has a permission in a project, by its id or
// number: the operator all that was not denied, everybody else what the project's
// policy gives besides. The caller holds mu.
func (s *Server) may(token, project, permission string) bool {
	member := s.memberOf(token)
	if member == "" || !s.allowed(s.idOf(project), permission) {
		return false
	}
	email, account := strings.CutPrefix(member, "serviceAccount:")
	if _, own := s.principals[token]; !own && (!account || !s.accounts[strings.ToLower(email)]) {
		return true
	}
	return s.granted(s.idOf(project), member, permission)
}

// granted looks through a project's policy. A binding with a condition gives nothing
// here: conditions are not evaluated.
func (s *Server) granted(project, member, permission string) bool {
	bindings, _ := s.policyOf(project)["bindings"].([]any)
	for _, one := range bindings {
		binding, _ := one.(object)
		members, _ := binding["members"].([]any)
		if binding["condition"] == nil && slices.ContainsFunc(members, func(one any) bool { return s.isOf(one, member) }) &&
			s.roleAllows(text(binding, "role"), permission) {
			return true
		}
	}
	return false
}

// hasRole says whether a project's policy gives a role to a member by name.
func (s *Server) hasRole(project, role, member string) bool {
	bindings, _ := s.policyOf(project)["bindings"].([]any)
	return slices.ContainsFunc(bindings, func(one any) bool {
		binding, _ := one.(object)
		members, _ := binding["members"].([]any)
		return text(binding, "role") == role && slices.Contains(members, any(member))
	})
}

// isOf says whether a policy's member is somebody, or a group that he is in.
func (s *Server) isOf(bound any, member string) bool {
	name, _ := bound.(string)
	return strings.EqualFold(name, member) || slices.ContainsFunc(s.groups[name], func(one string) bool { return strings.EqualFold(one, member) })
}

// idOf is the id of a project that is named by id or number; what is unknown stays.
func (s *Server) idOf(project string) string {
	if found := s.projectObject(project); found != nil {
		return text(found, "projectId")
	}
	return project
}

// accountProject is the project in which a service account lies, by its address.
func accountProject(email string) string {
	_, host, _ := strings.Cut(email, "@")
	return strings.TrimSuffix(host, ".iam.gserviceaccount.com")
}

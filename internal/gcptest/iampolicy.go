package gcptest

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

func policyRoutes() map[string]handler {
	return map[string]handler{
		"cloudresourcemanager.projects.getIamPolicy": {getPolicy, []string{"resourcemanager.projects.getIamPolicy"}},
		"cloudresourcemanager.projects.setIamPolicy": {setPolicy, []string{"resourcemanager.projects.setIamPolicy"}},
	}
}

// Binding gives a role to members, under a condition (an expression) if there is one.
type Binding struct {
	Role      string
	Members   []string
	Condition string
}

// policyPath is where a project's policy lies among the objects.
func policyPath(project string) string { return "projects/" + project + "/iamPolicy" }

// policyOf is a project's policy (by its id), not nil. The caller holds mu.
func (s *Server) policyOf(project string) object {
	if found, ok := s.objects[policyPath(project)]; ok {
		return found
	}
	return object{}
}

// SetPolicy gives a project other bindings behind the APIs' back, as a colleague
// might; all else of its policy stays.
func (s *Server) SetPolicy(project string, bindings ...Binding) {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := []any{}
	for _, one := range bindings {
		members := []any{}
		for _, member := range one.Members {
			members = append(members, member)
		}
		binding := object{"role": one.Role, "members": members}
		if one.Condition != "" {
			binding["condition"] = object{"title": "condition", "expression": one.Condition}
		}
		list = append(list, binding)
	}
	policy := s.policyOf(s.idOf(project))
	policy["bindings"] = list
	s.keepPolicy(s.idOf(project), policy)
}

// keepPolicy stores a policy that was changed: with a new etag, and with the version
// that its conditions ask for.
func (s *Server) keepPolicy(project string, policy object) {
	s.serial++
	policy["etag"] = base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "gcp%05d", s.serial))
	policy["version"] = 1
	bindings, _ := policy["bindings"].([]any)
	for _, one := range bindings {
		binding, _ := one.(object)
		if binding["condition"] != nil {
			policy["version"] = 3
		}
		members, _ := binding["members"].([]any)
		for _, member := range members {
			name, _ := member.(string)
			if email, ok := strings.CutPrefix(name, "serviceAccount:"); ok {
				s.accounts[strings.ToLower(email)] = true // also after it is taken out again
			}
		}
	}
	s.objects[policyPath(project)] = policy
	s.touch()
}

// getPolicy tells conditions only to those who ask for version 3; to others their
// bindings come under another role's name, as the documentation of conditions has it.
func getPolicy(c *call) (any, *Error) {
	policy := clone(c.server.policyOf(c.server.idOf(c.project())))
	options, _ := c.body["options"].(object)
	version := fmt.Sprint(options["requestedPolicyVersion"])
	if !slices.Contains([]string{"<nil>", "0", "1", "3"}, version) {
		return nil, invalid("Invalid requested policy version " + version + ".")
	}
	if version == "3" {
		return policy, nil
	}
	policy["version"] = 1
	bindings, _ := policy["bindings"].([]any)
	for _, one := range bindings {
		binding, _ := one.(object)
		if binding["condition"] != nil {
			binding["role"] = text(binding, "role") + "_withcond_" + strings.ReplaceAll(uuid(fmt.Sprint(binding["condition"])), "-", "")[:20]
			delete(binding, "condition")
		}
	}
	return policy, nil
}

// setPolicy replaces the bindings, and what else the mask names.
func setPolicy(c *call) (any, *Error) {
	s, project := c.server, c.server.idOf(c.project())
	sent, _ := c.body["policy"].(object)
	have := s.policyOf(project)
	if etag := text(sent, "etag"); etag != "" && etag != text(have, "etag") {
		return nil, concurrent()
	}
	version := fmt.Sprint(sent["version"])
	if text(sent, "etag") != "" && have["version"] == 3 && version != "3" {
		return nil, invalid("The specified policy has conditions; its version must be 3.")
	}
	bindings, _ := sent["bindings"].([]any)
	for _, one := range bindings {
		if failure := s.checkBinding(one, version); failure != nil {
			return nil, failure
		}
	}
	policy := clone(have)
	mask := c.body["updateMask"]
	if mask == nil {
		mask = "bindings,etag" // discovery: SetIamPolicyRequest.updateMask
	}
	for field := range strings.SplitSeq(fmt.Sprint(mask), ",") {
		if value, ok := sent[field]; ok && field != "etag" && field != "version" {
			policy[field] = value
		} else if !ok {
			delete(policy, field)
		}
	}
	policy["bindings"] = merged(policy["bindings"])
	if n := membersIn(policy); n > maxMembers {
		return nil, invalid(fmt.Sprintf("The number of members in the policy (1,%03d) is larger than the maximum allowed size 1,500.", n-1000))
	}
	s.keepPolicy(project, policy)
	return clone(policy), nil
}

// maxMembers is how many members a policy may name (iam/quotas).
const maxMembers = 1500

func membersIn(policy object) (n int) {
	bindings, _ := policy["bindings"].([]any)
	for _, one := range bindings {
		binding, _ := one.(object)
		members, _ := binding["members"].([]any)
		n += len(members)
	}
	return n
}

// concurrent is the refusal of an etag that no longer fits, in Google's words.
func concurrent() *Error {
	return &Error{Status: http.StatusConflict, Reason: "aborted", Canonical: "ABORTED",
		Message: "There were concurrent policy changes. Please retry the whole read-modify-write with exponential backoff."}
}

func (s *Server) checkBinding(one any, version string) *Error {
	binding, _ := one.(object)
	role := text(binding, "role")
	if !s.knowsRole(role) {
		return invalid("Role " + role + " is not supported for this resource.")
	}
	if binding["condition"] != nil && version != "3" {
		return invalid("Conditions need a policy of version 3.")
	}
	members, _ := binding["members"].([]any)
	for _, member := range members {
		name, _ := member.(string)
		kind, rest, _ := strings.Cut(name, ":")
		switch {
		case name == "allUsers" || name == "allAuthenticatedUsers": // discovery: projects.setIamPolicy
			return invalid("Request contains an invalid argument.")
		case rest == "" || !slices.Contains([]string{"user", "group", "serviceAccount", "domain", "deleted", "principal", "principalSet"}, kind):
			return invalid("Invalid member " + name + ".")
		case s.noPool(rest) != "":
			return invalid("Identity Pool does not exist (" + s.noPool(rest) +
				"). Please check that you specified a valid resource name as returned in the `name` attribute in the configuration API.")
		case s.absent[strings.ToLower(name)]:
			return invalid(map[string]string{"user": "User", "group": "Group", "serviceAccount": "Service account"}[kind] + " " + rest + " does not exist.")
		}
	}
	return nil
}

// workloadPool finds the pool of a project's clusters in a member, of both forms.
var workloadPool = regexp.MustCompile(`(?:^|/workloadIdentityPools/)([a-z][-a-z0-9]+\.svc\.id\.goog)(?:\[|/|$)`)

// noPool is the pool that a member names and that is not there: it comes with the
// first cluster that has Workload Identity. "" when nothing is missing.
func (s *Server) noPool(member string) string {
	found := workloadPool.FindStringSubmatch(member)
	if found == nil {
		return ""
	}
	for _, o := range s.objects {
		if config, _ := o["workloadIdentityConfig"].(object); text(config, "workloadPool") == found[1] {
			return ""
		}
	}
	return found[1]
}

// Forget makes a member ("user:gone@example.com") one that does not exist: no policy
// takes it any more.
func (s *Server) Forget(member string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.absent[strings.ToLower(member)] = true
}

// merged brings bindings into the form in which they are kept: one for each role and
// condition, without those that nobody has.
func merged(bindings any) []any {
	list, _ := bindings.([]any)
	out, place := []any{}, map[string]int{}
	for _, one := range list {
		binding, _ := one.(object)
		members, _ := binding["members"].([]any)
		key := text(binding, "role") + fmt.Sprint(binding["condition"])
		at, ok := place[key]
		switch {
		case len(members) == 0:
		case !ok:
			place[key], out = len(out), append(out, clone(binding))
		default:
			have, _ := out[at].(object)
			kept, _ := have["members"].([]any)
			for _, member := range members {
				if !slices.Contains(kept, member) {
					kept = append(kept, member)
				}
			}
			have["members"] = kept
		}
	}
	return out
}

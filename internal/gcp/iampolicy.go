package gcp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

const (
	codePolicyChanged = "CW-IAM-CHANGED"
	codeNoRole        = "CW-IAM-ROLE"
	codeNoMember      = "CW-IAM-MEMBER"
	codeNoPool        = "CW-IAM-POOL"
	codePolicyFull    = "CW-IAM-FULL"

	// policyVersion is the one that shows conditions; asked for less, Google leaves
	// them out, and a policy that is written back without them has lost them.
	policyVersion = 3

	// policyTries is how often a change of a policy is made anew after another one
	// came in between: with the pauses, within about 12 s.
	policyTries   = 8
	policyFirst   = 100 * time.Millisecond
	policyLongest = 4 * time.Second
)

// Binding gives a role to members.
type Binding struct {
	Role      string   // roles/x, projects/p/roles/x, organizations/n/roles/x
	Members   []string // user:alice@example.com, group:..., serviceAccount:..., principal://...
	Condition string   // an expression; "" for none
}

// Policy is who has which role in a project, as far as the project itself says:
// what folders and the organisation grant is not in it.
type Policy struct {
	Bindings []Binding
	Etag     string
	Version  int
}

// Has says whether a member has a role without a condition. The kind of the member
// (user:) is compared as it stands, an e-mail address whatever its case.
func (p Policy) Has(role, member string) bool {
	return slices.ContainsFunc(p.Bindings, func(b Binding) bool {
		return b.Role == role && b.Condition == "" && slices.ContainsFunc(b.Members, func(one string) bool { return sameMember(one, member) })
	})
}

// sameMember compares two members as IAM does, which keeps e-mail addresses in
// lower case and everything else as it is.
func sameMember(a, b string) bool {
	return a == b || strings.Contains(a, "@") && !strings.Contains(a, "//") && strings.EqualFold(a, b)
}

// Policy reads a project's, conditions included.
func (c *Cloud) Policy(ctx context.Context, project string) (Policy, error) {
	doc, err := c.policy(ctx, project)
	if err != nil {
		return Policy{}, err
	}
	text, err := json.Marshal(doc)
	if err != nil {
		return Policy{}, garbled("read", policyOf(project), err)
	}
	var found struct {
		Etag     string
		Version  int
		Bindings []struct {
			Role      string
			Members   []string
			Condition struct{ Expression string }
		}
	}
	if err := json.Unmarshal(text, &found); err != nil {
		return Policy{}, garbled("read", policyOf(project), err)
	}
	out := Policy{Etag: found.Etag, Version: found.Version}
	for _, one := range found.Bindings {
		out.Bindings = append(out.Bindings, Binding{one.Role, one.Members, one.Condition.Expression})
	}
	return out, nil
}

func policyOf(project string) string { return "IAM policy of project " + project }

// policy reads the whole document.
func (c *Cloud) policy(ctx context.Context, project string) (document, error) {
	text, err := c.rawProjects.call(ctx, http.MethodPost, "projects/"+project+":getIamPolicy", nil,
		map[string]any{"options": map[string]any{"requestedPolicyVersion": policyVersion}})
	if err != nil {
		return nil, wrap("read", policyOf(project), err)
	}
	doc, err := parseDocument(text)
	if err != nil {
		return nil, garbled("read", policyOf(project), errors.Unwrap(err))
	}
	return doc, nil
}

// Grant gives a role to a member of a project, without a condition; when the member
// has it, nothing is sent. The policy is read and written back whole, so that what
// others configured stays; when somebody changed it in between, that is done anew,
// and after eight times it fails with CW-IAM-CHANGED.
func (c *Cloud) Grant(ctx context.Context, project, role, member string) error {
	return c.editPolicy(ctx, "grant", project, role, member, func(policy document) bool {
		for _, one := range policy.list("bindings") {
			binding, _ := one.(map[string]any)
			if !unconditional(binding, role) {
				continue
			}
			members, _ := binding["members"].([]any)
			if memberAt(members, member) >= 0 {
				return false
			}
			binding["members"] = append(members, member)
			return true
		}
		policy["bindings"] = append(policy.list("bindings"), map[string]any{"role": role, "members": []any{member}})
		return true
	})
}

// Revoke takes a role from a member of a project, as Grant gave it: a binding with a
// condition stays. When the member has no such role, nothing is sent.
func (c *Cloud) Revoke(ctx context.Context, project, role, member string) error {
	return c.editPolicy(ctx, "revoke", project, role, member, func(policy document) bool {
		changed, kept := false, []any{} // not nil: an empty list is sent as one
		for _, one := range policy.list("bindings") {
			binding, _ := one.(map[string]any)
			members, _ := binding["members"].([]any)
			for at := memberAt(members, member); unconditional(binding, role) && at >= 0; at = memberAt(members, member) {
				members, changed = slices.Delete(members, at, at+1), true
				binding["members"] = members
			}
			if !changed || len(members) > 0 || !unconditional(binding, role) {
				kept = append(kept, one)
			}
		}
		policy["bindings"] = kept
		return changed
	})
}

func unconditional(binding map[string]any, role string) bool {
	return binding != nil && binding["role"] == role && binding["condition"] == nil
}

func memberAt(members []any, member string) int {
	return slices.IndexFunc(members, func(one any) bool {
		text, _ := one.(string)
		return sameMember(text, member)
	})
}

// editPolicy reads a policy, lets edit change it, and writes it back under its etag.
func (c *Cloud) editPolicy(ctx context.Context, verb, project, role, member string, edit func(document) bool) error {
	direction := map[string]string{"grant": "to", "revoke": "from"}[verb]
	resource := fmt.Sprintf("%s %s %s in project %s", role, direction, member, project)
	pause := policyFirst
	for try := 1; ; try++ {
		policy, err := c.policy(ctx, project)
		if err != nil || !edit(policy) {
			return err
		}
		policy["version"] = policyVersion
		_, err = c.rawProjects.call(ctx, http.MethodPost, "projects/"+project+":setIamPolicy", nil, map[string]any{"policy": policy})
		if err == nil {
			return nil
		}
		err = wrap(verb, resource, err)
		if !policyChanged(err) {
			return policyRefused(err)
		}
		if try == policyTries {
			return &Error{Verb: verb, Resource: resource, HTTP: http.StatusConflict, code: codePolicyChanged, Cause: err,
				Message: fmt.Sprintf("the policy was changed by others at each of %d attempts", policyTries)}
		}
		if err := c.pause(ctx, pause); err != nil {
			return wrap(verb, resource, err)
		}
		pause = min(2*pause, policyLongest)
	}
}

// policyRefused finds the known causes of a policy that Google does not take. The
// wordings are those that tools report of setIamPolicy.
func policyRefused(err error) error {
	var e *Error
	if !errors.As(err, &e) || e.HTTP != http.StatusBadRequest {
		return err
	}
	for part, code := range map[string]string{
		"is not supported for this resource": codeNoRole, "does not exist in the resource's hierarchy": codeNoRole,
		"do not belong to a permitted customer": codeOrgPolicy, "larger than the maximum allowed size": codePolicyFull,
	} {
		if strings.Contains(e.Message, part) {
			e.code = code
			return err
		}
	}
	switch {
	case strings.Contains(e.Message, "Identity Pool does not exist"):
		e.code = codeNoPool
	case strings.Contains(e.Message, "does not exist"):
		e.code = codeNoMember
	}
	return err
}

// policyChanged knows the refusal of an etag that no longer fits: 409 with the status
// ABORTED, or 412.
func policyChanged(err error) bool {
	var e *Error
	return errors.As(err, &e) && (e.HTTP == http.StatusConflict || e.HTTP == http.StatusPreconditionFailed && e.code == codePrecondition)
}

// RolePermissions returns what a role allows, sorted: a predefined one (roles/x) or
// a custom one (projects/p/roles/x, organizations/n/roles/x). A custom role that was
// deleted allows nothing any more.
func (c *Cloud) RolePermissions(ctx context.Context, role string) ([]string, error) {
	text, err := c.rawIAM.call(ctx, http.MethodGet, role, nil, nil)
	if err != nil {
		return nil, wrap("read", "role "+role, err)
	}
	var found struct {
		IncludedPermissions []string
		Deleted             bool
	}
	if err := json.Unmarshal(text, &found); err != nil {
		return nil, garbled("read", "role "+role, err)
	}
	if found.Deleted {
		return nil, nil
	}
	slices.Sort(found.IncludedPermissions)
	return found.IncludedPermissions, nil
}

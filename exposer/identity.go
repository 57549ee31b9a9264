package exposer

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"slices"
	"strings"
)

// Identity says for whom a further kubeconfig of a standing exposure is. What is
// empty is as it was applied.
type Identity struct {
	Role       string
	Namespaces []string
	TokenTTL   string
}

// KubeconfigFor makes a kubeconfig with a new token for an exposure that stands.
// For another role, or the same in other namespaces, it makes a ServiceAccount of
// its own with a binding of its own, so that nobody's rights grow behind his back.
// They bear the exposure's mark: destroy removes them with the rest.
func (j Job) KubeconfigFor(ctx context.Context, spec Spec, want Identity) (Exposure, Made, error) {
	exposure, _, err := j.Standing(ctx, spec)
	if err != nil {
		return nil, Made{}, err
	}
	if why := deferred(exposure); why != nil {
		return exposure, Made{}, why
	}
	if _, err := MakePlan(ctx, exposure.Steps()); err != nil {
		return exposure, Made{}, err
	}
	endpoint, err := endpointOf(ctx, exposure)
	if err != nil {
		return exposure, Made{}, err
	}
	if exposure.Spec().ByGoogle() {
		v := &validator{}
		v.googleAccess(Access{Role: want.Role, Namespaces: want.Namespaces, TokenTTL: want.TokenTTL})
		if err := v.err(); err != nil {
			return exposure, Made{}, err
		}
		made, err := j.buildGoogle(exposure.Spec(), endpoint)
		return exposure, made, err
	}
	as := want.of(exposure.Spec())
	v := &validator{}
	v.access(as.Access)
	if err := v.err(); err != nil {
		return exposure, Made{}, err
	}
	if as.Access.Account != "" {
		if err := j.admit(ctx, exposure, as); err != nil {
			return exposure, Made{}, err
		}
	}
	made, err := j.build(ctx, exposure.Cluster(), as, endpoint)
	made.Further = as.Access.further()
	return exposure, made, err
}

// of is the exposure's spec with the identity's access.
func (i Identity) of(spec Spec) Spec {
	before := spec.Access
	if i.TokenTTL != "" {
		spec.Access.TokenTTL = i.TokenTTL
	}
	if i.Role != "" {
		spec.Access.Role, spec.Access.Namespaces = i.Role, nil
	}
	if len(i.Namespaces) > 0 {
		spec.Access.Namespaces = slices.Clone(i.Namespaces)
		slices.Sort(spec.Access.Namespaces)
	}
	recorded := slices.Sorted(slices.Values(before.Namespaces))
	if i.Role == before.Role && len(i.Namespaces) == 0 {
		spec.Access.Namespaces = before.Namespaces
	}
	if spec.Access.Role == before.Role && slices.Equal(slices.Sorted(slices.Values(spec.Access.Namespaces)), recorded) {
		return spec
	}
	spec.Access.Account = accountFor(spec.Access.Role, spec.Access.Namespaces)
	return spec
}

// notInNames is what a ServiceAccount's name has no place for, and a role's may have.
var notInNames = regexp.MustCompile(`[^a-z0-9-]+`)

// accountFor names the ServiceAccount of a role in namespaces: "causeway-client-edit",
// "causeway-client-edit-in-shop". Where that would be too long, or two could get
// the same name, a piece of a hash tells them apart.
func accountFor(role string, namespaces []string) string {
	name := strings.Trim(notInNames.ReplaceAllString(strings.ToLower(role), "-"), "-")
	plain := name == role && !strings.Contains(role, "-in-")
	if len(namespaces) > 0 {
		name += "-in-" + strings.Join(namespaces, "-")
		plain = plain && len(namespaces) == 1
	}
	const longest = 40 // 63 less "causeway-client-" and a hash
	if !plain || len(name) > longest {
		sum := sha256.Sum256([]byte(role + " " + strings.Join(namespaces, " ")))
		name = strings.TrimRight(name[:min(len(name), longest-7)], "-") + "-" + hex.EncodeToString(sum[:3])
	}
	return ClientAccount + "-" + name
}

// further is what the account's name has beyond the exposure's own: "-edit".
func (a Access) further() string { return strings.TrimPrefix(a.account(), ClientAccount) }

// admit makes the ServiceAccount and its binding where they are not there.
func (j Job) admit(ctx context.Context, exposure Exposure, as Spec) error {
	problems, err := CheckAccess(ctx, exposure.Cluster(), as)
	if err != nil {
		return err
	}
	if len(problems) > 0 {
		return &PreconditionError{Verb: "kubeconfig " + as.Method, Problems: problems}
	}
	release, err := exposure.Lock(ctx)
	if err != nil {
		return err
	}
	defer release()
	manifests, err := accessManifests(as)
	if err != nil {
		return err
	}
	steps := ObjectSteps(exposure.Cluster(), as.Name, "", manifests)
	for _, step := range steps {
		step.(*Object).After = nil // the namespace stands
	}
	plan, err := MakePlan(ctx, steps)
	if err != nil {
		return err
	}
	if refusals := plan.Refusals(); len(refusals) > 0 {
		return &PreconditionError{Verb: "kubeconfig " + as.Method, Problems: refusals}
	}
	for _, step := range steps {
		if plan.item(step.ID()).Action == Keep {
			continue
		}
		begin := j.Deps.Now()
		j.Progress.Start(step.ID(), step.Title())
		if err := step.Do(ctx, func(text string) { j.Progress.Note(step.ID(), text) }); err != nil {
			j.Progress.Fail(step.ID(), err)
			return err
		}
		j.Progress.Done(step.ID(), j.Deps.Now().Sub(begin), "")
	}
	return nil
}

package exposer

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"

	"causeway/internal/kube"
	"causeway/templates"
)

// Sweep finds objects that carry the exposure's mark and that no step names: an
// earlier spec wanted them (another role, another kind of token, mtls, another
// namespace). A binding of before would go on giving rights that the spec took
// back, so apply removes them as well as destroy does.
type Sweep struct {
	Cluster   *kube.Client // nil: nothing to find
	Exposure  string
	Namespace string // the exposure's
	Leaving   bool   // look for every kind
	Spare     []kube.Ref
	Note      func(string)
}

const rbacGroup = "rbac.authorization.k8s.io"

// AccountParts are what a method that runs nothing in the cluster keeps there: the
// steps of the client's account, all behind the namespace's, and those of what an
// earlier spec left.
func AccountParts(ctx context.Context, cluster *kube.Client, spec Spec, deps Deps) (access, leftovers []Step, err error) {
	if access, err = AccessSteps(cluster, spec, NamespaceID(spec)); err != nil {
		return nil, nil, err
	}
	sweep := Sweep{Cluster: cluster, Exposure: spec.Name, Namespace: spec.Namespace, Leaving: deps.Leaving, Note: deps.Note}
	leftovers, err = sweep.Steps(ctx, append([]Step{NamespaceStep(cluster, spec)}, access...))
	return access, leftovers, err
}

// kinds are looked for in every namespace. On apply only what lets somebody in:
// each kind costs a request, also when nothing is to do.
func (s Sweep) kinds() []kube.Ref {
	kinds := []kube.Ref{
		{Version: "v1", Kind: "Secret"},
		{Group: rbacGroup, Version: "v1", Kind: "RoleBinding"}, {Group: rbacGroup, Version: "v1", Kind: "ClusterRoleBinding"},
	}
	if s.Leaving {
		kinds = append(kinds, kube.Ref{Version: "v1", Kind: "Namespace"},
			kube.Ref{Group: rbacGroup, Version: "v1", Kind: "Role"}, kube.Ref{Group: rbacGroup, Version: "v1", Kind: "ClusterRole"},
			kube.Ref{Version: "v1", Kind: "ConfigMap"}, kube.Ref{Version: "v1", Kind: "ServiceAccount"}, kube.Ref{Version: "v1", Kind: "Service"},
			kube.Ref{Group: "apps", Version: "v1", Kind: "Deployment"}, kube.Ref{Group: "policy", Version: "v1", Kind: "PodDisruptionBudget"},
			kube.Ref{Group: "networking.k8s.io", Version: "v1", Kind: "NetworkPolicy"})
	}
	return kinds
}

// Steps returns a step for each object that was found beside those of steps. On
// apply it is removed after all of them are done, so that a client keeps its old
// rights until it has the new ones.
func (s Sweep) Steps(ctx context.Context, steps []Step) ([]Step, error) {
	if s.Cluster == nil {
		return nil, nil
	}
	known := append([]kube.Ref{{Version: "v1", Kind: "ConfigMap", Namespace: s.Namespace, Name: recordName}}, s.Spare...)
	var after []string
	for _, step := range steps {
		after = append(after, step.ID())
		if object, ok := step.(interface{ Target() kube.Ref }); ok {
			known = append(known, object.Target())
		}
	}
	if s.Leaving {
		after = nil
	}
	found, err := s.find(ctx)
	if err != nil {
		return nil, err
	}
	var left []Step
	for _, ref := range found {
		if !slices.Contains(known, ref) {
			left = append(left, s.step(ref, after))
		}
	}
	return left, nil
}

func (s Sweep) step(ref kube.Ref, after []string) Step {
	o := &Object{Cluster: s.Cluster, Exposure: s.Exposure, Ref: ref, About: ref.String() + " (of an earlier spec)", After: after,
		Name: strings.Join([]string{"leftover", strings.ToLower(ref.Kind), ref.Namespace, ref.Name}, "/")}
	if ref.Kind == "Namespace" {
		o.Guard = func(ctx context.Context) (string, error) {
			return GuardNamespace(ctx, s.Cluster, ref.Name, s.Exposure)
		}
	}
	return leftover{o}
}

// find lists the marked objects, all kinds at once.
func (s Sweep) find(ctx context.Context) ([]kube.Ref, error) {
	kinds := s.kinds()
	found, errs := make([][]kube.Ref, len(kinds)), make([]error, len(kinds))
	var wait sync.WaitGroup
	for i, kind := range kinds {
		wait.Go(func() { found[i], errs[i] = s.list(ctx, kind) })
	}
	wait.Wait()
	return slices.Concat(found...), join(errs...)
}

func (s Sweep) list(ctx context.Context, kind kube.Ref) ([]kube.Ref, error) {
	selector := ManagedByLabel + "=causeway," + ExposureLabel + "=" + s.Exposure
	if !s.Leaving {
		selector += ",!" + templates.LabelClient // further identities stay until destroy
	}
	items, err := s.Cluster.List(ctx, kind, selector)
	if codeOf(err) == "CW-KUBE-FORBIDDEN" {
		// Somebody with rights in few namespaces can look in this one alone.
		s.Note(fmt.Sprintf("may not list every %s of the cluster: what an earlier spec left elsewhere is not found", kind.Kind))
		if slices.Contains([]string{"Namespace", "ClusterRole", "ClusterRoleBinding"}, kind.Kind) {
			return nil, nil
		}
		kind.Namespace = s.Namespace
		if items, err = s.Cluster.List(ctx, kind, selector); codeOf(err) == "CW-KUBE-FORBIDDEN" {
			return nil, nil
		}
	}
	var found []kube.Ref
	for i := range items {
		found = append(found, kube.Ref{Group: kind.Group, Version: kind.Version, Kind: kind.Kind, Namespace: items[i].GetNamespace(), Name: items[i].GetName()})
	}
	return found, err
}

// leftover is the step whose end is that the object is not there.
type leftover struct{ *Object }

// Read implements Step.
func (l leftover) Read(ctx context.Context) (Observed, error) {
	live, err := l.Cluster.Get(ctx, l.Ref)
	if err != nil || live == nil || !l.marked(live) {
		return Observed{Action: Keep, Why: "is gone"}, err
	}
	seen := Observed{Action: Change, Exists: true, Ours: true, Why: "an earlier spec made it: it is removed"}
	if l.Guard == nil {
		return seen, nil
	}
	leave, err := l.Guard(ctx)
	if leave != "" {
		seen.Action, seen.Why = Keep, leave
	}
	return seen, err
}

// Do implements Step.
func (l leftover) Do(ctx context.Context, note func(string)) error {
	_, err := l.Undo(ctx, json.RawMessage(nil), note)
	return err
}

// GuardNamespace says why a namespace can't be deleted: it holds what causeway
// did not make, which would go too. "" where nothing speaks against it.
func GuardNamespace(ctx context.Context, cluster *kube.Client, namespace, exposure string) (string, error) {
	foreign, err := cluster.Foreign(ctx, namespace, ExposureLabel+"="+exposure)
	if err != nil || len(foreign) == 0 {
		return "", err
	}
	return fmt.Sprintf("it holds what causeway did not make: %v", foreign), nil
}

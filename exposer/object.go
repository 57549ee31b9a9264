package exposer

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"sigs.k8s.io/yaml"

	"causeway/internal/kube"
	"causeway/templates"
)

// Marks in the cluster: every object that causeway makes carries both labels.
const (
	ManagedByLabel = "app.kubernetes.io/managed-by"
	ExposureLabel  = "causeway.dev/exposure"
)

// Object is the step for one Kubernetes object: compared field by field with
// what is there, applied on the server's side under the field manager causeway,
// deleted only while it carries the exposure's mark.
type Object struct {
	Cluster  *kube.Client // nil: the cluster is gone, and the object with it
	Exposure string
	Ref      kube.Ref
	Name     string   // ID, where kind and name do not tell two objects apart
	About    string   // Title
	After    []string // Needs
	Shared   bool     // one that exists unmarked is used as it is (a namespace of the user's)

	// Build renders the wanted object. Known is false while a value that
	// stands in it is still to be made (an address, a certificate); why says which.
	Build func() (object *unstructured.Unstructured, why string, err error)
	// Settled says whether the live object does its work; why says what is
	// missing. Nil: it does as soon as it exists.
	Settled func(ctx context.Context, live *unstructured.Unstructured) (ok bool, why string, err error)
	// Settle waits, with a bound, until it does.
	Settle func(ctx context.Context, note func(string)) error
	// Guard may refuse the removal, for what else would go with it.
	Guard func(ctx context.Context) (leave string, err error)
	// Remove is the removal where deleting the object alone is not all; live is
	// nil when it is gone and only what came of it may be left.
	Remove func(ctx context.Context, live *unstructured.Unstructured, note func(string)) error
}

// ObjectSteps makes a step of each manifest, all behind the namespace's step.
func ObjectSteps(cluster *kube.Client, exposure, namespaceID string, manifests []templates.Manifest) []Step {
	var steps []Step
	for _, m := range manifests {
		steps = append(steps, &Object{
			Cluster: cluster, Exposure: exposure, Name: m.ID, Ref: kube.RefOf(m.Object), About: describe(m.Object), After: []string{namespaceID},
			Build: func() (*unstructured.Unstructured, string, error) { return m.Object, "", nil },
		})
	}
	return steps
}

func describe(o *unstructured.Unstructured) string {
	if ns := o.GetNamespace(); ns != "" {
		return fmt.Sprintf("%s %s in %s", o.GetKind(), o.GetName(), ns)
	}
	return fmt.Sprintf("%s %s", o.GetKind(), o.GetName())
}

// ID, Title and Needs implement Step.
func (o *Object) ID() string {
	if o.Name != "" {
		return o.Name
	}
	return o.Ref.ID()
}
func (o *Object) Title() string   { return o.About }
func (o *Object) Needs() []string { return o.After }

// Target names the object.
func (o *Object) Target() kube.Ref { return o.Ref }

// YAML is the wanted object as text, with the values of a Secret as hashes.
func (o *Object) YAML() (string, error) {
	want, why, err := o.Build()
	if err != nil {
		return "", err
	}
	if want == nil {
		return "# " + o.ID() + ": " + why + "\n", nil
	}
	text, err := yaml.Marshal(want.Object)
	if err != nil {
		return "", fmt.Errorf("render %s: %w", o.About, err)
	}
	return string(templates.Manifest{ID: o.ID(), Object: want, YAML: text}.Redacted()), nil
}

// Read implements Step.
func (o *Object) Read(ctx context.Context) (Observed, error) {
	if o.Cluster == nil {
		return Observed{Action: Create, Why: "the cluster does not exist"}, nil
	}
	live, err := o.Cluster.Get(ctx, o.Ref)
	if err != nil {
		return Observed{}, err
	}
	if live == nil {
		return Observed{Action: Create}, nil
	}
	seen := Observed{Exists: true, Ours: o.marked(live), Action: Keep}
	if !seen.Ours && o.Shared {
		seen.Why = "exists, is not causeway's: used as it is, and left on destroy"
		return seen, nil
	}
	if !seen.Ours {
		seen.Action = Refuse
		seen.Cause = &RunError{Code_: "CW-KUBE-FOREIGN", Text: fmt.Sprintf("%s exists and is not this exposure's (it lacks the label %s=%s)", o.About, ExposureLabel, o.Exposure)}
		return seen, nil
	}
	return o.compare(ctx, seen, live)
}

func (o *Object) compare(ctx context.Context, seen Observed, live *unstructured.Unstructured) (Observed, error) {
	if live.GetDeletionTimestamp() != nil {
		seen.Action, seen.Why = Change, "is being deleted, and will be made anew"
		return seen, nil
	}
	want, why, err := o.Build()
	if err != nil {
		return Observed{}, err
	}
	if want == nil {
		seen.Action, seen.Why = Change, why
		return seen, nil
	}
	for _, change := range kube.Diff(want, live) {
		seen.Changes = append(seen.Changes, FieldChange{Field: change.Path, From: change.From, To: change.To})
	}
	if len(seen.Changes) > 0 {
		seen.Action = Change
		return seen, nil
	}
	if o.Settled == nil {
		return seen, nil
	}
	ok, why, err := o.Settled(ctx, live)
	if err != nil {
		return Observed{}, err
	}
	if !ok {
		seen.Action, seen.Why = Change, why
	}
	return seen, nil
}

// immutable reports whether the wanted object differs in what Kubernetes lets
// nobody change: the role of a binding.
func immutable(want, live *unstructured.Unstructured) bool {
	for _, change := range kube.Diff(want, live) {
		if strings.HasPrefix(change.Path, "roleRef") {
			return true
		}
	}
	return false
}

func (o *Object) marked(live *unstructured.Unstructured) bool {
	labels := live.GetLabels()
	return labels[ManagedByLabel] == "causeway" && labels[ExposureLabel] == o.Exposure
}

// Do implements Step.
func (o *Object) Do(ctx context.Context, note func(string)) error {
	live, err := o.Cluster.Get(ctx, o.Ref)
	if err != nil {
		return err
	}
	if live != nil && !o.marked(live) {
		if o.Shared {
			return nil
		}
		return &RunError{Code_: "CW-KUBE-FOREIGN", Text: "apply " + o.About + ": it appeared meanwhile, and is not this exposure's"}
	}
	if live != nil && live.GetDeletionTimestamp() != nil {
		note("waits until the old one is gone")
		if err := o.Cluster.WaitGone(ctx, o.Ref, note); err != nil {
			return err
		}
	}
	want, why, err := o.Build()
	if err != nil {
		return err
	}
	if want == nil {
		return fmt.Errorf("apply %s: %s", o.About, why)
	}
	if live != nil && immutable(want, live) {
		note("its role can't be changed in place: made anew")
		if err := join(o.Cluster.Delete(ctx, live), o.Cluster.WaitGone(ctx, o.Ref, note)); err != nil {
			return err
		}
	}
	if err := o.Cluster.Apply(ctx, want); err != nil {
		return err
	}
	if o.Settle == nil {
		return nil
	}
	return o.Settle(ctx, note)
}

// Undo implements Step.
func (o *Object) Undo(ctx context.Context, _ json.RawMessage, note func(string)) (Undone, error) {
	if o.Cluster == nil {
		return Undone{Outcome: Absent, Why: "went with the cluster"}, nil
	}
	live, err := o.Cluster.Get(ctx, o.Ref)
	if err != nil {
		return Undone{}, err
	}
	if live == nil {
		return Undone{Outcome: Absent}, o.remove(ctx, nil, note)
	}
	if !o.marked(live) {
		return Undone{Outcome: Left, Why: "not made by this exposure"}, nil
	}
	if o.Guard != nil {
		leave, err := o.Guard(ctx)
		if err != nil {
			return Undone{}, err
		}
		if leave != "" {
			return Undone{Outcome: Left, Why: leave}, nil
		}
	}
	if err := o.remove(ctx, live, note); err != nil {
		return Undone{}, err
	}
	return Undone{Outcome: Removed}, nil
}

func (o *Object) remove(ctx context.Context, live *unstructured.Unstructured, note func(string)) error {
	switch {
	case o.Remove != nil:
		return o.Remove(ctx, live, note)
	case live == nil:
		return nil
	}
	if err := o.Cluster.Delete(ctx, live); err != nil {
		return err
	}
	return o.Cluster.WaitGone(ctx, o.Ref, note)
}

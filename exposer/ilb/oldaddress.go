package ilb

import (
	"context"
	"fmt"

	"causeway/exposer"
	"causeway/internal/explain"
)

// address is the step of the address that the spec names.
func (x *exposure) address() addressStep { return addressStep{x, x.spec.ILB.AddressName} }

// oldAddress is the step of an address that bears the exposure's mark under
// another name: an earlier spec had it, or the record is lost. Its end is that
// the address is released.
type oldAddress struct {
	addressStep
	after []string
}

// Needs and Title implement exposer.Step.
func (s oldAddress) Needs() []string { return s.after }
func (s oldAddress) Title() string   { return s.addressStep.Title() + " (of an earlier spec)" }

// Read implements exposer.Step.
func (s oldAddress) Read(ctx context.Context) (exposer.Observed, error) {
	address, err := s.get(ctx)
	if err != nil || address == nil || !s.ours(address) {
		return exposer.Observed{Action: exposer.Keep, Why: "is gone"}, err
	}
	return exposer.Observed{Action: exposer.Change, Exists: true, Ours: true, Why: "an earlier spec named it: it is released"}, nil
}

// Do implements exposer.Step.
func (s oldAddress) Do(ctx context.Context, note func(string)) error {
	_, err := s.Undo(ctx, nil, note)
	return err
}

// findLeftovers looks for what bears the exposure's mark and no step names, in
// Google and in the cluster.
func (x *exposure) findLeftovers(ctx context.Context) error {
	steps := x.Steps()
	old, err := x.oldAddresses(ctx, steps)
	if err != nil {
		return err
	}
	sweep := exposer.Sweep{Cluster: x.kube, Exposure: x.spec.Name, Namespace: x.spec.Namespace, Leaving: x.deps.Leaving, Note: x.deps.Note}
	if !x.deps.Leaving { // a verify may be under way
		sweep.Spare = append(sweep.Spare, x.secret(exposer.ProbeName, "").Ref)
	}
	left, err := sweep.Steps(ctx, steps)
	x.leftovers = append(old, left...)
	return err
}

// oldAddresses are found by the description, which every address of causeway's
// has from its first moment on.
func (x *exposure) oldAddresses(ctx context.Context, steps []exposer.Step) ([]exposer.Step, error) {
	marked, err := x.google.Addresses(ctx, x.spec.Cluster.Project, x.region, fmt.Sprintf("description = %q", x.address().description()))
	if explain.CodeOf(err) == "CW-GCP-PERMISSION" {
		x.deps.Note("may not list addresses: one that an earlier spec named is not found")
		return nil, nil // preflight tells it too
	}
	if err != nil {
		return nil, err
	}
	var after []string
	for _, step := range steps {
		after = append(after, step.ID())
	}
	if x.deps.Leaving {
		after = nil
	}
	var old []exposer.Step
	for i := range marked {
		step := oldAddress{addressStep{x, marked[i].Name}, after}
		if marked[i].Name != x.spec.ILB.AddressName && step.ours(&marked[i]) {
			old = append(old, step)
		}
	}
	return old, nil
}

package exposer

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"causeway/probe"
)

// Job is one verb's work on one exposure, with what it gets from outside.
type Job struct {
	Method   Method
	Deps     Deps
	Records  func(Exposure) Records
	Progress Progress
	By       string
	// Confirm shows a plan and asks; nil: nobody is asked.
	Confirm func(Exposure, Plan) (bool, error)
	// Story is told one line at a time what happens beside the steps.
	Story func(string)
	// Command is the causeway command for a renewing kubeconfig's exec plugin.
	Command string
	// Google says as whom the kubeconfig's users act, where Google identities are used.
	Google GoogleClient
	// File is the kubeconfig to write.
	File Output
	// Probe says what to check, and From where.
	Probe  probe.Options
	From   string // auto, local or cluster
	Script []byte // verify.sh, for a probe from the cluster
	Hop    func(probe.Result)
}

// Applied is what an apply ended with.
type Applied struct {
	Exposure   Exposure      `json:"-"`
	Plan       Plan          `json:"plan"`
	Changed    bool          `json:"changed"`
	Endpoint   Endpoint      `json:"endpoint"`
	Kubeconfig string        `json:"kubeconfig"` // path
	Context    string        `json:"context,omitempty"`
	Expires    *time.Time    `json:"tokenExpires,omitempty"`
	Plugin     string        `json:"plugin,omitempty"` // that gets a Google identity's token; "": the file has one
	Probe      *probe.Report `json:"-"`
	Trace      *Trace        `json:"trace,omitempty"` // of methods whose way the cloud can tell of
	// Missing is the half that somebody else makes: there is no endpoint and no
	// kubeconfig yet then.
	Missing string `json:"missing,omitempty"`
}

// ErrDeclined is an apply or destroy that the user did not confirm.
var ErrDeclined = &RunError{Code_: "CW-RUN-DECLINED", Text: "not confirmed: nothing was changed"}

// Plan opens the exposure and reads everything; problems are what preflight
// found in the way of the plan's changes. Nothing is changed.
func (j Job) Plan(ctx context.Context, spec Spec) (Exposure, Plan, []Problem, error) {
	exposure, err := j.Method.Open(ctx, spec, j.Deps)
	if err != nil {
		return nil, Plan{}, nil, err
	}
	if err := j.recall(ctx, exposure); err != nil {
		return nil, Plan{}, nil, err
	}
	plan, err := MakePlan(ctx, exposure.Steps())
	if MissingRight(err) { // one of how many?
		if problems, failed := exposure.Preflight(ctx, plan); failed == nil && len(problems) > 0 {
			return exposure, plan, nil, &PreconditionError{Verb: "plan " + spec.Method, Problems: problems}
		}
	}
	if err != nil {
		return exposure, plan, nil, fmt.Errorf("plan: %w", err)
	}
	if plan.Empty() {
		return exposure, plan, nil, nil
	}
	problems, err := exposure.Preflight(ctx, plan)
	return exposure, plan, problems, err
}

// recall hands the exposure its record, and refuses a name that an exposure by
// another method has: its objects would be taken for this one's.
func (j Job) recall(ctx context.Context, exposure Exposure) error {
	spec := exposure.Spec()
	record, err := j.Records(exposure).Load(ctx, spec)
	if err != nil || record.Version == 0 {
		return err
	}
	remember(exposure, record)
	if record.Spec.Method == spec.Method && record.Spec.ByGoogle() != spec.ByGoogle() {
		return &PreconditionError{Verb: "plan " + spec.Method, Problems: []Problem{{Code: "CW-RUN-NAME",
			Text: fmt.Sprintf("the exposure %s stands with identity %s, and its identity can't be changed", spec.Name, record.Spec.DNS.Identity),
			Fix:  "destroy it first, or give this one another name with --name"}}}
	}
	if record.Spec.Method == spec.Method {
		return nil
	}
	return &PreconditionError{Verb: "plan " + spec.Method, Problems: []Problem{{Code: "CW-RUN-NAME",
		Text: fmt.Sprintf("the exposure %s of this cluster is by the method %s", spec.Name, record.Spec.Method), Fix: "give this one another name with --name"}}}
}

// Apply makes it so: plan, confirm, apply, then a kubeconfig in memory, probed
// with exactly the bytes that are written afterwards.
//
// Errors: *SpecError, *PreconditionError (nothing was changed), *Stopped (what it
// made stays), *probe.Error (everything stands, the way does not work).
func (j Job) Apply(ctx context.Context, spec Spec) (Applied, error) {
	exposure, plan, problems, err := j.Plan(ctx, spec)
	result := Applied{Exposure: exposure, Plan: plan}
	if err != nil {
		return result, err
	}
	problems = slices.Concat(problems, j.unrecordable(exposure, plan), j.overwrites(exposure, !plan.Empty()))
	if len(problems) > 0 {
		return result, &PreconditionError{Verb: "apply " + spec.Method, Problems: problems}
	}
	if !plan.Empty() {
		if err := j.confirm(exposure, plan); err != nil {
			return result, err
		}
		result.Changed = true
	}
	run := Run{Spec: exposure.Spec(), Records: j.Records(exposure), Lock: exposure.Lock, Progress: j.Progress, Now: j.Deps.Now, By: j.By}
	if _, err := Apply(ctx, plan, run); err != nil {
		return result, err
	}
	if deferred(exposure) != nil {
		return j.second(ctx, spec, result)
	}
	return j.finish(ctx, result)
}

// openWait bounds the wait for a way that was just opened to carry packets: BGP
// spreads a change within seconds, Google's side within a minute.
const openWait = 3 * time.Minute

// second does the cluster's part of an exposure whose way had to be opened first.
func (j Job) second(ctx context.Context, spec Spec, first Applied) (Applied, error) {
	var err error
	if first.Trace, err = j.trace(ctx, first.Exposure); err != nil {
		return first, err
	}
	if first.Trace != nil && (first.Trace.Of(Forward) == Waits || first.Trace.Of(Return) == Waits) {
		return first, &RunError{Code_: "CW-RUN-HALF", Text: "the network's part stands and waits for the far side; the cluster's part can't be done before, as its API can't be reached from here"}
	}
	const id = "way"
	begin := j.Deps.Now()
	j.Progress.Start(id, "the cluster's API, by the way that was opened")
	err = j.Deps.Poll(ctx, openWait, func(ctx context.Context) (bool, error) {
		exposure, err := j.Method.Open(ctx, spec, j.Deps)
		if err != nil {
			return false, err
		}
		j.Progress.Note(id, "not reached yet, waited "+j.Deps.Now().Sub(begin).Round(time.Second).String())
		return deferred(exposure) == nil, nil
	})
	if err != nil {
		if TimedOut(err) {
			err = &RunError{Code_: "CW-RUN-HALF", Text: "the network's part stands, and the cluster's API is still not reached from here after " + openWait.String(), Err: deferred(first.Exposure)}
		}
		j.Progress.Fail(id, err)
		return first, err
	}
	j.Progress.Done(id, j.Deps.Now().Sub(begin), "")
	confirm := j.Confirm
	j.Confirm = nil // the plan that was confirmed said that this part follows
	result, err := j.Apply(ctx, spec)
	j.Confirm = confirm
	result.Changed = result.Changed || first.Changed
	return result, err
}

func (j Job) confirm(exposure Exposure, plan Plan) error {
	if j.Confirm == nil {
		return nil
	}
	yes, err := j.Confirm(exposure, plan)
	if err != nil {
		return err
	}
	if !yes {
		return ErrDeclined
	}
	return nil
}

// finish turns a standing exposure into a proven kubeconfig.
func (j Job) finish(ctx context.Context, result Applied) (Applied, error) {
	if result.Missing, _ = half(result.Exposure); result.Missing != "" {
		var err error
		result.Trace, err = j.trace(ctx, result.Exposure)
		return result, err
	}
	endpoint, err := result.Exposure.Endpoint(ctx)
	if err != nil {
		return result, err
	}
	result.Endpoint = endpoint
	made, err := j.Kubeconfig(ctx, result.Exposure, endpoint, false)
	if err != nil {
		return result, err
	}
	if result.Trace, err = j.settle(ctx, result); err != nil {
		return result, err
	}
	needsPod, err := j.needsPod(ctx, result, made)
	if err != nil {
		return result, err
	}
	if needsPod { // a write, where a second apply makes none
		j.Story("nothing changed, and this machine has no way to the address: not probed again (`causeway verify` with --from cluster does)")
		return result.with(j.File.Path, made), nil
	}
	report, err := j.Verify(ctx, result.Exposure, made)
	if rejected(report) && made.Reused {
		j.Story("the token in " + j.File.Path + " is not accepted any more; taking a new one")
		if made, err = j.Kubeconfig(ctx, result.Exposure, endpoint, true); err != nil {
			return result, err
		}
		report, err = j.Verify(ctx, result.Exposure, made)
	}
	switch {
	case errors.Is(err, errNoWayFromHere):
		j.Story(noPacketSent)
	case ctx.Err() == nil && j.unproven(err) != "":
		j.Story("everything is in place; " + j.unproven(err))
	case err != nil:
		var hop *probe.Error
		if !errors.As(err, &hop) && ctx.Err() == nil {
			j.Story("everything is in place at " + endpoint.URL + ", but no probe was made: no kubeconfig was written")
		}
		result.Probe = &report
		return result, err
	default:
		result.Probe = &report
	}
	if !made.Reused {
		if err := j.File.write(made.Bytes); err != nil {
			return result, err
		}
	}
	return result.with(j.File.Path, made), nil
}

// needsPod reports whether nothing but a pod could probe again what stood already.
func (j Job) needsPod(ctx context.Context, result Applied, made Made) (bool, error) {
	_, in := result.Exposure.(InCluster)
	if !in || result.Changed || !made.Reused || j.From != FromAuto || j.reaches(ctx, result.Exposure) {
		return false, nil
	}
	pods, _, err := probePods(ctx, result.Exposure)
	return len(pods) > 0, err
}

// settleWait bounds the wait for the network to follow a change: BGP needs seconds
// to meet again, and a minute where hold timers run out first.
const settleWait = time.Minute

// settle is trace, after a change that the network may need a moment to follow.
func (j Job) settle(ctx context.Context, result Applied) (*Trace, error) {
	trace, err := j.trace(ctx, result.Exposure)
	if err == nil || trace == nil || !result.Changed {
		return trace, err
	}
	const id = "way"
	begin := j.Deps.Now()
	j.Progress.Start(id, "the network follows the change")
	failed := j.Deps.Poll(ctx, settleWait, func(ctx context.Context) (bool, error) {
		if trace, err = j.trace(ctx, result.Exposure); err == nil {
			return true, nil
		}
		if trace == nil {
			return false, err
		}
		j.Progress.Note(id, fmt.Sprintf("waited %s: %s", j.Deps.Now().Sub(begin).Round(time.Second), firstBroken(*trace)))
		return false, nil
	})
	if failed != nil && !TimedOut(failed) {
		j.Progress.Fail(id, failed)
		return trace, failed
	}
	if err != nil {
		j.Progress.Fail(id, err)
		return trace, err
	}
	j.Progress.Done(id, j.Deps.Now().Sub(begin), "")
	return trace, nil
}

// firstBroken names the first hop that nothing passes.
func firstBroken(trace Trace) string {
	for _, hop := range trace.Hops {
		if hop.Verdict == Broken {
			return hop.Name + " " + hop.Text
		}
	}
	return "nothing is broken"
}

// trace asks the cloud about the way, where the method has one that it can tell
// of; a hop that nothing passes is an error.
func (j Job) trace(ctx context.Context, exposure Exposure) (*Trace, error) {
	traced, ok := exposure.(Traced)
	if !ok {
		return nil, nil
	}
	trace, err := traced.Trace(ctx)
	if err != nil {
		return nil, err
	}
	return &trace, trace.Err()
}

// with adds the kubeconfig that lies at path.
func (a Applied) with(path string, made Made) Applied {
	a.Kubeconfig, a.Context, a.Plugin = path, made.Context, made.Plugin
	if !made.Expires.IsZero() {
		a.Expires = &made.Expires
	}
	return a
}

// rejected reports whether the API server did not take the token.
func rejected(report probe.Report) bool {
	hop := report.Hop(probe.HopIdentity)
	return hop != nil && hop.Status == probe.Fail
}

// Standing opens an exposure that was applied before, from this machine or from
// another: what its record says of the spec counts, whatever was left out now.
func (j Job) Standing(ctx context.Context, spec Spec) (Exposure, Record, error) {
	exposure, err := j.Method.Open(ctx, spec, j.Deps)
	if err != nil {
		return nil, Record{}, err
	}
	record, err := j.Records(exposure).Load(ctx, exposure.Spec())
	if err != nil || record.Version == 0 {
		return exposure, record, err
	}
	remember(exposure, record)
	recorded := record.Spec
	recorded.Reach = spec.Reach
	if reflect.DeepEqual(recorded, spec) {
		return exposure, record, nil
	}
	if exposure, err = j.Method.Open(ctx, recorded, j.Deps); err == nil {
		remember(exposure, record)
	}
	return exposure, record, err
}

// PlanDestroy opens the exposure to leave it, and says what would go.
func (j Job) PlanDestroy(ctx context.Context, spec Spec) (Exposure, Record, []DestroyItem, error) {
	j.Deps.Leaving = true
	exposure, record, err := j.Standing(ctx, spec)
	if err != nil {
		return nil, record, nil, err
	}
	if why := deferred(exposure); why != nil {
		if record.Version == 0 { // the old values may lie in the cluster
			return exposure, record, nil, why
		}
		j.Story("the cluster's API can't be reached from here: namespace " + exposure.Spec().Namespace + " stays; run destroy again where it can be, to remove that too")
	}
	plan, err := MakePlan(ctx, exposure.Steps())
	if err != nil {
		return exposure, record, nil, fmt.Errorf("plan destroy: %w", err)
	}
	return exposure, record, PlanDestroy(plan, record), nil
}

// Destroy takes away what carries the exposure's mark and restores settings.
func (j Job) Destroy(ctx context.Context, exposure Exposure, record Record) ([]DestroyItem, error) {
	run := Run{Spec: exposure.Spec(), Records: j.Records(exposure), Lock: exposure.Lock, Progress: j.Progress, Now: j.Deps.Now, By: j.By}
	return Destroy(ctx, exposure.Steps(), record, run)
}

// KubeconfigStanding makes a kubeconfig with a new token for an exposure that
// stands.
func (j Job) KubeconfigStanding(ctx context.Context, spec Spec) (Exposure, Made, error) {
	return j.KubeconfigFor(ctx, spec, Identity{})
}

package gcp

import (
	"context"
	"errors"
	"fmt"
	"time"

	"cloud.google.com/go/compute/apiv1/computepb"
)

// operationTimeout bounds every wait for an operation. Google ends the operations
// that causeway starts within seconds; a minute is rare.
const operationTimeout = 10 * time.Minute

// waitRegion waits until an operation of a region is done and returns its failure,
// if it failed. It asks by operations.wait, which answers at once when the
// operation ends, where polling would find out up to its interval later.
func (c *Cloud) waitRegion(ctx context.Context, verb, resource, project, region string, op *computepb.Operation, note func(string)) error {
	return c.wait(ctx, verb, resource, op, note, func(ctx context.Context, name string) (*computepb.Operation, error) {
		return c.operations.Wait(ctx, &computepb.WaitRegionOperationRequest{Project: project, Region: region, Operation: name})
	})
}

// waitGlobal is waitRegion for an operation on a global resource.
func (c *Cloud) waitGlobal(ctx context.Context, verb, resource, project string, op *computepb.Operation, note func(string)) error {
	return c.wait(ctx, verb, resource, op, note, func(ctx context.Context, name string) (*computepb.Operation, error) {
		return c.global.Wait(ctx, &computepb.WaitGlobalOperationRequest{Project: project, Operation: name})
	})
}

func (c *Cloud) wait(ctx context.Context, verb, resource string, op *computepb.Operation, note func(string), ask func(context.Context, string) (*computepb.Operation, error)) error {
	ctx, cancel := context.WithTimeout(ctx, operationTimeout)
	defer cancel()
	started := c.now()
	for op.GetStatus() != computepb.Operation_DONE {
		if note != nil {
			note(fmt.Sprintf("operation %s is %s", op.GetName(), op.GetStatus()))
		}
		name, asked := op.GetName(), c.now()
		err := c.untilKnown(ctx, verb, resource, name, func() (err error) {
			op, err = ask(ctx, name)
			return err
		})
		// A server may answer before the end at once: do not turn that into a busy loop.
		if err == nil && op.GetStatus() != computepb.Operation_DONE && c.now().Sub(asked) < time.Second {
			err = sleep(ctx, time.Second)
		}
		if err != nil {
			return c.unended(ctx, verb, resource, name, c.now().Sub(started).Round(time.Second), err)
		}
	}
	return operationError(verb, resource, op)
}

// unknownTries is how often an operation is asked for that Google does not know:
// one that was just begun may not have got round yet.
const unknownTries = 4

// untilKnown asks for an operation. One that Google does not know, after some tries
// either, is a fault of its own and no NotFound: that says nothing about the resource,
// and would pass for its absence.
func (c *Cloud) untilKnown(ctx context.Context, verb, resource, name string, ask func() error) error {
	pause := time.Second
	for try := 1; ; try++ {
		err := ask()
		var told *Error
		if !errors.As(wrap(verb, resource, err), &told) || told.code != codeNotFound {
			return err
		}
		if try == unknownTries {
			return &Error{Verb: verb, Resource: resource, Cause: err, code: codeUnavailable,
				Message: fmt.Sprintf("its operation %s is not known to Google any more, so how it ended is not either: %s", name, told.cause())}
		}
		if err := c.pause(ctx, pause); err != nil {
			return err
		}
		pause *= 2
	}
}

// unended is a wait that broke off: by the caller's bound it is told as such.
func (c *Cloud) unended(ctx context.Context, verb, resource, name string, waited time.Duration, err error) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return &Error{Verb: verb, Resource: resource, code: codeTimeout, Cause: err,
			Message: fmt.Sprintf("its operation %s has not ended within %s", name, waited)}
	}
	return wrap(verb, resource, err)
}

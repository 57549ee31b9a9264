package gcp

import (
	"context"
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
		var err error
		asked := c.now()
		op, err = ask(ctx, op.GetName())
		if err != nil {
			if ctx.Err() == context.DeadlineExceeded {
				return &Error{Verb: verb, Resource: resource, Cause: err, code: codeTimeout,
					Message: fmt.Sprintf("its operation has not ended within %s", c.now().Sub(started).Round(time.Second))}
			}
			return wrap(verb, resource, err)
		}
		// A server may answer before the end at once: do not turn that into a busy loop.
		if op.GetStatus() != computepb.Operation_DONE && c.now().Sub(asked) < time.Second {
			if err := sleep(ctx, time.Second); err != nil {
				return wrap(verb, resource, err)
			}
		}
	}
	return operationError(verb, resource, op)
}

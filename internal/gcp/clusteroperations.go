package gcp

import (
	"context"
	"fmt"
	"time"
)

const (
	// clusterTimeout bounds the wait for an operation on a cluster; gcloud waits as
	// long.
	clusterTimeout = 20 * time.Minute
	clusterFirst   = 500 * time.Millisecond
	clusterLongest = 5 * time.Second
)

// waitCluster waits until an operation of GKE is done and returns its failure, if
// it failed. This API has no wait call, so it asks, at first often.
func (c *Cloud) waitCluster(ctx context.Context, verb, resource, project, location string, op document, note func(string)) error {
	started, pause := c.now(), clusterFirst
	for {
		status, _ := op["status"].(string)
		name, _ := op["name"].(string)
		if status == "DONE" {
			return longError(verb, resource, op) // tells a failure in the same form
		}
		waited := c.now().Sub(started).Round(time.Second)
		if waited >= clusterTimeout {
			return &Error{Verb: verb, Resource: resource, code: codeTimeout, Message: fmt.Sprintf("its operation %s has not ended within %s", name, waited)}
		}
		if note != nil {
			note(fmt.Sprintf("operation %s is %s, %s so far", name, status, waited))
		}
		if err := c.pause(ctx, pause); err != nil {
			return c.unended(ctx, verb, resource, name, waited, err)
		}
		pause = min(2*pause, clusterLongest)
		err := c.untilKnown(ctx, verb, resource, name, func() (err error) {
			op, err = c.rawContainer.get(ctx, fmt.Sprintf("projects/%s/locations/%s/operations/%s", project, location, name))
			return err
		})
		if err != nil {
			return c.unended(ctx, verb, resource, name, waited, err)
		}
	}
}

package gcp

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

const (
	// longTimeout bounds the wait for a long-running operation of the fleet's APIs
	// and of Service Usage. Registering a cluster and turning a feature on take
	// minutes at most.
	longTimeout = 20 * time.Minute
	longFirst   = 200 * time.Millisecond
	longLongest = 5 * time.Second
)

// waitLong waits until a google.longrunning operation is done and returns its
// failure, if it failed. These APIs have no wait call, so it asks, at first often.
// api is where its name is asked for.
func (c *Cloud) waitLong(ctx context.Context, api rawAPI, verb, resource string, op document, note func(string)) error {
	started, pause := c.now(), longFirst
	for {
		name, _ := op["name"].(string)
		if done, _ := op["done"].(bool); done {
			return longError(verb, resource, op)
		}
		waited := c.now().Sub(started).Round(time.Second)
		if waited >= longTimeout {
			return &Error{Verb: verb, Resource: resource, code: codeTimeout, Message: fmt.Sprintf("its operation %s has not ended within %s", name, waited)}
		}
		if note != nil {
			note(fmt.Sprintf("operation %s is running, %s so far", name[strings.LastIndex(name, "/")+1:], waited))
		}
		if err := c.pause(ctx, pause); err != nil {
			return c.unended(ctx, verb, resource, name, waited, err)
		}
		pause = min(2*pause, longLongest)
		err := c.untilKnown(ctx, verb, resource, name, func() (err error) {
			op, err = api.get(ctx, name)
			return err
		})
		if err != nil {
			return c.unended(ctx, verb, resource, name, waited, err)
		}
	}
}

// longError is the failure of an operation after its call was taken. Its status is
// a google.rpc code, which is put into the HTTP status that the call itself would
// have had, so that both are told alike.
func longError(verb, resource string, op document) error {
	failure := op.inner("error")
	if failure == nil {
		return nil
	}
	message, _ := failure["message"].(string)
	code := fmt.Sprint(failure["code"])
	e := &Error{Verb: verb, Resource: resource, Message: message, HTTP: rpcStatus[code], Reason: "google.rpc code " + code}
	if code == "10" { // which shares its HTTP status with what exists already
		e.Reason = "ABORTED"
	}
	if found := permissionForms.FindStringSubmatch(message); found != nil {
		e.Permission = found[1]
	}
	e.classify()
	return e
}

// rpcStatus is the HTTP status of a google.rpc code (google/rpc/code.proto).
var rpcStatus = map[string]int{
	"3": http.StatusBadRequest, "4": http.StatusGatewayTimeout, "5": http.StatusNotFound, "6": http.StatusConflict,
	"7": http.StatusForbidden, "8": http.StatusTooManyRequests, "9": http.StatusBadRequest, "10": http.StatusConflict,
	"12": http.StatusNotImplemented, "13": http.StatusInternalServerError, "14": http.StatusServiceUnavailable, "16": http.StatusUnauthorized,
}

const (
	// settleTries and settleFirst are how often and how long after each other a call
	// is made again that an API refuses because it is still being turned on. gcloud
	// tries a feature four times, from 1 s on, each pause 1.75 times the last
	// (command_lib/container/fleet/features/base.py); an API that causeway itself has
	// just enabled gets the minutes that its own refusal speaks of.
	settleTries   = 4
	settleFirst   = time.Second
	settleLongest = 15 * time.Second
	settleFresh   = 5 * time.Minute
)

// settled makes a call of an API that may just have been enabled in a project,
// again while it says that it is not enabled yet.
func (c *Cloud) settled(ctx context.Context, project string, note func(string), do func() error) error {
	pause := settleFirst
	for try := 1; ; try++ {
		err := do()
		var e *Error
		if err == nil || !errors.As(err, &e) {
			return err
		}
		starting := e.HTTP == http.StatusBadRequest && strings.Contains(e.Message, "is not enabled")
		fresh := (starting || e.code == codeAPIDisabled) && c.enabled.within(settleFresh, project, e.Service, c.now())
		if !fresh && (!starting || try >= settleTries) {
			return err
		}
		if note != nil {
			note("waiting for an API that was just enabled: " + e.Message)
		}
		if err := c.pause(ctx, pause); err != nil {
			return wrap(e.Verb, e.Resource, err)
		}
		pause = min(pause*7/4, settleLongest)
	}
}

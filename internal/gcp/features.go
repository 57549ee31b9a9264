package gcp

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"time"
)

// MCSFeature is the fleet's feature of multi-cluster Services.
const MCSFeature = "multiclusterservicediscovery"

// Feature is a feature of a fleet that is on, or on its way.
type Feature struct {
	Name   string // projects/P/locations/global/features/F as Google wrote it
	Labels map[string]string

	State             string // of the resource: ENABLING, ACTIVE, DISABLING, UPDATING, SERVICE_UPDATING
	Code, Description string // of the whole fleet, in Google's words; "" when none are told

	// Members are the memberships' own states, by name as Google wrote it: with the
	// project's number. For some minutes after the feature came there are none.
	Members map[string]MemberState
}

// MemberState is how a feature fares in one cluster.
type MemberState struct {
	Code        string // OK, WARNING, ERROR, or what else Google says
	Description string // may be empty
	Updated     time.Time
}

type stateJSON struct {
	Code, Description string
	UpdateTime        time.Time
}

type featureJSON struct {
	Name             string
	Labels           map[string]string
	ResourceState    struct{ State string }
	State            struct{ State stateJSON }
	MembershipStates map[string]struct{ State stateJSON }
}

func featurePath(project, id string) string {
	return "projects/" + project + "/locations/global/features/" + id
}

// Feature reads one of a fleet by its id (MCSFeature); nil when it is off.
func (c *Cloud) Feature(ctx context.Context, project, id string) (*Feature, error) {
	name := featurePath(project, id)
	text, err := c.readHub(ctx, "read", "feature "+name, project, name, nil)
	if NotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var found featureJSON
	if err := json.Unmarshal(text, &found); err != nil {
		return nil, garbled("read", "feature "+name, err)
	}
	out := &Feature{
		Name: found.Name, Labels: found.Labels, State: found.ResourceState.State,
		Code: found.State.State.Code, Description: found.State.State.Description, Members: map[string]MemberState{},
	}
	for member, state := range found.MembershipStates {
		out.Members[member] = MemberState{state.State.Code, state.State.Description, state.State.UpdateTime}
	}
	return out, nil
}

// CreateFeature turns a feature on for a fleet and waits until it is there. One that
// is on already is fine, whatever its labels; one that is just being turned off is an
// error, CW-GCP-BUSY. A feature whose API was just enabled is refused for a while, and
// asked for again.
func (c *Cloud) CreateFeature(ctx context.Context, project, id string, labels map[string]string, note func(string)) error {
	body := map[string]any{}
	if len(labels) > 0 {
		body["labels"] = labels
	}
	err := c.settled(ctx, project, note, func() error {
		return c.long(ctx, c.rawHub, longCall{
			verb: "enable", resource: "feature " + featurePath(project, id), method: http.MethodPost,
			path: "projects/" + project + "/locations/global/features", body: body,
			query: url.Values{"featureId": {id}, "requestId": {c.requestID()}},
		}, note)
	})
	if !AlreadyExists(err) {
		return err
	}
	switch found, readErr := c.Feature(ctx, project, id); {
	case readErr != nil:
		return readErr
	case found == nil:
		return err
	case found.State == "DISABLING":
		return &Error{Verb: "enable", Resource: "feature " + found.Name, Cause: err, code: codeBusy,
			Message: "it is being disabled; it can be enabled again when it is gone"}
	}
	return nil
}

// DeleteFeature turns a feature off for the whole fleet and waits until it is gone.
// It is never forced: Google refuses while the feature holds resources. One that is
// off already is an error for which NotFound is true.
func (c *Cloud) DeleteFeature(ctx context.Context, project, id string, note func(string)) error {
	name := featurePath(project, id)
	return c.long(ctx, c.rawHub, longCall{verb: "disable", resource: "feature " + name, method: http.MethodDelete, path: name,
		query: url.Values{"requestId": {c.requestID()}}}, note)
}

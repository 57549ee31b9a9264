package psc

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"causeway/exposer"
	"causeway/internal/gcp"
)

// attachmentStep is the service attachment: made as a whole, its lists of
// consumers changed additively afterwards.
type attachmentStep struct{ x *exposure }

func (x *exposure) attachmentRef() gcp.Ref {
	return gcp.Ref{Project: x.spec.Cluster.Project, Region: x.region, Name: "causeway-" + x.spec.Name}
}

// attachmentStep makes the service attachment, in the way that the spec says.
func (x *exposure) attachmentStep() exposer.Step {
	if x.object != nil {
		return x.object
	}
	return attachmentStep{x}
}

// attachment is the service attachment as Google has it now, nil for none.
func (x *exposure) attachment(ctx context.Context) (*gcp.ServiceAttachment, error) {
	if x.object != nil {
		return x.object.attachment(ctx)
	}
	return x.google.ServiceAttachment(ctx, x.attachmentRef())
}

// attachmentPath is what an endpoint targets; "" while GKE has not made it.
func (x *exposure) attachmentPath() string {
	if !x.producing() {
		return x.published.Attachment
	}
	if x.object != nil {
		return x.object.made
	}
	ref := x.attachmentRef()
	return fmt.Sprintf("projects/%s/regions/%s/serviceAttachments/%s", ref.Project, ref.Region, ref.Name)
}

// ID implements exposer.Step.
func (s attachmentStep) ID() string {
	return "service-attachment/" + s.x.region + "/" + s.x.attachmentRef().Name
}

// Title implements exposer.Step.
func (s attachmentStep) Title() string {
	return fmt.Sprintf("service attachment %s on %s", s.x.attachmentRef().Name, s.x.rule[strings.LastIndex(s.x.rule, "/")+1:])
}

// Needs implements exposer.Step.
func (s attachmentStep) Needs() []string {
	return append(s.x.natIDs(), exposer.GuestID(s.x.spec.PSC.Exposure))
}

// accepted are the entries of those who are let in, the consumer of this run among
// them.
func (x *exposure) accepted() []string {
	entries := slices.Clone(x.spec.PSC.Consumers)
	if c := x.spec.PSC.Consumer; c != nil && x.spec.PSC.Accept == exposer.AcceptManual {
		kind := exposer.ByProject
		if listed := append(slices.Clone(entries), x.spec.PSC.Reject...); len(listed) > 0 { // one kind for both lists
			who, _, _ := exposer.ConsumerOf(listed[0])
			kind = exposer.KindOfConsumer(who)
		}
		own := c.Project
		switch kind {
		case exposer.ByNetwork:
			own = fmt.Sprintf("projects/%s/global/networks/%s", x.consumerNet().Project, x.consumerNet().Name)
		case exposer.ByEndpoint:
			own = x.endpointPath()
		}
		if !slices.ContainsFunc(entries, func(e string) bool { who, _, _ := exposer.ConsumerOf(e); return who == own }) {
			entries = append(entries, own)
		}
	}
	return entries
}

// limits are the accept list as Google has it.
func (x *exposure) limits() []gcp.ConsumerLimit {
	var limits []gcp.ConsumerLimit
	for _, entry := range x.accepted() {
		who, limit, err := exposer.ConsumerOf(entry)
		if err != nil {
			continue // validation told
		}
		one := gcp.ConsumerLimit{Limit: limit}
		switch exposer.KindOfConsumer(who) {
		case exposer.ByNetwork:
			one.Network = who
		case exposer.ByEndpoint:
			one.Endpoint, one.Limit = who, 1
		default:
			one.Project = who
		}
		limits = append(limits, one)
	}
	return limits
}

func (x *exposure) preference() string {
	if x.spec.PSC.Accept == exposer.AcceptAutomatic {
		return gcp.AcceptAutomatic
	}
	return gcp.AcceptManual
}

// merge says what the attachment lacks. Entries that others added stay; those of
// this exposure's that the spec has no more stay too: whoever is connected by them
// would be cut off, which is for a person to decide.
func (s attachmentStep) merge(have gcp.ServiceAttachment) (gcp.AttachmentEdit, []exposer.FieldChange) {
	var edit gcp.AttachmentEdit
	var changes []exposer.FieldChange
	if want := s.x.preference(); have.Preference != want {
		edit.Preference = &want
		changes = append(changes, exposer.FieldChange{Field: "connectionPreference", From: have.Preference, To: want})
		if want == gcp.AcceptAutomatic && len(have.Accept)+len(have.Reject) > 0 {
			edit.Accept, edit.Reject = &[]gcp.ConsumerLimit{}, &[]string{}
			changes = append(changes, exposer.FieldChange{Field: "consumer lists", From: "set", To: "(none): Google refuses them with automatic acceptance"})
			have.Accept, have.Reject = nil, nil
		}
	}
	accept := slices.Clone(have.Accept)
	for _, want := range s.x.limits() {
		at := slices.IndexFunc(accept, func(l gcp.ConsumerLimit) bool {
			return l.Project == want.Project && l.Network == want.Network && l.Endpoint == want.Endpoint
		})
		name := want.Project + want.Network + want.Endpoint
		switch {
		case at < 0:
			accept = append(accept, want)
			changes = append(changes, exposer.FieldChange{Field: "consumerAcceptLists", To: fmt.Sprintf("%s, limit %d", name, want.Limit)})
		case accept[at].Limit < want.Limit:
			changes = append(changes, exposer.FieldChange{Field: "limit of " + name, From: fmt.Sprint(accept[at].Limit), To: fmt.Sprint(want.Limit)})
			accept[at].Limit = want.Limit
		}
	}
	if !slices.Equal(accept, have.Accept) {
		edit.Accept = &accept
	}
	reject := slices.Clone(have.Reject)
	for _, who := range s.x.spec.PSC.Reject {
		if !slices.Contains(reject, who) {
			reject = append(reject, who)
			changes = append(changes, exposer.FieldChange{Field: "consumerRejectLists", To: who})
		}
	}
	if len(reject) > len(have.Reject) {
		edit.Reject = &reject
	}
	nat := s.x.natRef()
	if !slices.Contains(have.NATSubnets, nat) {
		subnets := append(slices.Clone(have.NATSubnets), nat)
		edit.NATSubnets = &subnets
		changes = append(changes, exposer.FieldChange{Field: "natSubnets", To: nat.Name})
	}
	return edit, changes
}

// Read implements exposer.Step.
func (s attachmentStep) Read(ctx context.Context) (exposer.Observed, error) {
	have, err := s.x.google.ServiceAttachment(ctx, s.x.attachmentRef())
	if err != nil {
		return exposer.Observed{}, err
	}
	if have == nil && !s.x.deps.Leaving && s.x.newObject().standing(ctx) {
		return exposer.Observed{Action: exposer.Refuse, Cause: s.x.otherWay(exposer.ThroughCRD)}, nil
	}
	if have == nil {
		return exposer.Observed{Action: exposer.Create, Why: s.x.consumersFact()}, nil
	}
	seen := exposer.Observed{Exists: true, Ours: s.x.marked(have.Description), Action: exposer.Keep}
	if s.x.deps.Leaving {
		return seen, nil
	}
	switch _, changes := s.merge(*have); {
	case !seen.Ours:
		seen.Action, seen.Cause = exposer.Refuse, refusal("CW-RUN-FOREIGN", "service attachment %s exists and does not carry this exposure's mark", have.Name)
	case have.Target != s.x.rule:
		seen.Action, seen.Cause = exposer.Refuse, refusal("CW-PSC-TARGET", "service attachment %s points at %s, not at %s: Google can't change that; destroy the exposure and apply it again", have.Name, have.Target, s.x.rule)
	case len(changes) > 0:
		seen.Action, seen.Changes = exposer.Change, changes
	}
	return seen, nil
}

// otherWay refuses to change the way of an attachment that stands: another one would
// close the endpoints of its consumers, which is for a person to decide.
func (x *exposure) otherWay(stands string) error {
	return refusal("CW-PSC-THROUGH", "the service attachment of exposure %s was made through %s, which is not changed while it stands: keep --through %s, or destroy the exposure and apply it again", x.spec.Name, stands, stands)
}

// Do implements exposer.Step.
func (s attachmentStep) Do(ctx context.Context, note func(string)) error {
	have, err := s.x.google.ServiceAttachment(ctx, s.x.attachmentRef())
	if err != nil {
		return err
	}
	if have == nil {
		ref := s.x.attachmentRef()
		return s.x.google.CreateServiceAttachment(ctx, gcp.ServiceAttachment{Project: ref.Project, Region: ref.Region, Name: ref.Name, Description: s.x.description(),
			Target: s.x.rule, Preference: s.x.preference(), NATSubnets: []gcp.Ref{s.x.natRef()}, Accept: s.x.limits(), Reject: s.x.spec.PSC.Reject}, note)
	}
	_, err = s.x.google.EditServiceAttachment(ctx, s.x.attachmentRef(), func(have gcp.ServiceAttachment) (gcp.AttachmentEdit, error) {
		edit, _ := s.merge(have)
		return edit, nil
	}, note)
	return err
}

// Undo implements exposer.Step. Consumers' endpoints are closed by it for good,
// which is said: destroying what they stand on is what was asked for.
func (s attachmentStep) Undo(ctx context.Context, _ json.RawMessage, note func(string)) (exposer.Undone, error) {
	have, err := s.x.google.ServiceAttachment(ctx, s.x.attachmentRef())
	switch {
	case err != nil:
		return exposer.Undone{}, err
	case have == nil:
		return exposer.Undone{Outcome: exposer.Absent}, nil
	case !s.x.marked(have.Description):
		return exposer.Undone{Outcome: exposer.Left, Why: "not made by this exposure"}, nil
	}
	if n := len(have.Endpoints); n > 0 {
		note(closing(n))
	}
	return exposer.Undone{Outcome: exposer.Removed}, s.x.google.DeleteServiceAttachment(ctx, s.x.attachmentRef(), note)
}

// closing says what the end of an attachment means to its consumers.
func closing(endpoints int) string {
	if endpoints == 1 {
		return "closes one endpoint of a consumer: it has to be made anew to come back"
	}
	return fmt.Sprintf("closes %d endpoints of consumers: each has to be made anew to come back", endpoints)
}

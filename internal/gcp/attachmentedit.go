package gcp

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// staleAttempts bounds how often a change is made anew because somebody else was
// faster. Each attempt reads and merges, so that nobody's change is lost.
const staleAttempts = 6

// AttachmentEdit is a change of a service attachment. What is nil stays as it is.
type AttachmentEdit struct {
	Description *string
	Preference  *string
	NATSubnets  *[]Ref
	Accept      *[]ConsumerLimit // a pointer to an empty list clears it
	Reject      *[]string        // a pointer to an empty list clears it
	Reconcile   *bool
}

// EditServiceAttachment changes an attachment and returns it as it is afterwards,
// read anew; edit gets it as it is and says what to change.
//
// One patch carries the keys that change and the fingerprint of what was read;
// entries of lists that stay go back as they were, with fields that causeway does
// not know. When somebody else changed the attachment meanwhile (412), it is read
// again and edit is asked again, six times at most, before that fails with
// CW-GCP-PRECONDITION. While another operation runs on it, it waits up to ten
// minutes. An edit that changes nothing sends nothing.
//
// It fails with the codes of CreateServiceAttachment, with NotFound, and with what
// edit returns.
func (c *Cloud) EditServiceAttachment(ctx context.Context, ref Ref, edit func(ServiceAttachment) (AttachmentEdit, error), note func(string)) (ServiceAttachment, error) {
	var out ServiceAttachment
	err := c.fresh(ctx, "service attachment "+attachmentURL(ref), note, func(ctx context.Context) (err error) {
		out, err = c.editAttachment(ctx, ref, edit, note)
		return err
	})
	return out, err
}

// fresh repeats a change that carries a fingerprint: at once when what it read was
// stale, and after a while when another operation runs on the resource.
func (c *Cloud) fresh(ctx context.Context, resource string, note func(string), change func(context.Context) error) error {
	ctx = context.WithValue(ctx, readAnewKey{}, true)
	busy := func(err error) bool { return hasCode(err, codeBusy) }
	return c.patiently(ctx, "operation on "+resource, busy, note, func() error {
		for attempt := 1; ; attempt++ {
			err := change(ctx)
			if !hasCode(err, codePrecondition) || attempt == staleAttempts {
				return err
			}
			if note != nil {
				note(fmt.Sprintf("%s was changed by somebody else; reading it again", resource))
			}
			if err := c.pause(ctx, time.Duration(attempt)*200*time.Millisecond); err != nil {
				return wrap("change", resource, err)
			}
		}
	})
}

func (c *Cloud) editAttachment(ctx context.Context, ref Ref, edit func(ServiceAttachment) (AttachmentEdit, error), note func(string)) (ServiceAttachment, error) {
	const verb = "change"
	path := attachmentURL(ref)
	resource := "service attachment " + path
	doc, have, err := c.attachmentDocument(ctx, ref)
	if err != nil {
		return ServiceAttachment{}, err
	}
	change, err := edit(have)
	if err != nil {
		return have, err
	}
	want := change.apply(have)
	patch := change.patch(doc, have)
	if len(patch) == 0 {
		return have, nil
	}
	if rehearsing(ctx) == nil {
		if err := want.check(verb); err != nil {
			return have, err
		}
	}
	patch["fingerprint"] = doc["fingerprint"]
	op, err := c.change(ctx, http.MethodPatch, path, patch)
	if err == nil {
		err = c.waitRegion(ctx, verb, resource, ref.Project, ref.Region, op, note)
	} else {
		err = wrap(verb, resource, err)
	}
	if err != nil {
		return have, c.whyAttachment(ctx, want, err)
	}
	_, now, err := c.attachmentDocument(ctx, ref)
	if err != nil {
		return have, err
	}
	return now, nil
}

// attachmentDocument reads an attachment as the API wrote it, and as a view.
func (c *Cloud) attachmentDocument(ctx context.Context, ref Ref) (document, ServiceAttachment, error) {
	path := attachmentURL(ref)
	text, err := c.rawCompute.call(ctx, http.MethodGet, path, nil, nil)
	if wrapped := wrap("read", "service attachment "+path, err); rehearsing(ctx) != nil && NotFound(wrapped) {
		text, err = json.RawMessage("{}"), nil // it would have been made before
	} else if err != nil {
		return nil, ServiceAttachment{}, wrapped
	}
	doc, err := parseDocument(text)
	var found attachmentJSON
	if err == nil {
		err = json.Unmarshal(text, &found)
	}
	if err != nil {
		return nil, ServiceAttachment{}, garbled("read", "service attachment "+path, err)
	}
	found.Name = ref.Name
	return doc, found.attachment(ref.Project, ref.Region), nil
}

// apply is the attachment as the edit would leave it.
func (e AttachmentEdit) apply(a ServiceAttachment) ServiceAttachment {
	set(&a.Description, e.Description)
	set(&a.Preference, e.Preference)
	set(&a.NATSubnets, e.NATSubnets)
	set(&a.Accept, e.Accept)
	set(&a.Reject, e.Reject)
	set(&a.Reconcile, e.Reconcile)
	return a
}

func set[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

// patch holds the keys that differ from what is there.
func (e AttachmentEdit) patch(doc document, have ServiceAttachment) document {
	patch := document{}
	if e.Description != nil && *e.Description != have.Description {
		patch["description"] = *e.Description
	}
	if e.Preference != nil && *e.Preference != have.Preference {
		patch["connectionPreference"] = *e.Preference
	}
	if e.Reconcile != nil && *e.Reconcile != have.Reconcile {
		patch["reconcileConnections"] = *e.Reconcile
	}
	if e.NATSubnets != nil && !sameMembers(*e.NATSubnets, have.NATSubnets) {
		name := func(one any) string { text, _ := one.(string); return shortLink(text) }
		patch["natSubnets"] = merged(doc.list("natSubnets"), *e.NATSubnets, subnetworkURL, name, func(ref Ref) any { return fullLink(subnetworkURL(ref)) })
	}
	if e.Accept != nil && !sameMembers(*e.Accept, have.Accept) {
		list := merged(doc.list("consumerAcceptLists"), *e.Accept, ConsumerLimit.consumer, entryConsumer, func(l ConsumerLimit) any { return l.entry() })
		patch["consumerAcceptLists"] = list
		limitEntries(list, *e.Accept)
	}
	if e.Reject != nil && !sameMembers(*e.Reject, have.Reject) {
		name := func(one any) string { text, _ := one.(string); return shortLink(text) }
		patch["consumerRejectLists"] = merged(doc.list("consumerRejectLists"), *e.Reject, shortLink, name, func(path string) any { return fullLink(path) })
	}
	return patch
}

// merged makes the list to send: entries that stay, as they stand, then new ones.
// It is never nil, so that an empty list is sent as one.
func merged[T any](have []any, want []T, key func(T) string, keyOf func(any) string, entry func(T) any) []any {
	out, kept := []any{}, []string{}
	for _, one := range have {
		if slices.ContainsFunc(want, func(w T) bool { return key(w) == keyOf(one) }) {
			out, kept = append(out, one), append(kept, keyOf(one))
		}
	}
	for _, one := range want {
		if !slices.Contains(kept, key(one)) {
			out, kept = append(out, entry(one)), append(kept, key(one))
		}
	}
	return out
}

// entryConsumer names the consumer of an entry of the API's.
func entryConsumer(one any) string {
	fields, _ := one.(map[string]any)
	for _, field := range []string{"projectIdOrNum", "networkUrl", "endpointUrl"} {
		if name, _ := fields[field].(string); name != "" {
			return shortLink(name)
		}
	}
	return ""
}

// limitEntries puts the wanted limits into entries, whose other fields stay.
func limitEntries(list []any, want []ConsumerLimit) {
	for _, one := range list {
		at := slices.IndexFunc(want, func(w ConsumerLimit) bool { return w.consumer() == entryConsumer(one) })
		if fields, ok := one.(map[string]any); ok && at >= 0 && fmt.Sprint(fields["connectionLimit"]) != fmt.Sprint(want[at].Limit) {
			fields["connectionLimit"] = want[at].Limit
		}
	}
}

// sameMembers compares two lists whatever their order.
func sameMembers[T comparable](a, b []T) bool {
	if len(a) != len(b) {
		return false
	}
	left := slices.Clone(b)
	for _, one := range a {
		at := slices.Index(left, one)
		if at < 0 {
			return false
		}
		left = slices.Delete(left, at, at+1)
	}
	return true
}

package gcp

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"causeway/internal/gcptest"
)

// patches are the bodies of all patches of attachments, without their fingerprints.
func patches(t *testing.T, google *gcptest.Server) []map[string]any {
	t.Helper()
	var out []map[string]any
	for _, call := range google.Requests() {
		if call.Method != "compute.serviceAttachments.patch" {
			continue
		}
		var body map[string]any
		if err := json.Unmarshal([]byte(call.Body), &body); err != nil {
			t.Fatal(err)
		}
		if body["fingerprint"] == nil {
			t.Errorf("a patch without a fingerprint: %s", call.Body)
		}
		delete(body, "fingerprint")
		out = append(out, body)
	}
	return out
}

func full(path string) string { return "https://www.googleapis.com/compute/v1/" + path }

// TestAnEditSendsWhatChanges, and nothing else; lists that are emptied are sent so.
func TestAnEditSendsWhatChanges(t *testing.T) {
	old := map[string]any{"projectIdOrNum": consumer, "connectionLimit": 2.0}
	for sentence, test := range map[string]struct {
		change AttachmentEdit
		patch  map[string]any
	}{
		"nothing":                     {AttachmentEdit{}, nil},
		"what is so already":          {AttachmentEdit{Accept: &[]ConsumerLimit{{Project: consumer, Limit: 2}}, Reject: &[]string{}, Reconcile: ptr(false), Preference: ptr(AcceptManual), NATSubnets: &[]Ref{ref("nat")}, Description: ptr("causeway exposure demo")}, nil},
		"one consumer more":           {AttachmentEdit{Accept: &[]ConsumerLimit{{Project: "new", Limit: 1}, {Project: consumer, Limit: 2}}}, map[string]any{"consumerAcceptLists": []any{old, map[string]any{"projectIdOrNum": "new", "connectionLimit": 1.0}}}},
		"another limit":               {AttachmentEdit{Accept: &[]ConsumerLimit{{Project: consumer, Limit: 5}}}, map[string]any{"consumerAcceptLists": []any{map[string]any{"projectIdOrNum": consumer, "connectionLimit": 5.0}}}},
		"a network in its place":      {AttachmentEdit{Accept: &[]ConsumerLimit{{Network: farNetPath, Limit: 1}}}, map[string]any{"consumerAcceptLists": []any{map[string]any{"networkUrl": full(farNetPath), "connectionLimit": 1.0}}}},
		"an endpoint in its place":    {AttachmentEdit{Accept: &[]ConsumerLimit{{Endpoint: farRules + "x", Limit: 1}}}, map[string]any{"consumerAcceptLists": []any{map[string]any{"endpointUrl": full(farRules + "x"), "connectionLimit": 1.0}}}},
		"nobody":                      {AttachmentEdit{Accept: &[]ConsumerLimit{}}, map[string]any{"consumerAcceptLists": []any{}}},
		"nobody, from a nil list":     {AttachmentEdit{Accept: new([]ConsumerLimit)}, map[string]any{"consumerAcceptLists": []any{}}},
		"a rejected one":              {AttachmentEdit{Reject: &[]string{"foe"}}, map[string]any{"consumerRejectLists": []any{"foe"}}},
		"automatic":                   {AttachmentEdit{Preference: ptr(AcceptAutomatic), Accept: &[]ConsumerLimit{}}, map[string]any{"connectionPreference": AcceptAutomatic, "consumerAcceptLists": []any{}}},
		"a NAT subnetwork more":       {AttachmentEdit{NATSubnets: &[]Ref{ref("nat-more"), ref("nat")}}, map[string]any{"natSubnets": []any{full(regional + "subnetworks/nat"), full(regional + "subnetworks/nat-more")}}},
		"whom a change of lists hits": {AttachmentEdit{Reconcile: ptr(true)}, map[string]any{"reconcileConnections": true}},
		"another description":         {AttachmentEdit{Description: ptr("")}, map[string]any{"description": ""}},
	} {
		t.Run(sentence, func(t *testing.T) {
			cloud, google := both(t, gcptest.Options{OperationTime: 5 * time.Millisecond})
			publish(t, cloud, attachment())
			google.ResetRequests()
			after, err := cloud.EditServiceAttachment(t.Context(), ref("demo"), editOf(test.change), nil)
			if err != nil {
				t.Fatal(err)
			}
			var want []map[string]any
			if test.patch != nil {
				want = append(want, test.patch)
			}
			if diff := cmp.Diff(want, patches(t, google)); diff != "" {
				t.Error(diff)
			}
			found, err := cloud.ServiceAttachment(t.Context(), ref("demo"))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(*found, after); diff != "" {
				t.Errorf("it returns another one than there is: %s", diff)
			}
			if leave := test.change.patch(document{}, after); len(leave) != 0 {
				t.Errorf("the same edit again would send %v", leave)
			}
		})
	}
}

// TestEntriesOfOthersStay whole, with what causeway does not know.
func TestEntriesOfOthersStay(t *testing.T) {
	cloud, google := both(t, gcptest.Options{})
	publish(t, cloud, attachment())
	foreign := map[string]any{"projectIdOrNum": "friend", "connectionLimit": 7}
	err := google.Change(attachPath, func(o map[string]any) {
		o["consumerAcceptLists"] = append([]any{foreign}, o["consumerAcceptLists"].([]any)...)
		o["consumerRejectLists"] = []any{"foe"}
	})
	if err != nil {
		t.Fatal(err)
	}
	add := func(a ServiceAttachment) (AttachmentEdit, error) {
		accept := append([]ConsumerLimit{{Project: "ours", Limit: 1}}, a.Accept...)
		return AttachmentEdit{Accept: &accept}, nil
	}
	if _, err := cloud.EditServiceAttachment(t.Context(), ref("demo"), add, nil); err != nil {
		t.Fatal(err)
	}
	own := map[string]any{"projectIdOrNum": consumer, "connectionLimit": 2.0}
	want := []any{map[string]any{"projectIdOrNum": "friend", "connectionLimit": 7.0}, own, map[string]any{"projectIdOrNum": "ours", "connectionLimit": 1.0}}
	if diff := cmp.Diff(want, google.Object(attachPath)["consumerAcceptLists"]); diff != "" {
		t.Error(diff)
	}
	// A field that is newer than causeway goes back as it came.
	doc, err := parseDocument(json.RawMessage(`{"consumerAcceptLists":[{"projectIdOrNum":"friend","connectionLimit":7,"since":12345678901234567890}]}`))
	if err != nil {
		t.Fatal(err)
	}
	have := ServiceAttachment{Accept: []ConsumerLimit{{Project: "friend", Limit: 7}}}
	patch := AttachmentEdit{Accept: &[]ConsumerLimit{{Project: "friend", Limit: 8}}}.patch(doc, have)
	text, err := json.Marshal(patch)
	if err != nil || string(text) != `{"consumerAcceptLists":[{"connectionLimit":8,"projectIdOrNum":"friend","since":12345678901234567890}]}` {
		t.Errorf("%s, %v", text, err)
	}
}

// TestAStaleFingerprint makes the merge anew: what the other one wrote stays.
func TestAStaleFingerprint(t *testing.T) {
	for sentence, rivals := range map[string]int{"once": 1, "five times": 5, "always": 99} {
		t.Run(sentence, func(t *testing.T) {
			count := 0
			cloud, google := meddled(t, "lab", func(google *gcptest.Server, r *http.Request) {
				if r.Method != http.MethodPatch || count >= rivals {
					return
				}
				count++
				err := google.Change(attachPath, func(o map[string]any) {
					list, _ := o["consumerAcceptLists"].([]any)
					o["consumerAcceptLists"] = append(list, map[string]any{"projectIdOrNum": fmt.Sprint("rival-", count), "connectionLimit": 1})
					o["fingerprint"] = fmt.Sprintf("c3RhbGUt%04d", count)
				})
				if err != nil {
					t.Error(err)
				}
			})
			fillMore(t, google)
			publish(t, cloud, attachment())
			asked, notes := 0, []string{}
			after, err := cloud.EditServiceAttachment(t.Context(), ref("demo"), func(a ServiceAttachment) (AttachmentEdit, error) {
				asked++
				accept := append(a.Accept, ConsumerLimit{Project: "ours", Limit: 1})
				return AttachmentEdit{Accept: &accept}, nil
			}, func(note string) { notes = append(notes, note) })
			if rivals > staleAttempts {
				expect(t, err, "CW-GCP-PRECONDITION", "Invalid fingerprint")
				if asked != staleAttempts {
					t.Errorf("asked %d times", asked)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if len(after.Accept) != rivals+2 || after.Accept[len(after.Accept)-1].Project != "ours" || asked != rivals+1 {
				t.Errorf("asked %d times: %+v", asked, after.Accept)
			}
			if !strings.Contains(strings.Join(notes, "\n"), "was changed by somebody else") {
				t.Errorf("notes %q", notes)
			}
		})
	}
}

func fillMore(t *testing.T, google *gcptest.Server) {
	t.Helper()
	for _, name := range []string{"published", "consumer"} {
		file, err := gcptest.SeedFile(name)
		if err != nil {
			t.Fatal(err)
		}
		seed, err := gcptest.ReadSeed(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := google.Fill(seed); err != nil {
			t.Fatal(err)
		}
	}
}

// TestAnAttachmentThatIsBeingChanged is waited for.
func TestAnAttachmentThatIsBeingChanged(t *testing.T) {
	cloud, google := both(t, gcptest.Options{})
	publish(t, cloud, attachment())
	waited := clocked(cloud)
	busy := gcptest.Fault{Match: `serviceAttachments\.patch`, Times: 3, Status: 400, Reason: "resourceNotReady", Message: "The resource '" + attachPath + "' is not ready"}
	google.Inject(busy)
	if _, err := cloud.EditServiceAttachment(t.Context(), ref("demo"), editOf(AttachmentEdit{Reconcile: ptr(true)}), nil); err != nil || waited() == 0 {
		t.Errorf("after %s: %v", waited(), err)
	}
	busy.Times = 0
	google.Inject(busy)
	_, err := cloud.EditServiceAttachment(t.Context(), ref("demo"), editOf(AttachmentEdit{Reconcile: ptr(false)}), nil)
	expect(t, err, "CW-GCP-BUSY", "waited")
	if waited() > 15*time.Minute {
		t.Errorf("waited %s", waited())
	}
}

func TestAttachmentEditsThatAreRefused(t *testing.T) {
	boom := errors.New("boom")
	for sentence, test := range map[string]struct {
		edit       func(ServiceAttachment) (AttachmentEdit, error)
		code, part string
		patches    int
	}{
		"automatic with lists left": {editOf(AttachmentEdit{Preference: ptr(AcceptAutomatic)}), "CW-PSC-LISTS", "it can have no list", 0},
		"another kind":              {editOf(AttachmentEdit{Reject: &[]string{farNetPath}}), "CW-PSC-LISTS", "networks and projects", 0},
		"no NAT subnetwork":         {editOf(AttachmentEdit{NATSubnets: &[]Ref{}}), "CW-PSC-NAT-SUBNET", "no NAT subnetwork", 0},
		"one of another purpose":    {editOf(AttachmentEdit{NATSubnets: &[]Ref{ref("default")}}), "CW-PSC-NAT-SUBNET", "has the purpose PRIVATE", 1},
		"one's own mind":            {func(ServiceAttachment) (AttachmentEdit, error) { return AttachmentEdit{}, boom }, "", "boom", 0},
	} {
		t.Run(sentence, func(t *testing.T) {
			cloud, google := both(t, gcptest.Options{})
			publish(t, cloud, attachment())
			_, err := cloud.EditServiceAttachment(t.Context(), ref("demo"), test.edit, nil)
			expect(t, err, test.code, test.part)
			if got := len(patches(t, google)); got != test.patches {
				t.Errorf("%d patches", got)
			}
		})
	}
	cloud, _ := both(t, gcptest.Options{})
	_, err := cloud.EditServiceAttachment(t.Context(), ref("none"), editOf(AttachmentEdit{}), nil)
	expect(t, err, "CW-GCP-NOT-FOUND", "was not found")
}

// TestAnEditWhoseOperationFails tells so, and the attachment is as it was.
func TestAnEditWhoseOperationFails(t *testing.T) {
	cloud, google := both(t, gcptest.Options{})
	publish(t, cloud, attachment())
	before := google.Object(attachPath)
	google.Inject(gcptest.Fault{Match: `serviceAttachments\.patch`, OperationError: &gcptest.OperationError{Status: 503, Code: "X", Message: "boom"}})
	_, err := cloud.EditServiceAttachment(t.Context(), ref("demo"), editOf(AttachmentEdit{Reconcile: ptr(true)}), nil)
	expect(t, err, "CW-GCP-UNAVAILABLE", "boom")
	if diff := cmp.Diff(before, google.Object(attachPath)); diff != "" {
		t.Error(diff)
	}
}

package psc

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"causeway/exposer"
	"causeway/exposer/ilb"
	"causeway/internal/gcp"
	"causeway/internal/gcptest"
)

// all is the trace of a way that passes.
var all = []string{"endpoint ok", "attachment ok", "consumer ok", "load balancer ok"}

func TestWhatThePublishedExposureBearsForItsGuest(t *testing.T) {
	t.Parallel()
	s := newStage(t, "guests")
	own, ranges := certified(t, s.host), sourceRanges(t, s.host)
	w := s.act("one")
	before := w.State()
	apply(t, w)
	unchanged(t, w)
	wantHops(t, w, all...)

	ip, _ := w.Google.Object(endpointAt(w))["IPAddress"].(string)
	if got, want := certified(t, s.host), append([]string{"api.prod.example"}, append(slices.Clone(own), ip)...); !slices.Equal(got, want) {
		t.Errorf("the certificate bears %q, want %q", got, want)
	}
	if got, want := sourceRanges(t, s.host), append([]string{"10.200.0.0/28"}, ranges...); !slices.Equal(got, want) {
		t.Errorf("the load balancer lets %q in, want %q", got, want)
	}

	// An apply of the host by itself knows its guests.
	if plan, err := s.host.Apply(t.Context(), ilb.Method{}); err != nil || !plan.Empty() {
		t.Errorf("the host has something to do: %v %v", todo(plan), err)
	}
	_, err := s.host.Destroy(t.Context(), ilb.Method{})
	wantCode(t, err, "CW-RUN-GUESTS", w.Spec.Name)

	outcomes := destroy(t, w)
	if outcomes["guest"] != exposer.Restored || outcomes["service-attachment"] != exposer.Removed {
		t.Errorf("outcomes %v", outcomes)
	}
	if got := certified(t, s.host); !slices.Equal(got, own) {
		t.Errorf("a new certificate still bears %q, want %q", got, own)
	}
	if got := sourceRanges(t, s.host); !slices.Equal(got, ranges) {
		t.Errorf("the load balancer still lets %q in, want %q", got, ranges)
	}
	w.Gone(t, before)
	if _, err := s.host.Destroy(t.Context(), ilb.Method{}); err != nil {
		t.Errorf("destroy without guests: %v", err)
	}
}

func TestInModePassthroughTheClusterIsAskedForByItsOwnName(t *testing.T) {
	t.Parallel()
	s := newStage(t, "passes", func(spec *exposer.Spec) { spec.ILB.Mode = exposer.ModePassthrough })
	w := s.act("both", func(spec *exposer.Spec) { spec.PSC.Consumer.DNSName = "" })
	apply(t, w)
	unchanged(t, w)
	wantHops(t, w, all...)
	x := open(t, w)
	endpoint, err := x.Endpoint(t.Context())
	if err != nil || endpoint.TLSServerName == "" || endpoint.URL != "https://"+x.address.String() || string(endpoint.CA) != string(x.cluster.CA) {
		t.Errorf("endpoint %+v: %v", endpoint, err)
	}
	if got := sourceRanges(t, s.host); !slices.Contains(got, "10.200.0.0/28") {
		t.Errorf("the load balancer lets %q in", got)
	}
	file := handOver(t, w)
	published, err := exposer.ReadPublished(file)
	if err != nil || published.ServerName != endpoint.TLSServerName {
		t.Errorf("handed over: %q, want %q: %v", published.ServerName, endpoint.TLSServerName, err)
	}
	destroy(t, w)
}

func TestOthersEntriesStayInTheLists(t *testing.T) {
	t.Parallel()
	s := newStage(t, "lists")
	w := s.act("lists", alone, letIn("consumer-project=2"))
	apply(t, w)
	edit(t, w, func(have gcp.ServiceAttachment) gcp.AttachmentEdit {
		accept, reject := append(have.Accept, gcp.ConsumerLimit{Project: "theirs", Limit: 3}), []string{"unwanted"}
		return gcp.AttachmentEdit{Accept: &accept, Reject: &reject}
	})
	unchanged(t, w)

	t.Run("a list that grows is merged", func(t *testing.T) {
		w.Spec.PSC.Consumers = []string{"consumer-project=5", "another"}
		w.Spec.PSC.Reject = []string{"banned"}
		if got := todo(apply(t, w)); !slices.Equal(got, []string{"change service-attachment"}) {
			t.Errorf("the plan is %q", got)
		}
		unchanged(t, w)
		have := attachment(t, w)
		want := []gcp.ConsumerLimit{{Project: "consumer-project", Limit: 5}, {Project: "theirs", Limit: 3}, {Project: "another", Limit: 10}}
		if !slices.Equal(have.Accept, want) || !slices.Equal(have.Reject, []string{"unwanted", "banned"}) {
			t.Errorf("lists %v and %v", have.Accept, have.Reject)
		}
	})
	t.Run("a list that shrinks cuts nobody off", func(t *testing.T) {
		w.Spec.PSC.Consumers, w.Spec.PSC.Reject = []string{"consumer-project=1"}, nil
		unchanged(t, w)
		if have := attachment(t, w); len(have.Accept) != 3 || have.Accept[0].Limit != 5 {
			t.Errorf("lists %v", have.Accept)
		}
	})
	t.Run("an attachment that was changed meanwhile is merged again", func(t *testing.T) {
		w.Spec.PSC.Consumers = []string{"late"}
		w.Google.Inject(gcptest.Fault{Match: "compute.serviceAttachments.patch", Nth: 1, Status: http.StatusPreconditionFailed, Reason: "conditionNotMet"})
		told := 0
		w.Progress = onNote{do: func(text string) {
			if strings.Contains(text, "was changed by somebody else") {
				told++
				edit(t, w, func(have gcp.ServiceAttachment) gcp.AttachmentEdit {
					accept := append(have.Accept, gcp.ConsumerLimit{Project: "meanwhile", Limit: 1})
					return gcp.AttachmentEdit{Accept: &accept}
				})
			}
		}}
		apply(t, w)
		w.Progress = exposer.Quiet{}
		if told != 1 {
			t.Errorf("it was read again %d times", told)
		}
		unchanged(t, w)
		have := attachment(t, w)
		for _, who := range []string{"late", "meanwhile", "theirs"} {
			if !slices.ContainsFunc(have.Accept, func(l gcp.ConsumerLimit) bool { return l.Project == who }) {
				t.Errorf("%s is not let in: %v", who, have.Accept)
			}
		}
	})
	t.Run("automatic acceptance drops the lists, and says so", func(t *testing.T) {
		w.Spec.PSC.Consumers, w.Spec.PSC.Accept = nil, exposer.AcceptAutomatic
		plan := apply(t, w)
		if got := todo(plan); !slices.Equal(got, []string{"change service-attachment"}) {
			t.Errorf("the plan is %q", got)
		}
		unchanged(t, w)
		if have := attachment(t, w); have.Preference != gcp.AcceptAutomatic || len(have.Accept)+len(have.Reject) > 0 {
			t.Errorf("attachment %+v", have)
		}
	})
	destroy(t, w)
}

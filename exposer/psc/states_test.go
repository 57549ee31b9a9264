package psc

import (
	"slices"
	"testing"
	"time"

	"causeway/exposer"
	"causeway/internal/gcp"
)

// TestTheStatesOfAConnection goes through what a producer can do to a consumer, with
// the two halves in two hands.
func TestTheStatesOfAConnection(t *testing.T) {
	t.Parallel()
	s := newStage(t, "states")
	producer := s.act("half", alone, letIn("somebody-else"))
	apply(t, producer)
	wantHops(t, producer, "attachment ok", "consumers waits", "load balancer ok")
	file := handOver(t, producer)
	consumer := s.consuming("end", file)

	t.Run("pending is told, and left: the producer is somebody else", func(t *testing.T) {
		apply(t, consumer)
		unchanged(t, consumer)
		wantHops(t, consumer, "endpoint waits CW-PSC-PENDING")
		wantHops(t, producer, "attachment ok", "consumer warns CW-PSC-PENDING", "load balancer ok")
	})
	t.Run("accepted without a new endpoint", func(t *testing.T) {
		producer.Spec.PSC.Consumers = append(producer.Spec.PSC.Consumers, "consumer-project=1")
		apply(t, producer)
		unchanged(t, producer)
		unchanged(t, consumer)
		wantHops(t, consumer, "endpoint ok")
		wantHops(t, producer, "attachment ok", "consumer ok", "load balancer ok")
	})
	t.Run("one more than the limit", func(t *testing.T) {
		second := s.consuming("second", file)
		apply(t, second)
		wantHops(t, second, "endpoint waits CW-PSC-PENDING")
		destroy(t, second)
	})
	t.Run("clients of other regions", func(t *testing.T) {
		consumer.Spec.PSC.Consumer.GlobalAccess = true
		if got := todo(apply(t, consumer)); !slices.Equal(got, []string{"change endpoint"}) {
			t.Errorf("the plan is %q", got)
		}
		unchanged(t, consumer)
		if on, _ := s.Google.Object(endpointAt(consumer))["allowPscGlobalAccess"].(bool); !on {
			t.Error("clients of other regions can't use the endpoint")
		}
	})
	t.Run("rejected", func(t *testing.T) {
		reject := []string{"consumer-project"}
		edit(t, producer, func(gcp.ServiceAttachment) gcp.AttachmentEdit {
			return gcp.AttachmentEdit{Accept: &[]gcp.ConsumerLimit{}, Reject: &reject}
		})
		late := s.consuming("late", file)
		_, err := run(t, late)
		wantCode(t, err, "CW-PSC-REJECTED", "reject list")
		wantHops(t, late, "endpoint broken CW-PSC-REJECTED")
		destroy(t, late)
		edit(t, producer, func(gcp.ServiceAttachment) gcp.AttachmentEdit {
			return gcp.AttachmentEdit{Accept: &[]gcp.ConsumerLimit{{Project: "consumer-project", Limit: 3}}, Reject: &[]string{}}
		})
	})
	t.Run("the producer goes first: closed, and made anew when there is a new attachment", func(t *testing.T) {
		destroy(t, producer)
		wantHops(t, consumer, "endpoint broken CW-PSC-CLOSED")
		_, err := run(t, consumer) // to an attachment that is not there any more
		wantCode(t, err, "CW-PSC-TARGET")

		address := s.Google.Object(consumerAt + "/addresses/causeway-" + consumer.Spec.Name)["address"]
		producer.Spec.PSC.Consumers = []string{"consumer-project"}
		apply(t, producer)
		apply(t, consumer)
		unchanged(t, consumer)
		wantHops(t, consumer, "endpoint ok")
		rule := s.Google.Object(endpointAt(consumer))
		if on, _ := rule["allowPscGlobalAccess"].(bool); rule["IPAddress"] != address || !on {
			t.Errorf("the new endpoint has %v (global access %v), the old one %v", rule["IPAddress"], on, address)
		}
	})
	destroy(t, consumer)
	destroy(t, producer)
}

func TestBothHalvesInOneHand(t *testing.T) {
	t.Parallel()
	s := newStage(t, "hand")
	w := s.act("both")
	before := w.State()
	apply(t, w)
	setStatus := func(status string) {
		t.Helper()
		if err := s.Google.Change(endpointAt(w), func(o map[string]any) { o["pscConnectionStatus"] = status }); err != nil {
			t.Fatal(err)
		}
	}

	t.Run("a closed endpoint is made anew", func(t *testing.T) {
		id := s.Google.Object(endpointAt(w))["pscConnectionId"]
		setStatus("CLOSED")
		wantHops(t, w, "endpoint broken CW-PSC-CLOSED", "attachment ok", "consumer ok", "load balancer ok")
		if got := todo(apply(t, w)); !slices.Equal(got, []string{"change endpoint"}) {
			t.Errorf("the plan is %q", got)
		}
		unchanged(t, w)
		if s.Google.Object(endpointAt(w))["pscConnectionId"] == id {
			t.Error("it is the same endpoint")
		}
		wantHops(t, w, all...)
	})
	t.Run("an attachment that is gone comes back, and the endpoint with it", func(t *testing.T) {
		ref := gcp.Ref{Project: "lab-project", Region: "europe-west3", Name: "causeway-" + w.Spec.Name}
		if err := google(t, w).DeleteServiceAttachment(t.Context(), ref, nil); err != nil {
			t.Fatal(err)
		}
		wantHops(t, w, "endpoint broken CW-PSC-CLOSED", "attachment broken CW-RUN-ABSENT", "load balancer ok")
		if got := todo(apply(t, w)); !slices.Equal(got, []string{"change endpoint", "create service-attachment"}) {
			t.Errorf("the plan is %q", got)
		}
		unchanged(t, w)
		wantHops(t, w, all...)
	})
	t.Run("what stays pending or is rejected ends in an error of its own", func(t *testing.T) {
		for status, code := range map[string]string{"PENDING": "CW-PSC-PENDING", "REJECTED": "CW-PSC-REJECTED", "NEEDS_ATTENTION": "CW-PSC-ATTENTION"} {
			setStatus(status)
			x := open(t, w)
			x.deps.After = func(d time.Duration) <-chan time.Time { return time.After(d / 100) }
			if seen, err := (endpointStep{x}).Read(t.Context()); err != nil || seen.Action != exposer.Change {
				t.Errorf("%s is read as %+v: %v", status, seen, err)
			}
			wantCode(t, endpointStep{x}.Do(t.Context(), func(string) {}), code, "connect endpoint causeway-"+w.Spec.Name)
			if got := hops(t, w); got[0] != "endpoint broken "+code {
				t.Errorf("hops %q, want the endpoint broken by %s", got, code)
			}
		}
		setStatus("ACCEPTED")
		unchanged(t, w)
	})
	t.Run("an endpoint that somebody deleted", func(t *testing.T) {
		ref := gcp.Ref{Project: "consumer-project", Region: "europe-west3", Name: "causeway-" + w.Spec.Name}
		if err := google(t, w).DeletePSCEndpoint(t.Context(), ref, nil); err != nil {
			t.Fatal(err)
		}
		wantHops(t, w, "endpoint broken CW-RUN-ABSENT", "attachment ok", "load balancer ok")
	})

	outcomes := destroy(t, w) // its endpoint was taken away by hand
	if outcomes["endpoint"] != exposer.Absent || outcomes["service-attachment"] != exposer.Removed || outcomes["guest"] != exposer.Restored {
		t.Errorf("outcomes %v", outcomes)
	}
	w.Gone(t, before)
}

func TestEachHalfGoesByItself(t *testing.T) {
	t.Parallel()
	s := newStage(t, "halves")
	start := s.State()
	for name, order := range map[string][]string{"the consumer first": {"consumer", "producer"}, "the producer first": {"producer", "consumer"}} {
		t.Run(name, func(t *testing.T) {
			producer := s.act("p"+order[0][:1], alone, letIn("consumer-project"))
			apply(t, producer)
			consumer := s.consuming("c"+order[0][:1], handOver(t, producer), func(spec *exposer.Spec) { spec.PSC.Consumer.DNSName = "api.example.com" })
			apply(t, consumer)
			unchanged(t, consumer)
			wantHops(t, consumer, "endpoint ok")
			if names := certified(t, s.host); slices.Contains(names, "api.example.com") {
				t.Errorf("a certificate cannot bear what a stranger names: %q", names)
			}
			endpoint, err := open(t, consumer).Endpoint(t.Context())
			if err != nil || endpoint.TLSServerName == "" || endpoint.URL != "https://api.example.com" {
				t.Errorf("endpoint %+v: %v", endpoint, err)
			}
			for _, who := range order {
				if who == "producer" {
					if got := destroy(t, producer); got["service-attachment"] != exposer.Removed || got["nat-subnet"] != exposer.Removed {
						t.Errorf("outcomes %v", got)
					}
					continue
				}
				consumer.Spec.PSC.Consume = "/nonexistent/psc.yaml" // thrown away since
				if got := destroy(t, consumer); got["endpoint"] != exposer.Removed || got["address"] != exposer.Removed || got["private-zone"] != exposer.Removed {
					t.Errorf("outcomes %v", got)
				}
			}
			if got := s.State(); got != start {
				t.Errorf("Google's side is not as before:\n%s\nbefore:\n%s", got, start)
			}
		})
	}
}

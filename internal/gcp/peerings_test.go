package gcp

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/oauth2"

	"causeway/internal/gcptest"
)

const (
	gkePeering   = "gke-n2f8c1d5e7a9b3c4d6e8-4b2a-9c1d-peer"
	update       = `compute\.networks\.updatePeering`
	peeringWords = "There is a peering operation in progress on the local or peer network. Try again later."
	routeWords   = "There is a route operation in progress on the local or peer network"
)

func labNetwork() Ref { return Ref{Project: project, Name: "default"} }

// clocked gives a Cloud a clock that only its own pauses move, and returns a way
// to read how long it has waited.
func clocked(cloud *Cloud) (waited func() time.Duration) {
	noon := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	now := noon
	cloud.now = func() time.Time { return now }
	cloud.pause = func(ctx context.Context, d time.Duration) error {
		now = now.Add(d)
		return ctx.Err()
	}
	return func() time.Duration { return now.Sub(noon) }
}

// meddled is open with somebody who acts before each of the Cloud's requests.
func meddled(t *testing.T, seed string, before func(*gcptest.Server, *http.Request)) (*Cloud, *gcptest.Server) {
	t.Helper()
	google := gcptest.Serve(t, gcptest.Options{}, seed)
	config, err := ConfigFromEnv(t.Context(), environment(google, t.TempDir(), nil), Options{OnGCE: func(context.Context) bool { return true }})
	if err != nil {
		t.Fatal(err)
	}
	config.TokenSource = oauth2.StaticTokenSource(&oauth2.Token{AccessToken: gcptest.Token})
	base := &http.Transport{}
	config.HTTPClient = &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		before(google, r)
		return base.RoundTrip(r)
	})}
	cloud, err := New(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	clocked(cloud)
	return cloud, google
}

// flags reads a peering as the cloud tells it.
func flags(t *testing.T, cloud *Cloud, name string) Peering {
	t.Helper()
	network, err := cloud.Network(t.Context(), project, "default")
	if err != nil {
		t.Fatal(err)
	}
	found, ok := network.Peering(name)
	if !ok {
		t.Fatalf("no peering %s in %+v", name, network)
	}
	return found
}

// bodies are those of the requests of a method.
func bodies(google *gcptest.Server, method string) []string {
	var out []string
	for _, request := range google.Requests() {
		if request.Method == method {
			out = append(out, request.Body)
		}
	}
	return out
}

// sameJSON compares a request's body with what it has to be.
func sameJSON(t *testing.T, want, got string) {
	t.Helper()
	var a, b any
	if err := errors.Join(json.Unmarshal([]byte(want), &a), json.Unmarshal([]byte(got), &b)); err != nil {
		t.Fatalf("%v: %s", err, got)
	}
	if diff := cmp.Diff(a, b); diff != "" {
		t.Errorf("the request: %s", diff)
	}
}

// TestFlagsOfAPeering: what is sent is the name and what changes, and all else of
// the network stays as it is.
func TestFlagsOfAPeering(t *testing.T) {
	for sentence, test := range map[string]struct {
		change PeeringChange
		sent   string
		want   func(*Peering)
	}{
		"export":             {PeeringChange{Export: ptr(true)}, `"exportCustomRoutes":true`, func(p *Peering) { p.ExportCustomRoutes = true }},
		"import":             {PeeringChange{Import: ptr(true)}, `"importCustomRoutes":true`, func(p *Peering) { p.ImportCustomRoutes = true }},
		"both":               {PeeringChange{Export: ptr(true), Import: ptr(true)}, `"exportCustomRoutes":true,"importCustomRoutes":true`, func(p *Peering) { p.ExportCustomRoutes, p.ImportCustomRoutes = true, true }},
		"what is so already": {PeeringChange{Import: ptr(false)}, `"importCustomRoutes":false`, func(*Peering) {}},
	} {
		t.Run(sentence, func(t *testing.T) {
			cloud, google := open(t, gcptest.Options{OperationTime: 20 * time.Millisecond}, "hub")
			want := flags(t, cloud, gkePeering)
			test.want(&want)
			other := flags(t, cloud, "to-hub")
			before := string(google.Snapshot())
			if err := cloud.UpdatePeering(t.Context(), labNetwork(), gkePeering, test.change, nil); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, flags(t, cloud, gkePeering)); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(other, flags(t, cloud, "to-hub")); diff != "" {
				t.Errorf("the other peering: %s", diff)
			}
			sent := bodies(google, "compute.networks.updatePeering")
			if len(sent) != 1 {
				t.Fatalf("%d updates", len(sent))
			}
			sameJSON(t, `{"networkPeering":{"name":"`+gkePeering+`",`+test.sent+`}}`, sent[0])
			if err := cloud.UpdatePeering(t.Context(), labNetwork(), gkePeering, PeeringChange{Export: ptr(false), Import: ptr(false)}, nil); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(before, string(google.Snapshot())); diff != "" {
				t.Errorf("after the way back: %s", diff)
			}
		})
	}
}

func TestPeeringsThatAreNotChanged(t *testing.T) {
	cloud, google := open(t, gcptest.Options{}, "lab")
	export := PeeringChange{Export: ptr(true)}
	expect(t, cloud.UpdatePeering(t.Context(), labNetwork(), "", export, nil), "CW-NET-NO-PEERING", "update peering of projects/lab-project/global/networks/default: there is none")
	if err := cloud.UpdatePeering(t.Context(), labNetwork(), gkePeering, PeeringChange{}, nil); err != nil {
		t.Error(err)
	}
	if calls := google.Requests(); len(calls) != 0 {
		t.Errorf("calls %v", calls)
	}
	expect(t, cloud.UpdatePeering(t.Context(), labNetwork(), "gke-x-peer", export, nil), "CW-NET-PEERING-GONE", "it has "+gkePeering)
	expect(t, cloud.UpdatePeering(t.Context(), Ref{Project: project, Name: "none"}, gkePeering, export, nil), "CW-GCP-NOT-FOUND", "update peering projects/lab-project/global/networks/none/peerings/gke-")
	google.Inject(gcptest.Fault{Match: update, Status: 400, Reason: "invalid", Message: "Something else is wrong."})
	expect(t, cloud.UpdatePeering(t.Context(), labNetwork(), gkePeering, export, nil), "", "Something else is wrong (HTTP 400)")
	google.ClearFaults()
	google.Inject(gcptest.Fault{Match: update, OperationError: &gcptest.OperationError{Status: 403, Code: "FORBIDDEN", Message: "Required 'compute.networks.use' permission for 'x'"}})
	expect(t, cloud.UpdatePeering(t.Context(), labNetwork(), gkePeering, export, nil), "CW-GCP-PERMISSION", "compute.networks.use")
}

// TestAPeeringThatSomebodyElseChanges, right after causeway did.
func TestAPeeringThatSomebodyElseChanges(t *testing.T) {
	for sentence, test := range map[string]struct {
		edit       func(network map[string]any)
		code, part string
	}{
		"sets the flag back": {func(o map[string]any) { o["peerings"].([]any)[0].(map[string]any)["exportCustomRoutes"] = false },
			"CW-GCP-PRECONDITION", "exportCustomRoutes was set to true and is false again"},
		"deletes it": {func(o map[string]any) { delete(o, "peerings") }, "CW-NET-PEERING-GONE", "it has none"},
	} {
		t.Run(sentence, func(t *testing.T) {
			cloud, _ := meddled(t, "lab", func(google *gcptest.Server, r *http.Request) {
				if r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/networks/default") {
					if err := google.Change("projects/lab-project/global/networks/default", test.edit); err != nil {
						t.Error(err)
					}
				}
			})
			expect(t, cloud.UpdatePeering(t.Context(), labNetwork(), gkePeering, PeeringChange{Export: ptr(true)}, nil), test.code, test.part)
		})
	}
}

// TestAPeeringThatIsBusy: both wordings, told by the call or by its operation, are
// waited for; no other refusal is.
func TestAPeeringThatIsBusy(t *testing.T) {
	refused := func(message string) gcptest.Fault {
		return gcptest.Fault{Match: update, Times: 3, Status: 400, Reason: "badRequest", Message: message}
	}
	for sentence, test := range map[string]struct {
		fault gcptest.Fault
		calls int
		code  string
	}{
		"by a peering operation":              {refused(peeringWords), 4, ""},
		"by a route operation":                {refused(routeWords + ". Try again later."), 4, ""},
		"as its own operation tells":          {gcptest.Fault{Match: update, Times: 3, OperationError: &gcptest.OperationError{Code: "X", Message: peeringWords}}, 4, ""},
		"by something that only looks alike":  {refused("There is an operation in progress on the moon."), 1, "CW-GCP-BUSY"},
		"by a quota that is used up for good": {gcptest.Quota(update, "PEERINGS", "global"), 1, "CW-GCP-QUOTA"},
	} {
		t.Run(sentence, func(t *testing.T) {
			cloud, google := open(t, gcptest.Options{}, "lab")
			waited := clocked(cloud)
			google.Inject(test.fault)
			var notes []string
			err := cloud.UpdatePeering(t.Context(), labNetwork(), gkePeering, PeeringChange{Export: ptr(true)}, func(note string) { notes = append(notes, note) })
			if test.code != "" {
				expect(t, err, test.code, "")
			} else if err != nil {
				t.Fatal(err)
			}
			if calls := len(bodies(google, "compute.networks.updatePeering")); calls != test.calls {
				t.Errorf("%d calls, want %d", calls, test.calls)
			}
			if told := strings.Contains(strings.Join(notes, "\n"), "waiting for another peering or route operation on the local or peer network, 6s of 10m0s so far"); told != (test.calls > 1) {
				t.Errorf("notes %q", notes)
			}
			if want := time.Duration(0); test.calls == 1 && waited() != want || test.calls == 4 && waited() != 14*time.Second {
				t.Errorf("waited %s", waited())
			}
		})
	}
}

func TestAPeeringThatStaysBusy(t *testing.T) {
	cloud, google := open(t, gcptest.Options{}, "lab")
	waited := clocked(cloud)
	google.Inject(gcptest.Fault{Match: update, Status: 400, Reason: "badRequest", Message: peeringWords})
	err := cloud.UpdatePeering(t.Context(), labNetwork(), gkePeering, PeeringChange{Export: ptr(true)}, nil)
	expect(t, err, "CW-NET-PEERING-BUSY", "Try again later (waited 10m0s for it)")
	if waited() > 10*time.Minute || waited() < 9*time.Minute {
		t.Errorf("waited %s", waited())
	}
	if calls := len(google.Requests()); calls > 30 {
		t.Errorf("%d calls", calls)
	}
}

func TestAWaitForAPeeringThatIsInterrupted(t *testing.T) {
	cloud, google := open(t, gcptest.Options{}, "lab")
	google.Inject(gcptest.Fault{Match: update, Status: 400, Reason: "badRequest", Message: peeringWords})
	ctx, cancel := context.WithCancel(t.Context())
	err := cloud.UpdatePeering(ctx, labNetwork(), gkePeering, PeeringChange{Export: ptr(true)}, func(string) { cancel() })
	expect(t, err, "", "interrupted")
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v is not context.Canceled", err)
	}
}

// TestTwoPeeringsOfOneNetwork are changed at once; the emulator, as Google, takes
// one after the other.
func TestTwoPeeringsOfOneNetwork(t *testing.T) {
	cloud, google := open(t, gcptest.Options{OperationTime: 300 * time.Millisecond}, "hub")
	cloud.pause = func(ctx context.Context, _ time.Duration) error { return sleep(ctx, 5*time.Millisecond) }
	failures := make(chan error, 2)
	for _, name := range []string{gkePeering, "to-hub"} {
		go func() {
			failures <- cloud.UpdatePeering(t.Context(), labNetwork(), name, PeeringChange{Export: ptr(true), Import: ptr(true)}, nil)
		}()
	}
	for range 2 {
		if err := <-failures; err != nil {
			t.Error(err)
		}
	}
	for _, name := range []string{gkePeering, "to-hub"} {
		if found := flags(t, cloud, name); !found.ExportCustomRoutes || !found.ImportCustomRoutes {
			t.Errorf("%+v", found)
		}
	}
	if calls := len(bodies(google, "compute.networks.updatePeering")); calls < 3 {
		t.Errorf("%d calls: nobody had to wait", calls)
	}
}

// TestTroubleWithAPeering: one fault at one call, and the flag is set all the same.
func TestTroubleWithAPeering(t *testing.T) {
	for sentence, fault := range map[string]gcptest.Fault{
		"it is cut off":                       {Match: update, Nth: 1, CutOff: true},
		"it takes effect, its answer is lost": {Match: update, Nth: 1, CutOff: true, AfterEffect: true},
		"it takes effect, then HTTP 503":      {Match: update, Nth: 1, Status: 503, AfterEffect: true},
		"the wait is cut off":                 {Match: `globalOperations\.wait`, Nth: 1, CutOff: true},
		"the read after it is cut off":        {Match: `compute\.networks\.get`, Nth: 1, CutOff: true},
	} {
		t.Run(sentence, func(t *testing.T) {
			cloud, google := patient(t, gcptest.Options{OperationTime: 5 * time.Millisecond})
			google.Inject(fault)
			if err := cloud.UpdatePeering(t.Context(), labNetwork(), gkePeering, PeeringChange{Export: ptr(true)}, nil); err != nil {
				t.Fatal(err)
			}
			if found := flags(t, cloud, gkePeering); !found.ExportCustomRoutes {
				t.Errorf("%+v", found)
			}
		})
	}
}

// TestEachMissingPermissionOfANetwork takes every permission away in turn that a
// call on networks needs, and wants it named.
func TestEachMissingPermissionOfANetwork(t *testing.T) {
	export := func(c *Cloud) error {
		return c.UpdatePeering(t.Context(), labNetwork(), gkePeering, PeeringChange{Export: ptr(true)}, nil)
	}
	for permission, call := range map[string]func(*Cloud) error{
		"compute.networks.updatePeering": export,
		"compute.networks.get":           export,
		"compute.globalOperations.get":   export,
		"compute.networks.listPeeringRoutes": func(c *Cloud) error {
			_, err := c.PeeringRoutes(t.Context(), labNetwork(), gkePeering, area, "INCOMING")
			return err
		},
		"compute.routes.list":      func(c *Cloud) error { _, err := c.Routes(t.Context(), labNetwork()); return err },
		"compute.subnetworks.list": func(c *Cloud) error { _, err := c.Subnetworks(t.Context(), labNetwork()); return err },
	} {
		t.Run(permission, func(t *testing.T) {
			cloud, google := open(t, gcptest.Options{}, "lab")
			google.Deny(permission)
			expect(t, call(cloud), "CW-GCP-PERMISSION", "missing permission "+permission)
		})
	}
}

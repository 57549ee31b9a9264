package gcp

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/oauth2"

	"causeway/internal/explain"
	"causeway/internal/gcptest"
)

const (
	insert = `compute\.addresses\.insert`
	remove = `compute\.addresses\.delete`
	waits  = `compute\.regionOperations\.wait`
	reads  = `compute\.addresses\.get`
)

// patient is open with a bound for each attempt that a loaded machine keeps;
// impatient has one that a test can wait for.
func patient(t *testing.T, options gcptest.Options) (*Cloud, *gcptest.Server) {
	t.Helper()
	return bounded(t, options, 30*time.Second)
}

func impatient(t *testing.T, options gcptest.Options) (*Cloud, *gcptest.Server) {
	t.Helper()
	return bounded(t, options, 500*time.Millisecond)
}

func bounded(t *testing.T, options gcptest.Options, bound time.Duration) (*Cloud, *gcptest.Server) {
	t.Helper()
	google := gcptest.Serve(t, options, "lab")
	config, err := ConfigFromEnv(t.Context(), environment(google, t.TempDir(), nil), Options{OnGCE: func(context.Context) bool { return true }})
	if err != nil {
		t.Fatal(err)
	}
	config.TokenSource = oauth2.StaticTokenSource(&oauth2.Token{AccessToken: gcptest.Token})
	config.HTTPClient = &http.Client{Transport: &http.Transport{}}
	config.Retry.Sleep = func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
	config.CallTimeout = bound
	cloud, err := New(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	return cloud, google
}

// TestTroubleThatPasses: one fault at one call, and the job is done all the same,
// once.
func TestTroubleThatPasses(t *testing.T) {
	cut, lost := gcptest.Fault{Nth: 1, CutOff: true}, gcptest.Fault{Nth: 1, CutOff: true, AfterEffect: true}
	for sentence, test := range map[string]struct {
		match  string
		fault  gcptest.Fault
		method string // whose calls are counted
		calls  int
	}{
		"reserve is cut off":                       {insert, cut, "compute.addresses.insert", 2},
		"reserve takes effect, its answer is lost": {insert, lost, "compute.addresses.insert", 2},
		"reserve takes effect, then HTTP 500":      {insert, gcptest.Fault{Nth: 1, Status: 500, AfterEffect: true}, "compute.addresses.insert", 2},
		"reserve meets HTTP 503 twice":             {insert, gcptest.Fault{Times: 2, Status: 503}, "compute.addresses.insert", 3},
		"reserve meets HTTP 429":                   {insert, gcptest.Fault{Nth: 1, Status: 429, Reason: "rateLimitExceeded"}, "compute.addresses.insert", 2},
		"reserve meets a rate limit by HTTP 403":   {insert, gcptest.Fault{Nth: 1, Status: 403, Reason: "rateLimitExceeded"}, "compute.addresses.insert", 2},
		"reserve finds something not ready":        {insert, gcptest.Fault{Nth: 1, Status: 400, Reason: "resourceNotReady", Message: "The resource is not ready"}, "compute.addresses.insert", 2},
		"reserve has no answer within the bound":   {insert, gcptest.Fault{Nth: 1, Delay: time.Minute}, "compute.addresses.insert", 2},
		"reserve is slow, but within the bound":    {insert, gcptest.Fault{Nth: 1, Delay: 20 * time.Millisecond}, "compute.addresses.insert", 1},
		"the wait is cut off":                      {waits, cut, "compute.regionOperations.wait", 3},
		"the wait meets HTTP 502":                  {waits, gcptest.Fault{Nth: 2, Status: 502}, "compute.regionOperations.wait", 3},
		"the read after it is cut off":             {reads, cut, "compute.addresses.get", 2},
		"release is cut off":                       {remove, cut, "compute.addresses.delete", 2},
		"release takes effect, its answer is lost": {remove, lost, "compute.addresses.delete", 2},
		"release takes effect, then HTTP 503":      {remove, gcptest.Fault{Nth: 1, Status: 503, AfterEffect: true}, "compute.addresses.delete", 2},
		"release has no answer within the bound":   {remove, gcptest.Fault{Nth: 1, Delay: time.Minute}, "compute.addresses.delete", 2},
	} {
		t.Run(sentence, func(t *testing.T) {
			start := patient
			if test.fault.Delay > time.Second {
				start = impatient
			}
			cloud, google := start(t, gcptest.Options{OperationTime: 5 * time.Millisecond})
			before := string(google.Snapshot())
			test.fault.Match = test.match
			google.Inject(test.fault)
			made, err := cloud.ReserveAddress(t.Context(), wanted(), nil)
			if err != nil {
				t.Fatal(err)
			}
			if all, err := cloud.Addresses(t.Context(), project, area, ""); err != nil || len(all) != 1 || made.Status != "RESERVED" {
				t.Errorf("%d addresses, %+v, %v", len(all), made, err)
			}
			if err := cloud.ReleaseAddress(t.Context(), *made, nil); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(before, string(google.Snapshot())); diff != "" {
				t.Errorf("something is left: %s", diff)
			}
			calls := 0
			for _, request := range google.Requests() {
				if request.Method == test.method {
					calls++
				}
			}
			if calls != test.calls {
				t.Errorf("%d calls of %s, want %d", calls, test.method, test.calls)
			}
		})
	}
}

// TestTroubleThatStays: the error says what is the matter, and nothing is left.
func TestTroubleThatStays(t *testing.T) {
	for sentence, test := range map[string]struct {
		fault      gcptest.Fault
		code, part string
		calls      int
	}{
		"HTTP 500 for ever":        {gcptest.Fault{Match: insert, Status: 500, Message: "Internal error"}, "CW-GCP-UNAVAILABLE", "Internal error (HTTP 500)", 5},
		"HTTP 429 for ever":        {gcptest.Fault{Match: insert, Status: 429, Reason: "rateLimitExceeded"}, "CW-GCP-QUOTA", "HTTP 429", 5},
		"cut off for ever":         {gcptest.Fault{Match: insert, CutOff: true}, "CW-GCP-UNREACHABLE", "cannot reach the API", 5},
		"slow for ever":            {gcptest.Fault{Match: insert, Delay: time.Minute}, "CW-GCP-TIMEOUT", "no answer within 500ms", 5},
		"a quota":                  {gcptest.Quota(insert, "INTERNAL_ADDRESSES", area), "CW-GCP-QUOTA", "Quota 'INTERNAL_ADDRESSES' exceeded", 1},
		"a quota, told by the end": {gcptest.Fault{Match: insert, OperationError: &gcptest.OperationError{Status: 403, Code: "QUOTA_EXCEEDED", Message: "Quota 'X' exceeded."}}, "CW-GCP-QUOTA", "Quota 'X' exceeded", 1},
		"an organisation policy": {gcptest.Fault{Match: insert, Status: 412, Reason: "conditionNotMet", Message: "Constraint constraints/compute.x violated for projects/lab-project."},
			"CW-GCP-ORG-POLICY", "constraints/compute.x violated", 1},
		"an organisation's own policy": {gcptest.Fault{Match: insert, Status: 403, Reason: "forbidden", Message: `Operation denied by custom org policies: ["customConstraints/custom.closed": "No way in."]`},
			"CW-GCP-ORG-POLICY", "customConstraints/custom.closed", 1},
		"a 412": {gcptest.Fault{Match: insert, Status: 412, Reason: "conditionNotMet", Message: "Fingerprint."}, "CW-GCP-PRECONDITION", "run the command again", 1},
		"the address is taken in the end": {gcptest.Fault{Match: insert, OperationError: &gcptest.OperationError{Code: "IP_IN_USE_BY_ANOTHER_RESOURCE", Message: "IP '10.156.0.26' is already being used by another resource."}},
			"CW-NET-ADDRESS-TAKEN", "10.156.0.26", 1},
		"another operation": {gcptest.Fault{Match: insert, Status: 400, Reason: "badRequest", Message: "There is a peering operation in progress on the local or peer network. Try again later."},
			"CW-GCP-BUSY", "in progress", 1},
		"a bare 403": {gcptest.Fault{Match: insert, Status: 403, Reason: "forbidden", Message: "Forbidden"}, "CW-GCP-PERMISSION", "Forbidden (HTTP 403)", 1},
	} {
		t.Run(sentence, func(t *testing.T) {
			start := patient
			if test.fault.Delay > time.Second {
				start = impatient
			}
			cloud, google := start(t, gcptest.Options{OperationTime: 5 * time.Millisecond})
			before := string(google.Snapshot())
			google.Inject(test.fault)
			_, err := cloud.ReserveAddress(t.Context(), wanted(), nil)
			expect(t, err, test.code, test.part)
			google.ClearFaults()
			if diff := cmp.Diff(before, string(google.Snapshot())); diff != "" {
				t.Errorf("something is left: %s", diff)
			}
			if reads, writes := google.Counts(); writes != test.calls {
				t.Errorf("%d writes, %d reads, want %d writes", writes, reads, test.calls)
			}
		})
	}
}

func TestAReleaseThatFailsInTheEnd(t *testing.T) {
	cloud, google := patient(t, gcptest.Options{OperationTime: 5 * time.Millisecond})
	made, err := cloud.ReserveAddress(t.Context(), wanted(), nil)
	if err != nil {
		t.Fatal(err)
	}
	google.Inject(gcptest.Fault{Match: remove, Nth: 1, OperationError: &gcptest.OperationError{Code: "RESOURCE_IN_USE_BY_ANOTHER_RESOURCE", Message: "boom"}})
	expect(t, cloud.ReleaseAddress(t.Context(), *made, nil), "CW-NET-ADDRESS-IN-USE", "release address projects/lab-project/regions/europe-west3/addresses/causeway-demo: boom")
	if still, err := cloud.Address(t.Context(), project, area, made.Name); err != nil || still == nil {
		t.Errorf("the address is %v, %v", still, err)
	}
	if err := cloud.ReleaseAddress(t.Context(), *made, nil); err != nil {
		t.Errorf("the second attempt: %v", err)
	}
}

// TestAnAnswerThatIsLostForGood: the process ends between the call and its answer;
// the next run has another requestId, and finds what the first one made.
func TestAnAnswerThatIsLostForGood(t *testing.T) {
	cloud, google := patient(t, gcptest.Options{})
	google.Inject(gcptest.Fault{Match: insert, CutOff: true, AfterEffect: true})
	_, err := cloud.ReserveAddress(t.Context(), wanted(), nil)
	expect(t, err, "CW-GCP-UNREACHABLE", "cannot reach")
	google.ClearFaults()
	_, err = cloud.ReserveAddress(t.Context(), wanted(), nil)
	if !AlreadyExists(err) {
		t.Errorf("the second run: %v", err)
	}
	found, err := cloud.Address(t.Context(), project, area, "causeway-demo")
	if err != nil || found == nil || found.Description != "causeway exposure demo" {
		t.Errorf("%+v, %v", found, err)
	}
}

func TestAListThatBreaksInTheMiddle(t *testing.T) {
	cloud, google := patient(t, gcptest.Options{PageSize: 1})
	for _, name := range []string{"a", "b", "c"} {
		a := wanted()
		a.Name, a.IP = name, a.IP.Next()
		for range name[0] - 'a' {
			a.IP = a.IP.Next()
		}
		if _, err := cloud.ReserveAddress(t.Context(), a, nil); err != nil {
			t.Fatal(err)
		}
	}
	google.Inject(gcptest.Fault{Match: `compute\.addresses\.list`, Nth: 2, CutOff: true})
	all, err := cloud.Addresses(t.Context(), project, area, "")
	if err != nil || len(all) != 3 {
		t.Errorf("%d addresses, %v", len(all), err)
	}
	google.Inject(gcptest.Fault{Match: `compute\.addresses\.list`, Status: 403, Reason: "forbidden", Message: "No"})
	if _, err := cloud.Addresses(t.Context(), project, area, ""); err == nil || !strings.HasPrefix(err.Error(), "list addresses projects/lab-project/regions/europe-west3: No") {
		t.Errorf("a list that is refused: %v", err)
	}
}

func TestWaitsAreBoundByTheCaller(t *testing.T) {
	cloud, _ := patient(t, gcptest.Options{OperationTime: time.Hour})
	ctx, expire := expiring()
	started := time.Now()
	_, err := cloud.ReserveAddress(ctx, wanted(), func(string) { expire() })
	expect(t, err, "CW-GCP-TIMEOUT", "has not ended within")
	if took := time.Since(started); took > 5*time.Second {
		t.Errorf("took %s", took)
	}
}

func TestAnInterruptedWait(t *testing.T) {
	cloud, _ := patient(t, gcptest.Options{OperationTime: time.Hour})
	ctx, cancel := context.WithCancel(t.Context())
	_, err := cloud.ReserveAddress(ctx, wanted(), func(string) { cancel() })
	expect(t, err, "", "interrupted")
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v is not context.Canceled", err)
	}
}

func TestALongOperationIsWaitedForInTurns(t *testing.T) {
	cloud, google := patient(t, gcptest.Options{OperationTime: 1300 * time.Millisecond, WaitLimit: 10 * time.Millisecond})
	notes := 0
	if _, err := cloud.ReserveAddress(t.Context(), wanted(), func(string) { notes++ }); err != nil {
		t.Fatal(err)
	}
	if notes < 2 || len(google.Requests()) > 6 {
		t.Errorf("%d notes, %d requests", notes, len(google.Requests()))
	}
}

func TestNoWayToGoogle(t *testing.T) {
	cloud, google := patient(t, gcptest.Options{})
	if err := google.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := cloud.Cluster(t.Context(), project, area, "private-cluster")
	expect(t, err, "CW-GCP-UNREACHABLE", "read cluster projects/lab-project/locations/europe-west3/clusters/private-cluster: cannot reach the API")
}

// TestTheTimeOfAnOperation: waiting adds next to nothing to the operation's own
// time; polling once a second would make it a second at least. On a machine that
// others keep busy the best of some attempts counts.
func TestTheTimeOfAnOperation(t *testing.T) {
	cloud, _ := patient(t, gcptest.Options{OperationTimes: map[string]time.Duration{"compute.addresses.insert": 500 * time.Millisecond}})
	var took time.Duration
	for range 8 {
		started := time.Now()
		made, err := cloud.ReserveAddress(t.Context(), wanted(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if took = time.Since(started); took < 500*time.Millisecond {
			t.Fatalf("an operation of 500ms took %s", took)
		}
		if took < 950*time.Millisecond {
			return
		}
		if err := cloud.ReleaseAddress(t.Context(), *made, nil); err != nil {
			t.Fatal(err)
		}
	}
	t.Errorf("an operation of 500ms took %s", took)
}

func TestErrorsOfThisPackageCarryTheirCode(t *testing.T) {
	err := wrap("read", "x", &tokenError{cause: errors.New("revoked")})
	expect(t, err, "CW-GCP-CREDENTIALS", "get access token: revoked")
	if explain.CodeOf(err) == "" || wrap("read", "x", nil) != nil {
		t.Error("wrap")
	}
}

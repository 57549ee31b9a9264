package gcp

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"causeway/internal/gcptest"
)

// TestHowLongToStayAway: as long as the server asks, in either form of the header, but
// for more than a minute; without a word from it, twice as long each time.
func TestHowLongToStayAway(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	for header, want := range map[string][]time.Duration{
		"":                              {200 * time.Millisecond, 400 * time.Millisecond, 800 * time.Millisecond, 1600 * time.Millisecond},
		"30":                            {30 * time.Second, 30 * time.Second, 30 * time.Second, 30 * time.Second},
		"1":                             {time.Second, time.Second, time.Second, 1600 * time.Millisecond},
		"86400":                         {30 * time.Second, 30 * time.Second, 30 * time.Second, 30 * time.Second},
		"-5":                            {200 * time.Millisecond, 400 * time.Millisecond, 800 * time.Millisecond, 1600 * time.Millisecond},
		"Thu, 01 Jan 2026 12:00:20 GMT": {20 * time.Second, 20 * time.Second, 20 * time.Second, 20 * time.Second},
		"Thu, 01 Jan 2026 11:59:00 GMT": {200 * time.Millisecond, 400 * time.Millisecond, 800 * time.Millisecond, 1600 * time.Millisecond},
		"soon":                          {200 * time.Millisecond, 400 * time.Millisecond, 800 * time.Millisecond, 1600 * time.Millisecond},
	} {
		base := roundTripper(func(r *http.Request) (*http.Response, error) {
			answer := http.Header{"Date": {now.Format(http.TimeFormat)}}
			if header != "" {
				answer.Set("Retry-After", header)
			}
			return &http.Response{StatusCode: http.StatusTooManyRequests, Header: answer, Request: r, Body: io.NopCloser(strings.NewReader("{}"))}, nil
		})
		var got []time.Duration
		cloud, err := New(t.Context(), Config{HTTPClient: &http.Client{Transport: base}, Retry: Retry{Sleep: func(_ context.Context, d time.Duration) error {
			got = append(got, d)
			return nil
		}}})
		if err != nil {
			t.Fatal(err)
		}
		_, err = cloud.Address(t.Context(), project, area, "a")
		expect(t, err, "CW-GCP-QUOTA", "HTTP 429")
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("Retry-After %q: %s", header, diff)
		}
	}
}

// TestNamesInSpiteOfTrouble: Cloud DNS knows no requestId, and a zone and a record are
// made all the same, once.
func TestNamesInSpiteOfTrouble(t *testing.T) {
	for sentence, fault := range map[string]gcptest.Fault{
		"cut off":                {Nth: 1, CutOff: true},
		"the answer is lost":     {Nth: 1, CutOff: true, AfterEffect: true},
		"HTTP 503":               {Times: 2, Status: 503},
		"HTTP 500 after all":     {Nth: 1, Status: 500, AfterEffect: true},
		"HTTP 429":               {Nth: 1, Status: 429, Reason: "rateLimitExceeded"},
		"a rate limit, HTTP 403": {Nth: 1, Status: 403, Reason: "rateLimitExceeded"},
	} {
		t.Run(sentence, func(t *testing.T) {
			cloud, google := both(t, gcptest.Options{})
			for _, match := range []string{`dns\.managedZones\.create`, `dns\.resourceRecordSets\.create`} {
				fault.Match = match
				google.Inject(fault)
			}
			if err := cloud.CreatePrivateZone(t.Context(), zone()); err != nil {
				t.Fatal(err)
			}
			if err := cloud.SetRecord(t.Context(), zone().Ref(), record()); err != nil {
				t.Fatal(err)
			}
			google.ClearFaults()
			if err := cloud.CreatePrivateZone(t.Context(), zone()); !AlreadyExists(err) {
				t.Errorf("a zone whose name is taken: %v", err)
			}
		})
	}
	cloud, google := both(t, gcptest.Options{})
	theirs := zone()
	theirs.Description = "of somebody else"
	if err := cloud.CreatePrivateZone(t.Context(), theirs); err != nil {
		t.Fatal(err)
	}
	google.Inject(gcptest.Fault{Match: `dns\.managedZones\.create`, Nth: 1, Status: 503})
	if err := cloud.CreatePrivateZone(t.Context(), zone()); !AlreadyExists(err) {
		t.Errorf("a zone of others, at the second attempt: %v", err)
	}
	google.ResetRequests()
	google.Inject(gcptest.Fault{Match: `dns\.managedZones\.create`, Status: 503, Message: "No."})
	expect(t, cloud.CreatePrivateZone(t.Context(), zone()), "CW-GCP-UNAVAILABLE", "No (HTTP 503)")
	if _, writes := google.Counts(); writes != 5 {
		t.Errorf("%d attempts", writes)
	}
}

package gcp

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/oauth2"

	"causeway/internal/gcptest"
)

const (
	project = "lab-project"
	area    = "europe-west3"
)

// open starts an emulator with a seed and a Cloud on it whose pauses take no time.
func open(t *testing.T, options gcptest.Options, seed string) (*Cloud, *gcptest.Server) {
	t.Helper()
	google := gcptest.Serve(t, options, seed)
	return openOn(t, google, oauth2.StaticTokenSource(&oauth2.Token{AccessToken: gcptest.Token})), google
}

func openOn(t *testing.T, google *gcptest.Server, source oauth2.TokenSource) *Cloud {
	t.Helper()
	config, err := ConfigFromEnv(t.Context(), environment(google, t.TempDir(), nil), Options{UserAgent: "causeway/test", OnGCE: func(context.Context) bool { return true }})
	if err != nil {
		t.Fatal(err)
	}
	config.TokenSource = source
	config.HTTPClient = &http.Client{Transport: &http.Transport{}}
	config.Retry.Sleep = func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
	cloud, err := New(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	return cloud
}

// environment is that of a user with an empty home, pointed at the emulator.
func environment(google *gcptest.Server, home string, more map[string]string) func(string) string {
	all := map[string]string{"HOME": home}
	for _, part := range []map[string]string{google.Env(), more} {
		for name, value := range part {
			all[name] = value
		}
	}
	return func(name string) string { return all[name] }
}

func TestRefsOfEveryForm(t *testing.T) {
	for link, want := range map[string]Ref{
		"https://www.googleapis.com/compute/v1/projects/host/regions/r1/subnetworks/s": {"host", "r1", "s"},
		"projects/host/global/networks/n":                                              {"host", "", "n"},
		"n":                                                                            {"p", "", "n"},
		"regions/r2/subnetworks/s":                                                     {"p", "r2", "s"},
	} {
		if got := parseRef(link, "p", ""); got != want {
			t.Errorf("parseRef(%q) = %v, want %v", link, got, want)
		}
	}
}

func TestEndpointsInEveryForm(t *testing.T) {
	for given, want := range map[string]string{
		"": "", "http://h:1/compute/v1/": "http://h:1", "http://h:1/compute/v1": "http://h:1", "http://h:1/": "http://h:1", "http://h:1": "http://h:1",
	} {
		if got := computeBase(given); got != want {
			t.Errorf("computeBase(%q) = %q, want %q", given, got, want)
		}
	}
	if got := withSlash("http://h:1"); got != "http://h:1/" {
		t.Errorf("withSlash: %q", got)
	}
}

func TestACloudNeedsCredentials(t *testing.T) {
	_, err := New(t.Context(), Config{})
	expect(t, err, "CW-GCP-CREDENTIALS", "no credentials are given")
}

func TestEveryCallSaysWhoAsks(t *testing.T) {
	seen := map[string]string{}
	base := roundTripper(func(r *http.Request) (*http.Response, error) {
		for _, name := range []string{"User-Agent", "Authorization", "X-Goog-User-Project"} {
			seen[name] = r.Header.Get(name)
		}
		return nil, context.Canceled
	})
	cloud, err := New(t.Context(), Config{UserAgent: "causeway/9", QuotaProject: "payer", HTTPClient: &http.Client{Transport: base},
		TokenSource: oauth2.StaticTokenSource(&oauth2.Token{AccessToken: "secret"})})
	if err != nil {
		t.Fatal(err)
	}
	_, err = cloud.Address(t.Context(), "p", "r", "a")
	if err == nil {
		t.Fatal("a call that was cancelled gave no error")
	}
	want := map[string]string{"User-Agent": "causeway/9", "Authorization": "Bearer secret", "X-Goog-User-Project": "payer"}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Error(diff)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

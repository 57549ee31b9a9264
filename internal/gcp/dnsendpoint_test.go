package gcp

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"causeway/internal/gcptest"
)

const privateCluster = "projects/lab-project/locations/europe-west3/clusters/private-cluster"

// TestTheSwitchesOfADNSEndpoint are set one by one, each by a request of its own.
func TestTheSwitchesOfADNSEndpoint(t *testing.T) {
	cloud, google := open(t, gcptest.Options{OperationTime: 10 * time.Millisecond}, "lab")
	state := func() (out string) {
		t.Helper()
		found, err := cloud.Cluster(t.Context(), project, area, "private-cluster")
		if err != nil {
			t.Fatal(err)
		}
		for name, on := range map[string]bool{"external": found.DNSExternal, "tokens": found.DNSTokens, "certs": found.DNSCerts} {
			if on {
				out += name
			}
		}
		return out
	}
	before := google.Object(privateCluster)
	for field, key := range dnsFields {
		for _, on := range []bool{true, false} {
			google.ResetRequests()
			var notes []string
			for range 2 { // the second finds it so
				if err := cloud.SetDNSEndpoint(t.Context(), project, area, "private-cluster", field, on, func(note string) { notes = append(notes, note) }); err != nil {
					t.Fatal(err)
				}
			}
			if got := state(); (got == field) != on || !on && got != "" {
				t.Errorf("%s set to %t: %s", field, on, got)
			}
			var bodies []string
			for _, call := range google.Requests() {
				if call.Write() {
					bodies = append(bodies, call.Body)
				}
			}
			value := map[bool]string{true: "true", false: "false"}[on]
			want := []string{`{"update":{"desiredControlPlaneEndpointsConfig":{"dnsEndpointConfig":{"` + key + `":` + value + `}}}}`}
			if diff := cmp.Diff(want, bodies); diff != "" {
				t.Error(diff)
			}
			if len(notes) == 0 {
				t.Error("it waits without a word")
			}
		}
	}
	after := google.Object(privateCluster)
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("something else has changed: %s", diff)
	}
}

func TestDNSEndpointsThatCannotBeSet(t *testing.T) {
	cloud, google := open(t, gcptest.Options{}, "lab")
	set := func(name, field string) error {
		return cloud.SetDNSEndpoint(t.Context(), project, area, name, field, true, nil)
	}
	expect(t, set("private-cluster", "public"), "", "there are external, tokens and certs")
	expect(t, set("none", "external"), "CW-GCP-NOT-FOUND", "Not found")
	google.Deny("container.clusters.update")
	expect(t, set("private-cluster", "external"), "CW-GCP-PERMISSION", "missing permission container.clusters.update")
	google.Allow("container.clusters.update")
	for _, empty := range []map[string]any{{}, {"dnsEndpointConfig": map[string]any{}}, {"dnsEndpointConfig": map[string]any{"endpoint": ""}}} {
		err := google.Change(privateCluster, func(o map[string]any) { o["controlPlaneEndpointsConfig"] = empty })
		if err != nil {
			t.Fatal(err)
		}
		expect(t, set("private-cluster", "external"), "CW-DNS-ABSENT", "has no DNS endpoint")
	}
}

// TestADNSEndpointThatAnotherToolSetsBack is no success.
func TestADNSEndpointThatAnotherToolSetsBack(t *testing.T) {
	reads := 0
	cloud, _ := meddled(t, "lab", func(google *gcptest.Server, r *http.Request) {
		if r.Method != http.MethodGet || !strings.HasSuffix(r.URL.Path, "clusters/private-cluster") {
			return
		}
		if reads++; reads == 2 {
			google.Object(privateCluster) // lets the operation end first
			google.Change(privateCluster, func(o map[string]any) {
				o["controlPlaneEndpointsConfig"].(map[string]any)["dnsEndpointConfig"].(map[string]any)["allowExternalTraffic"] = false
			})
		}
	})
	expect(t, cloud.SetDNSEndpoint(t.Context(), project, area, "private-cluster", "external", true, nil), "CW-GCP-PRECONDITION", "was set to true and is false again")
}

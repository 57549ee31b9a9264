package gcp

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"causeway/internal/gcptest"
)

const (
	enableFeature  = `features\.create`
	disableFeature = `features\.delete`
	byNumber       = "projects/123456789012/locations/"
)

func TestAFeatureFromNothingAndBack(t *testing.T) {
	cloud, google := fleetOn(t, gcptest.Options{OperationTime: 5 * time.Millisecond, FeatureTime: 300 * time.Millisecond}, true)
	before, ctx := string(google.Snapshot()), t.Context()
	if none, err := cloud.Feature(ctx, project, MCSFeature); none != nil || err != nil {
		t.Fatalf("a feature that is off: %v, %v", none, err)
	}
	if err := cloud.CreateFeature(ctx, project, MCSFeature, map[string]string{"causeway-exposure": "demo"}, nil); err != nil {
		t.Fatal(err)
	}
	read := func() *Feature {
		t.Helper()
		found, err := cloud.Feature(ctx, project, MCSFeature)
		if err != nil || found == nil {
			t.Fatalf("%v, %v", found, err)
		}
		return found
	}
	want := &Feature{Name: "projects/lab-project/locations/global/features/" + MCSFeature, State: "ACTIVE",
		Labels: map[string]string{"causeway-exposure": "demo"}, Members: map[string]MemberState{}}
	if diff := cmp.Diff(want, read()); diff != "" {
		t.Errorf("at first no member is told: %s", diff)
	}
	for deadline := time.Now().Add(10 * time.Second); len(read().Members) == 0; {
		if time.Now().After(deadline) {
			t.Fatal("the members are never told")
		}
	}
	google.SetMemberState(project, memberPath, "WARNING", "Firewall creation pending")
	google.SetMemberState("123456789012", "projects/lab-project/locations/europe-west3/memberships/client-cluster", "FAILED", "")
	google.SetFeatureState(project, MCSFeature, "ACTIVE", "OK", "There are 6 ServiceExports in the Fleet.")
	got := read()
	if got.Code != "OK" || got.Description != "There are 6 ServiceExports in the Fleet." {
		t.Errorf("the fleet says %s, %s", got.Code, got.Description)
	}
	states := map[string]string{}
	for name, member := range got.Members {
		states[name] = member.Code + " " + member.Description
		if member.Updated.IsZero() {
			t.Errorf("%s has no time", name)
		}
	}
	if diff := cmp.Diff(map[string]string{
		byNumber + "europe-west3/memberships/private-cluster": "WARNING Firewall creation pending",
		byNumber + "europe-west3/memberships/client-cluster":  "FAILED ",
		byNumber + "global/memberships/private-cluster":       "OK Firewall successfully updated",
		byNumber + "global/memberships/attached":              "ERROR Non-GKE clusters are currently not supported",
	}, states); diff != "" {
		t.Error(diff)
	}
	if err := cloud.CreateFeature(ctx, project, MCSFeature, nil, nil); err != nil {
		t.Errorf("one that is on already: %v", err)
	}
	if err := cloud.DeleteFeature(ctx, project, MCSFeature, nil); err != nil {
		t.Fatal(err)
	}
	if err := cloud.DeleteFeature(ctx, project, MCSFeature, nil); !NotFound(err) {
		t.Errorf("one that is off already: %v", err)
	}
	if diff := cmp.Diff(before, string(google.Snapshot())); diff != "" {
		t.Errorf("something is left: %s", diff)
	}
	google.SetFeatureState(project, MCSFeature, "DISABLING", "", "")
	if got := read(); got.State != "DISABLING" || len(got.Members) > 0 {
		t.Errorf("one that goes: %+v", got)
	}
	expect(t, cloud.CreateFeature(ctx, project, MCSFeature, nil, nil), "CW-GCP-BUSY", "it is being disabled")
	google.Inject(gcptest.Fault{Match: `features\.get`, Status: 403, Message: "Permission 'gkehub.features.get' denied on resource"})
	expect(t, cloud.CreateFeature(ctx, project, MCSFeature, nil, nil), "CW-GCP-PERMISSION", "gkehub.features.get")
}

func TestTroubleOfAFeature(t *testing.T) {
	meet(t, false, map[string]hubFault{
		"enabling is cut off":                {fault: gcptest.Fault{Match: enableFeature, Nth: 1, CutOff: true}, calls: 2},
		"the answer to enabling is lost":     {fault: gcptest.Fault{Match: enableFeature, Nth: 1, CutOff: true, AfterEffect: true}, calls: 2},
		"enabling meets HTTP 503":            {fault: gcptest.Fault{Match: enableFeature, Nth: 1, Status: 503}, calls: 2},
		"its API has just come on":           {fault: gcptest.Fault{Match: enableFeature, Times: 2, Status: 400, Message: "multiclusterservicediscovery.googleapis.com API is not enabled"}, calls: 3},
		"its API stays off":                  {fault: gcptest.Fault{Match: enableFeature, Status: 400, Message: "multiclusterservicediscovery.googleapis.com API is not enabled"}, part: "is not enabled", calls: 4},
		"another precondition":               {fault: gcptest.Fault{Match: enableFeature, Status: 400, Message: "no"}, part: "enable feature projects/lab-project/locations/global/features/multiclusterservicediscovery: no", calls: 1},
		"enabling is not allowed":            {fault: gcptest.Fault{Match: enableFeature, Status: 403, Message: "Permission 'gkehub.features.create' denied on resource"}, code: "CW-GCP-PERMISSION", part: "missing permission gkehub.features.create", calls: 1},
		"enabling fails in the end":          {fault: gcptest.Fault{Match: enableFeature, OperationError: &gcptest.OperationError{Code: "INTERNAL", Message: "boom"}}, code: "CW-GCP-UNAVAILABLE", part: "boom"},
		"it exists, and is not there":        {fault: gcptest.Fault{Match: enableFeature, Nth: 1, Status: 409, Message: "exists"}, code: "CW-GCP-CONFLICT", part: "exists"},
		"another operation runs":             {fault: gcptest.Fault{Match: enableFeature, OperationError: &gcptest.OperationError{Code: "ABORTED", Message: "an operation runs"}}, code: "CW-GCP-BUSY", part: "an operation runs"},
		"a read is refused":                  {fault: gcptest.Fault{Match: `features\.get`, Status: 403, Message: "Permission 'gkehub.features.get' denied on resource"}, code: "CW-GCP-PERMISSION", part: "read feature"},
		"disabling meets a lost answer":      {fault: gcptest.Fault{Match: disableFeature, Nth: 1, CutOff: true, AfterEffect: true}, calls: 2},
		"disabling is not allowed":           {fault: gcptest.Fault{Match: disableFeature, Status: 403, Message: "Permission 'gkehub.features.delete' denied on resource"}, code: "CW-GCP-PERMISSION", part: "disable feature", calls: 1},
		"disabling fails in the end":         {fault: gcptest.Fault{Match: disableFeature, OperationError: &gcptest.OperationError{Code: "FAILED_PRECONDITION", Message: "Feature is in use"}}, part: "in use"},
		"the wait for the end meets trouble": {fault: gcptest.Fault{Match: hubWait, Nth: 2, Status: 500}, calls: 3},
	}, func(c *Cloud) error {
		if err := c.CreateFeature(t.Context(), project, MCSFeature, nil, nil); err != nil {
			return err
		}
		found, err := c.Feature(t.Context(), project, MCSFeature)
		if err != nil || found == nil { // an operation that ends so leaves nothing in the emulator
			return err
		}
		return c.DeleteFeature(t.Context(), project, MCSFeature, nil)
	})
}

// TestAFeatureThatHoldsSomething is not forced off.
func TestAFeatureThatHoldsSomething(t *testing.T) {
	cloud, google := fleetOn(t, gcptest.Options{}, true)
	google.SetFeatureState(project, MCSFeature, "ACTIVE", "", "")
	at := "projects/lab-project/locations/global/features/" + MCSFeature
	if err := google.Change(at, func(o map[string]any) {
		o["membershipSpecs"] = map[string]any{byNumber + "global/memberships/attached": map[string]any{}}
	}); err != nil {
		t.Fatal(err)
	}
	expect(t, cloud.DeleteFeature(t.Context(), project, MCSFeature, nil), "", "has resources")
}

// TestAnAPIThatComesOnSlowly: what this door has just turned on may say for minutes
// that it is off, to reads as to writes; of anything else that is believed at once.
func TestAnAPIThatComesOnSlowly(t *testing.T) {
	cloud, google := fleetOn(t, gcptest.Options{}, false)
	google.Disable(project, "gkehub.googleapis.com")
	_, err := cloud.Feature(t.Context(), project, MCSFeature)
	expect(t, err, "CW-GCP-API-DISABLED", "gcloud services enable gkehub.googleapis.com")
	if len(google.Requests()) != 1 {
		t.Errorf("%d requests for an API that is off", len(google.Requests()))
	}
	if err := cloud.EnableServices(t.Context(), project, []string{"gkehub.googleapis.com"}, nil); err != nil {
		t.Fatal(err)
	}
	google.Disable(project, "gkehub.googleapis.com")
	pauses, notes := 0, 0
	began, passed := time.Now(), time.Duration(0)
	cloud.now = func() time.Time { return began.Add(passed) }
	comes := func(after int) {
		pauses = 0
		cloud.pause = func(_ context.Context, d time.Duration) error {
			if passed += d; pauses == after {
				google.Enable(project, "gkehub.googleapis.com")
			}
			pauses++
			return nil
		}
	}
	comes(6)
	if _, _, err := cloud.Memberships(t.Context(), project); err != nil || pauses != 7 {
		t.Errorf("a read: %v after %d pauses", err, pauses)
	}
	google.Disable(project, "gkehub.googleapis.com")
	comes(5)
	if err := cloud.CreateFeature(t.Context(), project, MCSFeature, nil, func(note string) {
		if strings.Contains(note, "just enabled") {
			notes++
		}
	}); err != nil || notes != 6 {
		t.Errorf("a write: %v, %d notes", err, notes)
	}
	google.Disable(project, "gkehub.googleapis.com")
	comes(1 << 30)
	_, err = cloud.Feature(t.Context(), project, MCSFeature)
	expect(t, err, "CW-GCP-API-DISABLED", "GKE Hub API has not been used")
	if passed < 5*time.Minute || passed > 6*time.Minute {
		t.Errorf("it waited %s", passed)
	}
}

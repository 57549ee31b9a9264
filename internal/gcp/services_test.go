package gcp

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"causeway/internal/gcptest"
)

const directory = "servicedirectory.googleapis.com"

func TestServicesTurnedOnAndOff(t *testing.T) {
	cloud, google := fleetOn(t, gcptest.Options{}, false)
	ctx, names := t.Context(), []string{directory}
	for i := range 24 {
		names = append(names, fmt.Sprintf("api%02d.googleapis.com", i))
	}
	missing := func(want ...string) {
		t.Helper()
		got, err := cloud.MissingServices(ctx, project, names)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%v, %s", err, diff)
		}
	}
	google.Enable(project, "api23.googleapis.com")
	if err := cloud.EnableServices(ctx, project, names, nil); err != nil {
		t.Fatal(err)
	}
	missing()
	groups := 0
	for _, request := range google.Requests() {
		if strings.HasSuffix(request.Method, "batchEnable") {
			groups++
		}
	}
	if groups != 2 {
		t.Errorf("25 APIs in %d calls", groups)
	}
	google.ResetRequests()
	if err := cloud.EnableServices(ctx, project, names[:1], nil); err != nil || len(google.Requests()) != 1 {
		t.Errorf("what is on already: %v, %d requests", err, len(google.Requests()))
	}
	if err := cloud.EnableServices(ctx, project, nil, nil); err != nil {
		t.Errorf("none: %v", err)
	}
	google.AddDependency("api01.googleapis.com", directory)
	expect(t, cloud.DisableService(ctx, project, directory, nil), "", "depended on by the following active service(s): api01.googleapis.com")
	missing()
	for _, name := range []string{"api01.googleapis.com", directory, directory} { // the last is off already
		if err := cloud.DisableService(ctx, project, name, nil); err != nil {
			t.Errorf("disable %s: %v", name, err)
		}
	}
	missing("api01.googleapis.com", directory)
	expect(t, cloud.EnableServices(ctx, project, []string{directory, "nonsense"}, nil), "CW-GCP-NOT-FOUND", "enable "+directory+", nonsense in project lab-project")
	missing("api01.googleapis.com", directory) // all of a group, or none
}

func TestTroubleOfServices(t *testing.T) {
	const on, off, wait = `services\.batchEnable`, `services\.disable`, `serviceusage\.operations\.get`
	meet(t, false, map[string]hubFault{
		"enabling is cut off":                {fault: gcptest.Fault{Match: on, Nth: 1, CutOff: true}, calls: 2},
		"the answer to enabling is lost":     {fault: gcptest.Fault{Match: on, Nth: 1, CutOff: true, AfterEffect: true}, calls: 2},
		"enabling meets HTTP 429":            {fault: gcptest.Fault{Match: on, Times: 3, Status: 429}, calls: 4},
		"enabling is not allowed":            {fault: gcptest.Fault{Match: on, Status: 403, Message: "Permission 'serviceusage.services.enable' denied on resource"}, code: "CW-GCP-PERMISSION", part: "missing permission serviceusage.services.enable", calls: 1},
		"a conflict":                         {fault: gcptest.Fault{Match: on, Status: 409, Message: "another operation"}, code: "CW-GCP-CONFLICT", part: "another operation", calls: 1},
		"enabling fails in the end":          {fault: gcptest.Fault{Match: on, OperationError: &gcptest.OperationError{Code: "PERMISSION_DENIED", Message: "Not allowed to get activation"}}, code: "CW-GCP-PERMISSION", part: "Not allowed"},
		"billing is off":                     {fault: gcptest.Fault{Match: on, OperationError: &gcptest.OperationError{Code: "FAILED_PRECONDITION", Message: "Billing account for project '1' is not found."}}, part: "Billing account"},
		"the wait is cut off":                {fault: gcptest.Fault{Match: wait, Nth: 1, CutOff: true}, calls: 3},
		"the wait is refused":                {fault: gcptest.Fault{Match: wait, Status: 404, Message: "no such operation"}, code: "CW-GCP-UNAVAILABLE", part: "no such operation"},
		"disabling is refused":               {fault: gcptest.Fault{Match: off, Status: 403, Message: "Permission 'serviceusage.services.disable' denied on resource"}, code: "CW-GCP-PERMISSION", part: "disable " + directory + " in project lab-project"},
		"disabling takes effect, then a 500": {fault: gcptest.Fault{Match: off, Nth: 1, Status: 500, AfterEffect: true}, calls: 2},
		"disabling fails in the end":         {fault: gcptest.Fault{Match: off, OperationError: &gcptest.OperationError{Code: "FAILED_PRECONDITION", Message: "is in use"}}, part: "is in use"},
	}, func(c *Cloud) error {
		if err := c.EnableServices(t.Context(), project, []string{directory}, nil); err != nil {
			return err
		}
		if missing, err := c.MissingServices(t.Context(), project, []string{directory}); err != nil || len(missing) > 0 {
			t.Errorf("it is not on: %v, %v", missing, err)
		}
		return c.DisableService(t.Context(), project, directory, nil)
	})
}

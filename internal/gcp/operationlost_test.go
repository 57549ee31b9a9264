package gcp

import (
	"context"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"causeway/internal/explain"
	"causeway/internal/gcptest"
)

// TestAnOperationThatGoogleDoesNotKnow: a change was taken, and its operation is not
// found. That is told as such: who deletes takes "not found" for done, who restores a
// setting takes it for "gone with its owner".
func TestAnOperationThatGoogleDoesNotKnow(t *testing.T) {
	for sentence, test := range map[string]struct {
		match string
		do    func(context.Context, *Cloud) error
	}{
		"of a region": {waits, func(ctx context.Context, c *Cloud) error { return c.ReleaseAddress(ctx, wanted(), nil) }},
		"of all regions": {`globalOperations\.wait`, func(ctx context.Context, c *Cloud) error {
			return c.DeleteExternalGateway(ctx, Ref{Project: project, Name: "demo"}, nil)
		}},
		"of a cluster": {`container\..*operations\.get`, func(ctx context.Context, c *Cloud) error {
			return c.SetGlobalAccess(ctx, project, area, "private-cluster", true, nil)
		}},
		"of a fleet": {`gkehub\..*operations\.get`, func(ctx context.Context, c *Cloud) error { return c.DeleteMembership(ctx, memberPath, nil) }},
	} {
		for _, passes := range []bool{true, false} {
			t.Run(sentence+map[bool]string{true: " for a moment", false: " for good"}[passes], func(t *testing.T) {
				cloud, google := fleetOn(t, gcptest.Options{OperationTime: 20 * time.Millisecond}, true)
				if _, err := cloud.ReserveAddress(t.Context(), wanted(), nil); err != nil {
					t.Fatal(err)
				}
				external := ExternalGateway{Project: project, Name: "demo", Interfaces: []netip.Addr{ip("203.0.113.10")}}
				if err := cloud.CreateExternalGateway(t.Context(), external, nil); err != nil {
					t.Fatal(err)
				}
				fault := gcptest.Fault{Match: test.match, Status: 404, Reason: "notFound", Message: "The resource 'projects/lab-project/operations/x' was not found"}
				if passes {
					fault.Times = 2
				}
				google.Inject(fault)
				err := test.do(t.Context(), cloud)
				if passes {
					if err != nil {
						t.Errorf("it was found again: %v", err)
					}
					return
				}
				if err == nil || NotFound(err) || explain.CodeOf(err) != codeUnavailable || !strings.Contains(err.Error(), "is not known to Google") {
					t.Errorf("code %s of %v", explain.CodeOf(err), err)
				}
			})
		}
	}
}

// deadline is a context whose time is over when the test says so, however slow the
// machine is.
type deadline struct {
	context.Context
	done chan struct{}
}

func expiring() (ctx context.Context, expire func()) {
	done := make(chan struct{})
	return deadline{context.Background(), done}, sync.OnceFunc(func() { close(done) })
}

func (d deadline) Done() <-chan struct{} { return d.done }

func (d deadline) Err() error {
	select {
	case <-d.done:
		return context.DeadlineExceeded
	default:
		return nil
	}
}

// TestTheEndOfAWaitNamesItsOperation, wherever in the wait the caller's time is over.
func TestTheEndOfAWaitNamesItsOperation(t *testing.T) {
	for sentence, do := range map[string]func(context.Context, *Cloud, func(string)) error{
		"of a region": func(ctx context.Context, c *Cloud, note func(string)) error {
			_, err := c.ReserveAddress(ctx, wanted(), note)
			return err
		},
		"of a cluster": func(ctx context.Context, c *Cloud, note func(string)) error {
			return c.SetGlobalAccess(ctx, project, area, "private-cluster", true, note)
		},
		"of a fleet": func(ctx context.Context, c *Cloud, note func(string)) error {
			return c.DeleteMembership(ctx, memberPath, note)
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			cloud, _ := fleetOn(t, gcptest.Options{OperationTime: time.Hour, WaitLimit: time.Millisecond}, true)
			cloud.pause = sleep
			ctx, expire := expiring()
			notes := 0
			expect(t, do(ctx, cloud, func(string) {
				if notes++; notes == 2 { // amid a pause, or amid a question
					expire()
				}
			}), "CW-GCP-TIMEOUT", "has not ended within")
		})
	}
}

// TestWhyAnOperationOfAClusterFailed: by the same causes as a call that fails at once.
func TestWhyAnOperationOfAClusterFailed(t *testing.T) {
	for code, want := range map[string]string{"PERMISSION_DENIED": codePermission, "RESOURCE_EXHAUSTED": codeQuota, "UNAVAILABLE": codeUnavailable, "INTERNAL": codeUnavailable, "INVALID_ARGUMENT": ""} {
		cloud, google := open(t, gcptest.Options{}, "lab")
		google.Inject(gcptest.Fault{Match: updates, OperationError: &gcptest.OperationError{Code: code, Message: "boom"}})
		expect(t, cloud.SetGlobalAccess(t.Context(), project, area, "private-cluster", true, nil), want, "boom")
	}
}

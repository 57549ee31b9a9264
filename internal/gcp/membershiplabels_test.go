package gcp

import (
	"maps"
	"testing"

	"causeway/internal/gcptest"
)

// TestLabelsOfAMembership: they are those that were given, and no others; all else
// stays.
func TestLabelsOfAMembership(t *testing.T) {
	const label = `memberships\.patch`
	meet(t, true, map[string]hubFault{
		"no trouble":             {fault: gcptest.Fault{Match: "nothing"}},
		"its answer is lost":     {fault: gcptest.Fault{Match: label, Nth: 1, CutOff: true, AfterEffect: true}, calls: 2},
		"HTTP 502":               {fault: gcptest.Fault{Match: label, Nth: 1, Status: 502}, calls: 2},
		"a permission":           {fault: gcptest.Fault{Match: label, Status: 403, Message: "Permission 'gkehub.memberships.update' denied on resource"}, code: "CW-GCP-PERMISSION", part: "missing permission gkehub.memberships.update", calls: 1},
		"a failure by the end":   {fault: gcptest.Fault{Match: label, OperationError: &gcptest.OperationError{Code: "FAILED_PRECONDITION", Message: "no"}}, part: "label membership " + memberPath + ": no"},
		"one that is gone by it": {fault: gcptest.Fault{Match: label, Status: 404, Message: "Resource was not found"}, code: "CW-GCP-NOT-FOUND", part: "label membership"},
	}, func(c *Cloud) error {
		before, err := c.Membership(t.Context(), memberPath)
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]string{"causeway-exposure": "b", "team": "net"}
		if err := c.LabelMembership(t.Context(), memberPath, want, nil); err != nil {
			return err
		}
		now, err := c.Membership(t.Context(), memberPath)
		if err != nil || !maps.Equal(now.Labels, want) || now.Cluster != before.Cluster || now.Issuer != before.Issuer || now.State != "READY" {
			t.Errorf("%+v %v", now, err)
		}
		return nil
	})
}

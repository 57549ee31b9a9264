package gcp

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"causeway/internal/gcptest"
)

// TestPermissionsOfBothSides: what is missing is named.
func TestPermissionsOfBothSides(t *testing.T) {
	for permission, act := range map[string]func(*Cloud, context.Context) error{
		"compute.serviceAttachments.create": func(c *Cloud, ctx context.Context) error {
			a := attachment()
			a.Name = "other"
			return c.CreateServiceAttachment(ctx, a, nil)
		},
		"compute.serviceAttachments.update": func(c *Cloud, ctx context.Context) error {
			_, err := c.EditServiceAttachment(ctx, ref("demo"), editOf(AttachmentEdit{Reconcile: ptr(true)}), nil)
			return err
		},
		"compute.serviceAttachments.delete": func(c *Cloud, ctx context.Context) error { return c.DeleteServiceAttachment(ctx, ref("demo"), nil) },
		"compute.serviceAttachments.list": func(c *Cloud, ctx context.Context) error {
			_, err := c.ServiceAttachments(ctx, project, area)
			return err
		},
		"compute.forwardingRules.pscCreate": func(c *Cloud, ctx context.Context) error {
			_, err := c.CreatePSCEndpoint(ctx, endpoint("x"), nil)
			return err
		},
		"compute.forwardingRules.pscDelete": func(c *Cloud, ctx context.Context) error { return c.DeletePSCEndpoint(ctx, farRef("demo"), nil) },
		"compute.forwardingRules.pscUpdate": func(c *Cloud, ctx context.Context) error { return c.SetPSCGlobalAccess(ctx, farRef("demo"), true, nil) },
		"compute.networks.use": func(c *Cloud, ctx context.Context) error {
			_, err := c.CreatePSCEndpoint(ctx, endpoint("x"), nil)
			return err
		},
		"compute.subnetworks.delete":      func(c *Cloud, ctx context.Context) error { return c.DeleteSubnetwork(ctx, ref("nat-more"), nil) },
		"compute.networks.updatePolicy":   func(c *Cloud, ctx context.Context) error { return c.DeleteSubnetwork(ctx, ref("nat-more"), nil) },
		"dns.networks.bindPrivateDNSZone": func(c *Cloud, ctx context.Context) error { return c.CreatePrivateZone(ctx, zone()) },
		"dns.resourceRecordSets.create": func(c *Cloud, ctx context.Context) error {
			c.CreatePrivateZone(ctx, zone())
			return c.SetRecord(ctx, zone().Ref(), record())
		},
		"compute.forwardingRules.pscSetLabels": func(c *Cloud, ctx context.Context) error {
			return c.LabelPSCEndpoint(ctx, endpoint("demo"), map[string]string{"a": "b"}, nil)
		},
	} {
		t.Run(permission, func(t *testing.T) {
			cloud, google := both(t, gcptest.Options{})
			publish(t, cloud, attachment())
			consume(t, cloud, endpoint("demo"))
			google.Deny(permission)
			expect(t, act(cloud, t.Context()), "CW-GCP-PERMISSION", "missing permission "+permission)
		})
	}
}

// TestWritesOfBothSidesSurviveLostAnswers: each write is repeated by its requestId.
func TestWritesOfBothSidesSurviveLostAnswers(t *testing.T) {
	cloud, google := both(t, gcptest.Options{})
	google.Inject(gcptest.Fault{Match: `(serviceAttachments|forwardingRules|subnetworks)\.(insert|patch|delete|setLabels)`, Nth: 1, AfterEffect: true, CutOff: true})
	lose := func() {
		google.ClearFaults()
		google.Inject(gcptest.Fault{Match: `\.(insert|patch|delete|setLabels) `, Nth: 1, AfterEffect: true, CutOff: true})
	}
	nat := Subnetwork{Project: project, Region: area, Name: "demo", Network: "default", Range: netip.MustParsePrefix("10.159.0.0/28")}
	a := attachment()
	a.NATSubnets = []Ref{ref("demo")}
	for i, step := range []func() error{
		func() error { return cloud.CreateNATSubnet(t.Context(), nat, nil) },
		func() error { return cloud.CreateServiceAttachment(t.Context(), a, nil) },
		func() error { _, err := cloud.CreatePSCEndpoint(t.Context(), endpoint("demo"), nil); return err },
		func() error { return cloud.SetPSCGlobalAccess(t.Context(), farRef("demo"), true, nil) },
		func() error {
			found, err := cloud.PSCEndpoint(t.Context(), farRef("demo"))
			return errors.Join(err, cloud.LabelPSCEndpoint(t.Context(), *found, map[string]string{"a": "b"}, nil))
		},
		func() error {
			_, err := cloud.EditServiceAttachment(t.Context(), ref("demo"), editOf(AttachmentEdit{Reject: &[]string{"foe"}}), nil)
			return err
		},
		func() error { return cloud.DeletePSCEndpoint(t.Context(), farRef("demo"), nil) },
		func() error { return cloud.DeleteServiceAttachment(t.Context(), ref("demo"), nil) },
		func() error { return cloud.DeleteSubnetwork(t.Context(), ref("demo"), nil) },
	} {
		lose()
		if err := step(); err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
	}
}

// TestRehearsalsOfBothSides tell each write and send none.
func TestRehearsalsOfBothSides(t *testing.T) {
	cloud, google := both(t, gcptest.Options{})
	before := string(google.Snapshot())
	var told []string
	ctx := Rehearse(t.Context(), func(call Call) { told = append(told, call.Method+" "+call.Path) })
	for name, act := range map[string]func() error{
		"attachment": func() error { return cloud.CreateServiceAttachment(ctx, attachment(), nil) },
		"edit": func() error {
			_, err := cloud.EditServiceAttachment(ctx, ref("demo"), editOf(AttachmentEdit{Reject: &[]string{"foe"}}), nil)
			return err
		},
		"endpoint": func() error { _, err := cloud.CreatePSCEndpoint(ctx, endpoint("demo"), nil); return err },
		"access":   func() error { return cloud.SetPSCGlobalAccess(ctx, farRef("demo"), true, nil) },
		"subnet": func() error {
			return cloud.CreateNATSubnet(ctx, Subnetwork{Project: project, Region: area, Name: "demo", Network: "default", Range: cidr("10.159.0.0/28")}, nil)
		},
		"zone":   func() error { return cloud.CreatePrivateZone(ctx, zone()) },
		"record": func() error { return cloud.SetRecord(ctx, zone().Ref(), record()) },
		"dns": func() error {
			return cloud.SetDNSEndpoint(ctx, project, area, "private-cluster", "external", true, nil)
		},
	} {
		if err := act(); !Rehearsed(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	slices.Sort(told)
	want := []string{
		"PATCH /compute/v1/" + farRules + "demo",
		"PATCH /compute/v1/" + attachPath,
		"POST /compute/v1/" + strings.TrimSuffix(farRules, "/"),
		"POST /compute/v1/" + regional + "serviceAttachments",
		"POST /compute/v1/" + regional + "subnetworks",
		"POST /dns/v1/projects/consumer-project/managedZones",
		"POST /dns/v1/projects/consumer-project/managedZones/demo/rrsets",
		"PUT /v1/projects/lab-project/locations/europe-west3/clusters/private-cluster",
	}
	if diff := cmp.Diff(want, told); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(before, string(google.Snapshot())); diff != "" {
		t.Error(diff)
	}
}

// TestAnswersThatMakeNoSense are told as such.
func TestAnswersThatMakeNoSense(t *testing.T) {
	for answer, act := range map[string]func(*Cloud, context.Context) error{
		`{"natSubnets": 3}`: func(c *Cloud, ctx context.Context) error { _, err := c.ServiceAttachment(ctx, ref("demo")); return err },
		`{"natSubnets": 4}`: func(c *Cloud, ctx context.Context) error {
			_, err := c.EditServiceAttachment(ctx, ref("demo"), nil, nil)
			return err
		},
		`[`: func(c *Cloud, ctx context.Context) error {
			_, err := c.ServiceAttachments(ctx, project, area)
			return err
		},
		`{"items": 3}`: func(c *Cloud, ctx context.Context) error {
			_, err := c.ServiceAttachments(ctx, project, area)
			return err
		},
		`{"items": [3]}`: func(c *Cloud, ctx context.Context) error {
			_, err := c.ServiceAttachments(ctx, project, area)
			return err
		},
		`{"pscConnectionId": 3}`: func(c *Cloud, ctx context.Context) error { _, err := c.PSCEndpoint(ctx, farRef("demo")); return err },
		`{"name": 3}`:            func(c *Cloud, ctx context.Context) error { _, err := c.PrivateZone(ctx, zone().Ref()); return err },
		`{"managedZones": [3]}`:  func(c *Cloud, ctx context.Context) error { _, err := c.PrivateZones(ctx, consumer); return err },
		`{"rrdatas": 3}`:         func(c *Cloud, ctx context.Context) error { _, err := c.Record(ctx, zone().Ref(), "a", ""); return err },
	} {
		t.Run(fmt.Sprint(answer), func(t *testing.T) {
			expect(t, act(answering(t, answer), t.Context()), "", "the answer makes no sense")
		})
	}
}

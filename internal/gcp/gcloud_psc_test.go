package gcp

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"causeway/internal/gcptest"
)

// TestGcloudAndWePublishTheSame makes both halves of a connection by both tools, step
// by step, and compares all that the two emulators then hold.
func TestGcloudAndWePublishTheSame(t *testing.T) {
	noon := func() time.Time { return time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC) }
	options := gcptest.Options{OperationTime: 20 * time.Millisecond, Now: noon}
	cloud, oursGoogle := both(t, options)
	theirGoogle := gcptest.Serve(t, options, "lab", "published", "consumer")
	tool := newGcloud(t, theirGoogle)
	if tool == nil {
		return
	}
	same := func(step string) {
		t.Helper()
		volatile := gcptest.Volatile()
		if diff := cmp.Diff(string(theirGoogle.SnapshotWithout(volatile...)), string(oursGoogle.SnapshotWithout(volatile...))); diff != "" {
			t.Fatalf("%s (- gcloud, + causeway): %s", step, diff)
		}
	}
	change := func(e AttachmentEdit) {
		t.Helper()
		if _, err := cloud.EditServiceAttachment(t.Context(), ref("demo"), editOf(e), nil); err != nil {
			t.Fatal(err)
		}
	}
	region, about, far := "--region="+area, "--description=causeway exposure demo", "--project="+consumer

	nat := Subnetwork{Project: project, Region: area, Name: "demo", Network: "default", Range: cidr("10.159.0.0/28"), Description: "causeway exposure demo"}
	if err := cloud.CreateNATSubnet(t.Context(), nat, nil); err != nil {
		t.Fatal(err)
	}
	tool.run("compute", "networks", "subnets", "create", "demo", region, "--network=default", "--range=10.159.0.0/28", "--purpose=PRIVATE_SERVICE_CONNECT", about)
	same("the NAT subnetwork")
	a := attachment()
	a.NATSubnets = []Ref{ref("demo")}
	publish(t, cloud, a)
	tool.run("compute", "service-attachments", "create", "demo", region, "--producer-forwarding-rule=api", "--nat-subnets=demo",
		"--connection-preference=ACCEPT_MANUAL", "--consumer-accept-list="+consumer+"=2", about)
	same("the attachment")
	if _, err := cloud.ReserveAddress(t.Context(), Address{Project: consumer, Region: area, Name: "demo", Subnetwork: "default"}, nil); err != nil {
		t.Fatal(err)
	}
	tool.run("compute", "addresses", "create", "demo", region, far, "--subnet=default")
	e := endpoint("demo")
	e.Address, e.Subnetwork = "demo", Ref{}
	consume(t, cloud, e)
	tool.run("compute", "forwarding-rules", "create", "demo", region, far, "--network=default", "--address=demo",
		"--target-service-attachment="+attachPath, about)
	same("the endpoint")
	if err := cloud.SetPSCGlobalAccess(t.Context(), farRef("demo"), true, nil); err != nil {
		t.Fatal(err)
	}
	tool.run("compute", "forwarding-rules", "update", "demo", region, far, "--allow-psc-global-access")
	same("global access")
	change(AttachmentEdit{Accept: &[]ConsumerLimit{{Project: consumer, Limit: 2}, {Project: "friend", Limit: 3}}, Reject: &[]string{"foe"}})
	tool.run("compute", "service-attachments", "update", "demo", region, "--consumer-accept-list="+consumer+"=2,friend=3", "--consumer-reject-list=foe")
	same("other lists")
	change(AttachmentEdit{Accept: &[]ConsumerLimit{}, Reject: &[]string{}, Preference: ptr(AcceptAutomatic), Reconcile: ptr(true)})
	tool.run("compute", "service-attachments", "update", "demo", region, "--consumer-accept-list=", "--consumer-reject-list=",
		"--connection-preference=ACCEPT_AUTOMATIC", "--reconcile-connections")
	same("no lists")
	if err := cloud.CreatePrivateZone(t.Context(), zone()); err != nil {
		t.Fatal(err)
	}
	tool.run("dns", "managed-zones", "create", "demo", far, about, "--dns-name=causeway.internal", "--visibility=private",
		"--networks=default", "--labels=managed-by=causeway")
	if err := cloud.SetRecord(t.Context(), zone().Ref(), record()); err != nil {
		t.Fatal(err)
	}
	tool.run("dns", "record-sets", "create", "api.causeway.internal.", far, "--zone=demo", "--type=A", "--ttl=300", "--rrdatas=10.156.0.9")
	same("the zone and its record")

	for _, remove := range []func() error{
		func() error { return cloud.DeleteServiceAttachment(t.Context(), ref("demo"), nil) },
		func() error { return cloud.DeletePSCEndpoint(t.Context(), farRef("demo"), nil) },
		func() error { return cloud.DeleteSubnetwork(t.Context(), ref("demo"), nil) },
		func() error { return cloud.DeleteRecord(t.Context(), zone().Ref(), record().Name, "") },
		func() error { return cloud.DeletePrivateZone(t.Context(), zone().Ref()) },
	} {
		if err := remove(); err != nil {
			t.Fatal(err)
		}
	}
	tool.run("compute", "service-attachments", "delete", "demo", region, "--quiet")
	tool.run("compute", "forwarding-rules", "delete", "demo", region, far, "--quiet")
	tool.run("compute", "networks", "subnets", "delete", "demo", region, "--quiet")
	tool.run("dns", "record-sets", "delete", "api.causeway.internal.", far, "--zone=demo", "--type=A")
	tool.run("dns", "managed-zones", "delete", "demo", far)
	same("all of it gone")
}

// TestGcloudShowsTheConnectionThatWeMade, and what it refuses is said in a form that
// Google's own tool takes apart.
func TestGcloudShowsTheConnectionThatWeMade(t *testing.T) {
	cloud, google := both(t, gcptest.Options{})
	tool := newGcloud(t, google)
	if tool == nil {
		return
	}
	publish(t, cloud, attachment())
	made := consume(t, cloud, endpoint("demo"))
	region, far := "--region="+area, "--project="+consumer
	type shown struct {
		Name, ConnectionPreference, TargetService, PscConnectionStatus, PscConnectionId, IPAddress, Target, LoadBalancingScheme, Purpose string
		ConnectedEndpoints                                                                                                               []struct{ Endpoint, Status, PscConnectionId string }
	}
	var one shown
	tool.describe(&one, "compute", "service-attachments", "describe", "demo", region)
	if one.ConnectionPreference != AcceptManual || !strings.HasSuffix(one.TargetService, rulePath) || len(one.ConnectedEndpoints) != 1 ||
		one.ConnectedEndpoints[0].Status != "ACCEPTED" || one.ConnectedEndpoints[0].PscConnectionId != made.ConnectionID {
		t.Errorf("attachment %+v", one)
	}
	one = shown{}
	tool.describe(&one, "compute", "forwarding-rules", "describe", "demo", region, far)
	if one.PscConnectionStatus != "ACCEPTED" || one.IPAddress != made.IP.String() || !strings.HasSuffix(one.Target, attachPath) || one.LoadBalancingScheme != "" {
		t.Errorf("endpoint %+v", one)
	}
	var list []shown
	tool.describe(&list, "compute", "service-attachments", "list")
	if len(list) != 1 || list[0].Name != "demo" {
		t.Errorf("attachments %+v", list)
	}
	tool.describe(&list, "compute", "networks", "subnets", "list", "--filter=purpose=PRIVATE_SERVICE_CONNECT", "--regions="+area)
	if len(list) != 3 {
		t.Errorf("NAT subnetworks %+v", list)
	}
	for part, args := range map[string][]string{
		"is already being used by": {"compute", "forwarding-rules", "delete", "api", region, "--quiet"},
		"already being used by":    {"compute", "networks", "subnets", "delete", "nat", region, "--quiet"},
		"Incorrect combination":    {"compute", "service-attachments", "update", "demo", region, "--connection-preference=ACCEPT_AUTOMATIC"},
	} {
		if _, stderr, err := tool.try(args...); err == nil || !strings.Contains(stderr, part) {
			t.Errorf("gcloud %s: %v, does not say %q:\n%s", strings.Join(args, " "), err, part, stderr)
		}
	}
}

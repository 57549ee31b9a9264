package gcp

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"causeway/internal/gcptest"
)

func zone() PrivateZone {
	return PrivateZone{
		Project: consumer, Name: "demo", Description: "causeway exposure demo", DNSName: "causeway.internal.",
		Networks: []Ref{{Project: consumer, Name: "default"}}, Labels: map[string]string{"managed-by": "causeway"},
	}
}

func record() DNSRecord {
	return DNSRecord{Name: "api.causeway.internal", Data: []string{"10.156.0.9"}}
}

func TestAZoneFromNothingAndBack(t *testing.T) {
	cloud, google := both(t, gcptest.Options{})
	before := string(google.Snapshot())
	ctx, at := t.Context(), zone().Ref()
	for what, read := range map[string]func() (any, error){
		"zone": func() (any, error) { z, err := cloud.PrivateZone(ctx, at); return z == nil, err },
		"a zone's record": func() (any, error) {
			r, err := cloud.Record(ctx, at, "api.causeway.internal.", "A")
			return r == nil, err
		},
	} {
		if none, err := read(); none != true || err != nil {
			t.Errorf("%s that is not there: %v, %v", what, none, err)
		}
	}
	undotted := zone()
	undotted.DNSName = "causeway.internal"
	if err := cloud.CreatePrivateZone(ctx, undotted); err != nil {
		t.Fatal(err)
	}
	found, err := cloud.PrivateZone(ctx, at)
	if err != nil {
		t.Fatal(err)
	}
	want := zone()
	if diff := cmp.Diff(&want, found); diff != "" {
		t.Error(diff)
	}
	all, err := cloud.PrivateZones(ctx, consumer)
	if diff := cmp.Diff([]PrivateZone{want}, all); err != nil || diff != "" {
		t.Error(err, diff)
	}
	if err := cloud.SetRecord(ctx, at, record()); err != nil {
		t.Fatal(err)
	}
	made, err := cloud.Record(ctx, at, "api.causeway.internal", "")
	if diff := cmp.Diff(&DNSRecord{Name: "api.causeway.internal.", Type: "A", TTL: 300, Data: []string{"10.156.0.9"}}, made); err != nil || diff != "" {
		t.Error(err, diff)
	}
	google.ResetRequests()
	for range 2 {
		if err := cloud.SetRecord(ctx, at, record()); err != nil {
			t.Fatal(err)
		}
	}
	if _, writes := google.Counts(); writes != 0 {
		t.Errorf("%d writes for what is so already", writes)
	}
	moved := record()
	moved.Data, moved.TTL = []string{"10.156.0.10"}, 60
	if err := cloud.SetRecord(ctx, at, moved); err != nil {
		t.Fatal(err)
	}
	if made, err = cloud.Record(ctx, at, moved.Name, "A"); err != nil || made.Data[0] != "10.156.0.10" || made.TTL != 60 {
		t.Errorf("%+v, %v", made, err)
	}
	expect(t, cloud.DeletePrivateZone(ctx, at), "CW-GCP-IN-USE", "contains one or more 'resource records'")
	for range 2 {
		if err := cloud.DeleteRecord(ctx, at, moved.Name, ""); err != nil {
			t.Fatal(err)
		}
		if err := cloud.DeletePrivateZone(ctx, at); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(before, string(google.Snapshot())); diff != "" {
		t.Errorf("something is left: %s", diff)
	}
}

func TestZonesThatCloudDNSRefuses(t *testing.T) {
	cloud, google := both(t, gcptest.Options{})
	ctx := t.Context()
	if err := cloud.CreatePrivateZone(ctx, zone()); err != nil {
		t.Fatal(err)
	}
	expect(t, cloud.CreatePrivateZone(ctx, zone()), "CW-GCP-CONFLICT", "named 'demo' already exists")
	for part, change := range map[string]func(*PrivateZone){
		"managedZone.dnsName": func(z *PrivateZone) { z.DNSName = "no name" },
		"managedZone.name":    func(z *PrivateZone) { z.Name = "No" },
		"networkUrl":          func(z *PrivateZone) { z.Networks = []Ref{{Project: consumer, Name: "none"}} },
	} {
		wrong := zone()
		wrong.Name = "other"
		change(&wrong)
		expect(t, cloud.CreatePrivateZone(ctx, wrong), "", part)
	}
	outside := record()
	outside.Name = "api.example.com"
	expect(t, cloud.SetRecord(ctx, zone().Ref(), outside), "", "not in the zone")
	expect(t, cloud.SetRecord(ctx, Ref{Project: consumer, Name: "none"}, record()), "CW-GCP-NOT-FOUND", "does not exist")
	expect(t, cloud.DeleteRecord(ctx, zone().Ref(), "causeway.internal.", "SOA"), "", "must contain exactly one")
	google.Disable(consumer, "dns.googleapis.com")
	_, err := cloud.PrivateZone(ctx, zone().Ref())
	expect(t, err, "CW-GCP-API-DISABLED", "gcloud services enable dns.googleapis.com --project=345678901234")
}

// TestManyZones are read page by page, and a public one is told as such.
func TestManyZones(t *testing.T) {
	cloud, google := both(t, gcptest.Options{PageSize: 2})
	for i := range 5 {
		one := zone()
		one.Name = fmt.Sprintf("demo-%d", i)
		if err := cloud.CreatePrivateZone(t.Context(), one); err != nil {
			t.Fatal(err)
		}
	}
	err := google.Change("projects/consumer-project/managedZones/demo-3", func(o map[string]any) {
		o["visibility"] = "public"
		delete(o, "privateVisibilityConfig")
	})
	if err != nil {
		t.Fatal(err)
	}
	all, err := cloud.PrivateZones(t.Context(), consumer)
	if err != nil || len(all) != 5 || !all[3].Public || all[3].Networks != nil || all[4].Public || all[4].Name != "demo-4" {
		t.Errorf("%+v, %v", all, err)
	}
}

// TestARecordThatAppearsMeanwhile is changed instead; lost answers are asked again.
func TestARecordThatAppearsMeanwhile(t *testing.T) {
	cloud, google := both(t, gcptest.Options{})
	ctx, at := t.Context(), zone().Ref()
	if err := cloud.CreatePrivateZone(ctx, zone()); err != nil {
		t.Fatal(err)
	}
	google.Inject(gcptest.Fault{Match: `resourceRecordSets\.get`, Nth: 1, Status: 404, Reason: "notFound", Message: "The 'parameters.name' resource does not exist."})
	other := record()
	other.Data = []string{"10.156.0.200"}
	if err := cloud.SetRecord(ctx, at, other); err != nil {
		t.Fatal(err)
	}
	google.ClearFaults()
	google.Inject(gcptest.Fault{Match: `resourceRecordSets\.get`, Nth: 1, Status: 404, Reason: "notFound", Message: "The 'parameters.name' resource does not exist."})
	google.Inject(gcptest.Fault{Match: `resourceRecordSets\.(patch|delete)`, Nth: 1, AfterEffect: true, CutOff: true})
	if err := cloud.SetRecord(ctx, at, record()); err != nil {
		t.Fatal(err)
	}
	if found, err := cloud.Record(ctx, at, record().Name, ""); err != nil || found.Data[0] != "10.156.0.9" {
		t.Errorf("%+v, %v", found, err)
	}
	google.ClearFaults()
	google.Inject(gcptest.Fault{Match: `(resourceRecordSets|managedZones)\.delete`, Nth: 1, AfterEffect: true, CutOff: true})
	if err := cloud.DeleteRecord(ctx, at, record().Name, ""); err != nil {
		t.Fatal(err)
	}
	if err := cloud.DeletePrivateZone(ctx, at); err != nil {
		t.Fatal(err)
	}
}

func TestWhereCloudDNSIs(t *testing.T) {
	for given, want := range map[string]string{
		"": "https://dns.googleapis.com/dns/v1/", "http://h:1": "http://h:1/dns/v1/", "http://h:1/": "http://h:1/dns/v1/",
		"http://h:1/dns/v1": "http://h:1/dns/v1/", "http://h:1/dns/v1/": "http://h:1/dns/v1/",
	} {
		config := Config{HTTPClient: answering(t, "{}").rawDNS.client, Endpoints: Endpoints{DNS: given}}
		cloud, err := New(t.Context(), config)
		if err != nil || cloud.rawDNS.base != want {
			t.Errorf("%q: %q, %v", given, cloud.rawDNS.base, err)
		}
	}
}

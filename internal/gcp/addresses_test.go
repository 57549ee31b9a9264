package gcp

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"causeway/internal/explain"
	"causeway/internal/gcptest"
)

// expect holds an error to its code and to a part of its text, and the code to
// the catalogue.
func expect(t *testing.T, err error, code, part string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want %s", code)
	}
	if got := explain.CodeOf(err); got != code {
		t.Errorf("code %q, want %q; the error is: %v", got, code, err)
	}
	if _, ok := explain.Lookup(code); code != "" && !ok {
		t.Errorf("the catalogue has no %s", code)
	}
	if !strings.Contains(err.Error(), part) {
		t.Errorf("error %q does not say %q", err, part)
	}
}

func wanted() Address {
	return Address{Project: project, Region: area, Name: "causeway-demo", Description: "causeway exposure demo",
		Purpose: "GCE_ENDPOINT", IP: netip.MustParseAddr("10.156.0.26"), Subnetwork: "default"}
}

func TestAnAddressFromReserveToRelease(t *testing.T) {
	cloud, google := open(t, gcptest.Options{OperationTime: 20 * time.Millisecond}, "lab")
	before := string(google.Snapshot())
	none, err := cloud.Address(t.Context(), project, area, "causeway-demo")
	if err != nil || none != nil {
		t.Fatalf("an address that is not there: %v, %v", none, err)
	}
	var notes []string
	note := func(text string) { notes = append(notes, text) }
	made, err := cloud.ReserveAddress(t.Context(), wanted(), note)
	if err != nil {
		t.Fatal(err)
	}
	want := wanted()
	want.Type, want.Status, want.SubnetworkProject = "INTERNAL", "RESERVED", project
	if diff := cmp.Diff(&want, made, cmpopts.IgnoreUnexported(Address{}), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
	if len(notes) == 0 || !strings.Contains(notes[0], "operation operation-") {
		t.Errorf("the wait told nothing: %q", notes)
	}
	if err := cloud.LabelAddress(t.Context(), *made, map[string]string{"managed-by": "causeway"}, note); err != nil {
		t.Fatal(err)
	}
	labelled, err := cloud.Address(t.Context(), project, area, "causeway-demo")
	if err != nil || labelled.Labels["managed-by"] != "causeway" {
		t.Errorf("labels %v, %v", labelled, err)
	}
	if err := cloud.ReleaseAddress(t.Context(), *labelled, note); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, string(google.Snapshot())); diff != "" {
		t.Errorf("after the release something is left: %s", diff)
	}
	if err := cloud.ReleaseAddress(t.Context(), *labelled, note); err != nil {
		t.Errorf("releasing what is gone: %v", err)
	}
}

func TestGoogleChoosesAnAddress(t *testing.T) {
	cloud, _ := open(t, gcptest.Options{}, "lab")
	a := wanted()
	a.IP = netip.Addr{}
	made, err := cloud.ReserveAddress(t.Context(), a, nil)
	if err != nil {
		t.Fatal(err)
	}
	if made.IP != netip.MustParseAddr("10.156.0.3") { // .2 is a node's
		t.Errorf("chose %s", made.IP)
	}
}

func TestAddressesThatCannotBeHad(t *testing.T) {
	for sentence, test := range map[string]struct {
		change     func(*Address)
		code, part string
	}{
		"outside the subnet":            {func(a *Address) { a.IP = netip.MustParseAddr("10.157.0.9") }, "CW-NET-OUTSIDE-SUBNET", "outside the network/subnetwork range"},
		"the subnet's gateway":          {func(a *Address) { a.IP = netip.MustParseAddr("10.156.0.1") }, "CW-NET-OUTSIDE-SUBNET", "outside"},
		"the subnet's broadcast":        {func(a *Address) { a.IP = netip.MustParseAddr("10.156.15.255") }, "CW-NET-OUTSIDE-SUBNET", "outside"},
		"a node's own":                  {func(a *Address) { a.IP = netip.MustParseAddr("10.156.0.2") }, "CW-NET-ADDRESS-TAKEN", "in-use"},
		"another reservation's":         {func(a *Address) { a.IP = netip.MustParseAddr("10.156.0.77") }, "CW-NET-ADDRESS-TAKEN", "in-use"},
		"a name that exists":            {func(a *Address) { a.Name = "other" }, "CW-GCP-CONFLICT", "already exists"},
		"a name that is none":           {func(a *Address) { a.Name = "Other" }, "", "Must be a match of regex"},
		"a region that is none":         {func(a *Address) { a.Region = "mars-north1" }, "", "Unknown region"},
		"a subnet that is not there":    {func(a *Address) { a.Subnetwork = "nowhere" }, "CW-GCP-NOT-FOUND", "subnetworks/nowhere"},
		"a project that is not there":   {func(a *Address) { a.Project = "no-project" }, "CW-GCP-NOT-FOUND", "projects/no-project"},
		"a purpose of global addresses": {func(a *Address) { a.Purpose = "VPC_PEERING" }, "", "purpose"},
	} {
		t.Run(sentence, func(t *testing.T) {
			cloud, google := open(t, gcptest.Options{}, "lab")
			other := wanted()
			other.Name, other.IP = "other", netip.MustParseAddr("10.156.0.77")
			if _, err := cloud.ReserveAddress(t.Context(), other, nil); err != nil {
				t.Fatal(err)
			}
			before := google.Snapshot()
			a := wanted()
			test.change(&a)
			_, err := cloud.ReserveAddress(t.Context(), a, nil)
			expect(t, err, test.code, test.part)
			if !strings.HasPrefix(err.Error(), "reserve address projects/"+a.Project) {
				t.Errorf("error %q does not begin with verb and resource", err)
			}
			if diff := cmp.Diff(string(before), string(google.Snapshot())); diff != "" {
				t.Errorf("a refusal left something: %s", diff)
			}
			google.TakeViolations() // a name that is none breaks the pattern on purpose
		})
	}
}

func TestAnAddressInUseIsNotReleased(t *testing.T) {
	cloud, google := open(t, gcptest.Options{}, "lab")
	made, err := cloud.ReserveAddress(t.Context(), wanted(), nil)
	if err != nil {
		t.Fatal(err)
	}
	rule := "projects/lab-project/regions/europe-west3/forwardingRules/k8s2-tcp-abc"
	err = google.Fill(gcptest.Seed{Resources: []gcptest.SeedObject{{Path: rule, Body: map[string]any{
		"IPAddress": "10.156.0.26", "subnetwork": "projects/lab-project/regions/europe-west3/subnetworks/default",
		"loadBalancingScheme": "INTERNAL", "description": `{"networking.gke.io/service-name":"ns/web"}`, "ports": []any{"443"}, "allowGlobalAccess": true,
	}}}})
	if err != nil {
		t.Fatal(err)
	}
	used, err := cloud.Address(t.Context(), project, area, "causeway-demo")
	if err != nil || used.Status != "IN_USE" || len(used.Users) != 1 || !strings.HasSuffix(used.Users[0], rule) {
		t.Fatalf("address %+v, %v", used, err)
	}
	expect(t, cloud.ReleaseAddress(t.Context(), *made, nil), "CW-NET-ADDRESS-IN-USE", "k8s2-tcp-abc")
	user, err := cloud.AddressUser(t.Context(), project, area, wanted().IP)
	if err != nil || !strings.Contains(user, "addresses/causeway-demo") {
		t.Errorf("user of the address: %q, %v", user, err)
	}
	google.Remove("projects/lab-project/regions/europe-west3/addresses/causeway-demo")
	user, err = cloud.AddressUser(t.Context(), project, area, wanted().IP)
	if err != nil || !strings.Contains(user, "forwardingRules/k8s2-tcp-abc") {
		t.Errorf("user of the address: %q, %v", user, err)
	}
	got, err := cloud.ForwardingRule(t.Context(), project, area, "k8s2-tcp-abc")
	if err != nil || got.Description != `{"networking.gke.io/service-name":"ns/web"}` || !got.GlobalAccess || got.Subnetwork != "default" {
		t.Errorf("rule %+v, %v", got, err)
	}
	none, err := cloud.ForwardingRule(t.Context(), project, area, "none")
	if err != nil || none != nil {
		t.Errorf("a rule that is not there: %v, %v", none, err)
	}
	user, err = cloud.AddressUser(t.Context(), project, area, netip.MustParseAddr("10.156.0.99"))
	if err != nil || user != "" {
		t.Errorf("user of a free address: %q, %v", user, err)
	}
}

func TestLabelsThatSomeoneChangedMeanwhile(t *testing.T) {
	cloud, _ := open(t, gcptest.Options{}, "lab")
	stale, err := cloud.ReserveAddress(t.Context(), wanted(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := cloud.LabelAddress(t.Context(), *stale, map[string]string{"team": "net"}, nil); err != nil {
		t.Fatal(err)
	}
	expect(t, cloud.LabelAddress(t.Context(), *stale, map[string]string{"managed-by": "causeway"}, nil), "CW-GCP-PRECONDITION", "somebody else changed it")
	fresh, err := cloud.Address(t.Context(), project, area, "causeway-demo")
	if err != nil {
		t.Fatal(err)
	}
	if err := cloud.LabelAddress(t.Context(), *fresh, map[string]string{"managed-by": "causeway"}, nil); err != nil {
		t.Fatal(err)
	}
	fresh, err = cloud.Address(t.Context(), project, area, "causeway-demo")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"team": "net", "managed-by": "causeway"}, fresh.Labels); diff != "" {
		t.Error(diff)
	}
}

func TestListsOfManyPages(t *testing.T) {
	cloud, google := open(t, gcptest.Options{PageSize: 3}, "lab")
	var names []string
	for i := range 8 {
		a := wanted()
		a.Name, a.IP = fmt.Sprintf("a%d", i), netip.MustParseAddr(fmt.Sprintf("10.156.1.%d", i))
		made, err := cloud.ReserveAddress(t.Context(), a, nil)
		if err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 {
			if err := cloud.LabelAddress(t.Context(), *made, map[string]string{"causeway-exposure": "even"}, nil); err != nil {
				t.Fatal(err)
			}
			names = append(names, a.Name)
		}
	}
	google.ResetRequests()
	all, err := cloud.Addresses(t.Context(), project, area, "")
	if err != nil || len(all) != 8 {
		t.Fatalf("%d addresses, %v", len(all), err)
	}
	if reads, writes := google.Counts(); reads != 3 || writes != 0 {
		t.Errorf("%d reads and %d writes for 8 addresses in pages of 3", reads, writes)
	}
	even, err := cloud.Addresses(t.Context(), project, area, `labels.causeway-exposure = "even"`)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, one := range even {
		got = append(got, one.Name)
	}
	slices.Sort(got)
	if diff := cmp.Diff(names, got); diff != "" {
		t.Error(diff)
	}
	_, err = cloud.Addresses(t.Context(), project, area, "this is no filter")
	expect(t, err, "", "Invalid list filter expression")
}

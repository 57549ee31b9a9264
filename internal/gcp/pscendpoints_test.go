package gcp

import (
	"strings"
	"testing"
	"time"

	"causeway/internal/gcptest"
)

// TestWhoIsLetIn walks a consumer through the states of a connection.
func TestWhoIsLetIn(t *testing.T) {
	cloud, _ := both(t, gcptest.Options{})
	a := attachment()
	a.Accept = nil
	publish(t, cloud, a)
	for _, name := range []string{"one", "two", "three"} {
		consume(t, cloud, endpoint(name))
	}
	change := func(e AttachmentEdit) {
		t.Helper()
		if _, err := cloud.EditServiceAttachment(t.Context(), ref("demo"), editOf(e), nil); err != nil {
			t.Fatal(err)
		}
	}
	want := func(states string) {
		t.Helper()
		if got := statuses(t, cloud, "one", "two", "three"); got != states {
			t.Errorf("%s, want %s", got, states)
		}
	}
	want("PENDING PENDING PENDING")
	change(AttachmentEdit{Accept: &[]ConsumerLimit{{Project: "345678901234", Limit: 2}}}) // by its number
	want("ACCEPTED ACCEPTED PENDING")
	change(AttachmentEdit{Accept: &[]ConsumerLimit{}, Reject: &[]string{consumer}})
	want("ACCEPTED ACCEPTED REJECTED")
	change(AttachmentEdit{Reconcile: ptr(true)})
	want("REJECTED REJECTED REJECTED")
	change(AttachmentEdit{Reject: &[]string{}, Accept: &[]ConsumerLimit{{Network: farNetPath, Limit: 9}}})
	want("ACCEPTED ACCEPTED ACCEPTED")
	change(AttachmentEdit{Accept: &[]ConsumerLimit{{Endpoint: farRules + "two", Limit: 1}}})
	want("PENDING ACCEPTED PENDING")
	change(AttachmentEdit{Accept: &[]ConsumerLimit{}, Preference: ptr(AcceptAutomatic)})
	want("ACCEPTED ACCEPTED ACCEPTED")
	// A /29 has four addresses for consumers.
	consume(t, cloud, endpoint("four"))
	if last := consume(t, cloud, endpoint("five")); last.Status != "NEEDS_ATTENTION" {
		t.Errorf("an endpoint without a NAT address is %s", last.Status)
	}
	change(AttachmentEdit{NATSubnets: &[]Ref{ref("nat"), ref("nat-more")}})
	if got := statuses(t, cloud, "four", "five"); got != "ACCEPTED ACCEPTED" {
		t.Errorf("with another NAT subnetwork: %s", got)
	}
	if err := cloud.DeleteServiceAttachment(t.Context(), ref("demo"), nil); err != nil {
		t.Fatal(err)
	}
	want("CLOSED CLOSED CLOSED")
	publish(t, cloud, attachment())
	want("CLOSED CLOSED CLOSED") // for good
}

func TestPSCProblems(t *testing.T) {
	for status, code := range map[string]string{
		"ACCEPTED": "", "": "", "STATUS_UNSPECIFIED": "", "PENDING": "CW-PSC-PENDING", "REJECTED": "CW-PSC-REJECTED",
		"NEEDS_ATTENTION": "CW-PSC-ATTENTION", "CLOSED": "CW-PSC-CLOSED", "FROZEN": "CW-PSC-ATTENTION",
	} {
		got, why, fix := PSCProblem(status)
		if got != code || (why == "") != (status == "ACCEPTED") || (fix == "") != (status == "ACCEPTED") {
			t.Errorf("%q: %q, %q, %q", status, got, why, fix)
		}
	}
	for _, status := range gcptest.PSCStatuses() {
		if _, known := pscProblems[status]; !known && status != "ACCEPTED" {
			t.Errorf("nobody knows %s", status)
		}
	}
}

func TestEndpointsThatGoogleRefuses(t *testing.T) {
	for sentence, test := range map[string]struct {
		change     func(*PSCEndpoint)
		code, part string
	}{
		"no attachment":               {func(e *PSCEndpoint) { e.Target = rulePath }, "CW-PSC-TARGET", "is no service attachment"},
		"an attachment elsewhere":     {func(e *PSCEndpoint) { e.Target = strings.Replace(attachPath, area, "europe-west1", 1) }, "CW-PSC-TARGET", "lies in its attachment's region"},
		"one that is not there":       {func(e *PSCEndpoint) { e.Target = regional + "serviceAttachments/none" }, "CW-PSC-TARGET", "was not found"},
		"no network":                  {func(e *PSCEndpoint) { e.Network = Ref{} }, "", "has no network"},
		"a network that is not there": {func(e *PSCEndpoint) { e.Network.Name = "none" }, "CW-GCP-NOT-FOUND", "networks/none' was not found"},
		"an address that is not":      {func(e *PSCEndpoint) { e.Address = "none" }, "CW-GCP-NOT-FOUND", "addresses/none' was not found"},
		"an IP that is taken":         {func(e *PSCEndpoint) { e.Address = "10.156.0.9" }, "CW-NET-ADDRESS-TAKEN", "in-use"},
		"an IP outside":               {func(e *PSCEndpoint) { e.Address = "10.1.0.9" }, "CW-NET-OUTSIDE-SUBNET", "outside"},
		"a name that is taken":        {func(e *PSCEndpoint) { e.Name = "taken" }, "CW-GCP-CONFLICT", "already exists"},
		"another network's subnet":    {func(e *PSCEndpoint) { e.Subnetwork = ref("default") }, "", "is not in the network"},
	} {
		t.Run(sentence, func(t *testing.T) {
			cloud, _ := both(t, gcptest.Options{})
			publish(t, cloud, attachment())
			taken := endpoint("taken")
			taken.Address = "10.156.0.9"
			consume(t, cloud, taken)
			wrong := endpoint("demo")
			test.change(&wrong)
			_, err := cloud.CreatePSCEndpoint(t.Context(), wrong, nil)
			expect(t, err, test.code, test.part)
		})
	}
}

// TestTheAddressOfAnEndpoint is a reserved one by name or path, a given or any IP.
func TestTheAddressOfAnEndpoint(t *testing.T) {
	cloud, google := both(t, gcptest.Options{})
	publish(t, cloud, attachment())
	reserved := Address{Project: consumer, Region: area, Name: "demo", IP: ip("10.156.0.77"), Subnetwork: "default"}
	if _, err := cloud.ReserveAddress(t.Context(), reserved, nil); err != nil {
		t.Fatal(err)
	}
	for given, want := range map[string]string{
		"demo": "10.156.0.77", "projects/consumer-project/regions/europe-west3/addresses/demo": "10.156.0.77", "10.156.0.5": "10.156.0.5", "": "10.156.0.2",
	} {
		one := endpoint("demo")
		one.Address = given
		if given != "" { // an address resource or an IP tells its subnetwork
			one.Subnetwork = Ref{}
		}
		if made := consume(t, cloud, one); made.IP != ip(want) || made.Subnetwork != farRef("default") {
			t.Errorf("%q: %+v", given, made)
		}
		if address, err := cloud.Address(t.Context(), consumer, area, "demo"); err != nil || (address.Status == "IN_USE") != (want == "10.156.0.77") {
			t.Errorf("%q: address %+v, %v", given, address, err)
		}
		if err := cloud.DeletePSCEndpoint(t.Context(), farRef("demo"), nil); err != nil {
			t.Fatal(err)
		}
	}
	for _, call := range google.Requests() {
		if call.Method == "compute.forwardingRules.insert" && (strings.Contains(call.Body, "loadBalancingScheme") || strings.Contains(call.Body, "ports") || strings.Contains(call.Body, "IPProtocol")) {
			t.Errorf("the endpoint is asked for with %s", call.Body)
		}
	}
}

func TestGlobalAccessAndLabelsOfAnEndpoint(t *testing.T) {
	cloud, google := both(t, gcptest.Options{OperationTime: 10 * time.Millisecond})
	publish(t, cloud, attachment())
	one := endpoint("demo")
	one.GlobalAccess = true
	if made := consume(t, cloud, one); !made.GlobalAccess {
		t.Errorf("%+v", made)
	}
	google.ResetRequests()
	if err := cloud.SetPSCGlobalAccess(t.Context(), farRef("demo"), true, nil); err != nil {
		t.Fatal(err)
	}
	if _, writes := google.Counts(); writes != 0 {
		t.Errorf("%d writes for what is so already", writes)
	}
	for _, on := range []bool{false, true} {
		if err := cloud.SetPSCGlobalAccess(t.Context(), farRef("demo"), on, nil); err != nil {
			t.Fatal(err)
		}
		if found, err := cloud.PSCEndpoint(t.Context(), farRef("demo")); err != nil || found.GlobalAccess != on {
			t.Errorf("%+v, %v", found, err)
		}
	}
	expect(t, cloud.SetPSCGlobalAccess(t.Context(), farRef("none"), true, nil), "CW-GCP-NOT-FOUND", "was not found")
	found, err := cloud.PSCEndpoint(t.Context(), farRef("demo"))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		err = cloud.LabelPSCEndpoint(t.Context(), *found, map[string]string{"managed-by": "causeway"}, nil)
		if found.Labels == nil && err != nil {
			t.Fatal(err)
		}
		found.Labels = map[string]string{}
	}
	expect(t, err, "CW-GCP-PRECONDITION", "labels have changed")
	if found, err = cloud.PSCEndpoint(t.Context(), farRef("demo")); err != nil || found.Labels["managed-by"] != "causeway" {
		t.Errorf("%+v, %v", found, err)
	}
}

// TestAnotherRuleOfThatName is told for what it is.
func TestAnotherRuleOfThatName(t *testing.T) {
	cloud, _ := both(t, gcptest.Options{})
	found, err := cloud.PSCEndpoint(t.Context(), ref("api"))
	if err != nil || found == nil || found.Target != "" || found.Status != "" || found.IP != ip("10.156.0.40") {
		t.Errorf("%+v, %v", found, err)
	}
}

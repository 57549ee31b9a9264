package gcp

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/oauth2"

	"causeway/internal/gcptest"
)

const (
	consumer   = "consumer-project"
	regional   = "projects/lab-project/regions/europe-west3/"
	rulePath   = regional + "forwardingRules/api"
	attachPath = regional + "serviceAttachments/demo"
	farRules   = "projects/consumer-project/regions/europe-west3/forwardingRules/"
	farNetPath = "projects/consumer-project/global/networks/default"
)

// both starts an emulator with a producer that can publish and a consumer.
func both(t *testing.T, options gcptest.Options) (*Cloud, *gcptest.Server) {
	t.Helper()
	google := gcptest.Serve(t, options, "lab", "published", "consumer")
	return openOn(t, google, oauth2.StaticTokenSource(&oauth2.Token{AccessToken: gcptest.Token})), google
}

func attachment() ServiceAttachment {
	return ServiceAttachment{
		Project: project, Region: area, Name: "demo", Description: "causeway exposure demo", Target: rulePath,
		Preference: AcceptManual, NATSubnets: []Ref{ref("nat")}, Accept: []ConsumerLimit{{Project: consumer, Limit: 2}},
	}
}

func farRef(name string) Ref { return Ref{Project: consumer, Region: area, Name: name} }

func endpoint(name string) PSCEndpoint {
	return PSCEndpoint{
		Project: consumer, Region: area, Name: name, Description: "causeway exposure demo", Target: attachPath,
		Network: Ref{Project: consumer, Name: "default"}, Subnetwork: farRef("default"),
	}
}

func publish(t *testing.T, cloud *Cloud, a ServiceAttachment) {
	t.Helper()
	if err := cloud.CreateServiceAttachment(t.Context(), a, nil); err != nil {
		t.Fatal(err)
	}
}

func consume(t *testing.T, cloud *Cloud, e PSCEndpoint) *PSCEndpoint {
	t.Helper()
	made, err := cloud.CreatePSCEndpoint(t.Context(), e, nil)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func statuses(t *testing.T, cloud *Cloud, names ...string) string {
	t.Helper()
	var out []string
	for _, name := range names {
		found, err := cloud.PSCEndpoint(t.Context(), farRef(name))
		if err != nil || found == nil {
			t.Fatalf("endpoint %s: %v, %v", name, found, err)
		}
		out = append(out, found.Status)
	}
	return strings.Join(out, " ")
}

func editOf(change AttachmentEdit) func(ServiceAttachment) (AttachmentEdit, error) {
	return func(ServiceAttachment) (AttachmentEdit, error) { return change, nil }
}

// TestAConnectionFromNothingAndBack makes both halves, reads each as it was made, and
// takes them away: by either side first.
func TestAConnectionFromNothingAndBack(t *testing.T) {
	for sentence, producerFirst := range map[string]bool{"the consumer goes first": false, "the producer goes first": true} {
		t.Run(sentence, func(t *testing.T) {
			cloud, google := both(t, gcptest.Options{OperationTime: 10 * time.Millisecond})
			before := string(google.Snapshot())
			if found, err := cloud.ServiceAttachment(t.Context(), ref("demo")); found != nil || err != nil {
				t.Fatalf("an attachment that is not there: %v, %v", found, err)
			}
			nat := Subnetwork{Project: project, Region: area, Name: "causeway-demo", Network: "default", Range: cidr("10.159.0.0/28"), Description: "causeway exposure demo"}
			if err := cloud.CreateNATSubnet(t.Context(), nat, nil); err != nil {
				t.Fatal(err)
			}
			if found, err := cloud.Subnetwork(t.Context(), project, area, "causeway-demo"); err != nil || found.Purpose != NATPurpose || found.Range != nat.Range || found.Network != "default" || found.Description != nat.Description {
				t.Errorf("subnetwork %+v, %v", found, err)
			}
			a := attachment()
			a.NATSubnets = []Ref{ref("causeway-demo")}
			publish(t, cloud, a)
			made := consume(t, cloud, endpoint("demo"))
			if made.Status != "ACCEPTED" || made.ConnectionID == "" || !cidr("10.156.0.0/20").Contains(made.IP) || made.Target != attachPath || made.Network != endpoint("").Network || made.Description != a.Description {
				t.Errorf("endpoint %+v", made)
			}
			a.Endpoints = []ConnectedEndpoint{{Endpoint: farRules + "demo", Status: "ACCEPTED", ID: made.ConnectionID, Network: farNetPath}}
			a.Link = attachPath
			found, err := cloud.ServiceAttachment(t.Context(), ref("demo"))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(&a, found); diff != "" {
				t.Error(diff)
			}
			expect(t, cloud.DeleteSubnetwork(t.Context(), ref("causeway-demo"), nil), "CW-GCP-IN-USE", "already being used by '"+attachPath+"'")
			unpublish := []func() error{
				func() error { return cloud.DeletePSCEndpoint(t.Context(), farRef("demo"), nil) },
				func() error { return cloud.DeleteServiceAttachment(t.Context(), ref("demo"), nil) },
			}
			if producerFirst {
				slices.Reverse(unpublish)
			}
			for range 2 { // gone already is no error
				for _, remove := range append(unpublish, func() error { return cloud.DeleteSubnetwork(t.Context(), ref("causeway-demo"), nil) }) {
					if err := remove(); err != nil {
						t.Fatal(err)
					}
				}
			}
			if diff := cmp.Diff(before, string(google.Snapshot())); diff != "" {
				t.Errorf("something is left: %s", diff)
			}
		})
	}
}

func TestListsOfAttachments(t *testing.T) {
	cloud, google := both(t, gcptest.Options{PageSize: 1})
	west := attachment()
	second := attachment()
	second.Name, second.NATSubnets = "second", []Ref{ref("nat-more")}
	publish(t, cloud, west)
	publish(t, cloud, second)
	for region, reads := range map[string]int{area: 2, "": 2, "europe-west1": 1} {
		google.ResetRequests()
		all, err := cloud.ServiceAttachments(t.Context(), project, region)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, one := range all {
			names = append(names, one.Region+"/"+one.Name)
		}
		want := []string{area + "/demo", area + "/second"}
		if region == "europe-west1" {
			want = nil
		}
		if diff := cmp.Diff(want, names); diff != "" {
			t.Errorf("region %q: %s", region, diff)
		}
		if got, _ := google.Counts(); got != reads {
			t.Errorf("region %q: %d reads", region, got)
		}
	}
}

// TestAttachmentsThatGoogleRefuses: each known cause has its code, whether it is seen
// before a call or behind Google's answer.
func TestAttachmentsThatGoogleRefuses(t *testing.T) {
	network := "projects/consumer-project/global/networks/default"
	for sentence, test := range map[string]struct {
		change     func(*ServiceAttachment)
		code, part string
		writes     int
	}{
		"automatic with a list":        {func(a *ServiceAttachment) { a.Preference = AcceptAutomatic }, "CW-PSC-LISTS", "it can have no list of consumers", 0},
		"projects and networks":        {func(a *ServiceAttachment) { a.Accept = append(a.Accept, ConsumerLimit{Network: network, Limit: 1}) }, "CW-PSC-LISTS", "networks and projects", 0},
		"a rejected one of other kind": {func(a *ServiceAttachment) { a.Reject = []string{network} }, "CW-PSC-LISTS", "networks and projects", 0},
		"an entry with two names":      {func(a *ServiceAttachment) { a.Accept[0].Network = network }, "CW-PSC-LISTS", "not 2 of them", 0},
		"an entry with no name":        {func(a *ServiceAttachment) { a.Accept[0].Project = "" }, "CW-PSC-LISTS", "not 0 of them", 0},
		"the same one twice":           {func(a *ServiceAttachment) { a.Accept = append(a.Accept, a.Accept[0]) }, "CW-PSC-LISTS", "accepted twice", 0},
		"a limit below zero":           {func(a *ServiceAttachment) { a.Accept[0].Limit = -1 }, "CW-PSC-LISTS", "is -1", 0},
		"an endpoint more than once":   {func(a *ServiceAttachment) { a.Accept = []ConsumerLimit{{Endpoint: farRules + "x", Limit: 2}} }, "CW-PSC-LISTS", "connects once", 0},
		"no NAT subnetwork":            {func(a *ServiceAttachment) { a.NATSubnets = nil }, "CW-PSC-NAT-SUBNET", "no NAT subnetwork", 0},
		"one of another region": {func(a *ServiceAttachment) {
			a.NATSubnets = []Ref{{Project: project, Region: "europe-west1", Name: "nat-west1"}}
		},
			"CW-PSC-NAT-SUBNET", "is in europe-west1, not in europe-west3", 0},
		"one that is not there":      {func(a *ServiceAttachment) { a.NATSubnets[0].Name = "none" }, "CW-PSC-NAT-SUBNET", "there is no NAT subnetwork", 1},
		"one of another purpose":     {func(a *ServiceAttachment) { a.NATSubnets[0].Name = "default" }, "CW-PSC-NAT-SUBNET", "has the purpose PRIVATE", 1},
		"one of another attachment":  {func(a *ServiceAttachment) { a.NATSubnets[0].Name = "nat-more" }, "CW-PSC-NAT-SUBNET", "another service attachment, first", 1},
		"one of another network":     {func(a *ServiceAttachment) { a.NATSubnets[0].Name = "nat-elsewhere" }, "CW-PSC-NAT-SUBNET", "is of network elsewhere", 1},
		"a target elsewhere":         {func(a *ServiceAttachment) { a.Target = strings.Replace(rulePath, area, "europe-west1", 1) }, "CW-PSC-TARGET", "is not in europe-west3", 0},
		"a target that is no rule":   {func(a *ServiceAttachment) { a.Target = attachPath }, "CW-PSC-TARGET", "no forwarding rule", 0},
		"a target that is not there": {func(a *ServiceAttachment) { a.Target = regional + "forwardingRules/none" }, "CW-PSC-TARGET", "there is no forwarding rule", 1},
		"a public target":            {func(a *ServiceAttachment) { a.Target = regional + "forwardingRules/public" }, "CW-PSC-TARGET", "is EXTERNAL", 1},
		"a name that is taken":       {func(a *ServiceAttachment) { a.Name = "first" }, "CW-GCP-CONFLICT", "already exists", 1},
		"a name that is none":        {func(a *ServiceAttachment) { a.Name = "No" }, "", "Must be a match of regex", 1},
	} {
		t.Run(sentence, func(t *testing.T) {
			cloud, google := both(t, gcptest.Options{})
			other := attachment()
			other.Name, other.NATSubnets = "first", []Ref{ref("nat-more")}
			publish(t, cloud, other)
			google.ResetRequests()
			wrong := attachment()
			test.change(&wrong)
			expect(t, cloud.CreateServiceAttachment(t.Context(), wrong, nil), test.code, test.part)
			if _, writes := google.Counts(); writes != test.writes {
				t.Errorf("%d writes", writes)
			}
			google.TakeViolations() // a name that is none breaks the document as well
		})
	}
}

// TestGooglesOwnWordsForLists: somebody else's lists are there already.
func TestGooglesOwnWordsForLists(t *testing.T) {
	cloud, google := both(t, gcptest.Options{})
	google.Inject(gcptest.Fault{Match: `serviceAttachments\.insert`, Status: 400, Reason: "invalid", Message: "Incorrect combination of connection preference with accept and/or reject list."})
	expect(t, cloud.CreateServiceAttachment(t.Context(), attachment(), nil), "CW-PSC-LISTS", "Incorrect combination")
	google.ClearFaults()
	google.Inject(gcptest.Fault{Match: `serviceAttachments\.insert`, Status: 400, Reason: "invalid", Message: "Something new."})
	expect(t, cloud.CreateServiceAttachment(t.Context(), attachment(), nil), "", "Something new (HTTP 400)")
	google.ClearFaults()
	google.Inject(gcptest.Fault{Match: `serviceAttachments\.insert`, OperationError: &gcptest.OperationError{Code: "X", Message: "the subnetwork is wrong"}})
	wrong := attachment()
	wrong.NATSubnets[0].Name = "nat-more"
	google.Change(regional+"subnetworks/nat-more", func(o map[string]any) { o["ipCidrRange"] = "10.157.0.64/26" })
	expect(t, cloud.CreateServiceAttachment(t.Context(), wrong, nil), "", "the subnetwork is wrong")
}

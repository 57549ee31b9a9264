package psc

import (
	"slices"
	"strings"
	"testing"

	"causeway/exposer"
	"causeway/internal/gcp"
	"causeway/internal/gcptest"
)

// consumerNumber is the number of the seed's consumer-project.
const consumerNumber = "345678901234"

func TestConsumersByAnyName(t *testing.T) {
	t.Parallel()
	s := newStage(t, "names")
	s.Attach(t, s.host.Spec.Namespace)

	t.Run("a project's number is let in by its ID, which Google answers with", func(t *testing.T) {
		w := s.act("number", alone, letIn(consumerNumber+"=3", "projects/"+consumerNumber+"/global/networks/n"))
		wantProblem(t, refused(t, w), "CW-PSC-LISTS", "name a project and a network")
		w = s.act("number", letIn(consumerNumber+"=3"), func(spec *exposer.Spec) { spec.PSC.Reject = []string{"123456789012"} })
		apply(t, w)
		unchanged(t, w)
		have := attachment(t, w)
		if !slices.Equal(have.Accept, []gcp.ConsumerLimit{{Project: "consumer-project", Limit: 3}}) || !slices.Equal(have.Reject, []string{"lab-project"}) {
			t.Errorf("lists %+v and %q", have.Accept, have.Reject)
		}
		wantHops(t, w, all...)
		destroy(t, w)
	})
	t.Run("a number that can't be looked up is refused", func(t *testing.T) {
		wantProblem(t, refused(t, s.act("nobody", alone, letIn("999999999999"))), "CW-PSC-LISTS", "999999999999 is a project's number")
		s.Google.Deny("resourcemanager.projects.get", "consumer-project")
		wantProblem(t, refused(t, s.act("hidden", alone, letIn(consumerNumber))), "CW-PSC-LISTS", "can't be looked up from here")
		s.Google.Allow("resourcemanager.projects.get")
	})
	t.Run("a colleague's number in the cluster's object does not hold an apply up", func(t *testing.T) {
		w := s.act("object", alone, through, letIn("consumer-project"))
		apply(t, w)
		s.patch(t, w, `{"spec":{"consumerAllowList":[{"project":"consumer-project","connectionLimit":10},{"project":"123456789012","connectionLimit":3}]}}`)
		w.Spec.PSC.Consumers = append(w.Spec.PSC.Consumers, "another")
		apply(t, w)
		unchanged(t, w)
		destroy(t, w)
	})
	t.Run("an endpoint of the same command can't be on the list", func(t *testing.T) {
		w := s.act("endpoint", letIn("projects/somebody/regions/europe-west3/forwardingRules/4711"))
		wantProblem(t, refused(t, w), "CW-PSC-LISTS", "can't be listed beforehand")
	})
	t.Run("a consumer in a Shared VPC", func(t *testing.T) {
		const network = "projects/net-project/global/networks/hosted"
		if err := s.Google.Fill(gcptest.Seed{Projects: []gcptest.SeedProject{{ID: "net-project", Number: "555555555555", Services: []string{"compute.googleapis.com", "cloudresourcemanager.googleapis.com"}}}, Resources: []gcptest.SeedObject{
			{Path: network, Body: map[string]any{"autoCreateSubnetworks": false}},
			{Path: "projects/net-project/regions/europe-west3/subnetworks/team", Body: subnet(network, "10.77.0.0/24", "PRIVATE")},
		}}); err != nil {
			t.Fatal(err)
		}
		before := s.State()
		hosted := func(spec *exposer.Spec) {
			spec.PSC.Consumer.Network, spec.PSC.Consumer.Subnet = "net-project/hosted", "team"
		}
		w := s.act("hosted", hosted, letIn("projects/other/global/networks/n"))
		for _, permission := range []string{"compute.subnetworks.use", "dns.networks.bindPrivateDNSZone"} {
			s.Google.Deny(permission, "net-project")
			wantProblem(t, refused(t, w), "CW-GCP-PERMISSION", permission)
			s.Google.Allow(permission)
		}
		apply(t, w)
		unchanged(t, w)
		wantHops(t, w, all...)
		if rule := s.Google.Object(endpointAt(w)); !strings.HasSuffix(rule["network"].(string), network) || !strings.HasPrefix(rule["IPAddress"].(string), "10.77.0.") {
			t.Errorf("endpoint %v in %v", rule["IPAddress"], rule["network"])
		}
		if have := attachment(t, w); len(have.Accept) != 2 || have.Accept[1].Network != network {
			t.Errorf("let in: %+v", have.Accept)
		}
		if names := s.Google.PrivateNames(); len(names) != 1 || names[0].Network != network {
			t.Errorf("names %+v", names)
		}
		destroy(t, w)
		w.Gone(t, before)
		w = s.act("lost", func(spec *exposer.Spec) { spec.PSC.Consumer.Subnet = "team" })
		wantProblem(t, refused(t, w), "CW-PSC-SUBNET", "consumer-project has no subnet team")
	})
	t.Run("automatic acceptance and another NAT subnet in one apply", func(t *testing.T) {
		w := s.act("both", alone, letIn("consumer-project"))
		apply(t, w)
		w.Spec.PSC.Accept, w.Spec.PSC.Consumers = exposer.AcceptAutomatic, nil
		w.Spec.PSC.NATSubnet, w.Spec.PSC.NATRange = "wider", "10.201.0.0/28"
		apply(t, w)
		unchanged(t, w)
		if have := attachment(t, w); len(have.NATSubnets) != 2 || len(have.Accept) > 0 {
			t.Errorf("attachment %+v", have)
		}
		destroy(t, w)
	})
}

func TestNumbersInEntries(t *testing.T) {
	for entry, want := range map[string]string{
		"345678901234": "345678901234", "345678901234=5": "345678901234", "projects/345678901234/global/networks/n": "345678901234",
		"consumer-1": "", "p2=12": "", "projects/consumer-1/global/networks/12": "", "example.com:p": "", "projects/p/regions/r/forwardingRules/4711": "", "": "", "projects/": "",
	} {
		if got := numberIn(entry); got != want {
			t.Errorf("%q: %q, want %q", entry, got, want)
		}
	}
}

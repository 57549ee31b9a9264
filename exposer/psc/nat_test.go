package psc

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"causeway/exposer"
	"causeway/internal/gcp"
	"causeway/internal/gcptest"
)

// plant puts further things beside the seed, as somebody else would have made them.
func (s stage) plant(t *testing.T, objects map[string]map[string]any) {
	t.Helper()
	var seed gcptest.Seed
	for at, body := range objects {
		seed.Resources = append(seed.Resources, gcptest.SeedObject{Path: at, Body: body})
	}
	if err := s.Google.Fill(seed); err != nil {
		t.Fatal(err)
	}
}

func subnet(network, ranges, purpose string) map[string]any {
	return map[string]any{"network": network, "ipCidrRange": ranges, "purpose": purpose}
}

func TestTheNATSubnet(t *testing.T) {
	t.Parallel()
	s := newStage(t, "nat")
	const network = "projects/lab-project/global/networks/default"
	s.plant(t, map[string]map[string]any{
		"projects/lab-project/global/networks/other":                                 {"autoCreateSubnetworks": false},
		producerAt + "/subnetworks/elsewhere":                                        subnet("projects/lab-project/global/networks/other", "10.210.0.0/28", purposeNAT),
		producerAt + "/subnetworks/machines":                                         subnet(network, "10.211.0.0/28", "PRIVATE"),
		producerAt + "/subnetworks/nat":                                              subnet(network, "10.212.0.0/28", purposeNAT),
		"projects/lab-project/regions/europe-west4/subnetworks/of-another-region":    subnet(network, "10.213.0.0/28", purposeNAT),
		"projects/consumer-project/regions/europe-west4/subnetworks/of-other-region": subnet("projects/consumer-project/global/networks/consumer-vpc", "10.99.0.0/24", "PRIVATE"),
	})
	nat := func(name, ranges string) func(*exposer.Spec) {
		return func(spec *exposer.Spec) { spec.PSC.NATSubnet, spec.PSC.NATRange = name, ranges }
	}
	for name, c := range map[string]struct {
		edit       func(*exposer.Spec)
		code, text string
	}{
		"of another network":       {nat("elsewhere", ""), "CW-PSC-NAT-SUBNET", "belongs to network other, not to default"},
		"of another purpose":       {nat("machines", ""), "CW-PSC-NAT-SUBNET", "has purpose PRIVATE, not " + purposeNAT},
		"of another region":        {nat("of-another-region", ""), "CW-PSC-NAT-SUBNET", "does not exist"},
		"that nobody has made":     {nat("", ""), "CW-PSC-NAT-SUBNET", "--nat-range"},
		"over the nodes' range":    {nat("", "10.156.8.0/28"), "CW-NET-OVERLAP", "overlaps subnet default (10.156.0.0/20)"},
		"over the pods' range":     {nat("", "10.37.0.0/28"), "CW-NET-OVERLAP", "range pods of subnet default"},
		"over the control plane's": {nat("", "192.168.50.0/29"), "CW-NET-OVERLAP", "the control plane"},
		"one kind accepted, another rejected": {func(spec *exposer.Spec) {
			letIn("consumer-project")(spec)
			spec.PSC.Reject = []string{"projects/banned/global/networks/n"}
		}, "CW-PSC-LISTS", "name a project and a network"},
		"an endpoint in other regions": {func(spec *exposer.Spec) { spec.PSC.Consumer.Subnet = "of-other-region" }, "CW-PSC-SUBNET", "no subnet of-other-region in europe-west3"},
		"an endpoint in other networks": {func(spec *exposer.Spec) {
			spec.PSC.Consumer.Network = "consumer-net"
		}, "CW-PSC-SUBNET", "belongs to network consumer-vpc, not to consumer-net"},
	} {
		t.Run(name, func(t *testing.T) {
			w := s.act("no", c.edit)
			wantProblem(t, refused(t, w), c.code, c.text)
		})
	}

	t.Run("one that exists is used and left", func(t *testing.T) {
		w := s.act("kept", nat("nat", ""), func(spec *exposer.Spec) { spec.PSC.Reject = []string{"projects/banned/global/networks/n"} })
		apply(t, w)
		if have := attachment(t, w); len(have.Accept) != 1 || have.Accept[0].Network != "projects/consumer-project/global/networks/consumer-vpc" {
			t.Errorf("beside a network that is rejected, %+v is let in", have.Accept)
		}
		unchanged(t, w)
		if got := sourceRanges(t, s.host); !slices.Contains(got, "10.212.0.0/28") {
			t.Errorf("the load balancer lets %q in", got)
		}
		if outcome := destroy(t, w)["nat-subnet"]; outcome != exposer.Left {
			t.Errorf("the subnet was %s", outcome)
		}
	})
	t.Run("one of another attachment", func(t *testing.T) {
		first, second := s.act("first", alone, nat("nat", "")), s.act("second", alone, nat("nat", ""))
		apply(t, first)
		_, err := run(t, second)
		wantCode(t, err, "CW-PSC-NAT-SUBNET", "causeway-"+first.Spec.Name)
		destroy(t, second)
		if got := sourceRanges(t, s.host); !slices.Contains(got, "10.212.0.0/28") {
			t.Errorf("who failed took the other's range away: %q", got)
		}
		wantHops(t, first, "attachment ok", "consumers waits", "load balancer ok")
		destroy(t, first)
	})
	t.Run("no address left", func(t *testing.T) {
		w := s.act("full", nat("", "10.214.0.0/29")) // four endpoints
		apply(t, w)
		x := open(t, w)
		for i := range 4 {
			_, err := x.google.CreatePSCEndpoint(t.Context(), gcp.PSCEndpoint{Project: "consumer-project", Region: "europe-west3", Name: fmt.Sprintf("more-%d", i),
				Network: gcp.Ref{Project: "consumer-project", Name: "consumer-vpc"}, Address: netip.AddrFrom4([4]byte{10, 156, 9, byte(i + 1)}).String(), Target: x.attachmentPath()}, nil)
			if err != nil {
				t.Fatal(err)
			}
		}
		wantHops(t, w, "endpoint ok", "attachment ok", "consumer ok", "consumer ok", "consumer ok", "consumer ok", "consumer warns CW-PSC-ATTENTION", "load balancer ok")
		file := handOver(t, w)
		late := s.consuming("late", file)
		_, err := run(t, late)
		wantCode(t, err, "CW-PSC-ATTENTION", "NAT subnetwork has no address left")
		wantHops(t, late, "endpoint broken CW-PSC-ATTENTION")
		destroy(t, late)
		for i := range 4 {
			if err := x.google.DeletePSCEndpoint(t.Context(), gcp.Ref{Project: "consumer-project", Region: "europe-west3", Name: fmt.Sprintf("more-%d", i)}, nil); err != nil {
				t.Fatal(err)
			}
		}
		destroy(t, w)
	})
}

func TestWhatPointsElsewhereIsNotTouched(t *testing.T) {
	t.Parallel()
	s := newStage(t, "elsewhere")
	w := s.act("both")
	apply(t, w)
	const foreign = producerAt + "/forwardingRules/somebodys"
	change := func(at string, edit func(map[string]any)) {
		t.Helper()
		if err := s.Google.Change(at, edit); err != nil {
			t.Fatal(err)
		}
	}
	refuses := func(t *testing.T, code, text string) {
		t.Helper()
		before := w.State()
		_, err := run(t, w)
		wantCode(t, err, code, text)
		if w.State() != before {
			t.Error("it was changed")
		}
	}
	at := producerAt + "/serviceAttachments/causeway-" + w.Spec.Name
	t.Run("an attachment", func(t *testing.T) {
		target := s.Google.Object(at)["targetService"]
		change(at, func(o map[string]any) { o["targetService"] = foreign })
		refuses(t, "CW-PSC-TARGET", "points at "+foreign)
		wantHops(t, w, "endpoint ok", "attachment broken CW-PSC-TARGET", "load balancer ok")
		change(at, func(o map[string]any) { o["targetService"] = target })
	})
	t.Run("an endpoint", func(t *testing.T) {
		target := s.Google.Object(endpointAt(w))["target"]
		change(endpointAt(w), func(o map[string]any) { o["target"] = producerAt + "/serviceAttachments/somebodys" })
		refuses(t, "CW-PSC-TARGET", "leads to")
		change(endpointAt(w), func(o map[string]any) { o["target"] = target })
	})
	t.Run("an attachment and an endpoint of somebody else's by the same names", func(t *testing.T) {
		for _, one := range []string{at, endpointAt(w)} {
			change(one, func(o map[string]any) { o["description"] = "mine" })
			refuses(t, "CW-RUN-FOREIGN", "does not carry this exposure's mark")
			change(one, func(o map[string]any) { o["description"] = "causeway exposure " + w.Spec.Name })
		}
	})
	unchanged(t, w)
	t.Run("a host that is none", func(t *testing.T) {
		other := s.act("none", func(spec *exposer.Spec) { spec.PSC.Exposure = "nobody" })
		problems := refused(t, other)
		wantProblem(t, problems, "CW-PSC-NO-ILB", "no exposure nobody by ilb")
		if !strings.Contains(problems[0].Fix, "causeway apply ilb --project lab-project") {
			t.Errorf("the cure is %q", problems[0].Fix)
		}
	})
	destroy(t, w)
}

package ilb

import (
	"net/netip"
	"strings"
	"testing"

	"causeway/exposer/conformance"
	"causeway/internal/explain"
	"causeway/internal/gcp"
	"causeway/internal/kubetest"
)

func TestALoadBalancerThatSomebodyPublishesIsNotDestroyed(t *testing.T) {
	t.Parallel()
	kubetest.Workloads(t, kubetest.Start(t).Config)
	spec := labSpec()
	spec.Name = "attached"
	w := conformance.New(t, spec, conformance.Options{Seed: "psc-consumer"})
	if _, err := w.Apply(t.Context(), Method{}); err != nil {
		t.Fatal(err)
	}
	job, err := w.Job(Method{})
	if err != nil {
		t.Fatal(err)
	}
	google := job.Deps.Google
	address, err := google.Address(t.Context(), "lab-project", "europe-west3", "causeway-attached")
	if err != nil || address == nil {
		t.Fatal(err)
	}
	rules, err := google.ForwardingRulesByIP(t.Context(), "lab-project", "europe-west3", address.IP)
	if err != nil || len(rules) != 1 {
		t.Fatal(rules, err)
	}
	nat := gcp.Subnetwork{Project: "lab-project", Region: "europe-west3", Name: "nat", Network: "default", Range: netip.MustParsePrefix("10.200.0.0/28")}
	if err := google.CreateNATSubnet(t.Context(), nat, nil); err != nil {
		t.Fatal(err)
	}
	attachment := gcp.ServiceAttachment{Project: "lab-project", Region: "europe-west3", Name: "somebodys", Target: rulePath(rules[0]),
		Preference: gcp.AcceptAutomatic, NATSubnets: []gcp.Ref{{Project: "lab-project", Region: "europe-west3", Name: "nat"}}}
	if err := google.CreateServiceAttachment(t.Context(), attachment, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Destroy(t.Context(), Method{}); explain.CodeOf(err) != "CW-LB-PUBLISHED" || !strings.Contains(err.Error(), "somebodys") {
		t.Errorf("destroy: %v", err)
	}
	if err := google.DeleteServiceAttachment(t.Context(), attachment.Ref(), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Destroy(t.Context(), Method{}); err != nil {
		t.Errorf("destroy without the attachment: %v", err)
	}
}

package ilb

import (
	"strings"
	"testing"

	"causeway/exposer"
	"causeway/exposer/conformance"
	"causeway/internal/gcptest"
)

// reserved is a seed with one address.
func reserved(name string, body map[string]any) gcptest.Seed {
	full := map[string]any{"addressType": "INTERNAL", "purpose": "GCE_ENDPOINT", "status": "RESERVED", "address": "10.156.0.77", "subnetwork": labRegion + "/subnetworks/default"}
	for key, value := range body {
		full[key] = value
	}
	return gcptest.Seed{Resources: []gcptest.SeedObject{{Path: labRegion + "/addresses/" + name, Body: full}}}
}

// rule is a seed with a forwarding rule of somebody's.
func rule(ip string) gcptest.Seed {
	return gcptest.Seed{Resources: []gcptest.SeedObject{{Path: labRegion + "/forwardingRules/theirs", Body: map[string]any{
		"IPAddress": ip, "IPProtocol": "TCP", "loadBalancingScheme": "INTERNAL", "ports": []any{"443"}, "description": `{"kubernetes.io/service-name":"shop/web"}`,
		"subnetwork": labRegion + "/subnetworks/default"}}}}
}

func fill(t testing.TB, w *conformance.World, seeds ...gcptest.Seed) {
	t.Helper()
	for _, seed := range seeds {
		if err := w.Google.Fill(seed); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAddressesThatCanNotBeUsed(t *testing.T) {
	t.Parallel()
	other := gcptest.Seed{Resources: []gcptest.SeedObject{
		{Path: labRegion + "/subnetworks/other", Body: map[string]any{"network": "projects/lab-project/global/networks/default", "ipCidrRange": "10.157.0.0/24"}},
		{Path: "projects/lab-project/global/networks/else", Body: map[string]any{"autoCreateSubnetworks": false}},
		{Path: labRegion + "/subnetworks/elsewhere", Body: map[string]any{"network": "projects/lab-project/global/networks/else", "ipCidrRange": "10.158.0.0/24"}},
	}}
	for name, c := range map[string]struct {
		address, addressName, subnet string
		seeds                        []gcptest.Seed
		code, text                   string
	}{
		"out of the subnet":               {address: "10.200.0.5", code: "CW-NET-OUTSIDE-SUBNET", text: "10.200.0.5 is outside subnet default (10.156.0.0/20)"},
		"of another address":              {address: "10.156.0.77", seeds: []gcptest.Seed{reserved("theirs", nil)}, code: "CW-NET-ADDRESS-TAKEN", text: "10.156.0.77 is taken by address projects/lab-project/regions/europe-west3/addresses/theirs"},
		"of a forwarding rule":            {address: "10.156.0.88", seeds: []gcptest.Seed{rule("10.156.0.88")}, code: "CW-NET-ADDRESS-TAKEN", text: "10.156.0.88 is taken by forwarding rule"},
		"external":                        {addressName: "mine", seeds: []gcptest.Seed{reserved("mine", map[string]any{"addressType": "EXTERNAL", "address": "203.0.113.7"})}, code: "CW-NET-ADDRESS-KIND", text: "address mine is EXTERNAL"},
		"in another subnet":               {addressName: "mine", seeds: []gcptest.Seed{other, reserved("mine", map[string]any{"subnetwork": labRegion + "/subnetworks/other", "address": "10.157.0.9"})}, code: "CW-NET-ADDRESS-KIND", text: "address mine lies in subnet other, not in default"},
		"of that name with another IP":    {address: "10.156.0.5", addressName: "mine", seeds: []gcptest.Seed{reserved("mine", nil)}, code: "CW-NET-ADDRESS-TAKEN", text: "address mine is 10.156.0.77, not 10.156.0.5"},
		"of another exposure":             {addressName: "mine", seeds: []gcptest.Seed{reserved("mine", map[string]any{"labels": map[string]any{"managed-by": "causeway", "causeway-exposure": "prod"}})}, code: "CW-NET-ADDRESS-TAKEN", text: "address mine belongs to the causeway exposure prod"},
		"in use by another load balancer": {addressName: "mine", seeds: []gcptest.Seed{reserved("mine", nil), rule("10.156.0.77")}, code: "CW-NET-ADDRESS-TAKEN", text: "address mine (10.156.0.77) is in use by"},
		"a subnet of another network":     {subnet: "elsewhere", seeds: []gcptest.Seed{other}, code: "CW-NET-SUBNET", text: "subnet elsewhere belongs to network else, the cluster to default"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := world(t, conformance.Options{NoController: true}, func(s *exposer.Spec) {
				s.ILB.Address, s.ILB.AddressName, s.ILB.Subnet = c.address, c.addressName, c.subnet
			})
			fill(t, w, c.seeds...)
			before := w.State()
			_, err := w.Apply(t.Context(), Method{})
			wantError[*exposer.PreconditionError](t, err, c.code, c.text)
			untouched(t, w, before)
		})
	}
}

func TestASubnetThatDoesNotExist(t *testing.T) {
	t.Parallel()
	w := world(t, conformance.Options{NoController: true}, func(s *exposer.Spec) { s.ILB.Subnet = "gone" })
	_, err := w.Apply(t.Context(), Method{})
	wantCode(t, err, "CW-GCP-NOT-FOUND", "subnetworks/gone")
	plain(t, err)
}

// A machine's address is known to Google alone: it refuses, and the run tells it.
func TestAnAddressThatAMachineHas(t *testing.T) {
	t.Parallel()
	w := world(t, conformance.Options{NoController: true}, func(s *exposer.Spec) { s.ILB.Address = "10.156.0.2" })
	before := w.State()
	_, err := w.Apply(t.Context(), Method{})
	wantError[*exposer.Stopped](t, err, "CW-NET-ADDRESS-TAKEN", "in-use")
	plain(t, err)
	if w.State() != before {
		t.Error("something was reserved")
	}
	w.Spec.ILB.Address = "10.156.0.9"
	w.Balance(t, w.Spec.Namespace, 0)
	apply(t, w)
	destroy(t, w)
	w.Gone(t, before)
}

func TestAnAddressOfAnotherRegionIsNotSeen(t *testing.T) {
	t.Parallel()
	w := world(t, conformance.Options{}, func(s *exposer.Spec) { s.ILB.AddressName = "mine" })
	elsewhere := reserved("mine", map[string]any{"subnetwork": "projects/lab-project/regions/europe-west1/subnetworks/default", "address": "10.132.0.9"})
	elsewhere.Resources[0].Path = "projects/lab-project/regions/europe-west1/addresses/mine"
	fill(t, w, gcptest.Seed{Resources: []gcptest.SeedObject{{Path: "projects/lab-project/regions/europe-west1/subnetworks/default",
		Body: map[string]any{"network": "projects/lab-project/global/networks/default", "ipCidrRange": "10.132.0.0/20"}}}}, elsewhere)
	before := w.State()
	apply(t, w)
	if ip := ipOf(t, w); !strings.HasPrefix(ip, "10.156.") {
		t.Errorf("the load balancer bears %s, of another region's subnet", ip)
	}
	destroy(t, w)
	w.Gone(t, before)
}

// ipOf is what the exposure's Service bears.
func ipOf(t testing.TB, w *conformance.World) string {
	t.Helper()
	service := get(t, w, serviceKind, w.Spec.Namespace, proxyName)
	if service == nil {
		t.Fatal("there is no Service")
	}
	status, _ := service.Object["status"].(map[string]any)
	balancer, _ := status["loadBalancer"].(map[string]any)
	ingress, _ := balancer["ingress"].([]any)
	if len(ingress) != 1 {
		t.Fatalf("ingress: %v", ingress)
	}
	return ingress[0].(map[string]any)["ip"].(string)
}

func TestAnAddressOfTheUsersIsAdoptedAndKept(t *testing.T) {
	t.Parallel()
	w := world(t, conformance.Options{}, func(s *exposer.Spec) { s.ILB.AddressName = "mine" })
	fill(t, w, reserved("mine", map[string]any{"labels": map[string]any{"team": "net"}, "description": "for the far side"}))
	before := w.State()
	apply(t, w)
	if ip := ipOf(t, w); ip != "10.156.0.77" {
		t.Errorf("the load balancer bears %s", ip)
	}
	unchanged(t, w)
	items := destroy(t, w)
	if item := items["address/mine"]; item.Outcome != exposer.Left || item.Why == "" {
		t.Errorf("the user's address: %+v", item)
	}
	w.Gone(t, before)
}

// Killed between the reservation and the labels: the description is the mark.
func TestAnAddressWithoutLabelsIsStillOurs(t *testing.T) {
	t.Parallel()
	w := world(t, conformance.Options{})
	before := w.State()
	fill(t, w, reserved(w.Spec.ILB.AddressName, map[string]any{"description": "causeway exposure " + w.Spec.Name}))
	apply(t, w)
	labels, _ := w.Google.Object(labRegion + "/addresses/" + w.Spec.ILB.AddressName)["labels"].(map[string]any)
	if labels["causeway-exposure"] != w.Spec.Name {
		t.Errorf("labels: %v", labels)
	}
	destroy(t, w)
	w.Gone(t, before)
}

func TestTheAddressNameChanges(t *testing.T) {
	t.Parallel()
	w := world(t, conformance.Options{})
	before := w.State()
	apply(t, w)
	old := w.Spec.ILB.AddressName
	w.Spec.ILB.AddressName = "moved-" + w.Spec.Name
	apply(t, w)
	if w.Google.Object(labRegion+"/addresses/"+old) != nil {
		t.Error("the old address is still reserved")
	}
	if got := w.Google.Object(labRegion + "/addresses/" + w.Spec.ILB.AddressName)["address"]; got != ipOf(t, w) {
		t.Errorf("the load balancer bears %s, reserved is %s", ipOf(t, w), got)
	}
	unchanged(t, w)
	w.Spec.ILB.AddressName = old // as somebody would who has no record of the change
	destroy(t, w)
	w.Gone(t, before)
}

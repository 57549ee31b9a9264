package dataplane

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"causeway/internal/gcptest"
	"causeway/lab/topology"
)

// connection is an accepted one of a consumer's network, to 10.156.0.9 by the NAT
// subnet 10.200.0.0/29, which has four addresses to give.
func connection(id, network, endpoint string, edit ...func(*gcptest.Connection)) gcptest.Connection {
	c := gcptest.Connection{
		ID: id, ConsumerNetwork: network, ProducerNetwork: "projects/lab-project/global/networks/default", Status: "ACCEPTED", Accepted: true,
		EndpointIP: netip.MustParseAddr(endpoint), TargetIP: netip.MustParseAddr("10.156.0.9"), NAT: []netip.Prefix{netip.MustParsePrefix("10.200.0.0/29")},
		Ports: []string{"443"}, Regions: []string{topology.Region},
	}
	for _, e := range edit {
		e(&c)
	}
	return c
}

var (
	ours   = topology.TheConsumer.NetworkPath()
	theirs = topology.ThePartner.NetworkPath()
)

func translate(had map[string]netip.Addr, list ...gcptest.Connection) Translation {
	return Translate(topology.LineStatic.Consumers(), list, had)
}

const closed = `*nat
:CAUSEWAY-ENDPOINT - [0:0]
:CAUSEWAY-NAT - [0:0]
COMMIT
*filter
:CAUSEWAY-ACCEPTED - [0:0]
-A CAUSEWAY-ACCEPTED -j DROP
COMMIT
`

func TestAnAcceptedConnectionIsTranslatedAndNothingElsePasses(t *testing.T) {
	got := translate(nil, connection("1", ours, "10.156.0.3"), connection("2", theirs, "10.156.0.3", func(c *gcptest.Connection) { c.Ports = nil }))
	want := `*nat
:CAUSEWAY-ENDPOINT - [0:0]
:CAUSEWAY-NAT - [0:0]
-A CAUSEWAY-ENDPOINT -i endpoint0 -d 10.156.0.3/32 -p tcp -j DNAT --to-destination 10.156.0.9
-A CAUSEWAY-ENDPOINT -i endpoint1 -d 10.156.0.3/32 -p tcp -j DNAT --to-destination 10.156.0.9
-A CAUSEWAY-NAT -o attach0 -m conntrack --ctorigsrc 100.64.40.2 --ctorigdst 10.156.0.3 -j SNAT --to-source 10.200.0.2
-A CAUSEWAY-NAT -o attach0 -m conntrack --ctorigsrc 100.64.41.2 --ctorigdst 10.156.0.3 -j SNAT --to-source 10.200.0.3
COMMIT
*filter
:CAUSEWAY-ACCEPTED - [0:0]
-A CAUSEWAY-ACCEPTED -p tcp -m conntrack --ctorigsrc 100.64.40.2 --ctorigdst 10.156.0.3 --ctorigdstport 443 -j ACCEPT
-A CAUSEWAY-ACCEPTED -p tcp -m conntrack --ctorigsrc 100.64.41.2 --ctorigdst 10.156.0.3 --ctorigdstport 1:65535 -j ACCEPT
-A CAUSEWAY-ACCEPTED -j DROP
COMMIT
`
	if diff := cmp.Diff(want, got.Rules); diff != "" {
		t.Error(diff)
	}
	if len(got.Routes) != 1 || got.Routes[0].String() != "10.200.0.0/29 via 100.64.50.2" {
		t.Errorf("routes %v, want one back to the NAT subnet", got.Routes)
	}
}

func TestWhoPassesNothing(t *testing.T) {
	for name, edit := range map[string]func(*gcptest.Connection){
		"not accepted":                 func(c *gcptest.Connection) { c.Accepted, c.Status = false, "PENDING" },
		"a network that is not here":   func(c *gcptest.Connection) { c.ConsumerNetwork = "projects/x/global/networks/y" },
		"another producer's service":   func(c *gcptest.Connection) { c.ProducerNetwork = ours },
		"an endpoint of other regions": func(c *gcptest.Connection) { c.Regions = []string{"europe-west1"} },
		"no NAT subnet":                func(c *gcptest.Connection) { c.NAT = nil },
	} {
		if got := translate(nil, connection("1", ours, "10.156.0.3", edit)); got.Rules != closed || len(got.Routes)+len(got.NAT) > 0 {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if got := translate(nil, connection("1", ours, "10.156.0.3", func(c *gcptest.Connection) { c.Regions = []string{"europe-west1", topology.Region} })); got.Rules == closed {
		t.Error("with global access nothing passes")
	}
}

func TestAddressesOfTheNATSubnet(t *testing.T) {
	five := []gcptest.Connection{
		connection("a", ours, "10.156.0.3"), connection("b", ours, "10.156.0.4"), connection("c", ours, "10.156.0.5"),
		connection("d", theirs, "10.156.0.3"), connection("e", theirs, "10.156.0.4"),
	}
	got := translate(nil, five...)
	want := map[string]netip.Addr{}
	for id, text := range map[string]string{"a": "10.200.0.2", "b": "10.200.0.3", "c": "10.200.0.4", "d": "10.200.0.5"} {
		want[id] = netip.MustParseAddr(text)
	}
	if diff := cmp.Diff(want, got.NAT, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Errorf("the fifth finds none of the four: %s", diff)
	}
	// Whoever stays keeps the address, and the next one gets what is free.
	later := translate(got.NAT, five[1], five[4])
	if later.NAT["b"] != want["b"] || later.NAT["e"] != want["a"] || len(later.NAT) != 2 {
		t.Errorf("later: %v", later.NAT)
	}
	// Out of a subnet that the attachment has no more nobody comes.
	moved := translate(got.NAT, connection("a", ours, "10.156.0.3", func(c *gcptest.Connection) { c.NAT = []netip.Prefix{netip.MustParsePrefix("10.201.0.0/28")} }))
	if moved.NAT["a"].String() != "10.201.0.2" {
		t.Errorf("moved: %v", moved.NAT)
	}
}

func TestNamesOfANetwork(t *testing.T) {
	public := map[string]netip.Addr{"x.gke.goog": topology.GoogleFront}
	private := []gcptest.PrivateName{{Network: ours, Name: "api.example", Address: netip.MustParseAddr("10.156.0.3")}}
	for namespace, want := range map[string]string{
		topology.ConsumerSpace: "127.0.0.1 localhost\n::1 localhost\n10.156.0.3 api.example\n199.36.153.8 x.gke.goog\n",
		topology.PartnerSpace:  "127.0.0.1 localhost\n::1 localhost\n199.36.153.8 x.gke.goog\n",
	} {
		if got := Hosts(namespace, public, private); got != want {
			t.Errorf("%s: %q, want %q", namespace, got, want)
		}
	}
}

// Who has the file mounted sees the file, not its name: it must stay the same one.
func TestNamesAreWrittenInPlace(t *testing.T) {
	file := filepath.Join(t.TempDir(), "names", "x.hosts")
	if err := writeNames(file, "one"); err != nil {
		t.Fatal(err)
	}
	opened, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer opened.Close()
	if err := writeNames(file, "two"); err != nil {
		t.Fatal(err)
	}
	text := make([]byte, 8)
	if n, _ := opened.Read(text); !strings.HasPrefix(string(text[:n]), "two") {
		t.Errorf("read %q", text[:n])
	}
}

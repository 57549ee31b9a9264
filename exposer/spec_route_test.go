package exposer

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const goodRoute = `
apiVersion: causeway.dev/v1
kind: Exposure
method: route
cluster: {project: flius-vpc-2, location: europe-west3-c, name: private-cluster}
farSide: {cidrs: [172.31.0.0/16]}
`

func TestARouteNeedsNoMoreThanClusterAndClients(t *testing.T) {
	t.Parallel()
	spec := read(t, goodRoute)
	if err := spec.Validate([]string{"ilb", "route"}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Route{}, *spec.Route); diff != "" {
		t.Errorf("defaults (-want +got):\n%s", diff)
	}
	if spec.Name != "private-cluster-route" || spec.ILB != nil {
		t.Errorf("defaults: %+v", spec)
	}
}

func TestTheDefaultsOfALine(t *testing.T) {
	t.Parallel()
	spec := read(t, goodRoute+"route: {vpn: {}}\n")
	if err := spec.Validate([]string{"route"}); err != nil {
		t.Fatal(err)
	}
	want := VPN{Gateway: "causeway-private-cluster-route", Router: "causeway-private-cluster-route", ASN: 64514, Peer: PeerOther, PeerASN: 64512}
	if diff := cmp.Diff(want, *spec.Route.VPN); diff != "" {
		t.Errorf("defaults (-want +got):\n%s", diff)
	}
	given := &Route{VPN: &VPN{Region: "europe-west4"}}
	_ = Spec{Method: "route", Route: given}.WithDefaults()
	if given.VPN.Gateway != "" {
		t.Errorf("the caller's spec was written into: %+v", given.VPN)
	}
}

func TestFaultsOfARoute(t *testing.T) {
	t.Parallel()
	line := func(more string) string {
		return `{vpn: {peerAddresses: [203.0.113.1, 203.0.113.2], secrets: {env: PSK}` + more + `}}`
	}
	aws := func(more string) string {
		return `{vpn: {peer: aws, peerAddresses: [203.0.113.1, 203.0.113.2, 203.0.113.3, 203.0.113.4], secrets: {env: PSK}` + more + `}}`
	}
	for name, c := range map[string]struct {
		route string
		want  []string // "field text", parts of each problem
		code  string   // CW-SPEC-INVALID where ""
	}{
		"all well":                         {route: `{network: host-project/shared, routers: [cr, europe-west3/cr2], bgpPeers: [dc-0], importCustomRoutes: true, servicePeering: true, globalAccess: true}`},
		"a line, all well":                 {route: line(`, region: europe-west3, links: [169.254.10.0/30, 169.254.10.4/30], asn: 4200000000, peerASN: 16509`)},
		"a line to AWS, all well":          {route: aws(``)},
		"a single address":                 {route: `{vpn: {peerAddresses: [203.0.113.1], secrets: {files: [a, b]}}}`},
		"a line that is begun":             {route: `{vpn: {peer: aws}}`},
		"a line that is begun, with links": {route: `{vpn: {links: [169.254.10.0/30]}}`},
		"a network":                        {route: `{network: "a/b/c"}`, want: []string{"route.network must be a network as NAME or PROJECT/NAME"}},
		"a router":                         {route: `{routers: [Europe/cr, cr]}`, want: []string{"route.routers[0] must be a Cloud Router as NAME or REGION/NAME"}},
		"a peer":                           {route: `{bgpPeers: ["dc 0"]}`, want: []string{"route.bgpPeers[0] must be a BGP peer's name"}},
		"routers beside a line":            {route: `{routers: [cr], vpn: {}}`, want: []string{"route.routers can't be named where causeway makes the line"}},
		"names of a line":                  {route: line(`, region: mars, gateway: GW, router: "", peer: azure`), want: []string{"route.vpn.region must be a region", "route.vpn.gateway must be a VPN gateway's name", `route.vpn.peer must be one of aws, other, not "azure"`}},
		"a public ASN":                     {route: line(`, asn: 15169`), want: []string{"route.vpn.asn must be private (64512 to 65534 or 4200000000 to 4294967294), 15169 is not"}},
		"the last private ASN, reserved":   {route: line(`, asn: 65535`), want: []string{"route.vpn.asn must be private"}},
		"one ASN for both ends":            {route: line(`, asn: 64600, peerASN: 64600`), want: []string{"route.vpn.peerASN must be the far side's own, not 64600"}},
		"three addresses":                  {route: `{vpn: {peerAddresses: [203.0.113.1, 203.0.113.2, 203.0.113.3], secrets: {env: PSK}}}`, want: []string{"route.vpn.peerAddresses must be [1 2] addresses for the peer other, not 3"}},
		"two for AWS":                      {route: `{vpn: {peer: aws, peerAddresses: [203.0.113.1, 203.0.113.2], secrets: {env: PSK}}}`, want: []string{"route.vpn.peerAddresses must be [4] addresses for the peer aws, not 2"}},
		"no address at all":                {route: `{vpn: {peerAddresses: [vpn.example.org, "2001:db8::1"], secrets: {env: PSK}}}`, want: []string{`route.vpn.peerAddresses[0] must be the IPv4 address of the far side's VPN gateway, "vpn.example.org" is not`, "route.vpn.peerAddresses[1] must be the IPv4"}},
		"an address twice":                 {route: `{vpn: {peerAddresses: [203.0.113.1, 203.0.113.1], secrets: {env: PSK}}}`, want: []string{"route.vpn.peerAddresses[1] is named twice: 203.0.113.1"}},
		"too few links":                    {route: line(`, links: [169.254.10.0/30]`), want: []string{"route.vpn.links must be one for each of the 2 tunnels, not 1"}},
		"links that are none":              {route: line(`, links: [10.0.0.0/30, 169.254.10.1/30]`), want: []string{`route.vpn.links[0] must be a /30 of 169.254.0.0/16, "10.0.0.0/30" is not`, `route.vpn.links[1] must be a /30`}},
		"a link of another size":           {route: line(`, links: [169.254.10.0/29, nonsense]`), want: []string{"route.vpn.links[0] must be a /30", "route.vpn.links[1] must be a /30"}},
		"a link twice":                     {route: line(`, links: [169.254.10.0/30, 169.254.10.0/30]`), want: []string{"route.vpn.links[1] is named twice: 169.254.10.0/30"}, code: "CW-NET-LINK-LOCAL"},
		"links that AWS reserves":          {route: aws(`, links: [169.254.0.0/30, 169.254.5.0/30, 169.254.169.252/30, 169.254.5.4/30]`), want: []string{"route.vpn.links[0] is reserved by AWS: 169.254.0.0/30", "route.vpn.links[1] is reserved by AWS", "route.vpn.links[2] is reserved by Google's metadata server"}, code: "CW-NET-LINK-LOCAL"},
		"the metadata server's":            {route: line(`, links: [169.254.5.0/30, 169.254.169.252/30]`), want: []string{"route.vpn.links[1] is reserved by Google's metadata server: 169.254.169.252/30"}, code: "CW-NET-LINK-LOCAL"},
		"no keys":                          {route: `{vpn: {peerAddresses: [203.0.113.1]}}`, want: []string{"route.vpn.secrets is missing: name the pre-shared keys (--psk-file, --psk-env), or a directory where causeway makes them (--psk-dir)"}},
		"two sources of keys":              {route: `{vpn: {peerAddresses: [203.0.113.1], secrets: {env: PSK, directory: keys}}}`, want: []string{"route.vpn.secrets must name one source"}},
		"three files for four tunnels":     {route: `{vpn: {peer: aws, peerAddresses: [203.0.113.1, 203.0.113.2, 203.0.113.3, 203.0.113.4], secrets: {files: [a, b, c]}}}`, want: []string{"route.vpn.secrets.files must be one for all tunnels or one for each of the 4, not 3"}},
		"a variable that is none":          {route: `{vpn: {secrets: {env: "MY KEY"}}}`, want: []string{`route.vpn.secrets.env must be the name of an environment variable, "MY KEY" is not`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := read(t, goodRoute+"route: "+c.route+"\n").Validate([]string{"route"})
			if len(c.want) == 0 {
				if err != nil {
					t.Error(err)
				}
				return
			}
			var bad *SpecError
			if !errors.As(err, &bad) {
				t.Fatalf("no fault was found: %v", err)
			}
			var got []string
			for _, p := range bad.Problems {
				got = append(got, p.Field+" "+p.Text)
			}
			if len(got) != len(c.want) {
				t.Errorf("problems %q, want %q", got, c.want)
			}
			for _, want := range c.want {
				if !slices.ContainsFunc(got, func(g string) bool { return strings.HasPrefix(g, want) }) {
					t.Errorf("none says %q: %q", want, got)
				}
			}
			if c.code == "" {
				c.code = "CW-SPEC-INVALID"
			}
			if bad.Code() != c.code {
				t.Errorf("code %s, want %s", bad.Code(), c.code)
			}
		})
	}
}

func TestAnUnknownFieldOfALineIsNoDefault(t *testing.T) {
	t.Parallel()
	if _, err := ReadSpec([]byte(goodRoute + "route: {vpn: {presharedKey: abc}}\n")); err == nil || !strings.Contains(err.Error(), "presharedKey") {
		t.Errorf("read: %v", err)
	}
}

func TestWhichEndsATunnelHas(t *testing.T) {
	t.Parallel()
	for n, want := range map[int][][2]int{0: nil, 1: {{0, 0}, {1, 0}}, 2: {{0, 0}, {1, 1}}, 3: nil, 4: {{0, 0}, {0, 1}, {1, 2}, {1, 3}}} {
		if got := (VPN{PeerAddresses: make([]string, n)}).Tunnels(); !slices.Equal(got, want) {
			t.Errorf("%d addresses: %v, want %v", n, got, want)
		}
	}
}

func TestWhichLinksAreAllowed(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][2]bool{ // with AWS, with others
		"169.254.0.0/30":     {false, true},
		"169.254.5.0/30":     {false, true},
		"169.254.6.0/30":     {true, true},
		"169.254.5.4/30":     {true, true},
		"169.254.169.252/30": {false, false},
		"169.254.169.248/30": {true, true},
	} {
		link := netip.MustParsePrefix(text)
		if got := [2]bool{LinkAllowed(link, PeerAWS), LinkAllowed(link, PeerOther)}; got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
}

package dataplane

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"causeway/internal/gcptest"
	"causeway/lab/bird"
	"causeway/lab/topology"
)

// Exactly the advertised prefixes, a table of its own for each session, and none for
// one that is disabled. bird itself reads it.
func TestRouterConfiguration(t *testing.T) {
	f := fabric(false)
	tunnel(&f, vpcPath, topology.Region, 0, far)
	tunnel(&f, vpcPath, topology.Region, 1, far)
	tunnel(&f, vpcPath, topology.Region, 2, far)
	f.Sessions[1].Enabled = false
	f.Sessions[2].Advertised = []gcptest.Advertised{{Range: prefix("10.156.0.0/20"), Priority: 7}, {Range: prefix("10.36.0.0/14"), Priority: 7}}
	config := plan(topology.LineVPN, f, rightFar()).Routers[topology.VPC]
	for _, want := range []string{
		"local 169.254.8.1 as 64514;", "neighbor 169.254.8.2 as 65010;", `interface "cw0";`, "route 192.168.50.0/28 unreachable { bgp_med = 100; };",
		`interface "cw2";`, "route 10.156.0.0/20 unreachable { bgp_med = 7; };", "route 10.36.0.0/14 unreachable { bgp_med = 7; };",
	} {
		if strings.Count(config, want) != 1 {
			t.Errorf("%d times %s in\n%s", strings.Count(config, want), want, config)
		}
	}
	if strings.Contains(config, "cw1") || strings.Count(config, "protocol bgp") != 2 || strings.Contains(config, secret) {
		t.Errorf("more than the two enabled sessions, or a key:\n%s", config)
	}
	for name, c := range map[string]string{"two sessions": config, "none": plan(topology.LineVPN, f, nil).Routers[topology.VPC]} {
		if err := bird.Check(t.TempDir(), c); err != nil {
			t.Errorf("%s: %v\n%s", name, err, c)
		}
	}
}

func TestABirdConfigurationThatIsNoneIsToldWhere(t *testing.T) {
	err := bird.Check(t.TempDir(), "router id 192.0.2.1;\nthis is none;\n")
	if err == nil || !strings.Contains(err.Error(), "bird.conf:2") {
		t.Errorf("got %v, want the line", err)
	}
}

// verdict follows a packet through the gate as the kernel would.
func verdict(t *testing.T, rules, in, from, to string) string {
	t.Helper()
	for line := range strings.Lines(rules) {
		fields := strings.Fields(line)
		if len(fields) == 0 || fields[0] != "-A" || fields[1] != gate {
			continue
		}
		meets, target := true, ""
		for i := 2; i+1 < len(fields); i += 2 {
			switch fields[i] {
			case "-i":
				meets = meets && fields[i+1] == in
			case "-s":
				meets = meets && prefix(fields[i+1]).Contains(addr(from))
			case "-d":
				meets = meets && prefix(fields[i+1]).Contains(addr(to))
			case "-j":
				target = fields[i+1]
			default:
				t.Fatalf("a rule with %s, which this test does not know", fields[i])
			}
		}
		if meets {
			return target
		}
	}
	return "" // passes
}

func TestTheGateOfEachControlPlane(t *testing.T) {
	const host, master, endpoint = "172.31.23.209", "192.168.50.2", "10.156.0.14"
	all := func(change func(*gcptest.ClusterView)) func(*gcptest.Fabric) {
		return func(f *gcptest.Fabric) {
			for i := range f.Clusters {
				change(&f.Clusters[i])
			}
		}
	}
	for name, c := range map[string]struct {
		change   func(*gcptest.Fabric)
		region   string
		in, from string
		want     string
	}{
		"the control plane's own region":      {func(*gcptest.Fabric) {}, topology.Region, "cw0", host, ""},
		"another region":                      {func(*gcptest.Fabric) {}, topology.FarRegion, "cw0", host, "DROP"},
		"another region, with global access":  {all(func(c *gcptest.ClusterView) { c.GlobalAccess = true }), topology.FarRegion, "cw0", host, ""},
		"through the hub":                     {func(*gcptest.Fabric) {}, topology.Region, "hub0", host, "DROP"},
		"through the hub, with global access": {all(func(c *gcptest.ClusterView) { c.GlobalAccess = true }), topology.Region, "hub0", host, "DROP"},
		"authorized networks without the far": {all(func(c *gcptest.ClusterView) { c.AuthorizedOnPrivate = true }), topology.Region, "cw0", host, "DROP"},
		"authorized networks: a Pod gets in":  {all(func(c *gcptest.ClusterView) { c.AuthorizedOnPrivate = true }), topology.Region, "veth1", "10.36.0.7", "RETURN"},
		"authorized networks: a node gets in": {all(func(c *gcptest.ClusterView) { c.AuthorizedOnPrivate = true }), topology.Region, "veth1", "10.156.0.2", "RETURN"},
		"a list that does not count":          {all(func(c *gcptest.ClusterView) { c.Authorized = []netip.Prefix{prefix("198.51.100.0/24")} }), topology.Region, "cw0", host, ""},
		"authorized networks with the far":    {all(func(c *gcptest.ClusterView) { c.AuthorizedOnPrivate, c.Authorized = true, []netip.Prefix{prefix(far)} }), topology.Region, "cw0", host, "RETURN"},
		"authorized, but of another region":   {all(func(c *gcptest.ClusterView) { c.AuthorizedOnPrivate, c.Authorized = true, []netip.Prefix{prefix(far)} }), topology.FarRegion, "cw0", host, "DROP"},
		"authorized networks with another address": {all(func(c *gcptest.ClusterView) {
			c.AuthorizedOnPrivate, c.Authorized = true, []netip.Prefix{prefix("172.30.0.9/32")}
		}), topology.Region, "cw0", host, "DROP"},
	} {
		f := fabric(false)
		tunnel(&f, vpcPath, c.region, 0, far)
		c.change(&f)
		rules := plan(topology.LineVPN, f, rightFar()).Filters[topology.VPC]
		for _, to := range []string{master, endpoint} {
			if got := verdict(t, rules, c.in, c.from, to); got != c.want {
				t.Errorf("%s: to %s: %q, want %q by\n%s", name, to, got, c.want, rules)
			}
		}
		if got := verdict(t, rules, c.in, c.from, topology.NodeIP.String()); got != "" {
			t.Errorf("%s: to the node: %q: the gate is for control planes", name, got)
		}
	}
}

func TestOnlyAnEndpointInTheSubnetIsTranslated(t *testing.T) {
	rules := plan(topology.LineVPN, fabric(false), nil).Filters[topology.VPC]
	_, nat, ok := strings.Cut(rules, "*nat\n")
	if !ok {
		t.Fatalf("no table nat:\n%s", rules)
	}
	want := []string{
		":CAUSEWAY-PSC - [0:0]", ":CAUSEWAY-MASK - [0:0]",
		"-A CAUSEWAY-PSC -d 10.156.0.14/32 -p tcp -m tcp --dport 443 -j DNAT --to-destination 192.168.50.2:443",
		"-A CAUSEWAY-MASK -d 192.168.50.2/32 -m conntrack --ctorigdst 10.156.0.14 -j SNAT --to-source 100.64.20.1",
		"COMMIT",
	}
	if diff := cmp.Diff(want, slices.DeleteFunc(strings.Split(nat, "\n"), func(s string) bool { return s == "" })); diff != "" {
		t.Error(diff)
	}
}

// How the emulator is answered before and after the speakers were heard.
func TestTheLineTellsOfTunnelsAndSessions(t *testing.T) {
	f := fabric(false)
	tunnel(&f, vpcPath, topology.Region, 0, far)
	view, session := f.Tunnels[0].TunnelView, f.Sessions[0].SessionView
	p := New(Options{})
	if got := p.Tunnel(view).Status; got != nobody {
		t.Errorf("without a far half: %s", got)
	}
	p.far = &Far{Keys: map[string]string{"line-0": "other"}}
	if got := p.Tunnel(view).Status; got != otherKey {
		t.Errorf("with another key: %s", got)
	}
	p.far = rightFar()
	if got := p.Tunnel(view).Status; got != "FIRST_HANDSHAKE" {
		t.Errorf("before the link is there: %s", got)
	}
	p.up[view.Path] = true
	if got := p.Tunnel(view).Status; got != matched {
		t.Errorf("with all in place: %s", got)
	}
	for name, c := range map[string]struct {
		change      func(*gcptest.SessionView)
		state, says string
	}{
		"not heard of yet":    {func(*gcptest.SessionView) {}, "Idle", "about to start"},
		"disabled":            {func(v *gcptest.SessionView) { v.Enabled = false }, "Idle", "disabled"},
		"over a dead tunnel":  {func(v *gcptest.SessionView) { v.TunnelUp = false }, "Connect", "down"},
		"over an attachment":  {func(v *gcptest.SessionView) { v.Tunnel, v.Attachment = "", "attachment" }, "Connect", "no interconnect"},
		"heard of, and is up": {func(v *gcptest.SessionView) { v.Peer = "heard" }, "Established", ""},
	} {
		v := session
		v.TunnelUp = true
		c.change(&v)
		p.sessions[session.Router+"/heard"] = gcptest.SessionState{Up: true, State: "Established"}
		got := p.Session(v)
		if got.State != c.state || !strings.Contains(got.Reason, c.says) || got.Up != (c.state == "Established") {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

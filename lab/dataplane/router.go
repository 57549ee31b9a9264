package dataplane

import (
	"fmt"
	"hash/fnv"
	"strings"

	"causeway/internal/gcptest"
	"causeway/lab/bird"
	"causeway/lab/topology"
)

// session is a BGP session that a network's speaker runs, over a link.
type session struct {
	gcptest.SessionView
	link string
}

// name is the session's protocol in bird's configuration; "t" and "a" before it are
// its table and what it announces. Router and peer have up to 63 letters each and
// bird's symbols 64, so it is a hash.
func name(key string) string {
	h := fnv.New64a()
	h.Write([]byte(key)) // never fails
	return fmt.Sprintf("s%016x", h.Sum64())
}

// routerConfig is bird's configuration for a network's Cloud Routers. Each session
// has a table of its own, with exactly what it announces and what it learned: a
// Cloud Router passes nothing on from one session to another. Routes go to the
// kernel by the emulator's Fabric, not by bird.
func routerConfig(namespace string, sessions []session) string {
	id := topology.SubnetCIDR.Addr().Next()
	if namespace == topology.Hub {
		id = topology.HubCIDR.Addr().Next()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "log stderr all;\nrouter id %s;\n%sprotocol device { scan time 5; }\n", id, bird.Clock)
	for _, s := range sessions {
		n := name(s.Key())
		fmt.Fprintf(&b, "\n# %s\nipv4 table t%s;\nprotocol static a%s {\n\tipv4 { table t%s; };\n", s.Key(), n, n, n)
		for _, a := range s.Advertised {
			fmt.Fprintf(&b, "\troute %s unreachable { bgp_med = %d; };\n", a.Range.Masked(), a.Priority)
		}
		// Keepalive and hold time are Cloud Router's own (20 s and three times that).
		// The others are short: the emulator's user waits for what is configured, not
		// for a router that rests after an error.
		fmt.Fprintf(&b, `}
protocol bgp %s {
	local %s as %d;
	neighbor %s as %d;
	interface "%s";
	direct;
	keepalive time 20;
	hold time 60;
	connect delay time 1;
	connect retry time 1;
	error wait time 1, 2;
	ipv4 {
		table t%s;
		import all;
		export where proto = "a%s";
		next hop self;
	};
}
`, n, s.LocalIP, s.LocalASN, s.PeerIP, s.PeerASN, s.link, n, n)
	}
	return b.String()
}

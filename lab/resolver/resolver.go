// Package resolver answers for the names of a fleet's Services below clusterset.local,
// as Cloud DNS does in the clusters of a fleet: to those in one network namespace, by
// UDP and TCP. It knows nothing of its own: what it is told there is, is there.
//
//	r, err := resolver.Start(space, netip.AddrPortFrom(topology.Resolver, 53), func() map[string][]netip.Addr { return importer.Names(membership) })
//	defer r.Stop()
package resolver

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"github.com/miekg/dns"

	"causeway/lab/netns"
)

// zone is what the resolver answers for; below anything else there is nothing.
const zone = "clusterset.local."

// seconds that an answer holds: a name that is withdrawn is soon forgotten.
const seconds = 1

// Names are all names with their addresses, without a final dot.
type Names func() map[string][]netip.Addr

// Resolver is a running server.
type Resolver struct{ servers []*dns.Server }

// Start serves at an address of the namespace until Stop. note is told when a server
// ends by itself.
func Start(space *netns.Space, at netip.AddrPort, names Names, note func(string)) (*Resolver, error) {
	packets, err := space.ListenPacket("udp", at.String())
	if err != nil {
		return nil, fmt.Errorf("start the resolver: %w", err)
	}
	stream, err := space.Listen("tcp", at.String())
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start the resolver: %w", err), packets.Close())
	}
	handler := dns.HandlerFunc(func(w dns.ResponseWriter, asked *dns.Msg) {
		answer := Answer(asked, names())
		if w.RemoteAddr().Network() == "udp" {
			answer.Truncate(sizeOf(asked))
		}
		_ = w.WriteMsg(answer) // who asked may have gone
	})
	r := &Resolver{servers: []*dns.Server{{PacketConn: packets, Handler: handler}, {Listener: stream, Handler: handler}}}
	for _, s := range r.servers {
		started := make(chan struct{})
		s.NotifyStartedFunc = func() { close(started) }
		go func() {
			if err := s.ActivateAndServe(); err != nil && !errors.Is(err, net.ErrClosed) {
				note("the resolver ended: " + err.Error())
			}
		}()
		<-started // or Stop would find nothing to stop
	}
	return r, nil
}

// Stop ends it.
func (r *Resolver) Stop() {
	for _, s := range r.servers {
		_ = s.Shutdown() // ended already: nothing to do
	}
}

// sizeOf is how long an answer the client takes by UDP.
func sizeOf(asked *dns.Msg) int {
	if o := asked.IsEdns0(); o != nil {
		return int(o.UDPSize())
	}
	return dns.MinMsgSize
}

// Answer is the answer to a question, by the names that there are. A name that is there
// without an address of the kind asked for is answered with none; so is one that only
// others lie below.
func Answer(asked *dns.Msg, names map[string][]netip.Addr) *dns.Msg {
	answer := new(dns.Msg).SetReply(asked)
	answer.Authoritative, answer.Compress = true, true
	if len(asked.Question) != 1 {
		answer.Rcode = dns.RcodeFormatError
		return answer
	}
	q := asked.Question[0]
	name := strings.ToLower(q.Name)
	if !dns.IsSubDomain(zone, name) {
		answer.Rcode, answer.Authoritative = dns.RcodeNameError, false
		return answer
	}
	there := name == zone
	for known, addresses := range names {
		full := dns.Fqdn(strings.ToLower(known))
		there = there || dns.IsSubDomain(name, full)
		if full != name || q.Qtype != dns.TypeA {
			continue
		}
		for _, at := range addresses {
			answer.Answer = append(answer.Answer, &dns.A{
				Hdr: dns.RR_Header{Name: q.Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: seconds}, A: at.AsSlice(),
			})
		}
	}
	if !there {
		answer.Rcode = dns.RcodeNameError
	}
	return answer
}

// File is the resolver's file of a Pod in the namespace default: names are tried below
// the cluster's own domains first, as Kubernetes writes it (ndots:5).
func File(at netip.Addr) string {
	return fmt.Sprintf("search default.svc.cluster.local svc.cluster.local cluster.local\nnameserver %s\noptions ndots:5\n", at)
}

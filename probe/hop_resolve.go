package probe

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
)

// resolveHop finds the addresses of the server, or of the proxy that will be asked.
func resolveHop(ctx context.Context, s *session) Result {
	if s.server.Scheme != "https" {
		return fail("CW-PROBE-NOT-HTTPS", nil, "the kubeconfig's server is %s: not https", s.server)
	}
	what := s.dialHost
	if s.proxy.url != nil {
		what = "the proxy " + s.dialHost
	}
	if address, err := netip.ParseAddr(s.dialHost); err == nil {
		s.addresses = []netip.Addr{address}
		return pass("%s is an address, no name to look up", what).fact("addresses", address.String())
	}
	addresses, err := s.options.Lookup(ctx, s.dialHost)
	if err != nil || len(addresses) == 0 {
		return lookupFailure(err, what)
	}
	s.addresses = addresses
	texts := make([]string, len(addresses))
	for i, address := range addresses {
		texts[i] = address.String()
	}
	list := strings.Join(texts, ", ")
	return pass("%s is %s", what, list).fact("addresses", list)
}

func lookupFailure(err error, what string) Result {
	var dns *net.DNSError
	switch {
	case err == nil:
		return fail("CW-PROBE-RESOLVE", nil, "%s has no address", what)
	case errors.As(err, &dns) && dns.IsNotFound:
		return fail("CW-PROBE-RESOLVE", err, "%s: no such name for the DNS servers of this machine", what)
	case timedOut(err):
		return fail("CW-PROBE-RESOLVE", err, "%s: the DNS server does not answer", what)
	}
	return fail("CW-PROBE-RESOLVE", err, "%s: %v", what, rootCause(err))
}

package probe

import (
	"context"
	"errors"
	"net"
)

// connectHop opens a TCP connection, through the proxy when one would be used.
func connectHop(ctx context.Context, s *session) Result {
	to := net.JoinHostPort(s.dialHost, s.dialPort)
	if s.proxy.url != nil {
		to = "the proxy " + s.proxy.String()
	}
	conn, err := s.dialTCP(ctx)
	if err != nil {
		return connectFailure(err, to)
	}
	defer func() { _ = conn.Close() }()
	if s.proxy.url == nil {
		return pass("%s, from %s", conn.RemoteAddr(), host(conn.LocalAddr())).fact("local_address", host(conn.LocalAddr()))
	}
	if _, err := s.tunnel(ctx, conn); err != nil {
		var refused *refusedByProxy
		if errors.As(err, &refused) {
			return fail("CW-PROBE-PROXY-REFUSED", err, "%s gives no way to %s: %s", to, serverHostPort(s.server), clip(refused.status, 120))
		}
		return requestFailure(err, "CW-PROBE-PROXY-REFUSED", to)
	}
	if s.proxy.given {
		// Meant by whoever wrote it; still worth saying, since many tools ignore it.
		return pass("through %s; tools that ignore proxy-url will not get there", to).fact("proxy", s.proxy.url.Redacted())
	}
	return warn("CW-PROBE-PROXY", "through %s: every tool with this environment goes that way", to).fact("proxy", s.proxy.url.Redacted())
}

func host(address net.Addr) string {
	host, _, err := net.SplitHostPort(address.String())
	if err != nil {
		return address.String()
	}
	return host
}

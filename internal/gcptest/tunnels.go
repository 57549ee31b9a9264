package gcptest

import (
	"fmt"
	"path"
	"strings"

	"causeway/internal/gcptest/discovery"
)

func insertTunnel(c *call) (any, *Error) {
	s := c.server
	if answer, ok := c.repeated(); ok {
		return answer, nil
	}
	at, failure := c.fresh()
	if failure != nil {
		return nil, failure
	}
	body, failure := c.tunnel()
	if failure != nil {
		return nil, failure
	}
	body["status"] = provisioning
	return c.created("compute#vpnTunnel", at, body, func() { delete(s.objects[at], "status") }), nil
}

// tunnel checks an HA VPN tunnel's body and resolves what it refers to.
func (c *call) tunnel() (object, *Error) {
	body := clone(c.body)
	if ip := text(body, "peerIp"); ip != "" && text(body, "vpnGateway") != "" {
		return nil, invalid(fmt.Sprintf("Invalid value for field 'resource.peerIp': '%s'. Cannot specify peer IP for HA VPN tunnel creation, please specify peerExternalGateway or peerGcpGateway instead.", ip))
	}
	if text(body, "targetVpnGateway") != "" || text(body, "peerGcpGateway") != "" {
		return nil, invalid("Invalid value for field 'resource.vpnGateway': ''. Only tunnels of an HA VPN gateway to an external VPN gateway are emulated.")
	}
	for _, field := range []string{"localTrafficSelector", "remoteTrafficSelector"} { // BGP decides what an HA tunnel carries
		if list, _ := body[field].([]any); len(list) > 0 {
			return nil, invalid(fmt.Sprintf("Invalid value for field 'resource.%s': ''. A tunnel of an HA VPN gateway has no traffic selectors.", field))
		}
	}
	found := map[string]string{}
	for _, one := range []struct{ field, collection, permission string }{
		{"vpnGateway", "vpnGateways", "compute.vpnGateways.use"},
		{"peerExternalGateway", "externalVpnGateways", "compute.externalVpnGateways.use"},
		{"router", "routers", "compute.routers.use"},
	} {
		at, failure := c.reference(one.field, one.collection)
		if failure != nil {
			return nil, failure
		}
		if failure := c.need(c.project(), one.permission, at); failure != nil {
			return nil, failure
		}
		found[one.field], body[one.field] = at, link(at)
	}
	s := c.server
	if network := text(s.objects[found["router"]], "network"); network != text(s.objects[found["vpnGateway"]], "network") {
		return nil, invalid(fmt.Sprintf("Invalid value for field 'resource.router': '%s'. The router and the VPN gateway must be in the same network.", link(found["router"])))
	}
	for _, one := range []struct{ gateway, interfaces, field string }{
		{"vpnGateway", "vpnInterfaces", "vpnGatewayInterface"},
		{"peerExternalGateway", "interfaces", "peerExternalGatewayInterface"},
	} {
		id, ok := number(body, one.field)
		if !ok {
			return nil, required(one.field)
		}
		if !interfaceIP(s.objects[found[one.gateway]], one.interfaces, body[one.field]).IsValid() {
			return nil, invalid(fmt.Sprintf("Invalid value for field 'resource.%s': '%d'. The gateway '%s' has no such interface.", one.field, id, path.Base(found[one.gateway])))
		}
	}
	for _, other := range s.tunnelsOf(found["vpnGateway"]) {
		if s.sameEnds(s.objects[other], body) {
			id, _ := number(body, "peerExternalGatewayInterface")
			return nil, invalid(fmt.Sprintf("Invalid value for field 'resource.peerExternalGatewayInterface': '%d'. A tunnel with same peer external VPN gateway interface and VPN gateway interface already exists: '%s'.", id, other))
		}
	}
	if ike, ok := number(body, "ikeVersion"); ok && ike != 1 && ike != 2 {
		return nil, invalid(fmt.Sprintf("Invalid value for field 'resource.ikeVersion': '%d'. Must be 1 or 2.", ike))
	}
	if secret := text(body, "sharedSecret"); secret == "" {
		return nil, required("sharedSecret")
	} else if !secretForm.MatchString(secret) {
		return nil, invalid("Invalid value for field 'resource.sharedSecret'. Must be printable ASCII.")
	}
	return body, nil
}

// sameEnds says whether two tunnels of one gateway have the same outside addresses.
func (s *Server) sameEnds(a, b object) bool {
	for _, field := range []string{"peerExternalGatewayInterface", "vpnGatewayInterface"} {
		left, _ := number(a, field)
		right, _ := number(b, field)
		if left != right {
			return false
		}
	}
	return text(a, "peerExternalGateway") == text(b, "peerExternalGateway")
}

// completeTunnel moves the pre-shared key out of reach of every answer, and fills
// what the server sets.
func (s *Server) completeTunnel(at string, body object) {
	project := splitPath(at)[1]
	if secret := text(body, "sharedSecret"); secret != "" && secret != masked {
		s.secrets[at] = secret
		body["sharedSecretHash"] = hash(secret)
	}
	body["sharedSecret"] = masked
	if text(body, "status") != provisioning { // a seed may tell one; the line knows better
		delete(body, "status")
	}
	for _, field := range []string{"vpnGateway", "peerExternalGateway", "router"} {
		if reference := relative(text(body, field), project); reference != "" {
			body[field] = link(reference)
		}
	}
	setDefaults(body, object{"ikeVersion": 2, "localTrafficSelector": []any{"0.0.0.0/0"}, "remoteTrafficSelector": []any{"0.0.0.0/0"}})
	far := s.objects[relative(text(body, "peerExternalGateway"), project)]
	if ip := interfaceIP(far, "interfaces", body["peerExternalGatewayInterface"]); ip.IsValid() {
		body["peerIp"] = ip.String()
	}
	body["labelFingerprint"] = fingerprint(body["labels"])
}

// shown is a function that tells a tunnel as the API does, with the state that the
// line has. The caller holds mu, which is let go of while the line is asked.
func (s *Server) shown() func(at string) object {
	states := map[string]TunnelState{}
	w := s.wiring()
	s.mu.Unlock()
	for _, one := range w.Tunnels {
		states[one.Path] = w.line.Tunnel(one.TunnelView)
	}
	s.mu.Lock()
	return func(at string) object {
		out := clone(s.objects[at])
		if state, ok := states[at]; ok && out != nil {
			out["status"], out["detailedStatus"] = state.Status, state.Detail
		}
		return out
	}
}

func getTunnel(c *call) (any, *Error) {
	out := c.server.shown()(c.target())
	if out == nil {
		return nil, notFound(c.target())
	}
	return out, nil
}

func listTunnels(c *call) (any, *Error) {
	shown := c.server.shown()
	return c.page("compute#vpnTunnelList", c.server.list(c.target()), shown)
}

func aggregateTunnels(c *call) (any, *Error) {
	shown := c.server.shown()
	return c.aggregateBy("compute#vpnTunnelAggregatedList", "vpnTunnels", c.regional("vpnTunnels"), shown)
}

// deleteTunnel refuses while a router's interface is linked to the tunnel.
func deleteTunnel(c *call) (any, *Error) {
	s, at := c.server, c.target()
	if answer, ok := c.repeated(); ok {
		return answer, nil
	}
	if _, ok := s.objects[at]; !ok {
		return nil, notFound(at)
	}
	for router, o := range s.objects {
		if !strings.Contains(router, "/routers/") {
			continue
		}
		for _, one := range entries(o, "interfaces") {
			if relative(text(one, "linkedVpnTunnel"), splitPath(router)[1]) == at {
				return nil, usedBy("vpn_tunnel", at, router)
			}
		}
	}
	return c.remove(at)
}

// TunnelStatuses lists the states of a tunnel that Google's discovery document
// knows.
func TunnelStatuses() []string {
	catalog, err := discovery.Load()
	if err != nil {
		return nil
	}
	return catalog.Service("compute").Schemas["VpnTunnel"].Properties["status"].Enum
}

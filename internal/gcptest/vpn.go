package gcptest

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/netip"
	"path"
	"regexp"
	"slices"
	"strings"
)

// provisioning is the status of a tunnel while its creation runs; afterwards the
// line tells it.
const provisioning = "PROVISIONING"

// masked is what the API answers in place of a pre-shared key.
const masked = "*************"

// secretForm is gcloud's: printable ASCII.
var secretForm = regexp.MustCompile(`^[ -~]+$`)

func vpnRoutes() map[string]handler {
	return map[string]handler{
		"compute.vpnGateways.get":            {getObject, []string{"compute.vpnGateways.get"}},
		"compute.vpnGateways.list":           {listOf("compute#vpnGatewayList"), []string{"compute.vpnGateways.list"}},
		"compute.vpnGateways.aggregatedList": {aggregateOf("compute#vpnGatewayAggregatedList", "vpnGateways"), []string{"compute.vpnGateways.list"}},
		"compute.vpnGateways.insert":         {insertGateway, []string{"compute.vpnGateways.create"}},
		"compute.vpnGateways.delete":         {deleteGateway, []string{"compute.vpnGateways.delete"}},
		"compute.vpnGateways.getStatus":      {gatewayStatus, []string{"compute.vpnGateways.get"}},
		"compute.vpnGateways.setLabels":      {setAddressLabels, []string{"compute.vpnGateways.setLabels"}},

		"compute.externalVpnGateways.get":       {getObject, []string{"compute.externalVpnGateways.get"}},
		"compute.externalVpnGateways.list":      {listOf("compute#externalVpnGatewayList"), []string{"compute.externalVpnGateways.list"}},
		"compute.externalVpnGateways.insert":    {insertExternalGateway, []string{"compute.externalVpnGateways.create"}},
		"compute.externalVpnGateways.delete":    {deleteGateway, []string{"compute.externalVpnGateways.delete"}},
		"compute.externalVpnGateways.setLabels": {setAddressLabels, []string{"compute.externalVpnGateways.setLabels"}},

		"compute.vpnTunnels.get":            {getTunnel, []string{"compute.vpnTunnels.get"}},
		"compute.vpnTunnels.list":           {listTunnels, []string{"compute.vpnTunnels.list"}},
		"compute.vpnTunnels.aggregatedList": {aggregateTunnels, []string{"compute.vpnTunnels.list"}},
		"compute.vpnTunnels.insert":         {insertTunnel, []string{"compute.vpnTunnels.create"}},
		"compute.vpnTunnels.delete":         {deleteTunnel, []string{"compute.vpnTunnels.delete"}},
		"compute.vpnTunnels.setLabels":      {setAddressLabels, []string{"compute.vpnTunnels.setLabels"}},

		"compute.interconnectAttachments.get":            {getObject, []string{"compute.interconnectAttachments.get"}},
		"compute.interconnectAttachments.list":           {listOf("compute#interconnectAttachmentList"), []string{"compute.interconnectAttachments.list"}},
		"compute.interconnectAttachments.aggregatedList": {aggregateOf("compute#interconnectAttachmentAggregatedList", "interconnectAttachments"), []string{"compute.interconnectAttachments.list"}},
	}
}

func listOf(kind string) func(*call) (any, *Error) {
	return func(c *call) (any, *Error) { return c.page(kind, c.server.list(c.target()), c.server.at) }
}

func aggregateOf(kind, collection string) func(*call) (any, *Error) {
	return func(c *call) (any, *Error) { return c.aggregate(kind, collection, c.regional(collection)) }
}

// created puts a new resource in place and starts its operation.
func (c *call) created(kind, at string, body object, done func()) object {
	s := c.server
	s.stamp(kind, at, body)
	s.complete(path.Base(path.Dir(at)), at, body)
	s.objects[at] = body
	return c.start("insert", at, func() {
		if done != nil {
			done()
		}
		s.touch()
	}, func() {
		delete(s.objects, at)
		delete(s.secrets, at)
		s.touch()
	})
}

func insertGateway(c *call) (any, *Error) {
	if answer, ok := c.repeated(); ok {
		return answer, nil
	}
	at, failure := c.fresh()
	if failure != nil {
		return nil, failure
	}
	network, failure := c.reference("network", "networks")
	if failure != nil {
		return nil, failure
	}
	body := clone(c.body)
	body["network"] = link(network)
	return c.created("compute#vpnGateway", at, body, nil), nil
}

// completeGateway gives a gateway its two public addresses, the first pair that no
// other gateway has. They are deterministic, and as unlike each other as Google's.
func (s *Server) completeGateway(body object) {
	setDefaults(body, object{"stackType": "IPV4_ONLY", "gatewayIpVersion": "IPV4"})
	body["labelFingerprint"] = fingerprint(body["labels"])
	if len(entries(body, "vpnInterfaces")) > 0 {
		return
	}
	taken := map[string]bool{}
	for at, o := range s.objects {
		if strings.Contains(at, "/vpnGateways/") {
			taken[interfaceIP(o, "vpnInterfaces", 0).String()] = true
		}
	}
	for n := 1; ; n++ {
		first := fmt.Sprintf("35.242.%d.%d", n/250, n%250+1)
		if !taken[first] {
			second := fmt.Sprintf("35.220.%d.%d", n/250, n%250+1)
			body["vpnInterfaces"] = []any{object{"id": 0, "ipAddress": first}, object{"id": 1, "ipAddress": second}}
			return
		}
	}
}

// deleteGateway is for gateways of both kinds, which tunnels hold.
func deleteGateway(c *call) (any, *Error) {
	s, at := c.server, c.target()
	if answer, ok := c.repeated(); ok {
		return answer, nil
	}
	if _, ok := s.objects[at]; !ok {
		return nil, notFound(at)
	}
	if users := s.tunnelsOf(at); len(users) > 0 {
		kind := "vpn_gateway"
		if strings.Contains(at, "/externalVpnGateways/") {
			kind = "external_vpn_gateway"
		}
		return nil, usedBy(kind, at, users[0])
	}
	return c.remove(at)
}

// tunnelsOf lists the tunnels that refer to a gateway of either kind, sorted.
func (s *Server) tunnelsOf(gateway string) []string {
	var out []string
	for at, o := range s.objects {
		if !strings.Contains(at, "/vpnTunnels/") {
			continue
		}
		project := splitPath(at)[1]
		if relative(text(o, "vpnGateway"), project) == gateway || relative(text(o, "peerExternalGateway"), project) == gateway {
			out = append(out, at)
		}
	}
	slices.Sort(out)
	return out
}

// redundancies are how many interfaces each type of external gateway has.
var redundancies = map[string]int{"SINGLE_IP_INTERNALLY_REDUNDANT": 1, "TWO_IPS_REDUNDANCY": 2, "FOUR_IPS_REDUNDANCY": 4}

func insertExternalGateway(c *call) (any, *Error) {
	if answer, ok := c.repeated(); ok {
		return answer, nil
	}
	at, failure := c.fresh()
	if failure != nil {
		return nil, failure
	}
	kind, ends := text(c.body, "redundancyType"), entries(c.body, "interfaces")
	if kind == "" {
		return nil, required("redundancyType")
	}
	if len(ends) != redundancies[kind] {
		return nil, invalid(fmt.Sprintf("Invalid value for field 'resource.interfaces': ''. Redundancy type %s needs %d interfaces, %d are specified.", kind, redundancies[kind], len(ends)))
	}
	ids, addresses := map[uint32]bool{}, map[string]bool{}
	for i, one := range ends {
		id, _ := number(one, "id")
		ip, err := netip.ParseAddr(text(one, "ipAddress"))
		if int(id) >= len(ends) || ids[id] {
			return nil, invalid(fmt.Sprintf("Invalid value for field 'resource.interfaces[%d].id': '%d'. Interface ids must be unique and count from 0.", i, id))
		}
		if err != nil || !ip.Is4() || addresses[ip.String()] {
			return nil, invalid(fmt.Sprintf("Invalid value for field 'resource.interfaces[%d].ipAddress': '%s'. Must be a unique IPv4 address.", i, text(one, "ipAddress")))
		}
		ids[id], addresses[ip.String()] = true, true
	}
	return c.created("compute#externalVpnGateway", at, clone(c.body), nil), nil
}

// gatewayStatus says for each far gateway whether tunnels use enough interfaces on
// both sides.
func gatewayStatus(c *call) (any, *Error) {
	s, at := c.server, c.target()
	if _, ok := s.objects[at]; !ok {
		return nil, notFound(at)
	}
	connections := map[string][]any{}
	var order []string
	for _, tunnel := range s.tunnelsOf(at) {
		o := s.objects[tunnel]
		far := relative(text(o, "peerExternalGateway"), c.project())
		if connections[far] == nil {
			order = append(order, far)
		}
		local, _ := number(o, "vpnGatewayInterface")
		remote, _ := number(o, "peerExternalGatewayInterface")
		connections[far] = append(connections[far], object{"localGatewayInterface": local, "peerGatewayInterface": remote, "tunnelUrl": link(tunnel)})
	}
	var out []any
	for _, far := range order {
		out = append(out, object{"peerExternalGateway": link(far), "tunnels": connections[far], "state": coverage(connections[far], len(entries(s.objects[far], "interfaces")))})
	}
	if len(out) == 0 {
		return object{"result": object{}}, nil
	}
	return object{"result": object{"vpnConnections": out}}, nil
}

func coverage(tunnels []any, far int) object {
	local, remote := map[any]bool{}, map[any]bool{}
	for _, one := range tunnels {
		local[one.(object)["localGatewayInterface"]] = true
		remote[one.(object)["peerGatewayInterface"]] = true
	}
	if len(local) == 2 && len(remote) == far {
		return object{"state": "CONNECTION_REDUNDANCY_MET"}
	}
	return object{"state": "CONNECTION_REDUNDANCY_NOT_MET", "unsatisfiedReason": "INCOMPLETE_TUNNELS_COVERAGE"}
}

// completeAttachment fills the links of an attachment, which only seeds make.
func completeAttachment(body object, project string) {
	if reference := relative(text(body, "router"), project); reference != "" {
		body["router"] = link(reference)
	}
	setDefaults(body, object{"type": "DEDICATED", "state": "ACTIVE", "operationalStatus": "OS_ACTIVE", "adminEnabled": true})
	body["labelFingerprint"] = fingerprint(body["labels"])
}

// hash is what the API tells of a pre-shared key.
func hash(secret string) string {
	sum := sha256.Sum256([]byte("shared secret " + secret))
	return base64.RawURLEncoding.EncodeToString(sum[:20])
}

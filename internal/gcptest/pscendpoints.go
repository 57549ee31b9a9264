package gcptest

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// isAttachment says whether a forwarding rule's target makes it an endpoint of
// Private Service Connect.
func isAttachment(target string) bool { return strings.Contains(target, "/serviceAttachments/") }

// isEndpoint says whether a forwarding rule lies at a path and is such an endpoint.
func (s *Server) isEndpoint(at string) bool { return isAttachment(text(s.objects[at], "target")) }

// insertEndpoint makes a forwarding rule to a service attachment. That the operation
// ends well does not mean that the producer lets the endpoint in.
func insertEndpoint(c *call) (any, *Error) {
	s := c.server
	at, failure := c.fresh()
	if failure != nil {
		return nil, failure
	}
	if failure := c.need(c.project(), "compute.forwardingRules.pscCreate", at); failure != nil {
		return nil, failure
	}
	for _, field := range []string{"loadBalancingScheme", "IPProtocol", "portRange", "ports", "allPorts", "backendService", "allowGlobalAccess"} {
		if value, given := c.body[field]; given {
			return nil, invalid(fmt.Sprintf("Invalid value for field 'resource.%s': '%v'. It must not be set for a forwarding rule to a service attachment.", field, value))
		}
	}
	attachment := relative(text(c.body, "target"), c.project())
	if parts := splitPath(attachment); len(parts) != 6 || parts[3] != c.params["region"] {
		return nil, invalid(fmt.Sprintf("Invalid value for field 'resource.target': '%s'. Cross-region references for this resource are not allowed.", text(c.body, "target")))
	}
	if s.objects[attachment] == nil {
		return nil, notFound(attachment)
	}
	network, subnet, ip, failure := c.endpointPlace(at)
	if failure != nil {
		return nil, failure
	}
	s.pscSerial++
	rule := object{
		"IPAddress": ip, "target": link(attachment), "network": link(network), "subnetwork": link(subnet), "networkTier": "PREMIUM",
		"region": link(strings.Join(splitPath(at)[:4], "/")), "pscConnectionStatus": pending,
		"pscConnectionId":               strconv.FormatUint(30_000_000_000_000_000+s.pscSerial, 10),
		"serviceDirectoryRegistrations": []any{object{"namespace": "goog-psc-default"}},
	}
	for _, field := range []string{"description", "allowPscGlobalAccess", "noAutomateDnsZone", "serviceDirectoryRegistrations"} {
		if value := clone(c.body)[field]; value != nil && value != "" {
			rule[field] = value
		}
	}
	if s.options.LabelsOnInsert && c.body["labels"] != nil {
		rule["labels"] = clone(c.body)["labels"]
	}
	s.stamp("compute#forwardingRule", at, rule)
	rule["labelFingerprint"] = fingerprint(rule["labels"])
	refingerprint(rule)
	s.objects[at] = rule
	s.refreshAddresses(subnet, ip)
	s.touch()
	return c.start("insert", at, func() { s.connect(attachment); s.touch() }, func() { s.dropRule(at) }), nil
}

// refingerprint gives a rule the fingerprint of what can be patched of it.
func refingerprint(rule object) {
	rule["fingerprint"] = fingerprint(object{"id": rule["pscConnectionId"], "psc": rule["allowPscGlobalAccess"], "global": rule["allowGlobalAccess"]})
}

// endpointPlace finds the network, the subnetwork and the IP of a new endpoint: a
// reserved address tells its subnetwork, an IP is looked for in the network's.
func (c *call) endpointPlace(at string) (network, subnet, ip string, failure *Error) {
	s := c.server
	network = relative(text(c.body, "network"), c.project())
	if network == "" {
		network = "projects/" + c.project() + "/global/networks/default"
	}
	if s.objects[network] == nil {
		return "", "", "", notFound(network)
	}
	if failure := c.need(splitPath(network)[1], "compute.networks.use", network); failure != nil {
		return "", "", "", failure
	}
	wanted := text(c.body, "IPAddress")
	place := text(c.body, "subnetwork")
	if address := relative(wanted, c.project()); address != "" {
		if failure := c.endpointAddress(address, wanted); failure != nil {
			return "", "", "", failure
		}
		own := text(s.objects[address], "subnetwork")
		if place != "" && relative(place, c.project()) != relative(own, "") {
			return "", "", "", invalid(fmt.Sprintf("Invalid value for field 'resource.IPAddress': '%s'. The address is not in the given subnetwork.", wanted))
		}
		place = own
	} else if place == "" {
		place = s.subnetWith(network, c.params["region"], wanted)
	}
	subnet, body, failure := c.subnetwork(place)
	if failure != nil {
		return "", "", "", failure
	}
	if relative(text(body, "network"), splitPath(subnet)[1]) != network {
		return "", "", "", invalid(fmt.Sprintf("Invalid value for field 'resource.subnetwork': '%s'. The subnetwork is not in the network '%s'.", place, network))
	}
	ip, failure = s.ruleIP(at, subnet, body, wanted)
	return network, subnet, ip, failure
}

// endpointAddress checks the address resource that an endpoint is to have.
func (c *call) endpointAddress(at, given string) *Error {
	address, ok := c.server.objects[at]
	if !ok {
		return notFound(at)
	}
	if parts := splitPath(at); len(parts) != 6 || parts[3] != c.params["region"] {
		return invalid(fmt.Sprintf("Invalid value for field 'resource.IPAddress': '%s'. The address must be in the region of the forwarding rule.", given))
	}
	if purpose := text(address, "purpose"); purpose != "GCE_ENDPOINT" {
		return invalid(fmt.Sprintf("Invalid value for field 'resource.IPAddress': '%s'. The purpose %s cannot be used with a forwarding rule to a service attachment.", given, purpose))
	}
	if failure := c.need(splitPath(at)[1], "compute.addresses.use", at); failure != nil {
		return failure
	}
	return c.server.ready(at)
}

// subnetWith finds the subnetwork of a network and region that holds an IP, "" for none.
func (s *Server) subnetWith(network, region, ip string) string {
	wanted, err := netip.ParseAddr(ip)
	if err != nil {
		return ""
	}
	for _, at := range slices.Sorted(maps.Keys(s.objects)) {
		parts := splitPath(at)
		if len(parts) != 6 || parts[3] != region || parts[4] != "subnetworks" || relative(text(s.objects[at], "network"), parts[1]) != network {
			continue
		}
		if prefix, err := netip.ParsePrefix(text(s.objects[at], "ipCidrRange")); err == nil && prefix.Contains(wanted) {
			return at
		}
	}
	return ""
}

// patchForwardingRule changes the two kinds of global access, as gcloud does.
func patchForwardingRule(c *call) (any, *Error) {
	s, at := c.server, c.target()
	if answer, ok := c.repeated(); ok {
		return answer, nil
	}
	rule, ok := s.objects[at]
	if !ok {
		return nil, notFound(at)
	}
	if failure := c.pscNeed(at, "compute.forwardingRules.pscUpdate"); failure != nil {
		return nil, failure
	}
	if failure := s.ready(at); failure != nil {
		return nil, failure
	}
	if given := text(c.body, "fingerprint"); given != "" && given != text(rule, "fingerprint") {
		return nil, conditionNotMet("Invalid fingerprint.")
	}
	change := object{}
	for _, field := range slices.Sorted(maps.Keys(c.body)) {
		switch field {
		case "name", "fingerprint":
		case "allowGlobalAccess", "allowPscGlobalAccess":
			if s.isEndpoint(at) != (field == "allowPscGlobalAccess") {
				return nil, invalid(fmt.Sprintf("Invalid value for field 'resource.%s'. It does not go with this kind of forwarding rule.", field))
			}
			change[field] = c.body[field]
		default:
			return nil, invalid(fmt.Sprintf("Invalid value for field 'resource.%s'. It cannot be updated.", field))
		}
	}
	return c.start("patch", at, func() {
		if live, ok := s.objects[at]; ok {
			maps.Copy(live, change)
			refingerprint(live)
			s.touch()
		}
	}, nil), nil
}

// pscNeed asks for a permission that only endpoints need.
func (c *call) pscNeed(at, permission string) *Error {
	if !c.server.isEndpoint(at) {
		return nil
	}
	return c.need(c.project(), permission, at)
}

func setRuleLabels(c *call) (any, *Error) {
	if failure := c.pscNeed(c.target(), "compute.forwardingRules.pscSetLabels"); failure != nil {
		return nil, failure
	}
	return setAddressLabels(c)
}

// completeEndpoint gives a seed's endpoint what the server sets. Where the seed tells
// no state, the attachment decides (connectAll).
func (s *Server) completeEndpoint(rule object) {
	if !isAttachment(text(rule, "target")) {
		return
	}
	rule["target"] = link(relative(text(rule, "target"), ""))
	if text(rule, "pscConnectionId") == "" {
		s.pscSerial++
		rule["pscConnectionId"] = strconv.FormatUint(30_000_000_000_000_000+s.pscSerial, 10)
	}
	rule["labelFingerprint"] = fingerprint(rule["labels"])
	refingerprint(rule)
}

// connectAll lets the endpoints of seeds in, once all of a seed is there. An endpoint
// whose attachment is nowhere is closed.
func (s *Server) connectAll() {
	for _, at := range slices.Sorted(maps.Keys(s.objects)) {
		if strings.Contains(at, "/serviceAttachments/") {
			s.connect(at)
		}
	}
	for at, rule := range s.objects {
		if s.isEndpoint(at) && text(rule, "pscConnectionStatus") == "" {
			rule["pscConnectionStatus"] = closed
		}
	}
}

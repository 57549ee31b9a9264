package gcptest

import (
	"fmt"
	"net/http"
	"net/netip"
	"regexp"
	"strings"
)

var (
	nameForm  = regexp.MustCompile(`^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$`)
	labelKey  = regexp.MustCompile(`^[\p{Ll}\p{Lo}][\p{Ll}\p{Lo}\p{N}_-]{0,62}$`)
	labelText = regexp.MustCompile(`^[\p{Ll}\p{Lo}\p{N}_-]{0,63}$`)
)

func addressRoutes() map[string]handler {
	return map[string]handler{
		"compute.addresses.get":                {getObject, []string{"compute.addresses.get"}},
		"compute.addresses.list":               {listAddresses, []string{"compute.addresses.list"}},
		"compute.addresses.aggregatedList":     {aggregateAddresses, []string{"compute.addresses.list"}},
		"compute.addresses.insert":             {insertAddress, nil},
		"compute.addresses.setLabels":          {setAddressLabels, []string{"compute.addresses.setLabels"}},
		"compute.addresses.delete":             {deleteAddress, nil},
		"compute.addresses.testIamPermissions": {testResourcePermissions, nil},
	}
}

// getObject answers with what lies at the call's path.
func getObject(c *call) (any, *Error) {
	found, ok := c.server.objects[c.target()]
	if !ok {
		return nil, notFound(c.target())
	}
	return clone(found), nil
}

func listAddresses(c *call) (any, *Error) {
	return c.page("compute#addressList", c.server.list(c.target()), c.server.at)
}

func aggregateAddresses(c *call) (any, *Error) {
	return c.aggregate("compute#addressAggregatedList", "addresses", c.regional("addresses"))
}

func (s *Server) at(path string) object { return s.objects[path] }

func insertAddress(c *call) (any, *Error) {
	s, project := c.server, c.project()
	name := text(c.body, "name")
	at := c.target() + "/" + name
	internal := text(c.body, "addressType") == "INTERNAL"
	permission := "compute.addresses.create"
	if internal {
		permission = "compute.addresses.createInternal"
	}
	if failure := c.need(project, permission, at); failure != nil {
		return nil, failure
	}
	if answer, ok := c.repeated(); ok {
		return answer, nil
	}
	if failure := c.checkInsert(name); failure != nil {
		return nil, failure
	}
	if _, exists := s.objects[at]; exists {
		return nil, alreadyExists(at)
	}
	if !internal {
		return nil, invalid("Invalid value for field 'resource.addressType': 'EXTERNAL'. External addresses are not emulated.")
	}
	body, failure := c.internalAddress(at)
	if failure != nil {
		return nil, failure
	}
	s.objects[at] = body
	return c.start("insert", at, func() { s.release(at) }, func() { delete(s.objects, at) }), nil
}

// checkInsert refuses what every regional insert refuses: no name, a malformed
// one, a region that is not there.
func (c *call) checkInsert(name string) *Error {
	if name == "" {
		return &Error{Status: http.StatusBadRequest, Reason: "required", Message: "Required field 'resource.name' not specified"}
	}
	if !nameForm.MatchString(name) {
		return invalid(fmt.Sprintf("Invalid value for field 'resource.name': '%s'. Must be a match of regex '(?:[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?)'", name))
	}
	if region := c.params["region"]; !c.server.hasRegion(c.project(), region) {
		return invalid(fmt.Sprintf("Invalid value for field 'region': '%s'. Unknown region.", region))
	}
	return nil
}

// internalAddress makes the object of an internal address out of the call's body.
func (c *call) internalAddress(at string) (object, *Error) {
	s, project := c.server, c.project()
	subnetPath, subnet, failure := c.subnetwork(text(c.body, "subnetwork"))
	if failure != nil {
		return nil, failure
	}
	if network := text(c.body, "network"); network != "" { // discovery: Address.network is for VPC_PEERING alone
		return nil, invalid(fmt.Sprintf("Invalid value for field 'resource.network': '%s'. It cannot be given beside a subnetwork.", network))
	}
	purpose := text(c.body, "purpose")
	switch purpose {
	case "":
		purpose = "GCE_ENDPOINT"
	case "GCE_ENDPOINT", "SHARED_LOADBALANCER_VIP", "DNS_RESOLVER":
	default:
		return nil, invalid(fmt.Sprintf("Invalid value for field 'resource.purpose': '%s'. It cannot be used for a regional internal address.", purpose))
	}
	ip, failure := s.pick(subnetPath, subnet, text(c.body, "address"))
	if failure != nil {
		return nil, failure
	}
	body := object{
		"address": ip.String(), "addressType": "INTERNAL", "purpose": purpose, "status": "RESERVING",
		"subnetwork": link(subnetPath), "region": link("projects/" + project + "/regions/" + c.params["region"]),
		"networkTier": "PREMIUM",
	}
	if description := text(c.body, "description"); description != "" {
		body["description"] = description
	}
	s.stamp("compute#address", at, body)
	labels, _ := c.body["labels"].(object)
	if failure := checkLabels(labels); failure != nil {
		return nil, failure
	}
	if s.options.LabelsOnInsert && len(labels) > 0 {
		if failure := c.need(project, "compute.addresses.setLabels", at); failure != nil {
			return nil, failure
		}
		body["labels"] = labels
	}
	body["labelFingerprint"] = fingerprint(body["labels"])
	return body, nil
}

// release gives an address the status that its users leave it.
func (s *Server) release(at string) {
	body, ok := s.objects[at]
	if !ok {
		return
	}
	body["status"] = "RESERVED"
	delete(body, "users")
	var users []any
	for rule, o := range s.objects {
		if strings.Contains(rule, "/forwardingRules/") && text(o, "IPAddress") == text(body, "address") && text(o, "subnetwork") == text(body, "subnetwork") {
			users = append(users, text(o, "selfLink"))
		}
	}
	if len(users) > 0 {
		body["status"], body["users"] = "IN_USE", users
	}
}

func setAddressLabels(c *call) (any, *Error) {
	s, at := c.server, c.target()
	body, ok := s.objects[at]
	if !ok {
		return nil, notFound(at)
	}
	if answer, ok := c.repeated(); ok {
		return answer, nil
	}
	if given := text(c.body, "labelFingerprint"); given == "" || given != text(body, "labelFingerprint") {
		return nil, conditionNotMet("Labels fingerprint either invalid or resource labels have changed")
	}
	labels, _ := c.body["labels"].(object)
	if failure := checkLabels(labels); failure != nil {
		return nil, failure
	}
	before, had := body["labels"]
	if len(labels) == 0 {
		delete(body, "labels")
	} else {
		body["labels"] = labels
	}
	body["labelFingerprint"] = fingerprint(body["labels"])
	undo := func() {
		delete(body, "labels")
		if had {
			body["labels"] = before
		}
		body["labelFingerprint"] = fingerprint(body["labels"])
	}
	return c.start("setLabels", at, nil, undo), nil
}

func checkLabels(labels object) *Error {
	for key, value := range labels {
		if !labelKey.MatchString(key) {
			return invalid(fmt.Sprintf("Invalid value for field 'labels': ''. Label key '%s' violates format constraints.", key))
		}
		if value, ok := value.(string); !ok || !labelText.MatchString(value) {
			return invalid(fmt.Sprintf("Invalid value for field 'labels': ''. Label value '%v' violates format constraints.", value))
		}
	}
	return nil
}

func deleteAddress(c *call) (any, *Error) {
	s, at := c.server, c.target()
	if answer, ok := c.repeated(); ok {
		return answer, nil
	}
	body, ok := s.objects[at]
	permission := "compute.addresses.delete"
	if ok && text(body, "addressType") == "INTERNAL" {
		permission = "compute.addresses.deleteInternal"
	}
	if failure := c.need(c.project(), permission, at); failure != nil {
		return nil, failure
	}
	if !ok {
		return nil, notFound(at)
	}
	if users, _ := body["users"].([]any); len(users) > 0 {
		return nil, inUse(at, relative(users[0].(string), ""))
	}
	return c.start("delete", at, func() { delete(s.objects, at); s.touch() }, nil), nil
}

// pick checks the wanted IP against the subnetwork, or finds a free one for "".
func (s *Server) pick(subnetPath string, subnet object, wanted string) (netip.Addr, *Error) {
	prefix, err := netip.ParsePrefix(text(subnet, "ipCidrRange"))
	if err != nil {
		return netip.Addr{}, invalid("Subnetwork '" + subnetPath + "' has no IPv4 range.")
	}
	if wanted == "" {
		for ip := prefix.Masked().Addr(); prefix.Contains(ip); ip = ip.Next() {
			if !reserved(prefix, ip) && s.holder(subnetPath, ip) == "" {
				return ip, nil
			}
		}
		return netip.Addr{}, &Error{Status: http.StatusForbidden, Reason: "quotaExceeded", Message: "IP space of '" + subnetPath + "' is exhausted."}
	}
	ip, err := netip.ParseAddr(wanted)
	if err != nil {
		return netip.Addr{}, invalid(fmt.Sprintf("Invalid value for field 'resource.address': '%s'. Must be a valid IP address.", wanted))
	}
	if !prefix.Contains(ip) || reserved(prefix, ip) {
		return netip.Addr{}, invalid(fmt.Sprintf("Invalid value for field 'resource.address': '%s'. Requested internal IP address is outside the network/subnetwork range.", wanted))
	}
	if holder := s.holder(subnetPath, ip); holder != "" {
		return netip.Addr{}, &Error{Status: http.StatusBadRequest, Reason: "invalid",
			Message: fmt.Sprintf("Invalid value for field 'resource.address': '%s'. Specified IP address is in-use and would result in a conflict.", wanted)}
	}
	return ip, nil
}

// reserved says whether Google keeps the address of a primary range for itself:
// network, gateway, the second-to-last and the broadcast address.
func reserved(prefix netip.Prefix, ip netip.Addr) bool {
	first := prefix.Masked().Addr()
	return ip == first || ip == first.Next() || !prefix.Contains(ip.Next()) || !prefix.Contains(ip.Next().Next())
}

// holder says who has an IP of a subnetwork: an address, a forwarding rule, or
// "machine"; "" when it is free.
func (s *Server) holder(subnetPath string, ip netip.Addr) string {
	for at, o := range s.objects {
		address := text(o, "address")
		if strings.Contains(at, "/forwardingRules/") {
			address = text(o, "IPAddress")
		} else if !strings.Contains(at, "/addresses/") {
			continue
		}
		if address == ip.String() && relative(text(o, "subnetwork"), "") == subnetPath {
			return at
		}
	}
	if s.inUse[subnetPath][ip.String()] {
		return "machine"
	}
	return ""
}

package gcptest

import (
	"fmt"
	"maps"
	"net/netip"
	"path"
	"slices"
	"strings"
)

// natPurpose is that of subnetworks from which the producer's side of Private
// Service Connect takes the addresses of its consumers.
const natPurpose = "PRIVATE_SERVICE_CONNECT"

func subnetworkWriteRoutes() map[string]handler {
	return map[string]handler{
		"compute.subnetworks.insert": {insertSubnetwork, []string{"compute.subnetworks.create"}},
		"compute.subnetworks.delete": {deleteSubnetwork, []string{"compute.subnetworks.delete"}},
	}
}

// insertSubnetwork makes a subnetwork in a region that has one already. A range
// that overlaps another one is refused by the operation, after the call was taken,
// as Google does.
func insertSubnetwork(c *call) (any, *Error) {
	s := c.server
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
	if failure := c.need(c.project(), "compute.networks.updatePolicy", network); failure != nil {
		return nil, failure
	}
	body := clone(c.body)
	body["network"] = link(network)
	wanted, failure := subnetworkRange(body)
	if failure != nil {
		return nil, failure
	}
	if other, region := s.overlapping(network, wanted); other != "" {
		c.operationError = &OperationError{Code: "INVALID_USAGE",
			Message: fmt.Sprintf("Invalid IPCidrRange: %s conflicts with existing subnetwork '%s' in region '%s'.", wanted, other, region)}
		return c.start("insert", at, nil, nil), nil
	}
	completeSubnetwork(body)
	return c.created("compute#subnetwork", at, body, func() { s.enlist(network, at) }), nil
}

// subnetworkRange checks the range and the purpose of a subnetwork's body.
func subnetworkRange(body object) (netip.Prefix, *Error) {
	given := text(body, "ipCidrRange")
	if given == "" {
		return netip.Prefix{}, required("ipCidrRange")
	}
	wanted, err := netip.ParsePrefix(given)
	// The longest mask that Google takes is /29.
	if err != nil || !wanted.Addr().Is4() || wanted != wanted.Masked() || wanted.Bits() > 29 {
		return netip.Prefix{}, invalid(fmt.Sprintf("Invalid value for field 'resource.ipCidrRange': '%s'. Must be a valid IPv4 CIDR range of /29 or larger.", given))
	}
	switch purpose := text(body, "purpose"); purpose {
	case "", "PRIVATE":
	case natPurpose:
		if len(entries(body, "secondaryIpRanges")) > 0 {
			return netip.Prefix{}, invalid("Invalid value for field 'resource.secondaryIpRanges': ''. A subnetwork with purpose=PRIVATE_SERVICE_CONNECT has no secondary ranges.")
		}
	default:
		return netip.Prefix{}, invalid(fmt.Sprintf("Invalid value for field 'resource.purpose': '%s'. It is not emulated.", purpose))
	}
	return wanted, nil
}

// overlapping finds a subnetwork of the network with a range, primary or secondary,
// that overlaps wanted: its name and region.
func (s *Server) overlapping(network string, wanted netip.Prefix) (name, region string) {
	for _, at := range slices.Sorted(maps.Keys(s.objects)) {
		parts := splitPath(at)
		if len(parts) != 6 || parts[4] != "subnetworks" || relative(text(s.objects[at], "network"), parts[1]) != network {
			continue
		}
		ranges := []string{text(s.objects[at], "ipCidrRange")}
		for _, one := range entries(s.objects[at], "secondaryIpRanges") {
			ranges = append(ranges, text(one, "ipCidrRange"))
		}
		for _, one := range ranges {
			if have, err := netip.ParsePrefix(one); err == nil && have.Overlaps(wanted) {
				return path.Base(at), parts[3]
			}
		}
	}
	return "", ""
}

// enlist adds a subnetwork to those that its network tells.
func (s *Server) enlist(network, at string) {
	if o, ok := s.objects[network]; ok {
		list, _ := o["subnetworks"].([]any)
		o["subnetworks"] = append(slices.Clone(list), link(at))
	}
}

func (s *Server) delist(network, at string) {
	o, ok := s.objects[network]
	if !ok {
		return
	}
	list, _ := o["subnetworks"].([]any)
	o["subnetworks"] = slices.DeleteFunc(slices.Clone(list), func(one any) bool { return one == link(at) })
	dropEmpty(o, "subnetworks")
}

func deleteSubnetwork(c *call) (any, *Error) {
	s, at := c.server, c.target()
	if answer, ok := c.repeated(); ok {
		return answer, nil
	}
	o, ok := s.objects[at]
	if !ok {
		return nil, notFound(at)
	}
	network := relative(text(o, "network"), c.project())
	if failure := c.need(c.project(), "compute.networks.updatePolicy", network); failure != nil {
		return nil, failure
	}
	if user := s.subnetworkUser(at); user != "" {
		return nil, usedBy("subnetwork", at, user)
	}
	if failure := s.ready(at); failure != nil {
		return nil, failure
	}
	return c.start("delete", at, func() {
		delete(s.objects, at)
		s.delist(network, at)
		s.touch()
	}, nil), nil
}

// subnetworkUser names what keeps a subnetwork from being deleted, "" for nothing.
func (s *Server) subnetworkUser(at string) string {
	for _, user := range slices.Sorted(maps.Keys(s.objects)) {
		o := s.objects[user]
		switch {
		case strings.Contains(user, "/serviceAttachments/"):
			if slices.Contains(natSubnets(user, o), at) {
				return user
			}
		case strings.Contains(user, "/addresses/"), strings.Contains(user, "/forwardingRules/"):
			if relative(text(o, "subnetwork"), splitPath(user)[1]) == at {
				return user
			}
		case strings.Contains(user, "/clusters/"):
			network, _ := o["networkConfig"].(object)
			private, _ := o["privateClusterConfig"].(object)
			if relative(text(network, "subnetwork"), "") == at || relative(text(private, "privateEndpointSubnetwork"), "") == at {
				return user
			}
		}
	}
	if len(s.inUse[at]) > 0 {
		return path.Dir(path.Dir(at)) + "/instances/machine"
	}
	return ""
}

// completeSubnetwork fills what the server sets of a subnetwork that it makes.
func completeSubnetwork(body object) {
	defaults := object{"purpose": "PRIVATE", "privateIpGoogleAccess": false}
	if text(body, "purpose") != natPurpose {
		defaults["stackType"] = "IPV4_ONLY"
	}
	for field, value := range defaults {
		if body[field] == nil {
			body[field] = value
		}
	}
	if text(body, "gatewayAddress") == "" {
		if prefix, err := netip.ParsePrefix(text(body, "ipCidrRange")); err == nil {
			body["gatewayAddress"] = prefix.Masked().Addr().Next().String()
		}
	}
}

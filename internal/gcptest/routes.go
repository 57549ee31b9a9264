package gcptest

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"
)

func routeRoutes() map[string]handler {
	return map[string]handler{
		"compute.routes.get":    {getRoute, []string{"compute.routes.get"}},
		"compute.routes.list":   {listRoutes, []string{"compute.routes.list"}},
		"compute.routes.insert": {insertRoute, []string{"compute.routes.create"}},
		"compute.routes.delete": {deleteRoute, []string{"compute.routes.delete"}},
	}
}

func getRoute(c *call) (any, *Error) {
	if found, ok := c.server.routesOf(c.project())[c.target()]; ok {
		return clone(found), nil
	}
	return nil, notFound(c.target())
}

func listRoutes(c *call) (any, *Error) {
	all := c.server.routesOf(c.project())
	return c.page("compute#routeList", slices.Collect(maps.Keys(all)), func(at string) object { return all[at] })
}

// insertRoute makes a static route; where its next hop leads is not looked at.
func insertRoute(c *call) (any, *Error) {
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
	dest, err := netip.ParsePrefix(text(c.body, "destRange"))
	if err != nil || dest.Masked() != dest {
		return nil, invalid(fmt.Sprintf("Invalid value for field 'resource.destRange': '%s'. Must be a CIDR address range.", text(c.body, "destRange")))
	}
	hops := 0
	for field := range c.body {
		if strings.HasPrefix(field, "nextHop") {
			hops++
		}
	}
	if hops != 1 {
		return nil, invalid("Invalid value for field 'resource.nextHop': ''. Exactly one next hop must be specified.")
	}
	// Google keeps subnets' ranges whole: no static route lies within one.
	for _, one := range c.server.subnetRanges(network) {
		if one.prefix.Bits() <= dest.Bits() && one.prefix.Overlaps(dest) {
			return nil, invalid(fmt.Sprintf("Invalid value for field 'resource.destRange': '%s'. The destination overlaps with subnetwork range %s.", dest, one.prefix))
		}
	}
	body := clone(c.body)
	body["network"] = link(network)
	return c.created("compute#route", at, body, nil), nil
}

// deleteRoute is for static routes: the others go with what they come from.
func deleteRoute(c *call) (any, *Error) {
	if answer, ok := c.repeated(); ok {
		return answer, nil
	}
	if _, ok := c.server.objects[c.target()]; !ok {
		return nil, notFound(c.target())
	}
	return c.remove(c.target())
}

// routesOf makes what routes.list tells of a project: its static routes, and
// those that its networks have from their subnetworks and from
// their peerings. Dynamic routes are not among them, as at Google: getRouterStatus
// tells those.
func (s *Server) routesOf(project string) map[string]object {
	out := map[string]object{}
	for _, at := range s.list("projects/" + project + "/global/routes") {
		out[at] = s.objects[at]
	}
	add := func(prefix, network, description, hop, to string, dest netip.Prefix) {
		sum := sha256.Sum256([]byte(network + " " + to + " " + dest.String()))
		at := fmt.Sprintf("projects/%s/global/routes/%s%x", project, prefix, sum[:8])
		out[at] = object{
			"kind": "compute#route", "id": strconv.FormatUint(binary.BigEndian.Uint64(sum[8:])>>2, 10), "name": path.Base(at), "selfLink": link(at),
			"network": link(network), "destRange": dest.String(), "priority": 0, hop: to, "description": description,
			"creationTimestamp": s.objects[network]["creationTimestamp"],
		}
	}
	fabric := s.wiring().Fabric
	for _, network := range fabric.Networks {
		if splitPath(network.Path)[1] != project {
			continue
		}
		for _, dest := range network.Subnets {
			add("default-route-r-", network.Path, "Default local route to the subnetwork "+dest.String()+".", "nextHopNetwork", link(network.Path), dest)
		}
		for _, peer := range network.Peerings {
			for _, dest := range fabric.behind(network.Path, peer) {
				add("peering-route-", network.Path, "Auto generated route via peering ["+peer.Name+"].", "nextHopPeering", peer.Name, dest)
			}
		}
	}
	return out
}

// completeRoute fills what the server sets in a static route.
func completeRoute(body object, project string) {
	if body["priority"] == nil {
		body["priority"] = 1000
	}
	body["routeType"] = "STATIC"
	for field := range body {
		if reference := relative(text(body, field), project); strings.HasPrefix(field, "nextHop") && reference != "" {
			body[field] = link(reference)
		}
	}
}

package gcp

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"cloud.google.com/go/compute/apiv1/computepb"
	"google.golang.org/api/iterator"
)

// The kinds of Route.
const (
	RouteStatic  = "static"
	RouteSubnet  = "subnet"
	RoutePeering = "peering" // the other side's subnets
	RouteDynamic = "dynamic" // learned by a Cloud Router
)

// Route is a route of a VPC network, as routes.list tells it. Google lists no
// routes there that a Cloud Router has learned: RouterStatus does.
type Route struct {
	Name     string
	Range    netip.Prefix
	NextHop  string // "next hop gateway default-internet-gateway", "next hop peering NAME", ...
	Kind     string // RouteStatic, ...
	Priority uint32 // the lowest wins among equal ranges
	Tags     []string
}

// Routes lists those of a network, sorted by name.
func (c *Cloud) Routes(ctx context.Context, network Ref) ([]Route, error) {
	filter := networkFilter(network)
	var out []Route
	for items := c.routes.List(ctx, &computepb.ListRoutesRequest{Project: network.Project, Filter: &filter}); ; {
		one, err := items.Next()
		if errors.Is(err, iterator.Done) {
			return out, nil
		}
		if err != nil {
			return nil, wrap("list", "routes of "+networkPath(network), err)
		}
		if parseRef(one.GetNetwork(), network.Project, "") == network {
			out = append(out, toRoute(one))
		}
	}
}

// networkFilter matches what lies in a network, whatever host its link names.
func networkFilter(network Ref) string {
	return fmt.Sprintf(`network eq ".*/%s"`, networkPath(network))
}

func toRoute(r *computepb.Route) Route {
	out := Route{Name: r.GetName(), Range: prefix(r.GetDestRange()), Priority: r.GetPriority(), Tags: r.GetTags(), Kind: RouteStatic}
	for _, hop := range []struct{ what, link, kind string }{
		{"peering", r.GetNextHopPeering(), RoutePeering},
		{"network", r.GetNextHopNetwork(), RouteSubnet},
		{"gateway", r.GetNextHopGateway(), RouteStatic},
		{"instance", r.GetNextHopInstance(), RouteStatic},
		{"load balancer", r.GetNextHopIlb(), RouteStatic},
		{"tunnel", r.GetNextHopVpnTunnel(), RouteStatic},
		{"attachment", r.GetNextHopInterconnectAttachment(), RouteStatic},
		{"hub", r.GetNextHopHub(), RouteStatic},
		{"address", r.GetNextHopIp(), RouteStatic}, // last: beside an instance it only repeats it
	} {
		if hop.link != "" {
			out.Kind, out.NextHop = hop.kind, "next hop "+hop.what+" "+parseRef(hop.link, "", "").Name
			break
		}
	}
	if r.GetRouteType() == "BGP" {
		out.Kind = RouteDynamic
	}
	return out
}

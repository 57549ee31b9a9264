package gcp

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"cloud.google.com/go/compute/apiv1/computepb"
	"google.golang.org/api/iterator"
)

// ForwardingRule is the front of a load balancer.
type ForwardingRule struct {
	Project     string
	Region      string
	Name        string
	Description string // GKE's controllers write the Service into it, as JSON
	IP          netip.Addr
	Scheme      string // INTERNAL, EXTERNAL, ...
	Network     string
	Subnetwork  string
	Ports       []string
	// GlobalAccess: clients of other regions may use it.
	GlobalAccess bool
	Labels       map[string]string
}

// ForwardingRule reads one; nil without an error when there is none.
func (c *Cloud) ForwardingRule(ctx context.Context, project, region, name string) (*ForwardingRule, error) {
	found, err := c.forwardingRules.Get(ctx, &computepb.GetForwardingRuleRequest{Project: project, Region: region, ForwardingRule: name})
	if err != nil {
		err := wrap("read", fmt.Sprintf("forwarding rule projects/%s/regions/%s/forwardingRules/%s", project, region, name), err)
		if NotFound(err) {
			return nil, nil
		}
		return nil, err
	}
	return toForwardingRule(project, region, found), nil
}

// ForwardingRulesByIP lists the region's rules with that IP. Rules of other
// networks may have the same one.
func (c *Cloud) ForwardingRulesByIP(ctx context.Context, project, region string, ip netip.Addr) ([]ForwardingRule, error) {
	filter := fmt.Sprintf("IPAddress = %q", ip)
	var out []ForwardingRule
	for items := c.forwardingRules.List(ctx, &computepb.ListForwardingRulesRequest{Project: project, Region: region, Filter: &filter}); ; {
		one, err := items.Next()
		if errors.Is(err, iterator.Done) {
			return out, nil
		}
		if err != nil {
			return nil, wrap("list", fmt.Sprintf("forwarding rules projects/%s/regions/%s", project, region), err)
		}
		if rule := toForwardingRule(project, region, one); rule.IP == ip {
			out = append(out, *rule)
		}
	}
}

func toForwardingRule(project, region string, r *computepb.ForwardingRule) *ForwardingRule {
	out := &ForwardingRule{
		Project: project, Region: region, Name: r.GetName(), Description: r.GetDescription(),
		Scheme: r.GetLoadBalancingScheme(), Ports: r.GetPorts(), GlobalAccess: r.GetAllowGlobalAccess(), Labels: r.GetLabels(),
		Network: parseRef(r.GetNetwork(), project, "").Name, Subnetwork: parseRef(r.GetSubnetwork(), project, region).Name,
	}
	out.IP, _ = netip.ParseAddr(r.GetIPAddress())
	return out
}

package gcp

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// The codes of internal/explain that Private Service Connect carries.
const (
	codePSCLists     = "CW-PSC-LISTS"
	codePSCTarget    = "CW-PSC-TARGET"
	codePSCSubnet    = "CW-PSC-NAT-SUBNET"
	codePSCPending   = "CW-PSC-PENDING"
	codePSCRejected  = "CW-PSC-REJECTED"
	codePSCAttention = "CW-PSC-ATTENTION"
	codePSCClosed    = "CW-PSC-CLOSED"
)

// whyAttachment finds the known cause of a refusal of an attachment: Google's words
// for most of them are not settled, so it looks at what the attachment refers to.
// What it cannot find out leaves the error as it is.
func (c *Cloud) whyAttachment(ctx context.Context, a ServiceAttachment, err error) error {
	var refused *Error
	if !errors.As(err, &refused) || Rehearsed(err) || refused.HTTP != http.StatusBadRequest && refused.HTTP != http.StatusNotFound {
		return err
	}
	if !slices.Contains([]string{"", codeNotFound, codeHeld}, refused.code) {
		return err
	}
	code, message := c.wrongSubnet(ctx, a)
	if code == "" {
		code, message = c.wrongTarget(ctx, a)
	}
	if code == "" {
		return err
	}
	return &Error{
		Verb: refused.Verb, Resource: refused.Resource, HTTP: refused.HTTP, Reason: refused.Reason, Cause: err, code: code,
		Message: fmt.Sprintf("%s; Google says: %s", message, strings.TrimSuffix(strings.TrimSpace(refused.Message), ".")),
	}
}

func (c *Cloud) wrongSubnet(ctx context.Context, a ServiceAttachment) (code, message string) {
	for _, one := range a.NATSubnets {
		found, err := c.Subnetwork(ctx, one.Project, one.Region, one.Name)
		if NotFound(err) {
			return codePSCSubnet, fmt.Sprintf("there is no NAT subnetwork %s", subnetworkURL(one))
		}
		if err == nil && found.Purpose != NATPurpose {
			return codePSCSubnet, fmt.Sprintf("subnetwork %s has the purpose %s, not %s", subnetworkURL(one), found.Purpose, NATPurpose)
		}
	}
	others, err := c.ServiceAttachments(ctx, a.Project, a.Region)
	if err != nil {
		return "", ""
	}
	for _, other := range others {
		for _, one := range a.NATSubnets {
			if other.Name != a.Name && slices.Contains(other.NATSubnets, one) {
				return codePSCSubnet, fmt.Sprintf("NAT subnetwork %s is that of another service attachment, %s", subnetworkURL(one), other.Name)
			}
		}
	}
	return "", ""
}

func (c *Cloud) wrongTarget(ctx context.Context, a ServiceAttachment) (code, message string) {
	target := parseRef(a.Target, a.Project, a.Region)
	rule, err := c.ForwardingRule(ctx, target.Project, target.Region, target.Name)
	switch {
	case err != nil:
	case rule == nil:
		return codePSCTarget, fmt.Sprintf("there is no forwarding rule %s", a.Target)
	case !strings.HasPrefix(rule.Scheme, "INTERNAL"):
		return codePSCTarget, fmt.Sprintf("forwarding rule %s is %s, and only internal ones can be published", a.Target, first(rule.Scheme, "an endpoint of Private Service Connect"))
	default:
		return c.foreignSubnet(ctx, a, *rule)
	}
	return "", ""
}

// foreignSubnet finds a NAT subnetwork of another network than the target's.
func (c *Cloud) foreignSubnet(ctx context.Context, a ServiceAttachment, rule ForwardingRule) (code, message string) {
	for _, one := range a.NATSubnets {
		if found, err := c.Subnetwork(ctx, one.Project, one.Region, one.Name); err == nil && found.Network != rule.Network {
			return codePSCSubnet, fmt.Sprintf("NAT subnetwork %s is of network %s, the target of network %s", subnetworkURL(one), found.Network, rule.Network)
		}
	}
	return "", ""
}

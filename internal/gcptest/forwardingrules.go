package gcptest

import (
	"fmt"
	"strings"
)

func forwardingRuleRoutes() map[string]handler {
	return map[string]handler{
		"compute.forwardingRules.get":            {getObject, []string{"compute.forwardingRules.get"}},
		"compute.forwardingRules.list":           {listForwardingRules, []string{"compute.forwardingRules.list"}},
		"compute.forwardingRules.aggregatedList": {aggregateForwardingRules, []string{"compute.forwardingRules.list"}},
		"compute.forwardingRules.insert":         {insertForwardingRule, []string{"compute.forwardingRules.create"}},
		"compute.forwardingRules.patch":          {patchForwardingRule, []string{"compute.forwardingRules.update"}},
		"compute.forwardingRules.setLabels":      {setRuleLabels, []string{"compute.forwardingRules.setLabels"}},
		"compute.forwardingRules.delete":         {deleteForwardingRule, []string{"compute.forwardingRules.delete"}},
	}
}

func listForwardingRules(c *call) (any, *Error) {
	return c.page("compute#forwardingRuleList", c.server.list(c.target()), c.server.at)
}

func aggregateForwardingRules(c *call) (any, *Error) {
	return c.aggregate("compute#forwardingRuleAggregatedList", "forwardingRules", c.regional("forwardingRules"))
}

func insertForwardingRule(c *call) (any, *Error) {
	name := text(c.body, "name")
	if answer, ok := c.repeated(); ok {
		return answer, nil
	}
	if isAttachment(text(c.body, "target")) {
		return insertEndpoint(c)
	}
	if failure := c.checkInsert(name); failure != nil {
		return nil, failure
	}
	at := c.target() + "/" + name
	subnetPath, _, failure := c.subnetwork(text(c.body, "subnetwork"))
	if failure != nil {
		return nil, failure
	}
	if failure := c.server.addRule(at, subnetPath, c.body); failure != nil {
		return nil, failure
	}
	return c.start("insert", at, nil, func() { c.server.dropRule(at) }), nil
}

// addRule creates an internal forwarding rule: its IP is a reserved address's (by
// link or by value), a free one by value, or any free one. The caller holds mu.
func (s *Server) addRule(at, subnetPath string, body object) *Error {
	subnet, ok := s.objects[subnetPath]
	if !ok {
		return notFound(subnetPath)
	}
	if _, exists := s.objects[at]; exists {
		return alreadyExists(at)
	}
	rule := clone(body)
	ip, failure := s.ruleIP(at, subnetPath, subnet, text(body, "IPAddress"))
	if failure != nil {
		return failure
	}
	rule["IPAddress"] = ip
	rule["subnetwork"], rule["network"] = link(subnetPath), subnet["network"]
	defaults := object{"loadBalancingScheme": "INTERNAL", "IPProtocol": "TCP", "networkTier": "PREMIUM"}
	for field, value := range defaults {
		if rule[field] == nil {
			rule[field] = value
		}
	}
	parts := splitPath(at)
	rule["region"] = link(strings.Join(parts[:4], "/"))
	s.stamp("compute#forwardingRule", at, rule)
	rule["labelFingerprint"], rule["fingerprint"] = fingerprint(rule["labels"]), fingerprint(rule["id"])
	s.objects[at] = rule
	s.refreshAddresses(subnetPath, ip)
	s.touch()
	return nil
}

func (s *Server) ruleIP(at, subnetPath string, subnet object, wanted string) (string, *Error) {
	if path := relative(wanted, splitPath(at)[1]); path != "" {
		address, ok := s.objects[path]
		if !ok {
			return "", notFound(path)
		}
		wanted = text(address, "address")
	}
	if wanted == "" {
		ip, failure := s.pick(subnetPath, subnet, "")
		return ip.String(), failure
	}
	if reserver, address := s.reservation(subnetPath, wanted); reserver != "" {
		users, _ := address["users"].([]any)
		if len(users) > 0 && text(address, "purpose") != "SHARED_LOADBALANCER_VIP" {
			return "", &Error{Status: 400, Reason: "invalid", Message: fmt.Sprintf("Invalid value for field 'resource.IPAddress': '%s'. Specified IP address is in-use and would result in a conflict.", wanted)}
		}
		return wanted, nil
	}
	ip, failure := s.pick(subnetPath, subnet, wanted)
	if failure != nil {
		failure.Message = strings.Replace(failure.Message, "resource.address", "resource.IPAddress", 1)
	}
	return ip.String(), failure
}

// reservation finds the address resource that reserves an IP of a subnetwork.
func (s *Server) reservation(subnetPath, ip string) (string, object) {
	for at, o := range s.objects {
		if strings.Contains(at, "/addresses/") && text(o, "address") == ip && relative(text(o, "subnetwork"), "") == subnetPath {
			return at, o
		}
	}
	return "", nil
}

func (s *Server) refreshAddresses(subnetPath, ip string) {
	if at, _ := s.reservation(subnetPath, ip); at != "" {
		s.release(at)
	}
}

// deleteForwardingRule refuses while a service attachment publishes the rule.
func deleteForwardingRule(c *call) (any, *Error) {
	at := c.target()
	if answer, ok := c.repeated(); ok {
		return answer, nil
	}
	if _, ok := c.server.objects[at]; !ok {
		return nil, notFound(at)
	}
	if failure := c.pscNeed(at, "compute.forwardingRules.pscDelete"); failure != nil {
		return nil, failure
	}
	if attachment := c.server.attachmentOf(at); attachment != "" {
		return nil, usedBy("forwarding_rule", at, attachment)
	}
	return c.start("delete", at, func() { c.server.dropRule(at) }, nil), nil
}

// dropRule removes a rule and frees its address and, of an endpoint, its place at
// the attachment. The caller holds mu.
func (s *Server) dropRule(at string) {
	rule, ok := s.objects[at]
	if !ok {
		return
	}
	delete(s.objects, at)
	s.refreshAddresses(relative(text(rule, "subnetwork"), ""), text(rule, "IPAddress"))
	if target := text(rule, "target"); isAttachment(target) {
		s.connect(relative(target, ""))
	}
	s.touch()
}

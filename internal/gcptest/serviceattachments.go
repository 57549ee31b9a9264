package gcptest

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"maps"
	"path"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

func attachmentRoutes() map[string]handler {
	return map[string]handler{
		"compute.serviceAttachments.get":                {getObject, []string{"compute.serviceAttachments.get"}},
		"compute.serviceAttachments.list":               {listOf("compute#serviceAttachmentList"), []string{"compute.serviceAttachments.list"}},
		"compute.serviceAttachments.aggregatedList":     {aggregateOf("compute#serviceAttachmentAggregatedList", "serviceAttachments"), []string{"compute.serviceAttachments.list"}},
		"compute.serviceAttachments.insert":             {insertAttachment, []string{"compute.serviceAttachments.create"}},
		"compute.serviceAttachments.patch":              {patchAttachment, []string{"compute.serviceAttachments.update"}},
		"compute.serviceAttachments.delete":             {deleteAttachment, []string{"compute.serviceAttachments.delete"}},
		"compute.serviceAttachments.testIamPermissions": {testResourcePermissions, nil},
	}
}

const (
	automatic = "ACCEPT_AUTOMATIC"
	manual    = "ACCEPT_MANUAL"
	// propagatedLimit is the default (discovery: ServiceAttachment.propagatedConnectionLimit).
	propagatedLimit = 250
)

// told are the fields that only the server sets; a patch may repeat them.
func told() []string {
	return []string{"kind", "id", "name", "selfLink", "region", "creationTimestamp", "fingerprint", "connectedEndpoints", "pscServiceAttachmentId"}
}

func insertAttachment(c *call) (any, *Error) {
	if answer, ok := c.repeated(); ok {
		return answer, nil
	}
	at, failure := c.fresh()
	if failure != nil {
		return nil, failure
	}
	body := clone(c.body)
	if failure := c.checkAttachment(at, body); failure != nil {
		return nil, failure
	}
	return c.created("compute#serviceAttachment", at, body, nil), nil
}

// patchAttachment is a JSON merge patch that needs the fingerprint.
func patchAttachment(c *call) (any, *Error) {
	s, at := c.server, c.target()
	if answer, ok := c.repeated(); ok {
		return answer, nil
	}
	old, ok := s.objects[at]
	if !ok {
		return nil, notFound(at)
	}
	if failure := s.ready(at); failure != nil {
		return nil, failure
	}
	if text(c.body, "fingerprint") != text(old, "fingerprint") {
		return nil, conditionNotMet("Invalid fingerprint.")
	}
	merged := clone(old)
	for field, value := range clone(c.body) {
		switch {
		case slices.Contains(told(), field):
		case value == nil:
			delete(merged, field)
		default:
			merged[field] = value
		}
	}
	if failure := fixed(c.project(), old, merged); failure != nil {
		return nil, failure
	}
	if failure := c.checkAttachment(at, merged); failure != nil {
		return nil, failure
	}
	return c.start("patch", at, func() {
		live, ok := s.objects[at]
		if !ok {
			return
		}
		for field := range live {
			if !slices.Contains(told(), field) {
				delete(live, field)
			}
		}
		for field, value := range merged {
			if !slices.Contains(told(), field) {
				live[field] = value
			}
		}
		s.complete("serviceAttachments", at, live)
		s.connect(at)
		s.touch()
	}, nil), nil
}

// fixed refuses a change of what an attachment keeps for life.
func fixed(project string, old, merged object) *Error {
	for _, field := range []string{"targetService", "producerForwardingRule"} {
		from, to := relative(text(old, field), project), relative(text(merged, field), project)
		if from != to {
			return invalid(fmt.Sprintf("Invalid value for field 'resource.%s': '%s'. The target of a service attachment cannot be updated.", field, text(merged, field)))
		}
	}
	if !reflect.DeepEqual(old["natIpsPerEndpoint"], merged["natIpsPerEndpoint"]) {
		return invalid("Invalid value for field 'resource.natIpsPerEndpoint'. It cannot be updated.")
	}
	return nil
}

// deleteAttachment closes every endpoint that is connected, for good.
func deleteAttachment(c *call) (any, *Error) {
	s, at := c.server, c.target()
	if answer, ok := c.repeated(); ok {
		return answer, nil
	}
	if _, ok := s.objects[at]; !ok {
		return nil, notFound(at)
	}
	if failure := s.ready(at); failure != nil {
		return nil, failure
	}
	return c.start("delete", at, func() {
		for _, rule := range s.endpointsOf(at) {
			s.objects[rule]["pscConnectionStatus"] = closed
		}
		delete(s.objects, at)
		s.touch()
	}, nil), nil
}

// checkAttachment holds a body, new or patched, to Google's rules, and writes its
// references in full.
func (c *call) checkAttachment(at string, body object) *Error {
	preference := text(body, "connectionPreference")
	if preference != automatic && preference != manual {
		return invalid(fmt.Sprintf("Invalid value for field 'resource.connectionPreference': '%s'.", preference))
	}
	if names, _ := body["domainNames"].([]any); len(names) > 0 {
		return invalid("Invalid value for field 'resource.domainNames': ''. Please verify ownership of the PTR domain.")
	}
	network, failure := c.attachmentTarget(body)
	if failure != nil {
		return failure
	}
	if failure := c.attachmentSubnets(at, network, body); failure != nil {
		return failure
	}
	c.server.nameConsumers(body)
	return checkConsumers(preference, body)
}

// nameConsumers puts IDs in the place of projects' numbers in the lists, as Google
// answers with them.
func (s *Server) nameConsumers(body object) {
	name := func(given string) string {
		if project := s.projectObject(given); project != nil {
			return text(project, "projectId")
		}
		return given
	}
	for _, one := range entries(body, "consumerAcceptLists") {
		if given := text(one, "projectIdOrNum"); given != "" {
			one["projectIdOrNum"] = name(given)
		}
	}
	reject, _ := body["consumerRejectLists"].([]any)
	for i, one := range reject {
		if given, ok := one.(string); ok {
			reject[i] = name(given)
		}
	}
}

// attachmentTarget resolves the forwarding rule that is published, which has to be
// an internal one of the same region, and returns its network.
func (c *call) attachmentTarget(body object) (network string, failure *Error) {
	const field = "targetService"
	given, older := text(body, field), text(body, "producerForwardingRule")
	if given == "" {
		given = older
	}
	if given == "" {
		return "", required(field)
	}
	at := relative(given, c.project())
	if older != "" && relative(older, c.project()) != at {
		return "", invalid(fmt.Sprintf("Invalid value for field 'resource.producerForwardingRule': '%s'. It differs from targetService.", older))
	}
	parts := splitPath(at)
	if len(parts) != 6 || parts[2] != "regions" {
		return "", invalid(fmt.Sprintf("Invalid value for field 'resource.%s': '%s'. The URL is malformed.", field, given))
	}
	if parts[3] != c.params["region"] {
		return "", invalid(fmt.Sprintf("Invalid value for field 'resource.%s': '%s'. Cross-region references for this resource are not allowed.", field, given))
	}
	rule, ok := c.server.objects[at]
	if !ok || parts[4] != "forwardingRules" { // whatever is named there is looked for among the rules
		return "", notFound(strings.Join(parts[:4], "/") + "/forwardingRules/" + parts[5])
	}
	if failure := c.server.ready(at); failure != nil {
		return "", failure
	}
	if !strings.HasPrefix(text(rule, "loadBalancingScheme"), "INTERNAL") {
		return "", invalid(fmt.Sprintf("Invalid value for field 'resource.%s': '%s'. The forwarding rule must have an internal load balancing scheme.", field, given))
	}
	if failure := c.need(parts[1], "compute.forwardingRules.use", at); failure != nil {
		return "", failure
	}
	body[field] = link(at)
	if older != "" {
		body["producerForwardingRule"] = link(at)
	}
	return relative(text(rule, "network"), parts[1]), nil
}

// attachmentSubnets checks the subnetworks that consumers' addresses are taken
// from: of the region, of the target's network, of the purpose, and of nobody else.
func (c *call) attachmentSubnets(at, network string, body object) *Error {
	list, _ := body["natSubnets"].([]any)
	if len(list) == 0 {
		return required("natSubnets")
	}
	s, full := c.server, []any{}
	for i, one := range list {
		given, _ := one.(string)
		refuse := func(why string) *Error {
			return invalid(fmt.Sprintf("Invalid value for field 'resource.natSubnets[%d]': '%s'. %s", i, given, why))
		}
		subnet := relative(given, c.project())
		parts := splitPath(subnet)
		switch {
		case len(parts) != 6 || parts[4] != "subnetworks":
			return refuse("The URL is malformed.")
		case parts[3] != c.params["region"]:
			return refuse("Cross-region references for this resource are not allowed.")
		case s.objects[subnet] == nil:
			return notFound(subnet)
		case slices.Contains(full, any(link(subnet))):
			return refuse("It is given twice.")
		}
		if failure := c.need(parts[1], "compute.subnetworks.use", subnet); failure != nil {
			return failure
		}
		if failure := s.ready(subnet); failure != nil {
			return failure
		}
		if text(s.objects[subnet], "purpose") != natPurpose {
			return refuse("Subnetwork must have purpose=PRIVATE_SERVICE_CONNECT.")
		}
		if relative(text(s.objects[subnet], "network"), parts[1]) != network {
			return refuse("The subnetwork must be in the network of the target service.")
		}
		for _, other := range slices.Sorted(maps.Keys(s.objects)) {
			if strings.Contains(other, "/serviceAttachments/") && other != at && slices.Contains(natSubnets(other, s.objects[other]), subnet) {
				return usedBy("subnetwork", subnet, other)
			}
		}
		full = append(full, link(subnet))
	}
	body["natSubnets"] = full
	return nil
}

// natSubnets lists the paths of an attachment's subnetworks.
func natSubnets(at string, attachment object) []string {
	var out []string
	list, _ := attachment["natSubnets"].([]any)
	for _, one := range list {
		if given, ok := one.(string); ok {
			out = append(out, relative(given, splitPath(at)[1]))
		}
	}
	return out
}

// checkConsumers holds the lists of consumers to the preference and to one kind.
func checkConsumers(preference string, body object) *Error {
	accept := entries(body, "consumerAcceptLists")
	reject, _ := body["consumerRejectLists"].([]any)
	if preference == automatic && len(accept)+len(reject) > 0 {
		return invalid("Invalid value for field 'resource.connectionPreference': 'ACCEPT_AUTOMATIC'. Incorrect combination of connection preference with accept and/or reject list.")
	}
	kinds := map[string]bool{}
	for i, one := range accept {
		kind, _ := consumerOf(one)
		limit, _ := number(one, "connectionLimit")
		if kind == "" {
			return invalid(fmt.Sprintf("Invalid value for field 'resource.consumerAcceptLists[%d]': ''. Exactly one of projectIdOrNum, networkUrl and endpointUrl must be set.", i))
		}
		if kind == "endpointUrl" && limit > 1 {
			return invalid(fmt.Sprintf("Invalid value for field 'resource.consumerAcceptLists[%d].connectionLimit': '%d'. The limit of an endpoint is at most 1.", i, limit))
		}
		kinds[kind] = true
	}
	for _, one := range reject {
		given, _ := one.(string)
		kinds[consumerKind(given)] = true
	}
	if len(kinds) > 1 {
		return invalid("Invalid value for field 'resource.consumerAcceptLists': ''. Accept and reject lists must hold either only projects, or only networks, or only endpoints.")
	}
	return nil
}

// consumerOf tells what an entry of an accept list names; "" when it is not one thing.
func consumerOf(entry object) (kind, consumer string) {
	for _, field := range []string{"projectIdOrNum", "networkUrl", "endpointUrl"} {
		if value := text(entry, field); value != "" {
			if kind != "" {
				return "", ""
			}
			kind, consumer = field, value
		}
	}
	return kind, consumer
}

// consumerKind tells what an entry of a reject list names.
func consumerKind(given string) string {
	switch {
	case strings.Contains(given, "/networks/"):
		return "networkUrl"
	case strings.Contains(given, "/forwardingRules/"):
		return "endpointUrl"
	}
	return "projectIdOrNum"
}

// completeServiceAttachment fills what the server sets; the fingerprint is one of
// what the producer configures, not of who is connected.
func completeServiceAttachment(at string, body object) {
	project := splitPath(at)[1]
	for _, field := range []string{"enableProxyProtocol", "reconcileConnections"} {
		if body[field] == nil {
			body[field] = false
		}
	}
	if body["propagatedConnectionLimit"] == nil {
		body["propagatedConnectionLimit"] = propagatedLimit
	}
	for _, field := range []string{"targetService", "producerForwardingRule"} {
		if given := text(body, field); given != "" {
			body[field] = link(relative(given, project))
		}
	}
	var subnets []any
	for _, one := range natSubnets(at, body) {
		subnets = append(subnets, link(one))
	}
	body["natSubnets"] = subnets
	dropEmpty(body, "natSubnets", "consumerAcceptLists", "consumerRejectLists", "domainNames", "connectedEndpoints")
	if text(body, "description") == "" {
		delete(body, "description")
	}
	own := maps.Clone(body)
	maps.DeleteFunc(own, func(field string, _ any) bool { return slices.Contains(told(), field) })
	body["fingerprint"] = fingerprint(own)
	hash := fnv.New128a()
	hash.Write([]byte(path.Clean(at)))
	sum := hash.Sum(nil)
	body["pscServiceAttachmentId"] = object{
		"high": strconv.FormatUint(binary.BigEndian.Uint64(sum[:8]), 10), "low": strconv.FormatUint(binary.BigEndian.Uint64(sum[8:]), 10),
	}
}

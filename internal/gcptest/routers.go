package gcptest

import (
	"fmt"
	"net/http"
	"path"
	"strings"
)

func routerRoutes() map[string]handler {
	return map[string]handler{
		"compute.routers.get":             {getObject, []string{"compute.routers.get"}},
		"compute.routers.list":            {listRouters, []string{"compute.routers.list"}},
		"compute.routers.aggregatedList":  {aggregateRouters, []string{"compute.routers.list"}},
		"compute.routers.insert":          {insertRouter, []string{"compute.routers.create"}},
		"compute.routers.patch":           {patchRouter, []string{"compute.routers.update"}},
		"compute.routers.update":          {updateRouter, []string{"compute.routers.update"}},
		"compute.routers.delete":          {deleteRouter, []string{"compute.routers.delete"}},
		"compute.routers.getRouterStatus": {getRouterStatus, []string{"compute.routers.get"}},
	}
}

// routersPerRegion is how many a network may have in a region
// (cloud.google.com/network-connectivity/docs/router/quotas).
const routersPerRegion = 5

func listRouters(c *call) (any, *Error) {
	return c.page("compute#routerList", c.server.list(c.target()), c.server.at)
}

func aggregateRouters(c *call) (any, *Error) {
	return c.aggregate("compute#routerAggregatedList", "routers", c.regional("routers"))
}

func insertRouter(c *call) (any, *Error) {
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
	siblings := 0
	for _, one := range s.list(c.target()) {
		if relative(text(s.objects[one], "network"), "") == network {
			siblings++
		}
	}
	if siblings >= routersPerRegion {
		return nil, &Error{Status: http.StatusForbidden, Reason: "quotaExceeded",
			Message: fmt.Sprintf("Quota 'ROUTERS_PER_REGION_PER_NETWORK' exceeded.  Limit: %d.0 in region %s.", routersPerRegion, c.params["region"])}
	}
	body := clone(c.body)
	body["network"] = link(network)
	s.stamp("compute#router", at, body)
	s.complete("routers", at, body)
	if failure := s.checkRouter(at, body); failure != nil {
		return nil, failure
	}
	s.objects[at] = body
	return c.start("insert", at, s.touch, func() { delete(s.objects, at); s.touch() }), nil
}

// fresh is the path of what an insert is to make, after the checks that every
// insert of compute meets.
func (c *call) fresh() (string, *Error) {
	name := text(c.body, "name")
	at := c.target() + "/" + name
	if c.params["region"] != "" {
		if failure := c.checkInsert(name); failure != nil {
			return "", failure
		}
	} else if failure := checkName(name); failure != nil {
		return "", failure
	}
	if _, exists := c.server.objects[at]; exists {
		return "", alreadyExists(at)
	}
	return at, nil
}

func checkName(name string) *Error {
	switch {
	case name == "":
		return required("name")
	case !nameForm.MatchString(name):
		return invalid(fmt.Sprintf("Invalid value for field 'resource.name': '%s'. Must be a match of regex '(?:[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?)'", name))
	}
	return nil
}

func required(field string) *Error {
	return &Error{Status: http.StatusBadRequest, Reason: "required", Message: "Required field 'resource." + field + "' not specified"}
}

// reference resolves a field of the body that names another resource, which has to
// be there, to be ready and, when it is regional, to be of the call's region.
func (c *call) reference(field, collection string) (string, *Error) {
	given := text(c.body, field)
	if given == "" {
		return "", required(field)
	}
	at := relative(given, c.project())
	parts := splitPath(at)
	if len(parts) < 5 || parts[len(parts)-2] != collection {
		return "", invalid(fmt.Sprintf("Invalid value for field 'resource.%s': '%s'. The URL is malformed.", field, given))
	}
	if parts[2] == "regions" && parts[3] != c.params["region"] {
		return "", invalid(fmt.Sprintf("Invalid value for field 'resource.%s': '%s'. Cross-region references for this resource are not allowed.", field, given))
	}
	if _, ok := c.server.objects[at]; !ok {
		return "", notFound(at)
	}
	return at, c.server.ready(at)
}

// ready refuses work on a resource while an operation on it runs.
func (s *Server) ready(at string) *Error {
	for _, o := range s.operations {
		if !o.done && text(o.fields, "targetLink") == link(at) {
			return &Error{Status: http.StatusBadRequest, Reason: "resourceNotReady", Message: "The resource '" + at + "' is not ready"}
		}
	}
	return nil
}

// usedBy refuses to delete what another resource refers to.
func usedBy(kind, at, by string) *Error {
	return &Error{Status: http.StatusBadRequest, Reason: "resourceInUseByAnotherResource",
		Message: fmt.Sprintf("The %s resource '%s' is already being used by '%s'", kind, at, by)}
}

// patchRouter is a JSON merge patch: what it leaves out stays, arrays are replaced
// whole.
func patchRouter(c *call) (any, *Error) {
	return c.changeRouter(func(have object) { merge(have, clone(c.body)) })
}

// updateRouter is a PUT: what it leaves out goes, but for what the server sets.
func updateRouter(c *call) (any, *Error) {
	return c.changeRouter(func(have object) {
		for field := range have {
			if !routerOwn[field] {
				delete(have, field)
			}
		}
		merge(have, clone(c.body))
	})
}

// routerOwn are the fields of a router that no patch changes.
var routerOwn = map[string]bool{"kind": true, "id": true, "name": true, "selfLink": true, "creationTimestamp": true, "region": true, "network": true}

func (c *call) changeRouter(edit func(object)) (any, *Error) {
	s, at := c.server, c.target()
	if answer, ok := c.repeated(); ok {
		return answer, nil
	}
	have, ok := s.objects[at]
	if !ok {
		return nil, notFound(at)
	}
	if failure := s.ready(at); failure != nil {
		return nil, failure
	}
	apply := func(have object) object {
		next := clone(have)
		edit(next)
		for field := range routerOwn {
			next[field] = have[field]
		}
		return next
	}
	next := apply(have)
	if failure := keepKeys(have, next); failure != nil {
		return nil, failure
	}
	s.complete("routers", at, next)
	if failure := s.checkRouter(at, next); failure != nil {
		return nil, failure
	}
	return c.start("patch", at, func() {
		if have, ok := s.objects[at]; ok { // as it is by then: others may have changed it
			next := apply(have)
			s.complete("routers", at, next)
			s.objects[at] = next
		}
		s.touch()
	}, nil), nil
}

// merge applies a JSON merge patch (RFC 7396).
func merge(into, patch object) {
	for field, value := range patch {
		inner, isObject := value.(object)
		have, hasObject := into[field].(object)
		switch {
		case value == nil:
			delete(into, field)
		case isObject && hasObject:
			merge(have, inner)
		default:
			into[field] = value
		}
	}
}

// keepKeys refuses an MD5 key without a value that was not there before: with one
// that was, the value stays. Values are not told back, so none is kept here.
func keepKeys(have, next object) *Error {
	known := map[string]bool{}
	for _, key := range entries(have, "md5AuthenticationKeys") {
		known[text(key, "name")] = true
	}
	for _, key := range entries(next, "md5AuthenticationKeys") {
		if text(key, "key") == "" && !known[text(key, "name")] {
			return invalid(fmt.Sprintf("Invalid value for field 'resource.md5AuthenticationKeys': '%s'. The key has no value.", text(key, "name")))
		}
	}
	return nil
}

func deleteRouter(c *call) (any, *Error) {
	s, at := c.server, c.target()
	if answer, ok := c.repeated(); ok {
		return answer, nil
	}
	if _, ok := s.objects[at]; !ok {
		return nil, notFound(at)
	}
	for _, collection := range []string{"vpnTunnels", "interconnectAttachments"} {
		for _, one := range s.list(path.Dir(path.Dir(at)) + "/" + collection) {
			if relative(text(s.objects[one], "router"), "") == at {
				return nil, usedBy("router", at, one)
			}
		}
	}
	return c.remove(at)
}

// remove starts the deletion of a resource that nothing holds.
func (c *call) remove(at string) (any, *Error) {
	s := c.server
	if failure := s.ready(at); failure != nil {
		return nil, failure
	}
	return c.start("delete", at, func() {
		delete(s.objects, at)
		delete(s.secrets, at)
		s.touch()
	}, nil), nil
}

// completeRouter fills what the server sets: defaults, links in their full form,
// and the address of a peer that takes its interface's.
func completeRouter(at string, body object) {
	project := splitPath(at)[1]
	bgp, _ := body["bgp"].(object)
	if bgp != nil {
		setDefaults(bgp, object{"advertiseMode": "DEFAULT", "keepaliveInterval": 20})
		tidyRanges(bgp)
	}
	own := map[string]string{}
	for _, one := range entries(body, "interfaces") {
		setDefaults(one, object{"managementType": "MANAGED_BY_USER"})
		for _, field := range []string{"linkedVpnTunnel", "linkedInterconnectAttachment"} {
			if reference := text(one, field); reference != "" {
				one[field] = link(relative(reference, project))
			}
		}
		address, _, _ := strings.Cut(text(one, "ipRange"), "/")
		own[text(one, "name")] = address
	}
	for _, one := range entries(body, "bgpPeers") {
		setDefaults(one, object{"managementType": "MANAGED_BY_USER", "enable": "TRUE", "enableIpv6": false, "advertiseMode": "DEFAULT"})
		tidyRanges(one)
		if address := own[text(one, "interfaceName")]; address != "" {
			setDefaults(one, object{"ipAddress": address})
		}
	}
	for _, one := range entries(body, "md5AuthenticationKeys") {
		delete(one, "key")
	}
	dropEmpty(body, "interfaces", "bgpPeers", "nats", "md5AuthenticationKeys")
}

func setDefaults(o, defaults object) {
	for field, value := range defaults {
		if o[field] == nil || o[field] == "" {
			o[field] = value
		}
	}
}

// tidyRanges leaves out empty lists and empty descriptions, as answers of Google do.
func tidyRanges(o object) {
	dropEmpty(o, "advertisedGroups", "advertisedIpRanges", "customLearnedIpRanges")
	for _, one := range entries(o, "advertisedIpRanges") {
		if text(one, "description") == "" {
			delete(one, "description")
		}
	}
}

// dropEmpty leaves lists without an element out, as answers of Google do.
func dropEmpty(o object, fields ...string) {
	for _, field := range fields {
		if array, ok := o[field].([]any); ok && len(array) == 0 || o[field] == nil {
			delete(o, field)
		}
	}
}

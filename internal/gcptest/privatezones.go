package gcptest

import (
	"fmt"
	"net/http"
	"net/netip"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

func zoneRoutes() map[string]handler {
	return map[string]handler{
		"dns.managedZones.get":          {getZone, []string{"dns.managedZones.get"}},
		"dns.managedZones.list":         {listZones, []string{"dns.managedZones.list"}},
		"dns.managedZones.create":       {createZone, []string{"dns.managedZones.create"}},
		"dns.managedZones.delete":       {deleteZone, []string{"dns.managedZones.delete"}},
		"dns.resourceRecordSets.get":    {getRecord, []string{"dns.resourceRecordSets.get"}},
		"dns.resourceRecordSets.list":   {listRecords, []string{"dns.resourceRecordSets.list"}},
		"dns.resourceRecordSets.create": {createRecord, []string{"dns.resourceRecordSets.create"}},
		"dns.resourceRecordSets.patch":  {patchRecord, []string{"dns.resourceRecordSets.update"}},
		"dns.resourceRecordSets.delete": {deleteRecord, []string{"dns.resourceRecordSets.delete"}},
	}
}

// nameServer is the one that each private zone names.
const nameServer = "ns-gcp-private.googledomains.com."

// domainName is a name with its last dot, as Cloud DNS wants it.
var domainName = regexp.MustCompile(`^(\*\.)?([a-z0-9_]([-a-z0-9_]{0,61}[a-z0-9_])?\.)+$`)

// zone finds the zone that a call names.
func (c *call) zone() (string, object, *Error) {
	at := "projects/" + c.project() + "/managedZones/" + c.params["managedZone"]
	found, ok := c.server.objects[at]
	if !ok {
		return at, nil, &Error{Status: http.StatusNotFound, Reason: "notFound",
			Message: fmt.Sprintf("The 'parameters.managedZone' resource named '%s' does not exist.", c.params["managedZone"])}
	}
	return at, found, nil
}

func getZone(c *call) (any, *Error) {
	_, found, failure := c.zone()
	return clone(found), failure
}

func listZones(c *call) (any, *Error) {
	s := c.server
	return c.dnsPage("dns#managedZonesListResponse", "managedZones", s.list(c.target()), func(o object) bool {
		return c.query.Get("dnsName") == "" || text(o, "dnsName") == c.query.Get("dnsName")
	})
}

// dnsPage answers a list of Cloud DNS, which names its items and has no filter
// language.
func (c *call) dnsPage(kind, field string, paths []string, match func(object) bool) (any, *Error) {
	s := c.server
	c.query.Del("filter")
	kept, next, failure := c.cut(slices.DeleteFunc(paths, func(at string) bool { return !match(s.objects[at]) }), s.at)
	if failure != nil {
		return nil, failure
	}
	items := []any{}
	for _, at := range kept {
		items = append(items, clone(s.objects[at]))
	}
	answer := object{"kind": kind, field: items}
	if next != "" {
		answer["nextPageToken"] = next
	}
	return answer, nil
}

// createZone makes a private zone, at once: Cloud DNS has no operations here.
func createZone(c *call) (any, *Error) {
	s, name := c.server, text(c.body, "name")
	at := c.target() + "/" + name
	if !nameForm.MatchString(name) {
		return nil, invalid(fmt.Sprintf("Invalid value for 'entity.managedZone.name': '%s'", name))
	}
	if s.objects[at] != nil {
		return nil, &Error{Status: http.StatusConflict, Reason: "alreadyExists",
			Message: fmt.Sprintf("The resource 'entity.managedZone' named '%s' already exists", name)}
	}
	if domain := text(c.body, "dnsName"); !domainName.MatchString(domain) {
		return nil, invalid(fmt.Sprintf("Invalid value for 'entity.managedZone.dnsName': '%s'", domain))
	}
	if text(c.body, "visibility") != "private" {
		return nil, invalid("Invalid value for 'entity.managedZone.visibility': only private zones are emulated")
	}
	if failure := c.checkZoneNetworks(); failure != nil {
		return nil, failure
	}
	body := clone(c.body)
	config, _ := body["privateVisibilityConfig"].(object)
	for _, one := range entries(config, "networks") {
		one["networkUrl"] = link(relative(text(one, "networkUrl"), ""))
	}
	labels, _ := body["labels"].(object)
	if failure := checkLabels(labels); failure != nil {
		return nil, failure
	}
	s.serial++
	for field, value := range (object{
		"kind": "dns#managedZone", "id": strconv.FormatUint(6_000_000_000_000_000_000+s.serial, 10),
		"creationTime": s.options.Now().UTC().Format(time.RFC3339Nano), "nameServers": []any{nameServer},
	}) {
		body[field] = value
	}
	s.objects[at] = body
	domain := text(body, "dnsName")
	s.keepRecord(at, object{"name": domain, "type": "NS", "ttl": 21600, "rrdatas": []any{nameServer}})
	s.keepRecord(at, object{"name": domain, "type": "SOA", "ttl": 21600,
		"rrdatas": []any{nameServer + " cloud-dns-hostmaster.google.com. 1 21600 3600 259200 300"}})
	s.touch()
	return clone(body), nil
}

// checkZoneNetworks checks the networks that are to see a zone, and the right to bind
// it to each, in the network's project.
func (c *call) checkZoneNetworks() *Error {
	config, _ := c.body["privateVisibilityConfig"].(object)
	for _, one := range entries(config, "networks") {
		given := text(one, "networkUrl")
		at := relative(given, "")
		if c.server.objects[at] == nil || !strings.Contains(given, "://") {
			return invalid(fmt.Sprintf("Invalid value for 'entity.managedZone.privateVisibilityConfig.networks[].networkUrl': '%s'", given))
		}
		if failure := c.need(splitPath(at)[1], "dns.networks.bindPrivateDNSZone", at); failure != nil {
			return failure
		}
	}
	return nil
}

// deleteZone refuses while the zone holds a record of its user's.
func deleteZone(c *call) (any, *Error) {
	s := c.server
	at, found, failure := c.zone()
	if failure != nil {
		return nil, failure
	}
	records := s.recordsOf(at)
	for _, one := range records {
		if !ownRecord(found, s.objects[one]) {
			return nil, &Error{Status: http.StatusBadRequest, Reason: "containerNotEmpty",
				Message: fmt.Sprintf("The resource named '%s' cannot be deleted because it contains one or more 'resource records'.", path.Base(at))}
		}
	}
	for _, one := range append(records, at) {
		delete(s.objects, one)
	}
	s.touch()
	return nil, nil
}

// ownRecord says whether a record is one that each zone has.
func ownRecord(zone, record object) bool {
	kind := text(record, "type")
	return text(record, "name") == text(zone, "dnsName") && (kind == "NS" || kind == "SOA")
}

// recordsOf lists the paths of a zone's records: ZONE/rrsets/NAME/TYPE.
func (s *Server) recordsOf(zone string) []string {
	var out []string
	for at := range s.objects {
		if strings.HasPrefix(at, zone+"/rrsets/") {
			out = append(out, at)
		}
	}
	slices.Sort(out)
	return out
}

func (s *Server) keepRecord(zone string, record object) {
	record["kind"] = "dns#resourceRecordSet"
	s.objects[zone+"/rrsets/"+text(record, "name")+"/"+text(record, "type")] = record
}

func listRecords(c *call) (any, *Error) {
	at, _, failure := c.zone()
	if failure != nil {
		return nil, failure
	}
	name, kind := c.query.Get("name"), c.query.Get("type")
	return c.dnsPage("dns#resourceRecordSetsListResponse", "rrsets", c.server.recordsOf(at), func(o object) bool {
		return (name == "" || text(o, "name") == name) && (kind == "" || text(o, "type") == kind)
	})
}

// record finds the record that a call names.
func (c *call) record() (string, object, *Error) {
	zone, _, failure := c.zone()
	if failure != nil {
		return "", nil, failure
	}
	at := zone + "/rrsets/" + c.params["name"] + "/" + c.params["type"]
	found, ok := c.server.objects[at]
	if !ok {
		return "", nil, &Error{Status: http.StatusNotFound, Reason: "notFound",
			Message: fmt.Sprintf("The 'parameters.name' resource named '%s (%s)' does not exist.", c.params["name"], c.params["type"])}
	}
	return at, found, nil
}

func getRecord(c *call) (any, *Error) {
	_, found, failure := c.record()
	return clone(found), failure
}

func createRecord(c *call) (any, *Error) {
	s := c.server
	at, zone, failure := c.zone()
	if failure != nil {
		return nil, failure
	}
	record := clone(c.body)
	if failure := checkRecord(zone, record); failure != nil {
		return nil, failure
	}
	name, kind := text(record, "name"), text(record, "type")
	if s.objects[at+"/rrsets/"+name+"/"+kind] != nil {
		return nil, &Error{Status: http.StatusConflict, Reason: "alreadyExists",
			Message: fmt.Sprintf("The resource 'entity.rrset' named '%s (%s)' already exists", name, kind)}
	}
	s.keepRecord(at, record)
	s.touch()
	return clone(record), nil
}

// checkRecord takes A records of the zone alone.
func checkRecord(zone, record object) *Error {
	name, kind := text(record, "name"), text(record, "type")
	if !domainName.MatchString(name) || name != text(zone, "dnsName") && !strings.HasSuffix(name, "."+text(zone, "dnsName")) {
		return invalid(fmt.Sprintf("Invalid value for 'entity.rrset.name': '%s'. It is not in the zone '%s'.", name, text(zone, "dnsName")))
	}
	if kind != "A" {
		return invalid(fmt.Sprintf("Invalid value for 'entity.rrset.type': '%s'. Only A is emulated.", kind))
	}
	addresses, _ := record["rrdatas"].([]any)
	for _, one := range addresses {
		given, _ := one.(string)
		if ip, err := netip.ParseAddr(given); err != nil || !ip.Is4() {
			return invalid(fmt.Sprintf("Invalid value for 'entity.rrset.rrdata': '%s'", given))
		}
	}
	if len(addresses) == 0 {
		return invalid("Invalid value for 'entity.rrset.rrdata': ''")
	}
	return nil
}

func patchRecord(c *call) (any, *Error) {
	at, old, failure := c.record()
	if failure != nil {
		return nil, failure
	}
	_, zone, _ := c.zone()
	merged := clone(old)
	for field, value := range clone(c.body) {
		merged[field] = value
	}
	if failure := checkRecord(zone, merged); failure != nil {
		return nil, failure
	}
	if text(merged, "name") != text(old, "name") || text(merged, "type") != text(old, "type") {
		return nil, invalid("Invalid value for 'entity.rrset.name': a record keeps its name and type")
	}
	c.server.objects[at] = merged
	c.server.touch()
	return clone(merged), nil
}

func deleteRecord(c *call) (any, *Error) {
	at, found, failure := c.record()
	if failure != nil {
		return nil, failure
	}
	_, zone, _ := c.zone()
	if ownRecord(zone, found) {
		return nil, invalid(fmt.Sprintf("The resource record set '%s (%s)' is invalid because a zone must contain exactly one of it.", c.params["name"], c.params["type"]))
	}
	delete(c.server.objects, at)
	c.server.touch()
	return object{}, nil
}

package gcp

import (
	"fmt"
	"reflect"
	"slices"
)

// patch is the body of the request: the top-level fields that change.
func (e RouterEdit) patch(doc document, resource string) (document, error) {
	out := document{}
	if e.Advertise != nil {
		bgp, _ := doc["bgp"].(map[string]any)
		if bgp == nil {
			return nil, &Error{Verb: "change", Resource: resource, Message: "it speaks no BGP; it carries Cloud NAT alone"}
		}
		next := copyOf(bgp)
		if err := advertise(next, resource, *e.Advertise); err != nil {
			return nil, err
		}
		if !same(bgp, next, "advertisedGroups", "advertisedIpRanges") {
			out["bgp"] = next
		}
	}
	interfaces, changed, err := e.interfaces(doc, resource)
	if err != nil {
		return nil, err
	}
	if changed {
		out["interfaces"] = interfaces
	}
	peers, keys, changed, err := e.peers(doc, resource)
	if err != nil {
		return nil, err
	}
	if changed {
		out["bgpPeers"] = peers
	}
	if keys != nil {
		out["md5AuthenticationKeys"] = keys
	}
	return out, nil
}

// advertise writes an advertisement into a router's bgp or into a peer. Entries
// that stay go back as they were, ranges that netip cannot read among them. Empty
// lists are written as such: only that clears one.
func advertise(into map[string]any, resource string, a Advertisement) error {
	if a.Mode != "CUSTOM" {
		into["advertiseMode"], into["advertisedGroups"], into["advertisedIpRanges"] = "DEFAULT", []any{}, []any{}
		return nil
	}
	ranges, kept := []any{}, map[AdvertisedRange]any{}
	for _, entry := range document(into).list("advertisedIpRanges") {
		one, _ := entry.(map[string]any)
		text, _ := one["range"].(string)
		description, _ := one["description"].(string)
		if to := advertised(text); to.IsValid() {
			kept[AdvertisedRange{to, description}] = entry
		} else {
			ranges = append(ranges, entry)
		}
	}
	for _, one := range a.Ranges {
		entry, ok := kept[one]
		if !ok {
			fresh := map[string]any{"range": one.Range.String()}
			if one.Description != "" {
				fresh["description"] = one.Description
			}
			entry = fresh
		}
		ranges = append(ranges, entry)
	}
	if len(ranges) > rangesPerSession {
		return &Error{Verb: "change", Resource: resource, code: codeBGPRanges,
			Message: fmt.Sprintf("%d custom ranges would be announced, a BGP session takes %d", len(ranges), rangesPerSession)}
	}
	groups := []any{}
	for _, one := range a.Groups {
		groups = append(groups, one)
	}
	into["advertiseMode"], into["advertisedGroups"], into["advertisedIpRanges"] = "CUSTOM", groups, ranges
	return nil
}

func (e RouterEdit) interfaces(doc document, resource string) (out []any, changed bool, err error) {
	out = []any{}
	for _, entry := range doc.list("interfaces") {
		if slices.Contains(e.DropInterfaces, nameOf(entry)) {
			changed = true
			continue
		}
		out = append(out, entry)
	}
	for _, one := range e.AddInterfaces {
		if slices.ContainsFunc(out, func(entry any) bool { return nameOf(entry) == one.Name }) {
			return nil, false, &Error{Verb: "change", Resource: resource, Message: "it has an interface " + one.Name + " already", code: codeConflict}
		}
		fresh := map[string]any{"name": one.Name}
		if one.Link.IsValid() {
			fresh["ipRange"] = one.Link.String()
		}
		if one.Tunnel.Name != "" {
			fresh["linkedVpnTunnel"] = tunnelURL(one.Tunnel)
		}
		if one.Attachment.Name != "" {
			fresh["linkedInterconnectAttachment"] = fmt.Sprintf("projects/%s/regions/%s/interconnectAttachments/%s", one.Attachment.Project, one.Attachment.Region, one.Attachment.Name)
		}
		out, changed = append(out, fresh), true
	}
	return out, changed, nil
}

// peers is the new list and, when a peer that goes has an MD5 key, the keys that
// stay: Google takes none that no peer refers to. A key without a value keeps it.
func (e RouterEdit) peers(doc document, resource string) (out, keys []any, changed bool, err error) {
	out = []any{}
	seen, orphans := map[string]bool{}, map[string]bool{}
	for _, entry := range doc.list("bgpPeers") {
		one, _ := entry.(map[string]any)
		name := nameOf(entry)
		seen[name] = true
		if slices.Contains(e.DropPeers, name) {
			if key, _ := one["md5AuthenticationKeyName"].(string); key != "" {
				orphans[key] = true
			}
			changed = true
			continue
		}
		next := copyOf(one)
		if wanted, ok := e.PeerAdvertise[name]; ok {
			if err := advertise(next, resource+" peer "+name, wanted); err != nil {
				return nil, nil, false, err
			}
		}
		if enabled, ok := e.EnablePeers[name]; ok && (one["enable"] != "FALSE") != enabled {
			next["enable"] = enable(enabled)
		}
		if same(one, next, "advertisedGroups", "advertisedIpRanges") {
			out = append(out, entry)
			continue
		}
		out, changed = append(out, next), true
	}
	for _, name := range e.named() {
		if !seen[name] {
			return nil, nil, false, &Error{Verb: "change", Resource: resource, Message: "it has no BGP peer " + name, code: codeBGPChanged}
		}
	}
	for _, one := range e.AddPeers {
		if seen[one.Name] && !slices.Contains(e.DropPeers, one.Name) {
			return nil, nil, false, &Error{Verb: "change", Resource: resource, Message: "it has a BGP peer " + one.Name + " already", code: codeConflict}
		}
		fresh, err := one.fresh(resource)
		if err != nil {
			return nil, nil, false, err
		}
		out, changed = append(out, fresh), true
	}
	if len(orphans) > 0 {
		keys = []any{}
		for _, entry := range doc.list("md5AuthenticationKeys") {
			if !orphans[nameOf(entry)] {
				keys = append(keys, entry)
			}
		}
	}
	return out, keys, changed, nil
}

// fresh is the entry of a new peer.
func (p BGPPeer) fresh(resource string) (map[string]any, error) {
	out := map[string]any{
		"name": p.Name, "interfaceName": p.Interface, "peerAsn": p.PeerASN, "enable": enable(p.Enabled),
		"ipAddress": p.LocalIP.String(), "peerIpAddress": p.PeerIP.String(),
	}
	if p.Priority != nil {
		out["advertisedRoutePriority"] = *p.Priority
	}
	if p.Advertise.Mode != "CUSTOM" {
		return out, nil
	}
	return out, advertise(out, resource+" peer "+p.Name, p.Advertise)
}

func enable(on bool) string { // a string in the API, not a boolean
	if on {
		return "TRUE"
	}
	return "FALSE"
}

// named are the peers that have to be there.
func (e RouterEdit) named() []string {
	var out []string
	for name := range e.PeerAdvertise {
		out = append(out, name)
	}
	for name := range e.EnablePeers {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// same compares two objects; for the named lists, none and an empty one are equal.
func same(a, b map[string]any, lists ...string) bool {
	a, b = copyOf(a), copyOf(b)
	for _, name := range lists {
		for _, one := range []map[string]any{a, b} {
			if len(document(one).list(name)) == 0 {
				delete(one, name)
			}
		}
	}
	if a["advertiseMode"] == nil && b["advertiseMode"] == "DEFAULT" {
		delete(b, "advertiseMode")
	}
	return reflect.DeepEqual(a, b)
}

func copyOf(from map[string]any) map[string]any {
	out := make(map[string]any, len(from))
	for name, value := range from {
		out[name] = value
	}
	return out
}

func nameOf(entry any) string {
	one, _ := entry.(map[string]any)
	name, _ := one["name"].(string)
	return name
}

package routing

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"causeway/exposer"
	"causeway/internal/gcp"
)

// Modes of an advertisement, and the group that stands for all own subnets.
const (
	modeDefault = "DEFAULT"
	modeCustom  = "CUSTOM"
	allSubnets  = "ALL_SUBNETS"
)

// maxRanges is Cloud Router's limit of custom advertised ranges a BGP session
// (docs: network-connectivity/docs/router/quotas).
const maxRanges = 200

// withSubnets reports whether a router's list announces the network's own subnets.
func withSubnets(a gcp.Advertisement) bool {
	return a.Mode != modeCustom || slices.Contains(a.Groups, allSubnets)
}

// merge says what a router needs so that it announces the ranges, to peers with
// a list of their own too where a names them. Nothing of somebody else's goes.
func (a *Advertisement) merge(router gcp.Router) (gcp.RouterEdit, []exposer.FieldChange, error) {
	var edit gcp.RouterEdit
	want, changes := a.swept(router.Advertise)
	ranges := a.needed(want)
	// The note on the mode goes from a range of an earlier spec to those of this one.
	turned := want.Mode != modeCustom || noted(router.Advertise) && !noted(want)
	if want.Mode != modeCustom && len(ranges) > 0 {
		want = gcp.Advertisement{Mode: modeCustom, Groups: []string{allSubnets}}
		changes = append(changes, exposer.FieldChange{Field: "advertiseMode", From: modeDefault, To: modeCustom},
			exposer.FieldChange{Field: "advertisedGroups", To: allSubnets + " (what DEFAULT announces)"})
	}
	want, added := add(want, ranges, a.Exposure, turned)
	if changes = append(changes, added...); len(changes) > 0 {
		if turned && bare(want) {
			want = gcp.Advertisement{Mode: modeDefault}
			changes = append(changes, exposer.FieldChange{Field: "advertiseMode", From: modeCustom, To: modeDefault})
		}
		edit.Advertise = &want
	}
	for _, peer := range router.Peers {
		if peer.Advertise.Mode != modeCustom {
			continue
		}
		own, added := a.swept(peer.Advertise)
		if slices.Contains(a.Peers, peer.Name) {
			var more []exposer.FieldChange
			own, more = add(own, a.needed(own), a.Exposure, false)
			added = append(added, more...)
		}
		if len(added) == 0 {
			continue
		}
		if edit.PeerAdvertise == nil {
			edit.PeerAdvertise = map[string]gcp.Advertisement{}
		}
		edit.PeerAdvertise[peer.Name] = own
		for _, change := range added {
			change.Field = "BGP peer " + peer.Name + ", " + change.Field
			changes = append(changes, change)
		}
		if n := len(own.Ranges); n > maxRanges {
			return edit, changes, tooMany("BGP peer "+peer.Name+" of router "+router.Name, n)
		}
	}
	if n := len(want.Ranges); edit.Advertise != nil && n > maxRanges {
		return edit, changes, tooMany("router "+router.Name, n)
	}
	return edit, changes, nil
}

// swept is a list without this exposure's ranges of earlier specs, and what that
// changes.
func (a *Advertisement) swept(list gcp.Advertisement) (gcp.Advertisement, []exposer.FieldChange) {
	left, gone, _ := remove(list, a.Exposure, a.Ranges)
	if !a.Sweep || !gone {
		return list, nil
	}
	var changes []exposer.FieldChange
	for _, r := range list.Ranges {
		mark := ParseMark(r.Description)
		switch others := mark.Without(a.Exposure); {
		case !mark.Has(a.Exposure) || slices.Contains(a.Ranges, r.Range):
		case len(others.Exposures) > 0:
			changes = append(changes, exposer.FieldChange{Field: "description of " + r.Range.String(), From: mark.String(), To: others.String()})
		default:
			changes = append(changes, exposer.FieldChange{Field: "advertisedIpRanges", From: r.Range.String()})
		}
	}
	return left, changes
}

// noted reports whether a range of causeway's bears the note that the mode was
// DEFAULT before.
func noted(list gcp.Advertisement) bool {
	return slices.ContainsFunc(list.Ranges, func(r gcp.AdvertisedRange) bool { return ParseMark(r.Description).WasDefault })
}

// bare reports whether a list announces what DEFAULT does, and no more.
func bare(list gcp.Advertisement) bool {
	return list.Mode == modeCustom && len(list.Ranges) == 0 && slices.Equal(list.Groups, []string{allSubnets})
}

// needed are the ranges that a list has to name.
func (a *Advertisement) needed(list gcp.Advertisement) []netip.Prefix {
	if !withSubnets(list) {
		return a.Ranges
	}
	return slices.DeleteFunc(slices.Clone(a.Ranges), func(r netip.Prefix) bool { return slices.Contains(a.Subnets, r) })
}

func tooMany(what string, n int) error {
	return refusal("CW-BGP-RANGES", "%s would announce %d custom ranges, and a BGP session carries %d", what, n, maxRanges)
}

// add puts the ranges into a list, with the mark; one that is announced already,
// by itself or within a wider one, is not announced again, but one that another
// exposure made gets this one's name too.
func add(a gcp.Advertisement, ranges []netip.Prefix, exposure string, turned bool) (gcp.Advertisement, []exposer.FieldChange) {
	a.Ranges = slices.Clone(a.Ranges)
	var changes []exposer.FieldChange
	for _, want := range ranges {
		at := slices.IndexFunc(a.Ranges, func(r gcp.AdvertisedRange) bool { return r.Range == want })
		if at < 0 && !slices.ContainsFunc(a.Ranges, func(r gcp.AdvertisedRange) bool {
			return Covers(r.Range, want) && len(ParseMark(r.Description).Exposures) == 0
		}) {
			a.Ranges = append(a.Ranges, gcp.AdvertisedRange{Range: want, Description: Mark{[]string{exposure}, turned}.String()})
			changes = append(changes, exposer.FieldChange{Field: "advertisedIpRanges", To: want.String()})
			continue
		}
		if at < 0 {
			continue
		}
		mark := ParseMark(a.Ranges[at].Description)
		if len(mark.Exposures) == 0 || mark.Has(exposure) {
			continue
		}
		changes = append(changes, exposer.FieldChange{Field: "description of " + want.String(), From: mark.String(), To: mark.With(exposure).String()})
		a.Ranges[at].Description = mark.With(exposure).String()
	}
	return a, changes
}

// unmerge says what takes away this exposure's ranges, and the mode where
// causeway changed it and nothing else needs it; why tells what keeps it.
func unmerge(router gcp.Router, exposure string, recordedDefault bool) (edit gcp.RouterEdit, why string) {
	left, gone, was := remove(router.Advertise, exposure, nil)
	was = was || gone && recordedDefault
	if gone {
		switch others := others(left); {
		case was && bare(left):
			left = gcp.Advertisement{Mode: modeDefault}
		case was && len(others) > 0:
			why = "mode stays CUSTOM for " + strings.Join(others, ", ")
		}
		edit.Advertise = &left
	}
	for _, peer := range router.Peers {
		left, gone, _ := remove(peer.Advertise, exposure, nil)
		if !gone {
			continue
		}
		if edit.PeerAdvertise == nil {
			edit.PeerAdvertise = map[string]gcp.Advertisement{}
		}
		edit.PeerAdvertise[peer.Name] = left
	}
	return edit, why
}

// others names the ranges of a list, with whose they are.
func others(a gcp.Advertisement) []string {
	var names []string
	for _, r := range a.Ranges {
		name := r.Range.String()
		if r.Description != "" {
			name += fmt.Sprintf(" (%s)", r.Description)
		}
		names = append(names, name)
	}
	return names
}

// remove takes one exposure's name out of a list, but for the ranges that stay,
// and the ranges that then are nobody's; was says that causeway had changed the
// mode, and the note on it goes to another range of causeway's where one is left.
func remove(a gcp.Advertisement, exposure string, stay []netip.Prefix) (left gcp.Advertisement, gone, was bool) {
	left = gcp.Advertisement{Mode: a.Mode, Groups: slices.Clone(a.Groups)}
	for _, r := range a.Ranges {
		mark := ParseMark(r.Description)
		if !mark.Has(exposure) || slices.Contains(stay, r.Range) {
			left.Ranges = append(left.Ranges, r)
			continue
		}
		gone, was = true, was || mark.WasDefault
		if mark = mark.Without(exposure); len(mark.Exposures) > 0 {
			r.Description = mark.String()
			left.Ranges = append(left.Ranges, r)
		}
	}
	if !was {
		return left, gone, was
	}
	for i, r := range left.Ranges {
		if mark := ParseMark(r.Description); len(mark.Exposures) > 0 {
			mark.WasDefault = true
			left.Ranges[i].Description = mark.String()
			break
		}
	}
	return left, gone, was
}

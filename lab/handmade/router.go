package handmade

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"causeway/lab/site"
)

// Router is somebody's hand on a Cloud Router, whoever made it.
type Router struct {
	*site.Site
	Project, Region, Name string
}

// At is the path of a resource of a regional collection, for GoogleCall.
func (r Router) At(collection, name string) string {
	return "compute/v1/projects/" + r.Project + "/regions/" + r.Region + "/" + collection + "/" + name
}

// Edit reads the router, edits it, and sends back what of it governs packets. What
// it was before is returned, for Restore.
func (r Router) Edit(ctx context.Context, edit func(router map[string]any)) (before map[string]any, err error) {
	if before, err = r.read(ctx); err != nil {
		return nil, err
	}
	router, err := r.read(ctx) // again: the one that is edited shares nothing with it
	if err != nil {
		return nil, err
	}
	edit(router)
	return before, r.Restore(ctx, router)
}

func (r Router) read(ctx context.Context) (map[string]any, error) {
	return r.GoogleCall(ctx, "GET", r.At("routers", r.Name), nil)
}

// Restore sends what of a router governs packets.
func (r Router) Restore(ctx context.Context, router map[string]any) error {
	body := map[string]any{}
	for _, field := range []string{"bgp", "interfaces", "bgpPeers"} {
		if value, ok := router[field]; ok {
			body[field] = value
		}
	}
	_, err := r.GoogleCall(ctx, "PATCH", r.At("routers", r.Name), body)
	return err
}

// Peers edits each of its BGP peers.
func (r Router) Peers(ctx context.Context, edit func(peer map[string]any)) error {
	_, err := r.Edit(ctx, func(router map[string]any) {
		for _, one := range list(router, "bgpPeers") {
			edit(one.(map[string]any))
		}
	})
	return err
}

// Enable turns all its BGP peers on or off.
func (r Router) Enable(ctx context.Context, on bool) error {
	return r.Peers(ctx, func(peer map[string]any) { peer["enable"] = map[bool]string{true: "TRUE", false: "FALSE"}[on] })
}

// Announce sets what it announces: its subnets when all is set, and ranges.
func (r Router) Announce(ctx context.Context, all bool, ranges ...netip.Prefix) error {
	groups, custom := []any{}, []any{}
	if all {
		groups = append(groups, "ALL_SUBNETS")
	}
	for _, one := range ranges {
		custom = append(custom, map[string]any{"range": one.String()})
	}
	_, err := r.Edit(ctx, func(router map[string]any) {
		bgp, _ := router["bgp"].(map[string]any)
		bgp["advertiseMode"], bgp["advertisedGroups"], bgp["advertisedIpRanges"] = "CUSTOM", groups, custom
	})
	return err
}

// Cut takes tunnels away, and before them the sessions over them, which hold them.
func (r Router) Cut(ctx context.Context, tunnels ...string) error {
	_, err := r.Edit(ctx, func(router map[string]any) {
		for _, field := range []string{"interfaces", "bgpPeers"} { // both bear the tunnel's name
			router[field] = slices.DeleteFunc(list(router, field), func(one any) bool {
				return slices.Contains(tunnels, fmt.Sprint(one.(map[string]any)["name"]))
			})
		}
	})
	if err != nil {
		return err
	}
	for _, tunnel := range tunnels {
		if _, err := r.GoogleCall(ctx, "DELETE", r.At("vpnTunnels", tunnel), nil); err != nil {
			return err
		}
	}
	return nil
}

func list(o map[string]any, field string) []any {
	l, _ := o[field].([]any)
	if l == nil {
		l = []any{}
	}
	return l
}

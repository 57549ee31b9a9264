package route

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"causeway/exposer"
	"causeway/exposer/routing"
	"causeway/internal/gcp"
)

// checkName refuses, for an exposure that no record knows, a name that another
// cluster's exposure has in this network: the marks on routers tell exposures apart
// by their names alone, and each would take the other's ranges for its own.
func (x *exposure) checkName(context.Context) ([]exposer.Problem, error) {
	if x.record.Version != 0 {
		return nil, nil
	}
	var problems []exposer.Problem
	for _, router := range x.facts.lines.Routers {
		for _, r := range allRanges(router) {
			if !routing.ParseMark(r.Description).Has(x.spec.Name) || slices.Contains(x.ranges, r.Range) {
				continue
			}
			problems = append(problems, exposer.Problem{Code: "CW-RUN-NAME",
				Text: fmt.Sprintf("router %s announces %s for an exposure %s, and this cluster's has another range and no record: it is another cluster's, or this one's of before it was made anew", router.Name, r.Range, x.spec.Name),
				Fix:  "give this one another name with --name; if it is this one's, causeway destroy route takes it back first"})
			break // one a router says it
		}
	}
	return problems, nil
}

// checkLine refuses to leave a line of causeway's own for another one: Google can't
// move it, and what stands would stay behind, and cost.
func (x *exposure) checkLine(ctx context.Context) ([]exposer.Problem, error) {
	if x.record.Version == 0 || x.record.Spec.Route == nil || x.record.Spec.Route.VPN == nil {
		return nil, nil
	}
	was := *x.record.Spec.Route.VPN
	router := gcp.Ref{Project: x.facts.ref.Project, Region: was.Region, Name: was.Router}
	gateway := gcp.Ref{Project: x.facts.ref.Project, Region: was.Region, Name: was.Gateway}
	switch {
	case was.Region == "" || x.line.router == router && x.line.gateway == gateway:
		return nil, nil
	case x.spec.Route.VPN == nil && slices.Contains(x.routers, router): // used on, as one that is there
		return nil, nil
	}
	var stands []string
	if live, err := x.google.Router(ctx, router); err != nil && !exposer.MissingRight(err) {
		return nil, err
	} else if live != nil && x.marked(live.Description) {
		stands = append(stands, "router "+router.Region+"/"+router.Name)
	}
	if live, err := x.google.VPNGateway(ctx, gateway); err != nil && !exposer.MissingRight(err) {
		return nil, err
	} else if live != nil && x.marked(live.Description) {
		stands = append(stands, "VPN gateway "+gateway.Region+"/"+gateway.Name)
	}
	if len(stands) == 0 {
		return nil, nil
	}
	return []exposer.Problem{{Code: "CW-VPN-FIXED",
		Text: fmt.Sprintf("the line that causeway made for this exposure (%s) is another one than this spec's, and Google can't move it", strings.Join(stands, ", ")),
		Fix:  "causeway destroy route first; or give the new way a name of its own with --name, and destroy this one when the new one carries the traffic"}}, nil
}

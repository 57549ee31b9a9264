package psc

import (
	"context"
	"fmt"
	"slices"

	"causeway/exposer"
	"causeway/internal/gcp"
)

// Trace implements exposer.Traced: from the consumer's endpoint through the
// attachment to the published load balancer, as Google tells it.
func (x *exposure) Trace(ctx context.Context) (exposer.Trace, error) {
	var hops []exposer.TraceHop
	if x.consuming() {
		endpoint, err := endpointStep{x}.find(ctx)
		if err != nil {
			return exposer.Trace{}, err
		}
		hops = append(hops, x.endpointHop(endpoint))
	}
	if x.producing() {
		attachment, err := x.attachment(ctx)
		if err != nil {
			return exposer.Trace{}, err
		}
		hops = append(hops, x.attachmentHops(ctx, attachment)...)
		guest, err := x.guestHop(ctx)
		if err != nil {
			return exposer.Trace{}, err
		}
		hops = append(hops, guest)
	}
	return exposer.Trace{Hops: hops}, nil
}

func hop(name string, verdict exposer.Verdict, text, code, fix string) exposer.TraceHop {
	return exposer.TraceHop{Way: exposer.Forward, Name: name, Verdict: verdict, Text: text, Code: code, Fix: fix}
}

// again is what puts right what causeway made.
const again = "causeway apply psc (the arguments of the first time)"

func (x *exposure) endpointHop(e *gcp.PSCEndpoint) exposer.TraceHop {
	const name = "endpoint"
	if e == nil {
		return hop(name, exposer.Broken, "does not exist", "CW-RUN-ABSENT", again)
	}
	code, why, fix := gcp.PSCProblem(e.Status)
	switch {
	case e.Status == "ACCEPTED":
		return hop(name, exposer.Good, fmt.Sprintf("%s, accepted", e.IP), "", "")
	case code == "", code == "CW-PSC-PENDING" && !x.producing():
		return hop(name, exposer.Waits, why, code, fix)
	}
	return hop(name, exposer.Broken, e.Status+": "+why, code, fix)
}

func (x *exposure) attachmentHops(ctx context.Context, a *gcp.ServiceAttachment) []exposer.TraceHop {
	const name = "attachment"
	if a == nil && x.object != nil {
		if failed := x.object.lastFailure(ctx); failed != "" {
			return []exposer.TraceHop{hop(name, exposer.Broken, "GKE does not make it: "+failed, codeOfFailure(failed), again)}
		}
	}
	if a == nil {
		return []exposer.TraceHop{hop(name, exposer.Broken, "does not exist", "CW-RUN-ABSENT", again)}
	}
	if a.Target != x.rule {
		return []exposer.TraceHop{hop(name, exposer.Broken, fmt.Sprintf("points at %s, not at %s", a.Target, x.rule), "CW-PSC-TARGET", "destroy the exposure and apply it again")}
	}
	hops := []exposer.TraceHop{hop(name, exposer.Good, fmt.Sprintf("%s, to %s", a.Name, x.balancer.Address), "", "")}
	for _, e := range a.Endpoints {
		code, why, fix := gcp.PSCProblem(e.Status)
		verdict := exposer.Good
		text := e.Network + ": accepted"
		if e.Status != "ACCEPTED" {
			verdict, text = exposer.Warns, e.Network+": "+e.Status+", "+why
		}
		hops = append(hops, hop("consumer "+e.ID, verdict, text, code, fix))
	}
	if len(a.Endpoints) == 0 && !x.consuming() {
		hops = append(hops, hop("consumers", exposer.Waits, "none has an endpoint yet: causeway handoff psc writes what they need", "", ""))
	}
	return hops
}

// guestHop is whether the load balancer lets the NAT subnet in.
func (x *exposure) guestHop(ctx context.Context) (exposer.TraceHop, error) {
	guests, err := exposer.ReadGuests(ctx, x.kube, x.host)
	if err != nil {
		return exposer.TraceHop{}, err
	}
	const name = "load balancer"
	want, known := x.wanted()
	have, ok := guests[x.spec.Name]
	if !ok || !known || !slices.Equal(have.Ranges, want.Ranges) || !slices.Equal(have.Names, want.Names) {
		return hop(name, exposer.Broken, "does not let the NAT subnet in, or its certificate does not bear the endpoint", "CW-PSC-GUEST", again), nil
	}
	return hop(name, exposer.Good, fmt.Sprintf("lets %s in", x.nat), "", ""), nil
}

package psc

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"causeway/exposer"
)

// settle waits until GKE has made the attachment. What its controller says meanwhile
// is told, and ends the wait where waiting does not help.
func (o *clusterObject) settle(ctx context.Context, note func(string)) error {
	said := ""
	err := o.x.deps.Poll(ctx, madeWait, func(ctx context.Context) (bool, error) {
		live, err := o.Cluster.Get(ctx, o.Ref)
		if err != nil || live == nil {
			return false, err
		}
		ok, why, err := o.settled(ctx, live)
		if ok || err != nil {
			return ok, err
		}
		failure, err := o.failure(ctx)
		if err != nil {
			return false, err
		}
		if text := cmp.Or(failure, why); text != said {
			said = text
			note(text)
		}
		if failure != "" && !passing(failure) {
			return false, o.failed(failure)
		}
		return false, nil
	})
	if exposer.TimedOut(err) {
		failure := o.lastFailure(ctx)
		return o.failed(cmp.Or(failure, "GKE says nothing of it, and nothing came within "+madeWait.String()))
	}
	if err == nil {
		note("service attachment " + o.made[strings.LastIndex(o.made, "/")+1:])
	}
	return err
}

func (o *clusterObject) failed(text string) error {
	return refusal(codeOfFailure(text), "make the service attachment of %s: %s", o.Ref, text)
}

// failure is the last failure that GKE's controller told since the apply, "" for
// none.
func (o *clusterObject) failure(ctx context.Context) (string, error) {
	events, err := o.Cluster.Events(ctx, o.Ref)
	if err != nil {
		return "", err
	}
	text := ""
	for _, event := range events {
		if event.Warning && !slices.Contains(o.seen, event) {
			text = event.Message
		}
	}
	return text, nil
}

// lastFailure is the last one that it told at all.
func (o *clusterObject) lastFailure(ctx context.Context) string {
	events, err := o.Cluster.Events(ctx, o.Ref)
	if err != nil {
		return ""
	}
	for _, event := range slices.Backward(events) {
		if event.Warning {
			return event.Message
		}
	}
	return ""
}

// passing says whether a failure passes by itself: GKE has not finished with the
// Service, or with the subnet, that the object names. Texts as in ingress-gce.
func passing(failure string) bool {
	return slices.ContainsFunc([]string{"Mismatched ILB IP", "service not in store", "failed to get Forwarding Rule", "is not ready"},
		func(text string) bool { return strings.Contains(failure, text) })
}

// codeOfFailure is the code of what GKE's controller tells.
func codeOfFailure(failure string) string {
	for _, known := range []struct{ has, code string }{
		{"failed to find nat subnets", "CW-PSC-NAT-SUBNET"}, {"natSubnets", "CW-PSC-NAT-SUBNET"}, {"subnetwork", "CW-PSC-NAT-SUBNET"},
		{"forwarding rule", "CW-PSC-TARGET"}, {"target service cannot be updated", "CW-PSC-TARGET"},
		{"accept and/or reject list", "CW-PSC-LISTS"}, {"ccept and reject lists", "CW-PSC-LISTS"},
	} {
		if strings.Contains(failure, known.has) {
			return known.code
		}
	}
	return "CW-PSC-CRD-FAILED"
}

package gateway

import (
	"context"
	"fmt"
	"strings"

	"causeway/exposer"
	"causeway/exposer/detect"
)

// Trace implements exposer.Traced: what Google and the cluster say of the way, read
// anew. There is no way back to look at: answers come on the same connection.
func (x *exposure) Trace(ctx context.Context) (exposer.Trace, error) {
	if err := x.read(ctx); err != nil {
		return exposer.Trace{}, err
	}
	hops := []exposer.TraceHop{x.traceMembership()}
	for _, look := range []func(context.Context) ([]exposer.TraceHop, error){x.traceAPIs, x.traceOwn, x.traceMembers, x.traceAgent} {
		more, err := look(ctx)
		if err != nil {
			return exposer.Trace{}, err
		}
		hops = append(hops, more...)
	}
	for i := range hops {
		hops[i].Way = exposer.Forward
		if hops[i].Verdict == "" {
			hops[i].Verdict = exposer.Good
		}
	}
	return exposer.Trace{Hops: append(hops, x.traceStreams())}, nil
}

func (x *exposure) traceMembership() exposer.TraceHop {
	hop := exposer.TraceHop{Name: "membership", Text: x.fleetFact()}
	if problems := x.fleet.Problems(false, ""); len(problems) > 0 {
		p := problems[0]
		hop.Verdict, hop.Text, hop.Code, hop.Fix = exposer.Broken, p.Text, p.Code, p.Fix
	} else if m := x.fleet.Member; m.State != "READY" {
		hop.Verdict = exposer.Waits
	}
	return hop
}

func (x *exposure) traceAPIs(ctx context.Context) ([]exposer.TraceHop, error) {
	hop := exposer.TraceHop{Name: "APIs", Text: "are on in project " + x.fleet.Project.ID}
	missing, err := x.google.MissingServices(ctx, x.fleet.Project.ID, detect.GatewayServices)
	switch {
	case exposer.MissingRight(err):
		hop.Verdict, hop.Text = exposer.Unknown, "can't be asked: "+err.Error()
	case err != nil:
		return nil, err
	case len(missing) > 0:
		hop.Verdict, hop.Code, hop.Text = exposer.Broken, "CW-GCP-API-DISABLED", "off in project "+x.fleet.Project.ID+": "+strings.Join(missing, ", ")
		hop.Fix = fmt.Sprintf("gcloud services enable %s --project %s", strings.Join(missing, " "), x.fleet.Project.ID)
	}
	return []exposer.TraceHop{hop}, nil
}

// traceOwn looks at the one identity whose rights it can ask for: that of this run.
// The far side's may well be another, so a missing permission is a warning.
func (x *exposure) traceOwn(ctx context.Context) ([]exposer.TraceHop, error) {
	wanted := []string{mayGet, mayMake}
	if x.spec.Gateway.Stream {
		wanted = append(wanted, mayStream)
	}
	hop := exposer.TraceHop{Name: "this identity", Text: "is let in: it may " + short(wanted) + " (gkehub.gateway)"}
	missing, err := x.google.TestPermissions(ctx, x.fleet.Project.ID, wanted)
	switch {
	case exposer.MissingRight(err):
		hop.Verdict, hop.Text = exposer.Unknown, "whether it is let in can't be asked: "+err.Error()
	case err != nil:
		return nil, err
	case len(missing) > 0:
		hop.Verdict, hop.Code = exposer.Warns, "CW-GATEWAY-ROLE"
		if len(missing) == 1 && missing[0] == mayStream {
			hop.Code = "CW-GATEWAY-STREAM"
		}
		hop.Text = fmt.Sprintf("lacks %s in project %s; one that has it is let in", strings.Join(missing, ", "), x.fleet.Project.ID)
		hop.Fix = "have roles/gkehub.gatewayReader granted, or gatewayAdmin for streams"
	}
	return []exposer.TraceHop{hop}, nil
}

// short names permissions of the gateway's by their verbs alone.
func short(permissions []string) string {
	verbs := make([]string, len(permissions))
	for i, one := range permissions {
		verbs[i] = strings.TrimPrefix(one, "gkehub.gateway.")
	}
	return strings.Join(verbs, ", ")
}

// traceMembers looks whether the members' grants still stand.
func (x *exposure) traceMembers(ctx context.Context) ([]exposer.TraceHop, error) {
	var hops []exposer.TraceHop
	for _, grant := range x.grants("") {
		seen, err := grant.Read(ctx)
		hop := exposer.TraceHop{Name: grant.Member, Text: grant.Role + " " + seen.Why}
		switch {
		case exposer.MissingRight(err):
			hop.Verdict, hop.Text = exposer.Unknown, "the project's policy can't be read: "+err.Error()
		case err != nil:
			return nil, err
		case seen.Action != exposer.Keep:
			hop.Verdict, hop.Code, hop.Text = exposer.Broken, "CW-GATEWAY-ROLE", "has "+grant.Role+" no more: somebody took it away"
			hop.Fix = "causeway apply gateway (the arguments of the first time)"
		}
		hops = append(hops, hop)
	}
	return hops, nil
}

func (x *exposure) traceAgent(ctx context.Context) ([]exposer.TraceHop, error) {
	if !x.spec.Gateway.Agent || x.kube == nil {
		return nil, nil
	}
	state, err := x.agent(ctx)
	if err != nil {
		return nil, err
	}
	hop := exposer.TraceHop{Name: "Connect Agent", Text: state.text}
	if !state.ready {
		hop.Verdict, hop.Code, hop.Fix = exposer.Broken, "CW-GATEWAY-NO-AGENT", "mend or install the agent, or apply without --use-agent"
	}
	return []exposer.TraceHop{hop}, nil
}

// traceStreams says what the gateway can stream, which ends by design.
func (x *exposure) traceStreams() exposer.TraceHop {
	hop := exposer.TraceHop{Way: exposer.Limits, Name: "streams", Verdict: exposer.Good, Text: streamFact(x.cluster.Version)}
	if problems := x.streamProblems(); len(problems) > 0 {
		hop.Verdict, hop.Code, hop.Text, hop.Fix = exposer.Warns, problems[0].Code, problems[0].Text, problems[0].Fix
	}
	return hop
}

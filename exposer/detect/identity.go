package detect

import (
	"fmt"
	"slices"
	"strings"

	"causeway/exposer"
	"causeway/internal/gcp"
)

// The methods that Google's own front ends serve: who a client is decides, not
// where it is.

// FleetProblems are why a cluster is no member of a fleet yet.
func (f Facts) FleetProblems() []exposer.Problem {
	c := f.Cluster
	switch {
	case c.Fleet.Membership != "":
		return nil
	case c.Fleet.Project != "":
		return []exposer.Problem{{Code: "CW-FLEET-MEMBER", Text: "the cluster is being registered in the fleet of project " + c.Fleet.Project, Fix: "wait until it has a membership"}}
	}
	return []exposer.Problem{{Code: "CW-FLEET-MEMBER", Text: "the cluster is in no fleet", Fix: "add --register"}}
}

// apiProblems names the APIs that are off in the fleet's project.
func (f Facts) apiProblems(names []string) []exposer.Problem {
	off := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return f.Services[name] })
	if f.Services == nil || len(off) == 0 {
		return nil
	}
	short := make([]string, len(off))
	for i, name := range off {
		short[i] = strings.TrimSuffix(name, ".googleapis.com")
	}
	return []exposer.Problem{{Code: "CW-GCP-API-DISABLED",
		Text: fmt.Sprintf("APIs are off in project %s: %s", f.fleetProject(), strings.Join(short, ", ")),
		Fix:  fmt.Sprintf("gcloud services enable %s --project %s", strings.Join(off, " "), f.fleetProject())}}
}

// GatewayProblems are why Connect Gateway can't lead to the cluster.
func (f Facts) GatewayProblems() []exposer.Problem {
	return slices.Concat(exposer.ReadyProblems(f.Cluster), f.FleetProblems(), f.apiProblems(GatewayServices))
}

// gateway judges Connect Gateway.
func (j judge) gateway() Assessment {
	clue := ""
	switch {
	case j.Services == nil:
		clue = "whether its APIs are on can't be seen"
	case j.Cluster.IPEndpointsOff:
		clue = "whether Connect Gateway serves a cluster without IP endpoints is not confirmed"
	}
	out := j.verdict("gateway", "in the fleet of project "+j.fleetProject()+", its APIs are on: Google's front end leads to the cluster, without any line", clue, j.GatewayProblems())
	out.FarSide = "HTTPS to *.googleapis.com"
	flags := byApply(&out)
	out.Streaming = GatewayStreams(j.Cluster.Version)
	out.Identity = "Google identity"
	out.Cost = "traffic out of Google"
	out.Exposes = "a public name; IAM guards it, no list of networks"
	out.Command = j.apply("gateway", flags...)
	return out
}

// byApply puts an apply by a fleet's method in the place of the cures that it does
// itself; flags are those that it needs for them.
func byApply(a *Assessment) (flags []string) {
	for i, step := range a.First {
		if step.Flag == "--register" {
			flags = append(flags, step.Flag)
		}
		if strings.HasPrefix(step.Command, "gcloud services enable ") {
			a.First[i] = Step{What: step.What + " (the apply does)"}
		}
	}
	return flags
}

// GatewayStreams is what Connect Gateway can stream to a control plane of a version
// (docs: enterprise/multicluster-management/gateway/using).
func GatewayStreams(version string) string {
	const limits = "; 10 a fleet, 20-30 min each"
	switch m := Minor(version); {
	case m == 0:
		return "exec from 1.30, port-forward from 1.31" + limits
	case m < 30:
		return "no exec before 1.30"
	case m == 30:
		return "exec, cp; port-forward from 1.31" + limits
	}
	return "exec, cp, port-forward" + limits
}

// MCSClusterProblems are why a cluster can export nothing, whatever fleet it is in.
// proxied says that it is ilb's proxy that is to be exported.
func MCSClusterProblems(c gcp.Cluster, proxied bool) []exposer.Problem {
	by := judge{Facts: Facts{Cluster: c}}
	problems := exposer.ReadyProblems(c)
	if proxied {
		problems = exposer.ClusterStateProblems(c)
	}
	if !c.VPCNative {
		problems = append(problems, exposer.Problem{Code: "CW-MCS-VPC-NATIVE", Text: "the cluster is not VPC-native, which can't be changed"})
	}
	if c.WorkloadPool == "" {
		problems = append(problems, exposer.Problem{Code: "CW-MCS-CLUSTER", Text: "the cluster has no Workload Identity", Fix: by.gcloud("--workload-pool=" + c.Project + ".svc.id.goog")})
	}
	if !c.HTTPLoadBalancing {
		problems = append(problems, exposer.Problem{Code: "CW-MCS-CLUSTER", Text: "its add-on HttpLoadBalancing is off", Fix: by.gcloud("--update-addons=HttpLoadBalancing=ENABLED")})
	}
	return problems
}

// MCSProblems are why the cluster can't export a Service to its fleet. far says that
// a far side outside of it is asked for.
func (f Facts) MCSProblems(far bool) []exposer.Problem {
	problems := MCSClusterProblems(f.Cluster, true)
	if far {
		problems = slices.Insert(problems, 0, exposer.Problem{Code: "CW-MCS-FAR-SIDE", Text: "for other clusters of the fleet alone, never for networks outside Google Cloud"})
	}
	at := slices.IndexFunc(problems, func(p exposer.Problem) bool { return p.Code == "CW-MCS-CLUSTER" })
	if at < 0 {
		at = len(problems)
	}
	problems = slices.Insert(problems, at, f.FleetProblems()...)
	return append(problems, f.apiProblems(MCSServices)...)
}

// mcs judges multi-cluster Services.
func (j judge) mcs() Assessment {
	clue := ""
	if j.Services == nil {
		clue = "whether its APIs are on can't be seen"
	}
	out := j.verdict("mcs", "for other clusters of the fleet of project "+j.fleetProject()+" alone, never for networks outside Google Cloud", clue, append(j.MCSProblems(len(j.ask.Clients) > 0), j.unbalanced()...))
	out.FarSide = "to be a GKE cluster of the fleet, in this VPC"
	out.Streaming = "as ilb"
	out.Identity = "ServiceAccount token"
	out.Cost = "as ilb; Cloud DNS, Traffic Director"
	out.Exposes = "a Service, to the fleet's clusters"
	out.Command = j.apply("mcs", byApply(&out)...)
	return out
}

// unbalanced says that the exposure by ilb is missing whose proxy would be exported.
func (j judge) unbalanced() []exposer.Problem {
	if j.Balanced == nil || slices.ContainsFunc(j.Balanced, func(b Balanced) bool { return b.Exposure == j.Cluster.Name }) {
		return nil
	}
	return []exposer.Problem{{Code: "CW-MCS-NO-ILB", Text: "exports an exposure by ilb, and none of the name " + j.Cluster.Name + " has an address here yet",
		Fix: j.apply("ilb", j.clientFlags())}}
}

// dns judges the cluster's DNS endpoint.
func (j judge) dns() Assessment {
	c := j.Cluster
	out := j.verdict("dns", "the DNS endpoint is open to users, wherever they are", "", DNSProblems(c, false))
	var flags []string
	if c.DNSEndpoint != "" && !c.DNSExternal {
		flags = append(flags, "--open-dns-endpoint")
	}
	out.FarSide = "HTTPS to *.gke.goog, in public or by Private Google Access"
	out.Streaming = "HTTPS by Google's front end; verify proves exec"
	out.Identity = "Google identity"
	if c.DNSTokens {
		out.Identity += ", ServiceAccount token"
	}
	if c.DNSCerts {
		out.Identity += ", client certificate"
	}
	out.Cost = "traffic out of Google"
	out.Exposes = "a public name; IAM guards it, no list of networks"
	out.Command = j.apply("dns", flags...)
	return out
}

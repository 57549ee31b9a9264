package detect

import (
	"slices"
	"strings"

	"causeway/exposer"
	"causeway/internal/gcp"
)

// Verdict is whether a method can work.
type Verdict string

// The verdicts.
const (
	Works   Verdict = "works"
	After   Verdict = "after"   // works after something that can be done
	Cannot  Verdict = "cannot"  // nothing that can be done here helps
	Unknown Verdict = "unknown" // what decides can't be seen
)

// Report is the answer: what was read, a verdict on each method, and which to take.
type Report struct {
	Cluster     Cluster      `json:"cluster"`
	Network     Network      `json:"network"`
	Methods     []Assessment `json:"methods"`
	Recommended string       `json:"recommended,omitempty"`
	Because     string       `json:"because"`
	Command     string       `json:"command,omitempty"`
	Instead     *Choice      `json:"instead,omitempty"` // what else is worth a thought
	Unseen      []Unseen     `json:"unseen"`
}

// Choice is a method with its reason.
type Choice struct {
	Method  string `json:"method"`
	Because string `json:"because"`
	Command string `json:"command"`
}

// Assessment is what is to be said of one method here.
type Assessment struct {
	Method    string  `json:"method"`
	Verdict   Verdict `json:"verdict"`
	Reason    string  `json:"reason"`
	First     []Step  `json:"first,omitempty"` // what it works after
	Code      string  `json:"code,omitempty"`
	FarSide   string  `json:"farSide"`   // what the far side needs
	Streaming string  `json:"streaming"` // exec, port-forward, watches
	Identity  string  `json:"identity"`  // who clients are, and who says so
	Cost      string  `json:"cost"`      // kinds of cost
	Exposes   string  `json:"exposes"`
	Command   string  `json:"command"`
}

// Step is something to be done first.
type Step struct {
	What    string `json:"what"`              // "join a fleet"
	Command string `json:"command,omitempty"` // that does it; "" where people do
	Flag    string `json:"flag,omitempty"`    // by which the method's own command does it
}

// judge is what an assessment looks at.
type judge struct {
	Facts
	ask  Ask
	own  way
	hubs []way
}

// Assess judges the six methods, in the order of the columns of docs/methods.
func (f Facts) Assess(ask Ask) Report {
	j := judge{Facts: f, ask: ask}
	j.own, j.hubs = j.ways()
	report := Report{Cluster: f.describeCluster(), Network: j.describeNetwork(), Unseen: slices.Clone(f.Unseen),
		Methods: []Assessment{j.ilb(), j.route(), j.psc(), j.gateway(), j.mcs(), j.dns()}}
	if report.Unseen == nil {
		report.Unseen = []Unseen{}
	}
	j.recommend(&report)
	return report
}

// Possible reports whether one of the methods can work, or may.
func (r Report) Possible() bool {
	return slices.ContainsFunc(r.Methods, func(m Assessment) bool { return m.Verdict != Cannot })
}

// Method finds an assessment.
func (r Report) Method(name string) Assessment {
	for _, m := range r.Methods {
		if m.Method == name {
			return m
		}
	}
	return Assessment{}
}

// hopeless are the causes that nothing cures here.
var hopeless = []string{"CW-NET-OVERLAP", "CW-ROUTE-NO-ENDPOINT", "CW-DNS-ABSENT", "CW-MCS-FAR-SIDE", "CW-MCS-VPC-NATIVE"}

// cures are what commands do, in a few words; a cure that is no command is told as
// it stands.
var cures = map[string]string{
	"CW-GCP-CLUSTER-STATE":    "wait until the cluster is RUNNING",
	"CW-GCP-IP-ENDPOINTS-OFF": "turn the IP endpoints on",
	"CW-GCP-API-DISABLED":     "turn the APIs on",
	"CW-IMG-UNREACHABLE":      "give the nodes' subnet Private Google Access",
	"CW-ROUTE-REGIONAL":       "let the network route globally (it counts for all of it)",
	"CW-HUB-REGION":           "let the hub route globally (it counts for all of it)",
	"CW-ROUTE-NOT-ANNOUNCED":  "have the router announce the subnet",
	"CW-FLEET-MEMBER":         "join a fleet",
	"CW-PSC-NO-ILB":           "make an exposure by ilb",
	"CW-MCS-NO-ILB":           "make an exposure by ilb",
	"CW-DNS-CLOSED":           "open it",
	"CW-MCS-CLUSTER":          "turn on what it needs of the cluster",
}

// stepOf is the cure of a problem. Behind a command stands what else may be said of
// it, in brackets.
func stepOf(p exposer.Problem) Step {
	tool, _, _ := strings.Cut(p.Fix, " ")
	if tool != "gcloud" && tool != "causeway" {
		if flag, ok := strings.CutPrefix(p.Fix, "add "); ok && cures[p.Code] != "" {
			return Step{What: cures[p.Code], Flag: flag}
		}
		if p.Code == "CW-GCP-CLUSTER-STATE" {
			return Step{What: cures[p.Code]}
		}
		return Step{What: p.Fix}
	}
	command, _, _ := strings.Cut(p.Fix, " (")
	what := cures[p.Code]
	if what == "" {
		what = p.Fix
	}
	return Step{What: what, Command: command}
}

// verdict sums up: good is the reason where nothing is in the way, clue what could
// not be seen.
func (j judge) verdict(method, good, clue string, problems []exposer.Problem) Assessment {
	out := Assessment{Method: method, Verdict: Works, Reason: good}
	if len(problems) > 0 {
		out.Verdict, out.Code = After, problems[0].Code
		var texts []string
		for _, p := range problems {
			if slices.Contains(hopeless, p.Code) || p.Code == "CW-GCP-CLUSTER-STATE" && ending(j.Cluster) {
				out.Verdict, out.Reason, out.Code, out.First = Cannot, p.Text, p.Code, nil
				return out
			}
			texts, out.First = append(texts, p.Text), append(out.First, stepOf(p))
		}
		out.Reason = strings.Join(texts, "; ")
	}
	if clue == "" {
		return out
	}
	if out.Verdict == Works {
		out.Verdict, out.Reason = Unknown, clue
	} else {
		out.Reason += "; " + clue
	}
	return out
}

// ending reports whether a cluster will not come back by waiting.
func ending(c gcp.Cluster) bool { return c.Status == "STOPPING" || c.Status == "ERROR" }

// cluster are the flags that name the cluster.
func (j judge) cluster() string {
	c := j.Cluster
	return "--project " + c.Project + " --location " + c.Location + " --cluster " + c.Name
}

// gcloud is a change of the cluster by gcloud.
func (j judge) gcloud(change string) string {
	c := j.Cluster
	return "gcloud container clusters update " + c.Name + " --project " + c.Project + " --location " + c.Location + " " + change
}

// apply is the command that does it, with this cluster's names.
func (j judge) apply(method string, flags ...string) string {
	return strings.Join(append([]string{"causeway apply " + method, j.cluster()}, flags...), " ")
}

// clientFlags name the client networks, or leave a word in capitals for them.
func (j judge) clientFlags() string {
	if len(j.ask.Clients) == 0 {
		return "--client-cidr CLIENT_CIDR"
	}
	flags := make([]string, len(j.ask.Clients))
	for i, client := range j.ask.Clients {
		flags[i] = "--client-cidr " + client.String()
	}
	return strings.Join(flags, " ")
}

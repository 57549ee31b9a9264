package mcs

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"causeway/exposer"
	"causeway/internal/gcp"
)

// said is what a state of Google's means, in plain words.
type said struct {
	verdict  exposer.Verdict
	text     string
	code     string
	fix      string
	hopeless bool // no waiting cures it
}

func (s said) err(what string) error {
	return &exposer.RunError{Code_: s.code, Text: what + ": " + s.text}
}

// fleetAPIs are what multi-cluster Services need (Google's page on them), beside
// what causeway itself asks.
var fleetAPIs = []string{"multiclusterservicediscovery.googleapis.com", "gkehub.googleapis.com", "cloudresourcemanager.googleapis.com",
	"trafficdirector.googleapis.com", "dns.googleapis.com", "container.googleapis.com", "compute.googleapis.com"}

// The service agents of a fleet's host project, with the roles that they need in the
// project of a member that is another one (Google's page on MCS with Shared VPC).
var agentRoles = []struct{ agent, role string }{
	{"gcp-sa-gkehub", "roles/gkehub.serviceAgent"},
	{"gcp-sa-mcsd", "roles/multiclusterservicediscovery.serviceAgent"},
}

func agentMember(project gcp.Project, agent string) string {
	return fmt.Sprintf("serviceAccount:service-%d@%s.iam.gserviceaccount.com", project.Number, agent)
}

// description is what Google says of a member, what it means, and what it asks for.
type description struct {
	begins   string // as Google writes it
	verdict  exposer.Verdict
	code     string
	plain    string
	hopeless bool
	fix      func(fleet gcp.Project, m gcp.Membership) string
}

// descriptions are those of Google's page on multi-cluster Services.
var descriptions = []description{
	{begins: "Firewall successfully", verdict: exposer.Good, plain: "firewall rules let Pods of the fleet's clusters reach each other"},
	{begins: "Firewall creation pending", verdict: exposer.Waits, code: "CW-MCS-FIREWALL",
		plain: "its firewall rules are being made: until then new Services and new members may not be reached",
		fix:   func(gcp.Project, gcp.Membership) string { return "wait some minutes, then look again" }},
	{begins: "GKE Cluster missing", verdict: exposer.Broken, code: "CW-MCS-CLUSTER-GONE", hopeless: true,
		plain: "its cluster was deleted, or can't be read: the membership stays until somebody takes it out",
		fix: func(fleet gcp.Project, m gcp.Membership) string {
			return fmt.Sprintf("gcloud container fleet memberships delete %s --location %s --project %s", m.ID, m.Location, fleet.ID)
		}},
	{begins: "Project that member lives in is missing required permissions", verdict: exposer.Broken, code: "CW-MCS-PROJECT",
		plain: "Google's agents may not work in the member's project (403): an API is off there, or the agents lack their roles", fix: projectFix},
	{begins: "Multiple VPCs detected", verdict: exposer.Warns, code: "CW-MCS-VPCS",
		plain: "the fleet has clusters in several VPCs: those that are not peered with each other can't reach each other's Services",
		fix: func(gcp.Project, gcp.Membership) string {
			return "gcloud compute networks peerings create, on both networks; Pods need routes to each other"
		}},
	{begins: "Member does not exist in the same project as hub", verdict: exposer.Warns, code: "CW-MCS-CROSS-PROJECT",
		plain: "the cluster is in another project than its fleet: Google reminds of the further set-up that this takes", fix: projectFix},
	{begins: "Non-GKE clusters are currently not supported", verdict: exposer.Broken, code: "CW-MCS-NOT-GKE", hopeless: true,
		plain: "it is no GKE cluster: multi-cluster Services leave it out",
		fix:   func(gcp.Project, gcp.Membership) string { return "nothing is to be done; the others are not affected" }},
}

// projectOf is the project in which a member's cluster lies.
func projectOf(fleet gcp.Project, m gcp.Membership) string {
	if parts := strings.Split(m.Cluster, "/"); len(parts) == 6 && parts[1] != fmt.Sprint(fleet.Number) {
		return parts[1]
	}
	return fleet.ID
}

// projectFix turns on what a member's project needs.
func projectFix(fleet gcp.Project, m gcp.Membership) string {
	project := projectOf(fleet, m)
	fixes := []string{fmt.Sprintf("gcloud services enable multiclusterservicediscovery.googleapis.com dns.googleapis.com trafficdirector.googleapis.com cloudresourcemanager.googleapis.com --project %s", project)}
	if project == fleet.ID {
		return fixes[0] + fmt.Sprintf("; look whether gcloud projects get-iam-policy %s names %s and %s",
			project, agentMember(fleet, "gcp-sa-mcsd"), agentMember(fleet, "gcp-sa-gkehub"))
	}
	for _, one := range agentRoles {
		fixes = append(fixes, fmt.Sprintf("gcloud projects add-iam-policy-binding %s --member %s --role %s", project, agentMember(fleet, one.agent), one.role))
	}
	return strings.Join(fixes, "; ")
}

// ofMember tells a member's state; nil when Google tells none yet.
func ofMember(fleet gcp.Project, m gcp.Membership, state *gcp.MemberState) said {
	if state == nil {
		return said{verdict: exposer.Waits, text: "Google tells no state of it yet, which takes some minutes after the feature or the membership came", code: "CW-MCS-FEATURE",
			fix: "wait some minutes, then look again"}
	}
	words := strings.TrimSpace(state.Code + " " + state.Description)
	for _, d := range descriptions {
		if !strings.HasPrefix(strings.ToLower(state.Description), strings.ToLower(d.begins)) {
			continue
		}
		out := said{verdict: d.verdict, text: words + ": " + d.plain, code: d.code, hopeless: d.hopeless}
		if d.fix != nil {
			out.fix = d.fix(fleet, m)
		}
		return out
	}
	out := said{verdict: exposer.Unknown, text: cmp.Or(words, "no code") + ": Google's words, which causeway does not know", code: "CW-MCS-MEMBER", fix: describe(fleet.ID)}
	switch state.Code {
	case "OK":
		out = said{verdict: exposer.Good, text: words}
	case "WARNING":
		out.verdict = exposer.Warns
	case "ERROR", "FAILED":
		out.verdict = exposer.Broken
	}
	return out
}

// describe is where Google tells the whole state.
func describe(project string) string {
	return "gcloud container fleet multi-cluster-services describe --project " + project
}

// ofFeature tells the feature's own state; nil when it is off.
func ofFeature(project string, f *gcp.Feature) said {
	if f == nil {
		return said{verdict: exposer.Broken, text: "the feature is off in the fleet of project " + project, code: "CW-MCS-FEATURE", fix: again}
	}
	wait := func(text string) said {
		return said{verdict: exposer.Waits, text: f.State + ": " + text, code: "CW-MCS-FEATURE", fix: "wait some minutes, then look again"}
	}
	switch f.State {
	case "ENABLING":
		return wait("it is being turned on")
	case "UPDATING", "SERVICE_UPDATING":
		return wait("it is being changed; what is exported stays")
	case "DISABLING":
		return said{verdict: exposer.Broken, text: "DISABLING: somebody turns it off, and every import of the fleet goes", code: "CW-MCS-FEATURE", fix: again + ", once it is off"}
	case "ACTIVE":
	default:
		return said{verdict: exposer.Unknown, text: cmp.Or(f.State, "no state") + ": Google's word, which causeway does not know", code: "CW-MCS-FEATURE", fix: describe(project)}
	}
	words := strings.TrimSpace(f.Code + " " + f.Description)
	out := said{verdict: exposer.Good, text: strings.TrimSuffix("ACTIVE, "+words, ", ")}
	switch f.Code {
	case "ERROR", "FAILED":
		out.verdict, out.code, out.fix = exposer.Broken, "CW-MCS-FEATURE", describe(project)
	case "WARNING":
		out.verdict, out.code, out.fix = exposer.Warns, "CW-MCS-FEATURE", describe(project)
	}
	return out
}

// stateOf finds a member's state in a feature.
func stateOf(f *gcp.Feature, m gcp.Membership) *gcp.MemberState {
	if f == nil {
		return nil
	}
	for name, state := range f.Members {
		if sameMember(name, m) {
			return &state
		}
	}
	return nil
}

// fleetSays sums up what may be the reason why an export is not in force: the
// feature, then this cluster's membership, then the importer's right.
func (x *exposure) fleetSays(ctx context.Context) (said, error) {
	f, err := x.google.Feature(ctx, x.fleet.Project.ID, gcp.MCSFeature)
	if err != nil {
		return said{}, err
	}
	if out := ofFeature(x.fleet.Project.ID, f); out.verdict != exposer.Good {
		out.text = "feature " + out.text
		return out, nil
	}
	m, err := x.member(ctx)
	if err != nil || m == nil {
		return said{}, err
	}
	if out := ofMember(x.fleet.Project, *m, stateOf(f, *m)); out.verdict != exposer.Good && out.verdict != exposer.Warns {
		out.text = "membership " + m.ID + " " + out.text
		return out, nil
	}
	return said{}, nil
}

package mcs

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"causeway/exposer"
	"causeway/exposer/fleet"
	"causeway/internal/gcp"
)

// Report is how multi-cluster Services stand in a fleet, as Google tells it.
type Report struct {
	Project     string         `json:"project"` // that hosts the fleet
	Number      int64          `json:"number"`
	Feature     State          `json:"feature"`
	Importer    State          `json:"importer"` // whether it has its right in the fleet's project
	Members     []MemberReport `json:"memberships"`
	Unreachable []string       `json:"unreachable,omitempty"` // locations that did not answer
}

// State is a state in Google's words, with what it means.
type State struct {
	State       string          `json:"state,omitempty"` // ACTIVE, ...
	Code        string          `json:"code,omitempty"`  // OK, WARNING, ERROR, FAILED, ...
	Description string          `json:"description,omitempty"`
	Verdict     exposer.Verdict `json:"verdict"`
	Means       string          `json:"means"`
	Explain     string          `json:"explain,omitempty"` // CW-..., for causeway explain
	Fix         string          `json:"fix,omitempty"`
}

// MemberReport is one membership's state.
type MemberReport struct {
	Membership string    `json:"membership"`
	Location   string    `json:"location"`
	Cluster    string    `json:"cluster,omitempty"` // path
	Kind       string    `json:"kind"`
	Updated    time.Time `json:"updated,omitzero"`
	State
}

func (s said) state() State {
	return State{Verdict: s.verdict, Means: s.text, Explain: s.code, Fix: s.fix}
}

// ReadReport reads a fleet's feature and what it says of each membership; of one
// cluster's alone where the fleet was read for it and alone is set.
func ReadReport(ctx context.Context, google *gcp.Cloud, f *fleet.Fleet, alone bool) (Report, error) {
	project := f.Project
	report := Report{Project: project.ID, Number: project.Number, Members: []MemberReport{}, Unreachable: f.Unreachable}
	var feature *gcp.Feature
	var err error
	if !f.Off {
		if feature, err = google.Feature(ctx, project.ID, gcp.MCSFeature); err != nil {
			return report, err
		}
	}
	report.Feature = ofFeature(project.ID, feature).state()
	if feature == nil {
		report.Feature.Fix = "export a first Service: causeway apply mcs --help tells how"
	} else {
		report.Feature.State, report.Feature.Code, report.Feature.Description = feature.State, feature.Code, feature.Description
	}
	if report.Importer, err = importerState(ctx, google, project); err != nil {
		return report, err
	}
	for _, m := range f.Members {
		if alone && (f.Member == nil || m.Name != f.Member.Name) {
			continue
		}
		one := MemberReport{Membership: m.ID, Location: m.Location, Cluster: m.Cluster, Kind: m.Kind}
		if feature == nil {
			one.State = State{Verdict: exposer.Unknown, Means: "the feature is off"}
		} else {
			state := stateOf(feature, m)
			if one.State = ofMember(project, m, state).state(); state != nil {
				one.State.Code, one.State.Description, one.Updated = state.Code, state.Description, state.Updated
			}
		}
		report.Members = append(report.Members, one)
	}
	slices.SortFunc(report.Members, func(a, b MemberReport) int {
		return strings.Compare(a.Location+"/"+a.Membership, b.Location+"/"+b.Membership)
	})
	return report, nil
}

// importerState looks whether the importer has its right in the fleet's project, in
// either way of writing it.
func importerState(ctx context.Context, google *gcp.Cloud, project gcp.Project) (State, error) {
	policy, err := google.Policy(ctx, project.ID)
	if exposer.MissingRight(err) {
		return State{Verdict: exposer.Unknown, Means: "whether it has its right can't be read: " + err.Error()}, nil
	}
	if err != nil {
		return State{}, err
	}
	principal, account := importerForms(project.Number, project.ID+".svc.id.goog")
	for _, member := range []string{principal, account} {
		if policy.Has(importerRole, member) {
			return State{Verdict: exposer.Good, Means: "has " + importerRole + " as " + member}, nil
		}
	}
	return State{Verdict: exposer.Broken, Means: "lacks " + importerRole + ": clusters import nothing", Explain: "CW-MCS-IMPORTER",
		Fix: fmt.Sprintf("gcloud projects add-iam-policy-binding %s --member '%s' --role %s", project.ID, principal, importerRole)}, nil
}

// Failed reports whether something is in a state that nothing but action cures.
func (r Report) Failed() bool {
	bad := func(s State) bool { return s.Verdict == exposer.Broken }
	return bad(r.Feature) || bad(r.Importer) || slices.ContainsFunc(r.Members, func(m MemberReport) bool { return bad(m.State) })
}

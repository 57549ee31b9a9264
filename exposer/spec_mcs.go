package exposer

import (
	"fmt"
	"regexp"
	"strings"
)

// MCS is what the method mcs can be told.
type MCS struct {
	FleetProject string `json:"fleetProject,omitempty"` // default: of the fleet that the cluster is in, else its own
	Membership   string `json:"membership,omitempty"`   // of the one to be made; default: the cluster's name
	Register     bool   `json:"register,omitempty"`     // in the fleet, where the cluster is in none

	Exposure string `json:"exposure,omitempty"` // of ilb, whose proxy is exported; default: the cluster's name
	Service  string `json:"service,omitempty"`  // NAMESPACE/NAME: any Service instead

	Importers []string `json:"importers,omitempty"` // [PROJECT/]LOCATION/NAME of clusters whose namespace is made and whose import is waited for
}

func (o *MCS) withDefaults(cluster string) MCS {
	part := MCS{}
	if o != nil {
		part = *o
	}
	fill(&part.Membership, cluster)
	if part.Service == "" {
		fill(&part.Exposure, cluster)
	}
	return part
}

var serviceForm = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?/[a-z]([-a-z0-9]{0,61}[a-z0-9])?$`)

// ImporterOf reads an entry of importers; project is the default.
func ImporterOf(entry, project string) (ClusterRef, error) {
	parts := strings.Split(entry, "/")
	if len(parts) == 2 {
		parts = append([]string{project}, parts...)
	}
	if len(parts) != 3 || parts[0] == "" || !locationForm.MatchString(parts[1]) || !resourceForm.MatchString(parts[2]) {
		return ClusterRef{}, fmt.Errorf("%q is no cluster: LOCATION/NAME, or PROJECT/LOCATION/NAME", entry)
	}
	return ClusterRef{Project: parts[0], Location: parts[1], Name: parts[2]}, nil
}

func (v *validator) mcs(s Spec) {
	o := *s.MCS
	if o.FleetProject != "" {
		v.form("mcs.fleetProject", o.FleetProject, projectForm, "must be a Google project ID (not its number)")
	}
	v.form("mcs.membership", o.Membership, resourceForm, "must be a membership's name")
	if o.Service != "" {
		v.form("mcs.service", o.Service, serviceForm, "must be NAMESPACE/NAME of a Service")
		if o.Exposure != "" {
			v.add("mcs.service", "can't go with mcs.exposure: one Service is exported")
		}
	} else {
		v.form("mcs.exposure", o.Exposure, nameForm, "must be the name of an exposure by ilb")
	}
	seen := map[ClusterRef]bool{s.Cluster: true}
	for i, entry := range o.Importers {
		at := fmt.Sprintf("mcs.importers[%d]", i)
		ref, err := ImporterOf(entry, s.Cluster.Project)
		switch {
		case err != nil:
			v.add(at, "is not well-formed: "+err.Error())
		case seen[ref]:
			v.add(at, "is the exporting cluster, or in the list twice")
		}
		seen[ref] = true
	}
	if len(s.FarSide.CIDRs) > 0 {
		v.add("farSide.cidrs", "has no meaning for the method mcs: it is for other clusters of the fleet, which are let in by their Pod ranges")
	}
}

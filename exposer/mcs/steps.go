package mcs

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"causeway/exposer"
	"causeway/exposer/fleet"
	"causeway/internal/explain"
	"causeway/internal/gcp"
	"causeway/internal/kube"
)

// featureBound is how long the feature may take to come or to go.
const featureBound = 10 * time.Minute

const importerRole = "roles/compute.networkViewer"

// again is what puts right what causeway made.
const again = "causeway apply mcs (the arguments of the first time)"

// Steps implements exposer.Exposure: the fleet's part, then the clusters'. On destroy
// the export goes first, and what it lived of when it is gone, in the order of
// Google's page: memberships, then the feature.
func (x *exposure) Steps() []exposer.Step {
	others := sync.OnceValues(func() (string, error) { return "", nil })
	if x.deps.Leaving {
		others = x.othersExport
	}
	steps := x.apiSteps()
	feature := x.featureStep(ids(steps), others)
	registration := &fleet.Registration{Google: x.google, Deps: x.deps, Exposure: x.spec.Name, Cluster: x.cluster, Fleet: x.fleet,
		Name: x.spec.MCS.Membership, Leaving: x.deps.Leaving, After: []string{feature.ID()},
		StillNeeded: fleet.Needed(x.deps, x.kube, x.spec, fleet.UsesMembership), Heirs: fleet.Others(x.deps, x.kube, x.spec, fleet.UsesMembership)}
	member := registration.Step()
	steps = append(steps, feature, member)
	steps = append(steps, x.grants(member.ID(), others)...)
	steps = slices.Concat(steps, x.namespaceSteps(), x.probes)
	steps = append(steps, x.serviceSteps()...)
	if x.guest != nil {
		steps = append(steps, x.guest)
	}
	after := ids(steps)
	for _, ref := range x.exportRefs() {
		steps = append(steps, x.exportStep(ref, after))
	}
	return slices.Concat(append(steps, exposer.NamespaceStep(x.kube, x.spec)), x.access, x.leftovers)
}

// exportRefs are the export of the spec; on destroy those that are there.
func (x *exposure) exportRefs() []kube.Ref {
	own := exportOf(x.service)
	if !x.deps.Leaving || len(x.exports) == 0 {
		return []kube.Ref{own}
	}
	return x.exports
}

func ids(steps []exposer.Step) []string {
	var all []string
	for _, s := range steps {
		all = append(all, s.ID())
	}
	return all
}

// apiSteps turn the APIs on, in the fleet's project and in the cluster's own.
func (x *exposure) apiSteps() []exposer.Step {
	steps := []exposer.Step{&fleet.APIs{Google: x.google, Project: x.fleet.Project.ID, Names: fleetAPIs, Leaving: x.deps.Leaving}}
	if own := x.spec.Cluster.Project; own != x.fleet.Project.ID {
		steps = append(steps, &fleet.APIs{Google: x.google, Project: own, Names: fleetAPIs, Leaving: x.deps.Leaving})
	}
	return steps
}

// featureStep turns multi-cluster Services on for the fleet.
func (x *exposure) featureStep(after []string, others func() (string, error)) *exposer.Resource {
	project := x.fleet.Project.ID
	return &exposer.Resource{
		Name: "feature/" + project + "/" + gcp.MCSFeature, About: "multi-cluster Services of the fleet of project " + project,
		After: after, Adopt: true, Leaving: x.deps.Leaving, Why: "counts for every cluster of the fleet; nothing is exported by it alone",
		Find: func(ctx context.Context) (*exposer.Found, error) { return x.findFeature(ctx, others) },
		Make: x.enable,
		Remove: func(ctx context.Context, note func(string)) error {
			err := x.google.DeleteFeature(ctx, project, gcp.MCSFeature, note)
			if gcp.NotFound(err) {
				return nil
			}
			return err
		},
	}
}

// feature reads it; while the fleet's API is off there is none.
func (x *exposure) feature(ctx context.Context) (*gcp.Feature, error) {
	f, err := x.google.Feature(ctx, x.fleet.Project.ID, gcp.MCSFeature)
	if explain.CodeOf(err) == "CW-GCP-API-DISABLED" {
		return nil, nil
	}
	return f, err
}

func (x *exposure) findFeature(ctx context.Context, others func() (string, error)) (*exposer.Found, error) {
	f, err := x.feature(ctx)
	if err != nil || f == nil {
		return nil, err
	}
	found := &exposer.Found{Ours: f.Labels[fleet.Label] == x.spec.Name}
	switch f.State {
	case "ENABLING":
		found.Unmade = "is ENABLING: it is waited for"
	case "DISABLING":
		found.Unmade = "is DISABLING: it is waited for, then turned on again"
	}
	if !x.deps.Leaving || !found.Ours {
		return found, nil
	}
	if found.Keep, err = others(); found.Keep != "" {
		found.Keep += "; afterwards causeway mcs disable --project " + x.fleet.Project.ID + " turns it off"
	}
	return found, err
}

// enable turns the feature on, and waits until it is ACTIVE.
func (x *exposure) enable(ctx context.Context, note func(string)) error {
	begin, project, state := x.deps.Now(), x.fleet.Project.ID, "off"
	err := x.deps.Poll(ctx, featureBound, func(ctx context.Context) (bool, error) {
		f, err := x.feature(ctx)
		if err != nil {
			return false, err
		}
		if f == nil {
			state = "off"
			return false, x.google.CreateFeature(ctx, project, gcp.MCSFeature, map[string]string{fleet.Label: x.spec.Name}, note)
		}
		if state = f.State; state == "ACTIVE" {
			return true, nil
		}
		note(fmt.Sprintf("is %s, waited %s", state, since(x.deps, begin)))
		return false, nil
	})
	if exposer.TimedOut(err) {
		return &exposer.RunError{Code_: "CW-MCS-FEATURE", Text: fmt.Sprintf("turn on multi-cluster Services in project %s: %s after %s", project, state, featureBound)}
	}
	return err
}

// importerForms are the two ways to write the importer's identity of a workload pool.
func importerForms(number int64, pool string) (principal, account string) {
	return fmt.Sprintf("principal://iam.googleapis.com/projects/%d/locations/global/workloadIdentityPools/%s/subject/ns/gke-mcs/sa/gke-mcs-importer", number, pool),
		"serviceAccount:" + pool + "[gke-mcs/gke-mcs-importer]"
}

// bind is one role for one identity in one project.
type bind struct {
	project, who, role, member string
	same                       []string
	why                        string
}

// binds are the rights that multi-cluster Services need: the importer's, in the
// fleet's project and in that of a network that is another one's; and for a cluster
// of another project its own importer's there, and the fleet's agents'.
func (x *exposure) binds() []bind {
	host := x.fleet.Project
	principal, account := importerForms(host.Number, host.ID+".svc.id.goog")
	importer := bind{host.ID, "gke-mcs-importer", importerRole, principal, []string{account}, "by it the importer in each cluster reads what is exported"}
	all := []bind{importer}
	own, network := x.spec.Cluster.Project, x.cluster.Network.Project
	if network != "" && network != host.ID {
		importer.project = network
		all = append(all, importer)
	}
	if own == host.ID {
		return all
	}
	if pool := own + ".svc.id.goog"; x.fleet.OwnNumber() != 0 {
		principal, account := importerForms(x.fleet.OwnNumber(), pool)
		all = append(all, bind{own, own + ".gke-mcs-importer", importerRole, principal, []string{account}, "by it the importer in this cluster reads what is exported"})
	}
	for _, one := range agentRoles {
		all = append(all, bind{own, one.agent, one.role, agentMember(host, one.agent), nil, "by it the fleet's agent works in the cluster's project"})
	}
	return all
}

// grants are the steps of the rights.
func (x *exposure) grants(after string, others func() (string, error)) []exposer.Step {
	var steps []exposer.Step
	for _, b := range x.binds() {
		steps = append(steps, &fleet.Grant{Google: x.google, Project: b.project, Role: b.role, Member: b.member, Who: b.who, Same: b.same, Why: b.why,
			Leaving: x.deps.Leaving, After: []string{after}, StillNeeded: func(context.Context) (string, error) { return others() }})
	}
	return steps
}

// othersExport says who else in the fleet exports a Service, which the feature and
// the importer's right are there for; a cluster that can't be read may.
func (x *exposure) othersExport() (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return x.whoExports(ctx)
}

func (x *exposure) whoExports(ctx context.Context) (string, error) {
	if x.kube != nil {
		who, err := fleet.Needed(x.deps, x.kube, x.spec, func(s exposer.Spec) bool { return s.Method == "mcs" })(ctx)
		if err != nil || who != "" {
			return who, err
		}
	}
	survey, err := readSurvey(ctx, x.google, x.deps, x.fleet.Members, x.spec.Reach.Kubeconfig, x.known())
	if err != nil {
		return "", err
	}
	var texts []string
	for _, c := range survey {
		switch {
		case c.why != nil:
			texts = append(texts, "cluster "+c.name+" can't be read, and may export")
		default:
			for _, e := range c.exports {
				if e.exposure != x.spec.Name || c.name != x.spec.Cluster.Name {
					texts = append(texts, fmt.Sprintf("cluster %s exports %s", c.name, e.ref.Namespace+"/"+e.ref.Name))
				}
			}
		}
	}
	return strings.Join(texts, ", "), nil
}

// known are the ways that were found already, by the clusters' paths.
func (x *exposure) known() map[string]*kube.Client {
	ways := map[string]*kube.Client{}
	if x.kube != nil {
		ways[x.spec.Cluster.String()] = x.kube
	}
	for _, i := range x.importers {
		if i.kube != nil {
			ways[i.ref.String()] = i.kube
		}
	}
	return ways
}

// member reads the cluster's membership, which may have been made since.
func (x *exposure) member(ctx context.Context) (*gcp.Membership, error) {
	if x.fleet.Member != nil {
		return x.fleet.Member, nil
	}
	now, err := fleet.Read(ctx, x.google, x.cluster, x.fleet.Project.ID)
	if err != nil {
		return nil, err
	}
	x.fleet.Member = now.Member
	return now.Member, nil
}

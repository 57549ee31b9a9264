package fleet

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"time"

	"causeway/exposer"
	"causeway/internal/gcp"
)

// Label marks what an exposure made where Google's API has labels.
const Label = "causeway-exposure"

// readyBound is how long a new membership may take until it is READY: it is a
// record of GKE Hub's, made within seconds.
const readyBound = 5 * time.Minute

// Registration is the step of the cluster's membership: one that is there is used
// as it is. A new one lies in the cluster's region, as gcloud puts it, and has
// Workload Identity.
type Registration struct {
	Google   *gcp.Cloud
	Deps     exposer.Deps
	Exposure string
	Cluster  gcp.Cluster
	Fleet    *Fleet
	Name     string // of the one to be made
	Leaving  bool
	After    []string
	// StillNeeded says who else lives of it, on destroy; "" for nobody.
	StillNeeded func(ctx context.Context) (string, error)
	// Heirs names them. The first gets the membership on destroy, by the mark, and takes
	// it out with its own. Nil: it stays, with the mark of the one that made it.
	Heirs func(ctx context.Context) ([]string, error)
}

// Step is the registration as a resource.
func (r *Registration) Step() exposer.Step {
	m := r.wanted()
	return &inherited{of: r, Resource: &exposer.Resource{
		Name: "membership/" + m.Location + "/" + m.ID, About: fmt.Sprintf("membership %s of cluster %s in the fleet of %s", m.ID, r.Cluster.Name, r.Fleet.Project.ID),
		After: r.After, Adopt: true, Leaving: r.Leaving,
		Why:  "registers the cluster in the fleet, with Workload Identity",
		Find: r.find, Make: r.create,
		Remove: func(ctx context.Context, note func(string)) error {
			return r.Google.DeleteMembership(ctx, m.Name, note)
		},
	}}
}

// inherited is a registration that goes over to another exposure that lives of it.
type inherited struct {
	*exposer.Resource
	of *Registration
}

// Undo implements exposer.Step.
func (i *inherited) Undo(ctx context.Context, old json.RawMessage, note func(string)) (exposer.Undone, error) {
	r := i.of
	found, err := r.find(ctx)
	if err != nil || found == nil || !found.Ours || found.Keep == "" || r.Heirs == nil {
		return i.Resource.Undo(ctx, old, note)
	}
	heirs, err := r.Heirs(ctx)
	if err != nil {
		return exposer.Undone{}, err
	}
	m, err := r.Google.Membership(ctx, r.wanted().Name)
	if err != nil {
		return exposer.Undone{}, err
	}
	if m == nil || len(heirs) == 0 { // gone this moment, or the last who needed it is
		return i.Resource.Undo(ctx, old, note)
	}
	labels := maps.Clone(m.Labels)
	labels[Label] = heirs[0]
	err = r.Google.LabelMembership(ctx, m.Name, labels, note)
	if exposer.MissingRight(err) {
		return exposer.Undone{Outcome: exposer.Left, Why: fmt.Sprintf("%s, and it can't be given that one's mark: %v; when nobody needs it: gcloud container fleet memberships delete %s --location %s --project %s",
			found.Keep, err, m.ID, m.Location, r.Fleet.Project.ID)}, nil
	}
	if err != nil {
		return exposer.Undone{}, err
	}
	return exposer.Undone{Outcome: exposer.Left, Why: fmt.Sprintf("%s: it bears the mark of exposure %s now, whose destroy takes it out", found.Keep, heirs[0])}, nil
}

// wanted is the membership that is there, or the one to be made.
func (r *Registration) wanted() gcp.Membership {
	if r.Fleet.Member != nil {
		return *r.Fleet.Member
	}
	c := r.Cluster
	link := fmt.Sprintf("projects/%s/locations/%s/clusters/%s", c.Project, c.Location, c.Name)
	return gcp.Membership{
		Name:    fmt.Sprintf("projects/%s/locations/%s/memberships/%s", r.Fleet.Project.ID, c.Region(), r.Name),
		Project: r.Fleet.Project.ID, Location: c.Region(), ID: r.Name, Cluster: link,
		Issuer: "https://container.googleapis.com/v1/" + link, Labels: map[string]string{Label: r.Exposure},
	}
}

func (r *Registration) find(ctx context.Context) (*exposer.Found, error) {
	if r.Fleet.Off {
		now, err := Read(ctx, r.Google, r.Cluster, r.Fleet.Project.ID)
		if err != nil || now.Off {
			return nil, err
		}
	}
	m, err := r.Google.Membership(ctx, r.wanted().Name)
	if err != nil || m == nil {
		return nil, err
	}
	found := &exposer.Found{Ours: m.Labels[Label] == r.Exposure}
	switch {
	case m.Cluster != "" && !r.Fleet.leads(*m, r.Cluster) && r.Cluster.Name != "":
		found.Ours = false
		found.Unfit = &exposer.RunError{Code_: "CW-FLEET-NAME", Text: fmt.Sprintf("membership %s in %s belongs to %s", m.ID, m.Location, m.Cluster)}
	case m.State == "CREATING":
		found.Unmade = "is being made"
	}
	if r.Leaving && found.Ours && r.StillNeeded != nil {
		found.Keep, err = r.StillNeeded(ctx)
	}
	return found, err
}

// create registers the cluster, or goes on waiting for what an earlier run began.
func (r *Registration) create(ctx context.Context, note func(string)) error {
	name := r.wanted().Name
	have, err := r.Google.Membership(ctx, name)
	if err != nil {
		return err
	}
	if have == nil {
		if err := r.Google.CreateMembership(ctx, r.wanted(), note); err != nil {
			return err
		}
	}
	begin := r.Deps.Now()
	err = r.Deps.Poll(ctx, readyBound, func(ctx context.Context) (bool, error) {
		m, err := r.Google.Membership(ctx, name)
		if err != nil || m != nil && m.State == "READY" {
			return err == nil, err
		}
		note("not READY yet, waited " + r.Deps.Now().Sub(begin).Round(time.Second).String())
		return false, nil
	})
	if exposer.TimedOut(err) {
		return &exposer.RunError{Code_: "CW-FLEET-MEMBER", Text: fmt.Sprintf("register cluster %s: membership %s is not READY after %s", r.Cluster.Name, name, readyBound)}
	}
	return err
}

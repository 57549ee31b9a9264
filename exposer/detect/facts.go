package detect

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"causeway/exposer"
	"causeway/exposer/routing"
	"causeway/internal/explain"
	"causeway/internal/gcp"
)

// Facts are what Google says of a cluster and of the networks around it.
type Facts struct {
	Cluster  gcp.Cluster
	Own      Net              // the cluster's network
	Hubs     []Net            // of the user's own that are peered with it
	Subnets  []gcp.Subnetwork // of the cluster's network; nil where they may not be listed
	Routes   []gcp.Route      // of the cluster's network
	Services map[string]bool  // APIs of the fleet's project that are on; nil where it is not told
	Balanced []Balanced       // exposures by ilb that have an address in the cluster's region; nil where it is not told
	Unseen   []Unseen
}

// Net is a network, as far as it may be looked at.
type Net struct {
	Ref     gcp.Ref
	Network gcp.Network   // zero where it may not be read
	Lines   routing.Lines // its routers; their Status is nil where it may not be read
	Routers bool          // whether its routers may be listed
}

// Balanced is an address that an exposure by ilb has reserved.
type Balanced struct {
	Exposure string     `json:"exposure"`
	Address  netip.Addr `json:"address"`
}

// Unseen is what this identity may not look at.
type Unseen struct {
	What       string `json:"what"`                 // "the routers of network p/default"
	Permission string `json:"permission,omitempty"` // that is missing, where Google names it
	Project    string `json:"project"`              // where it is missing
	Reason     string `json:"reason"`
	Fix        string `json:"fix,omitempty"`
}

// Ask sharpens the answer; the zero Ask asks for any far side.
type Ask struct {
	Clients    []netip.Prefix // networks that clients come from
	FromRegion string         // Google's region that the far side's line enters
}

// services are the APIs that methods need beside those of the cluster and its
// network, in the fleet's host project.
var (
	GatewayServices = []string{"connectgateway.googleapis.com", "gkeconnect.googleapis.com", "gkehub.googleapis.com", "cloudresourcemanager.googleapis.com"}
	MCSServices     = []string{"multiclusterservicediscovery.googleapis.com", "gkehub.googleapis.com", "cloudresourcemanager.googleapis.com", "trafficdirector.googleapis.com", "dns.googleapis.com"}
)

// Read reads everything, at the same time where nothing waits for another. It
// fails only where the cluster can't be read, or where Google does not answer.
func Read(ctx context.Context, google *gcp.Cloud, ref exposer.ClusterRef) (Facts, error) {
	cluster, err := google.Cluster(ctx, ref.Project, ref.Location, ref.Name)
	if err != nil {
		return Facts{}, err
	}
	r := &reader{google: google, facts: Facts{Cluster: cluster}}
	f := &r.facts
	err = routing.Together(
		func() error {
			own, err := r.net(ctx, cluster.Network)
			if f.Own = own; err != nil {
				return err
			}
			return r.hubs(ctx)
		},
		func() error {
			return r.try("the subnets of network "+cluster.Network.String()+", and so what client networks collide with and whether nodes can pull nginx", cluster.Network.Project, func() (err error) {
				f.Subnets, err = google.Subnetworks(ctx, cluster.Network)
				return
			})
		},
		func() error {
			return r.try("the routes of network "+cluster.Network.String()+", and so lines without BGP", cluster.Network.Project, func() (err error) {
				f.Routes, err = google.Routes(ctx, cluster.Network)
				return
			})
		},
		func() error { return r.services(ctx) },
		func() error { return r.balanced(ctx) },
	)
	slices.SortFunc(f.Unseen, func(a, b Unseen) int { return strings.Compare(a.Project+a.What, b.Project+b.What) })
	return r.facts, err
}

// reader collects what several calls find at the same time.
type reader struct {
	google *gcp.Cloud
	mu     sync.Mutex
	facts  Facts
}

// narrowing are the causes that make the answer narrower, and stop nothing.
var narrowing = []string{"CW-GCP-PERMISSION", "CW-GCP-API-DISABLED", "CW-GCP-UNAVAILABLE"}

// try lets a call fail for want of a right: what it would have told is unseen then.
func (r *reader) try(what, project string, ask func() error) error {
	err := ask()
	if err == nil || !slices.Contains(narrowing, explain.CodeOf(err)) {
		return err
	}
	r.miss(what, project, err)
	return nil
}

func (r *reader) miss(what, project string, err error) {
	missing := Unseen{What: what, Project: project, Reason: err.Error()}
	var refused *gcp.Error
	if errors.As(err, &refused) {
		missing.Permission = refused.Permission
		switch {
		case refused.Permission != "":
			missing.Reason = "permission " + refused.Permission + " is missing on project " + project
			missing.Fix = "have " + readRole(refused.Permission) + " granted there"
		case refused.Service != "":
			missing.Reason = "the API " + refused.Service + " is off in project " + project
			missing.Fix = fmt.Sprintf("gcloud services enable %s --project %s", refused.Service, project)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.ContainsFunc(r.facts.Unseen, func(u Unseen) bool { return u.What == what && u.Project == project }) {
		r.facts.Unseen = append(r.facts.Unseen, missing)
	}
}

// readRole names a predefined role that may read what a permission guards.
func readRole(permission string) string {
	if strings.HasPrefix(permission, "serviceusage.") {
		return "roles/serviceusage.serviceUsageViewer"
	}
	return "roles/compute.networkViewer"
}

// net reads a network, its routers and how they are.
func (r *reader) net(ctx context.Context, ref gcp.Ref) (Net, error) {
	out := Net{Ref: ref, Lines: routing.Lines{Network: ref}}
	err := routing.Together(
		func() error {
			return r.try("the routing mode and the peerings of network "+ref.String(), ref.Project, func() (err error) {
				out.Network, err = r.google.Network(ctx, ref.Project, ref.Name)
				return
			})
		},
		func() error {
			return r.try("the routers of network "+ref.String()+", and so the lines that end there", ref.Project, func() (err error) {
				out.Lines, err = routing.ReadLines(ctx, r.google, ref)
				out.Routers = err == nil
				return
			})
		},
	)
	if err != nil || !out.Routers {
		return out, err
	}
	err = r.try("what the routers of network "+ref.String()+" learn", ref.Project, func() error {
		err := out.Lines.ReadStatus(ctx, r.google)
		if err != nil {
			out.Lines.Status = nil
		}
		return err
	})
	return out, err
}

// hubs reads the networks that the cluster's is peered with. One that is gone or
// that nobody may see there is told as any other that is hidden.
func (r *reader) hubs(ctx context.Context) error {
	peerings := hubsOf(r.facts.Own.Network)
	found := make([]Net, len(peerings))
	var asks []func() error
	for i, p := range peerings {
		asks = append(asks, func() (err error) {
			found[i], err = r.net(ctx, p.Network)
			if gcp.NotFound(err) {
				r.miss("network "+p.Network.String()+" behind peering "+p.Name, p.Network.Project, err)
				return nil
			}
			return err
		})
	}
	err := routing.Together(asks...)
	r.facts.Hubs = found
	return err
}

// services asks which APIs are on in the fleet's project.
func (r *reader) services(ctx context.Context) error {
	project := r.facts.fleetProject()
	names := slices.Compact(slices.Sorted(slices.Values(slices.Concat(GatewayServices, MCSServices))))
	return r.try("which APIs are on in project "+project, project, func() error {
		off, err := r.google.MissingServices(ctx, project, names)
		if err != nil {
			return err
		}
		on := map[string]bool{}
		for _, name := range names {
			on[name] = !slices.Contains(off, name)
		}
		r.facts.Services = on
		return nil
	})
}

// fleetProject is the fleet's host project: the cluster's own where it is in none.
// By a pointer: while others read, only the cluster is there to be looked at.
func (f *Facts) fleetProject() string {
	if f.Cluster.Fleet.Project != "" {
		return f.Cluster.Fleet.Project
	}
	return f.Cluster.Project
}

// balanced finds the addresses that exposures by ilb have reserved; by their mark
// alone, since an address does not tell which cluster it serves.
func (r *reader) balanced(ctx context.Context) error {
	c := r.facts.Cluster
	return r.try("the addresses in "+c.Region()+", and so whether an exposure by ilb stands", c.Project, func() error {
		addresses, err := r.google.Addresses(ctx, c.Project, c.Region(), `labels.managed-by = "causeway"`)
		if err == nil {
			r.facts.Balanced = []Balanced{}
		}
		for _, a := range addresses {
			if name := a.Labels["causeway-exposure"]; name != "" {
				r.facts.Balanced = append(r.facts.Balanced, Balanced{Exposure: name, Address: a.IP})
			}
		}
		return err
	})
}

// subnet is the cluster's own subnet; zero where the subnets may not be listed.
func (f Facts) subnet() gcp.Subnetwork {
	for _, s := range f.Subnets {
		if s.Name == f.Cluster.Subnetwork.Name && s.Region == f.Cluster.Region() {
			return s
		}
	}
	return gcp.Subnetwork{}
}

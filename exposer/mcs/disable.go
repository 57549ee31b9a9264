package mcs

import (
	"context"
	"fmt"
	"strings"

	"causeway/exposer"
	"causeway/exposer/fleet"
	"causeway/internal/gcp"
	"causeway/internal/kube"
)

// mcsAPI is the API of the feature itself.
const mcsAPI = "multiclusterservicediscovery.googleapis.com"

// Disabling is what turns multi-cluster Services off in a fleet.
type Disabling struct {
	Steps    []exposer.Step    // for exposer.Destroy: what stands last goes first
	Problems []exposer.Problem // why it can't be done: somebody else exports, or may
	Loses    []string          // exposures whose export goes: "apis of cluster prod"
}

// Disable reads what goes when multi-cluster Services are turned off, in the order of
// Google's page: exports first, which are waited for, then the memberships that
// causeway made and nobody else lives of, then the feature, then its API. Nothing is
// changed.
func Disable(ctx context.Context, google *gcp.Cloud, deps exposer.Deps, f *fleet.Fleet) (Disabling, error) {
	var out Disabling
	if f.Off {
		return out, nil
	}
	survey, err := readSurvey(ctx, google, deps, f.Members, "", nil)
	if err != nil {
		return out, err
	}
	out.refuse(f, survey)
	api, feature := apiGone(google, f.Project.ID), featureGone(google, f.Project.ID)
	feature.After = []string{api.ID()}
	out.Steps = []exposer.Step{api, feature}
	members := []string{feature.ID()}
	for _, m := range f.Members {
		if made := m.Labels[fleet.Label]; made != "" {
			step := memberGone(google, deps, m, made, clientOf(survey, m))
			step.After = []string{feature.ID()}
			out.Steps, members = append(out.Steps, step), append(members, step.ID())
		}
	}
	for _, c := range survey {
		for _, e := range c.exports {
			if e.exposure == "" {
				continue
			}
			out.Loses = append(out.Loses, fmt.Sprintf("%s of cluster %s", e.exposure, c.name))
			out.Steps = append(out.Steps, exportGone(deps, survey, c, e, members))
		}
	}
	return out, nil
}

// refuse names who else exports, or may.
func (d *Disabling) refuse(f *fleet.Fleet, survey []surveyed) {
	for _, c := range survey {
		if c.why != nil {
			d.Problems = append(d.Problems, exposer.Problem{Code: "CW-MCS-UNREACHED", Text: fmt.Sprintf("what cluster %s exports can't be read: %v", c.name, c.why),
				Fix: "run this from where its API can be reached, with a right to list serviceexports.net.gke.io"})
		}
		for _, e := range c.exports {
			if e.exposure == "" {
				d.Problems = append(d.Problems, exposer.Problem{Code: "CW-MCS-EXPORTS",
					Text: fmt.Sprintf("cluster %s exports Service %s/%s, which causeway did not make", c.name, e.ref.Namespace, e.ref.Name),
					Fix:  fmt.Sprintf("kubectl delete serviceexport %s -n %s, in that cluster, if nobody needs it", e.ref.Name, e.ref.Namespace)})
			}
		}
	}
	if len(f.Unreachable) > 0 {
		d.Problems = append(d.Problems, exposer.Problem{Code: "CW-FLEET-UNREACHABLE",
			Text: fmt.Sprintf("the fleet's locations %s do not answer: what clusters there export can't be seen", strings.Join(f.Unreachable, ", ")), Fix: "run the same command again later"})
	}
}

func clientOf(survey []surveyed, m gcp.Membership) *kube.Client {
	for _, c := range survey {
		if c.member.Name == m.Name {
			return c.kube
		}
	}
	return nil
}

func apiGone(google *gcp.Cloud, project string) *exposer.Resource {
	return &exposer.Resource{Name: "api/" + project + "/" + mcsAPI, About: "API " + mcsAPI + " of project " + project, Leaving: true,
		Find: func(ctx context.Context) (*exposer.Found, error) {
			off, err := google.MissingServices(ctx, project, []string{mcsAPI})
			if err != nil || len(off) > 0 {
				return nil, err
			}
			return &exposer.Found{Ours: true}, nil
		},
		Remove: func(ctx context.Context, note func(string)) error {
			return google.DisableService(ctx, project, mcsAPI, note)
		}}
}

func featureGone(google *gcp.Cloud, project string) *exposer.Resource {
	return &exposer.Resource{Name: "feature/" + project + "/" + gcp.MCSFeature, About: "multi-cluster Services of the fleet of project " + project, Leaving: true,
		Find: func(ctx context.Context) (*exposer.Found, error) {
			f, err := google.Feature(ctx, project, gcp.MCSFeature)
			if err != nil || f == nil {
				return nil, err
			}
			return &exposer.Found{Ours: true, Why: f.State}, nil
		},
		Remove: func(ctx context.Context, note func(string)) error {
			err := google.DeleteFeature(ctx, project, gcp.MCSFeature, note)
			if gcp.NotFound(err) {
				return nil
			}
			return err
		}}
}

// memberGone unregisters a cluster that causeway registered, unless an exposure by
// gateway lives of it.
func memberGone(google *gcp.Cloud, deps exposer.Deps, m gcp.Membership, made string, client *kube.Client) *exposer.Resource {
	return &exposer.Resource{Name: "membership/" + m.Location + "/" + m.ID, About: fmt.Sprintf("membership %s, which exposure %s made", m.ID, made), Leaving: true,
		Find: func(ctx context.Context) (*exposer.Found, error) {
			now, err := google.Membership(ctx, m.Name)
			if err != nil || now == nil {
				return nil, err
			}
			found := &exposer.Found{Ours: true}
			parts := strings.Split(m.Cluster, "/")
			if len(parts) == 6 {
				asked := exposer.Spec{Cluster: exposer.ClusterRef{Project: parts[1], Location: parts[3], Name: parts[5]}}
				found.Keep, err = fleet.Needed(deps, client, asked, func(s exposer.Spec) bool { return s.Method == "gateway" })(ctx)
			}
			return found, err
		},
		Remove: func(ctx context.Context, note func(string)) error { return google.DeleteMembership(ctx, m.Name, note) }}
}

// exportGone withdraws an export of causeway's, and waits until the fleet's clusters
// hold nothing of it.
func exportGone(deps exposer.Deps, survey []surveyed, c surveyed, e exportSeen, after []string) *exposer.Resource {
	service := kube.Ref{Version: "v1", Kind: "Service", Namespace: e.ref.Namespace, Name: e.ref.Name}
	sites := []site{{c.name, c.kube}}
	for _, other := range survey {
		if other.kube != nil && other.member.Name != c.member.Name {
			sites = append(sites, site{other.name, other.kube})
		}
	}
	return &exposer.Resource{Name: "export/" + c.name + "/" + e.ref.Namespace + "/" + e.ref.Name, Leaving: true, After: after,
		About: fmt.Sprintf("export of Service %s/%s by cluster %s, of exposure %s", e.ref.Namespace, e.ref.Name, c.name, e.exposure),
		Find: func(ctx context.Context) (*exposer.Found, error) {
			live, err := c.kube.Get(ctx, e.ref)
			if err != nil || live == nil {
				return nil, err
			}
			return &exposer.Found{Ours: live.GetLabels()[exposer.ExposureLabel] == e.exposure}, nil
		},
		Remove: func(ctx context.Context, note func(string)) error {
			live, err := c.kube.Get(ctx, e.ref)
			if err == nil && live != nil {
				err = c.kube.Delete(ctx, live)
			}
			if err != nil {
				return err
			}
			own := func(name string) bool { return sameMember(name, c.member) }
			return withdrawn(ctx, deps, service, sites, own, note)
		}}
}

package gcp

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
)

// The kinds of clusters that a fleet has.
const (
	KindGKE        = "gke"
	KindAttached   = "attached" // by an agent alone
	KindOnPrem     = "on-prem"
	KindEdge       = "edge"
	KindMultiCloud = "multicloud"
	KindOther      = "other"
)

// clusterLink is in front of a GKE cluster's path in a membership, issuerLink in
// front of it in the issuer of its workloads' tokens.
const (
	clusterLink = "//container.googleapis.com/"
	issuerLink  = "https://container.googleapis.com/v1/"
)

// Membership is a cluster's place in a fleet.
type Membership struct {
	// Name is projects/P/locations/L/memberships/M as Google wrote it: P is an id or
	// a number.
	Name, Project, Location, ID string

	Kind           string // KindGKE, ...
	Cluster        string // path of the GKE cluster: projects/P/locations/L/clusters/C; "" for other kinds
	ClusterMissing bool   // it was deleted, or moved away from under its membership
	GoogleManaged  bool   // a lifecycle that Google runs

	State        string // CREATING, READY, DELETING, UPDATING, SERVICE_UPDATING
	ExternalID   string // UID of the cluster's namespace kube-system, where it was told
	UniqueID     string
	Description  string
	Labels       map[string]string
	WorkloadPool string // of Workload Identity; "" while it is off
	Issuer       string // whose tokens the pool takes

	KubernetesVersion string // of the API server, "" when it is not known
}

// String is the name.
func (m Membership) String() string { return m.Name }

// WorkloadIssuer is the issuer of a GKE cluster's workloads' tokens. cluster is its
// path.
func WorkloadIssuer(cluster string) string { return issuerLink + cluster }

type membershipJSON struct {
	Name, Description, ExternalID, UniqueID string

	Labels    map[string]string
	State     struct{ Code string }
	Authority struct {
		Issuer string
		Pool   string `json:"workloadIdentityPool"`
	}
	Endpoint struct {
		GoogleManaged bool
		GKE           *linkedCluster `json:"gkeCluster"`
		OnPrem        *linkedCluster `json:"onPremCluster"`
		MultiCloud    *linkedCluster `json:"multiCloudCluster"`
		Edge          *linkedCluster `json:"edgeCluster"`
		Appliance     *linkedCluster `json:"applianceCluster"`
		Kubernetes    struct {
			Version string `json:"kubernetesApiServerVersion"`
		} `json:"kubernetesMetadata"`
	}
}

type linkedCluster struct {
	ResourceLink   string
	ClusterMissing bool
}

func (m membershipJSON) membership() Membership {
	out := Membership{
		Name: m.Name, Description: m.Description, ExternalID: m.ExternalID, UniqueID: m.UniqueID, Labels: m.Labels,
		State: m.State.Code, Issuer: m.Authority.Issuer, WorkloadPool: m.Authority.Pool,
		GoogleManaged: m.Endpoint.GoogleManaged, KubernetesVersion: m.Endpoint.Kubernetes.Version,
	}
	if parts := strings.Split(m.Name, "/"); len(parts) == 6 {
		out.Project, out.Location, out.ID = parts[1], parts[3], parts[5]
	}
	out.Kind = KindAttached
	for _, one := range []struct {
		kind    string
		cluster *linkedCluster
	}{{KindGKE, m.Endpoint.GKE}, {KindOnPrem, m.Endpoint.OnPrem}, {KindMultiCloud, m.Endpoint.MultiCloud}, {KindEdge, m.Endpoint.Edge}, {KindOther, m.Endpoint.Appliance}} {
		if one.cluster == nil {
			continue
		}
		out.Kind, out.ClusterMissing = one.kind, one.cluster.ClusterMissing
		if one.kind == KindGKE {
			out.Cluster = clusterOf(one.cluster.ResourceLink)
		}
	}
	return out
}

// clusterOf is a cluster's path in a link to it: memberships of older days name a
// zonal cluster's place as its zone.
func clusterOf(link string) string {
	at := strings.Index(link, "projects/")
	if at < 0 {
		return link
	}
	return strings.Replace(link[at:], "/zones/", "/locations/", 1)
}

// Memberships lists those of a fleet in all locations, by name. unreachable are the
// locations that did not answer: what they have is not in the list.
func (c *Cloud) Memberships(ctx context.Context, project string) (list []Membership, unreachable []string, err error) {
	resource, query := "memberships of project "+project, url.Values{}
	for {
		text, err := c.readHub(ctx, "list", resource, project, "projects/"+project+"/locations/-/memberships", query)
		if err != nil {
			return nil, nil, err
		}
		var page struct {
			Resources     []membershipJSON
			Unreachable   []string
			NextPageToken string
		}
		if err := json.Unmarshal(text, &page); err != nil {
			return nil, nil, garbled("list", resource, err)
		}
		for _, one := range page.Resources {
			list = append(list, one.membership())
		}
		for _, one := range page.Unreachable { // a location, or the path of one
			unreachable = append(unreachable, path.Base(one))
		}
		if page.NextPageToken == "" {
			break
		}
		query.Set("pageToken", page.NextPageToken)
	}
	slices.SortFunc(list, func(a, b Membership) int { return cmp.Compare(a.Name, b.Name) })
	slices.Sort(unreachable)
	return list, slices.Compact(unreachable), nil
}

// Membership reads one by its name (projects/P/locations/L/memberships/M); nil when
// there is none.
func (c *Cloud) Membership(ctx context.Context, name string) (*Membership, error) {
	text, err := c.readHub(ctx, "read", "membership "+name, fleetOf(name), name, nil)
	if NotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var found membershipJSON
	if err := json.Unmarshal(text, &found); err != nil {
		return nil, garbled("read", "membership "+name, err)
	}
	out := found.membership()
	return &out, nil
}

// CreateMembership registers the GKE cluster m.Cluster under m.Name, with m.Labels,
// and waits until it is a member. With m.Issuer (WorkloadIssuer of the cluster) its
// workloads get identities in the fleet's pool. A name that is taken is an error
// for which AlreadyExists is true.
func (c *Cloud) CreateMembership(ctx context.Context, m Membership, note func(string)) error {
	const verb = "register"
	resource := "membership " + m.Name
	body := map[string]any{"endpoint": map[string]any{"gkeCluster": map[string]any{"resourceLink": clusterLink + m.Cluster}}}
	if m.Issuer != "" {
		body["authority"] = map[string]any{"issuer": m.Issuer}
	}
	if len(m.Labels) > 0 {
		body["labels"] = m.Labels
	}
	query := url.Values{"membershipId": {path.Base(m.Name)}, "requestId": {c.requestID()}}
	return c.settled(ctx, fleetOf(m.Name), note, func() error {
		return c.long(ctx, c.rawHub, longCall{verb: verb, resource: resource, method: http.MethodPost, path: path.Dir(m.Name), query: query, body: body}, note)
	})
}

// LabelMembership gives a membership these labels, and no others, and waits until it
// has them.
func (c *Cloud) LabelMembership(ctx context.Context, name string, labels map[string]string, note func(string)) error {
	return c.long(ctx, c.rawHub, longCall{verb: "label", resource: "membership " + name, method: http.MethodPatch, path: name,
		query: url.Values{"updateMask": {"labels"}, "requestId": {c.requestID()}}, body: map[string]any{"labels": labels}}, note)
}

// DeleteMembership takes a cluster out of its fleet and waits until it is out. The
// cluster itself stays. One that is gone already is an error for which NotFound is
// true.
func (c *Cloud) DeleteMembership(ctx context.Context, name string, note func(string)) error {
	return c.long(ctx, c.rawHub, longCall{verb: "unregister", resource: "membership " + name, method: http.MethodDelete, path: name,
		query: url.Values{"requestId": {c.requestID()}}}, note)
}

// readHub reads from the fleet's API, also while that is coming on.
func (c *Cloud) readHub(ctx context.Context, verb, resource, project, path string, query url.Values) (text json.RawMessage, err error) {
	err = c.settled(ctx, project, nil, func() error {
		text, err = c.rawHub.call(ctx, http.MethodGet, path, query, nil)
		return wrap(verb, resource, err)
	})
	return text, err
}

// fleetOf is the project of projects/P/...
func fleetOf(name string) string {
	project, _, _ := strings.Cut(strings.TrimPrefix(name, "projects/"), "/")
	return project
}

// longCall is a write that is answered with a google.longrunning operation.
type longCall struct {
	verb, resource, method, path string
	query                        url.Values
	body                         any
}

// long makes the call and waits for its operation.
func (c *Cloud) long(ctx context.Context, api rawAPI, l longCall, note func(string)) error {
	text, err := api.call(ctx, l.method, l.path, l.query, l.body)
	if err != nil {
		return wrap(l.verb, l.resource, err)
	}
	op, err := parseDocument(text)
	if err != nil {
		return garbled(l.verb, l.resource, errors.Unwrap(err))
	}
	return c.waitLong(ctx, api, l.verb, l.resource, op, note)
}

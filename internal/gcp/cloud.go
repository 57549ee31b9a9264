package gcp

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"strings"
	"time"

	compute "cloud.google.com/go/compute/apiv1"
	container "cloud.google.com/go/container/apiv1"
	"golang.org/x/oauth2"
	"google.golang.org/api/cloudresourcemanager/v1"
	"google.golang.org/api/option"
	"google.golang.org/api/serviceusage/v1"
)

// Endpoints overrides where the APIs are, in the form that gcloud uses; an empty
// one means Google's own. Private endpoints, the lab and tests set them.
type Endpoints struct {
	Compute         string // "http://host/compute/v1/"
	Container       string // "http://host/"
	DNS             string // "http://host/dns/v1/"
	ResourceManager string
	ServiceUsage    string
	IAM             string // roles
	IAMCredentials  string // for impersonation
	GKEHub          string // fleets: "http://host/"
	ConnectGateway  string // where gateway credentials come from; Google's own has a host for each region
}

// Config is what a Cloud is made of.
type Config struct {
	Endpoints    Endpoints
	TokenSource  oauth2.TokenSource // required, unless HTTPClient authenticates by itself
	HTTPClient   *http.Client       // its transport carries all calls; http.DefaultTransport when nil
	UserAgent    string             // "causeway/1.0"
	QuotaProject string             // X-Goog-User-Project, "" for none
	Retry        Retry              // the zero value: five attempts within about 6 s
	CallTimeout  time.Duration      // of one attempt, but for waits; 60 s when 0
	RequestID    func() string      // makes the UUID that lets a write be repeated; random when nil
}

// Cloud is the door. It is safe for use by several goroutines.
type Cloud struct {
	addresses       *compute.AddressesClient
	subnetworks     *compute.SubnetworksClient
	networks        *compute.NetworksClient
	forwardingRules *compute.ForwardingRulesClient
	routers         *compute.RoutersClient
	routes          *compute.RoutesClient
	operations      *compute.RegionOperationsClient
	global          *compute.GlobalOperationsClient
	clusters        *container.ClusterManagerClient
	projects        *cloudresourcemanager.Service
	services        *serviceusage.Service
	rawCompute      rawAPI
	rawContainer    rawAPI
	rawDNS          rawAPI
	rawHub          rawAPI
	rawProjects     rawAPI // Cloud Resource Manager
	rawServices     rawAPI // Service Usage
	rawIAM          rawAPI
	rawGateway      func(location string) rawAPI // Connect Gateway's, which has a host for each region

	routerLocks locks           // one edit of a router at a time
	enabled     enabledServices // by this Cloud

	requestID func() string
	now       func() time.Time
	pause     func(context.Context, time.Duration) error // between two questions
}

// New opens the door. It makes no call; it fails when a client cannot be made.
func New(ctx context.Context, config Config) (*Cloud, error) {
	if config.TokenSource == nil && config.HTTPClient == nil {
		return nil, &Error{Verb: "use", Resource: "Google's APIs", Message: "no credentials are given", code: codeCredentials}
	}
	if config.RequestID == nil {
		config.RequestID = randomUUID
	}
	client := &http.Client{Transport: newTransport(config)}
	options := func(endpoint string) []option.ClientOption {
		out := []option.ClientOption{option.WithHTTPClient(client)}
		if endpoint != "" {
			out = append(out, option.WithEndpoint(endpoint))
		}
		return out
	}
	if config.Retry.Sleep == nil {
		config.Retry.Sleep = sleep
	}
	c := &Cloud{requestID: config.RequestID, now: time.Now, pause: config.Retry.Sleep,
		rawCompute:   rawAPI{client, withSlash(first(computeBase(config.Endpoints.Compute), "https://compute.googleapis.com")) + "compute/v1/"},
		rawContainer: rawAPI{client, withSlash(first(config.Endpoints.Container, "https://container.googleapis.com")) + "v1/"},
		rawDNS:       rawAPI{client, withSlash(first(strings.TrimSuffix(withSlash(config.Endpoints.DNS), "dns/v1/"), "https://dns.googleapis.com")) + "dns/v1/"},
		rawHub:       rawAPI{client, withSlash(first(config.Endpoints.GKEHub, "https://gkehub.googleapis.com")) + "v1/"},
		rawProjects:  rawAPI{client, withSlash(first(config.Endpoints.ResourceManager, "https://cloudresourcemanager.googleapis.com")) + "v1/"},
		rawServices:  rawAPI{client, withSlash(first(config.Endpoints.ServiceUsage, "https://serviceusage.googleapis.com")) + "v1/"},
		rawIAM:       rawAPI{client, withSlash(first(config.Endpoints.IAM, "https://iam.googleapis.com")) + "v1/"},
		rawGateway: func(location string) rawAPI {
			return rawAPI{client, withSlash(first(config.Endpoints.ConnectGateway, gatewayHost(location))) + "v1/"}
		},
	}
	if err := c.openCompute(ctx, options(computeBase(config.Endpoints.Compute))); err != nil {
		return nil, fmt.Errorf("open compute client: %w", err)
	}
	var err error
	if c.clusters, err = container.NewClusterManagerRESTClient(ctx, options(strings.TrimSuffix(config.Endpoints.Container, "/"))...); err != nil {
		return nil, fmt.Errorf("open container client: %w", err)
	}
	*c.clusters.CallOptions = container.ClusterManagerCallOptions{} // our transport retries
	if c.projects, err = cloudresourcemanager.NewService(ctx, options(withSlash(config.Endpoints.ResourceManager))...); err != nil {
		return nil, fmt.Errorf("open resource manager client: %w", err)
	}
	if c.services, err = serviceusage.NewService(ctx, options(withSlash(config.Endpoints.ServiceUsage))...); err != nil {
		return nil, fmt.Errorf("open service usage client: %w", err)
	}
	return c, nil
}

// openCompute makes the compute clients without their own retries, which would
// multiply with the transport's, for ten minutes and in silence, and know nothing of
// requestId. What a client calls by is behind the pointer that it shows: that has to
// be emptied, another pointer in its place changes nothing.
func (c *Cloud) openCompute(ctx context.Context, options []option.ClientOption) error {
	var err error
	if c.addresses, err = compute.NewAddressesRESTClient(ctx, options...); err != nil {
		return err
	}
	if c.subnetworks, err = compute.NewSubnetworksRESTClient(ctx, options...); err != nil {
		return err
	}
	if c.networks, err = compute.NewNetworksRESTClient(ctx, options...); err != nil {
		return err
	}
	if c.forwardingRules, err = compute.NewForwardingRulesRESTClient(ctx, options...); err != nil {
		return err
	}
	if c.routers, err = compute.NewRoutersRESTClient(ctx, options...); err != nil {
		return err
	}
	if c.routes, err = compute.NewRoutesRESTClient(ctx, options...); err != nil {
		return err
	}
	if c.operations, err = compute.NewRegionOperationsRESTClient(ctx, options...); err != nil {
		return err
	}
	if c.global, err = compute.NewGlobalOperationsRESTClient(ctx, options...); err != nil {
		return err
	}
	*c.addresses.CallOptions = compute.AddressesCallOptions{}
	*c.subnetworks.CallOptions = compute.SubnetworksCallOptions{}
	*c.networks.CallOptions = compute.NetworksCallOptions{}
	*c.forwardingRules.CallOptions = compute.ForwardingRulesCallOptions{}
	*c.routers.CallOptions = compute.RoutersCallOptions{}
	*c.routes.CallOptions = compute.RoutesCallOptions{}
	*c.operations.CallOptions = compute.RegionOperationsCallOptions{}
	*c.global.CallOptions = compute.GlobalOperationsCallOptions{}
	return nil
}

// computeBase takes off the path that gcloud's form of the override has and the
// Go client adds by itself.
func computeBase(endpoint string) string {
	endpoint = strings.TrimSuffix(endpoint, "/")
	return strings.TrimSuffix(strings.TrimSuffix(endpoint, "/compute/v1"), "/")
}

// gatewayHost is the server that answers for memberships of a location: a regional
// one has its region's, a global one the global host (the Go samples of Connect
// Gateway, and gcloud's overrides.py).
func gatewayHost(location string) string {
	if location == "global" {
		return "https://connectgateway.googleapis.com"
	}
	return "https://" + location + "-connectgateway.googleapis.com"
}

// withSlash ends an endpoint as the generated clients need it: they resolve their
// paths against it, which without the slash would replace its last element.
func withSlash(endpoint string) string {
	if endpoint == "" || strings.HasSuffix(endpoint, "/") {
		return endpoint
	}
	return endpoint + "/"
}

// randomUUID is a version 4 UUID, as requestId has to be one.
func randomUUID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails since Go 1.24
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// Ref names a resource that lies in a project: a network or a subnetwork, which a
// Shared VPC keeps in the host project.
type Ref struct {
	Project string `json:"project"`
	Region  string `json:"region,omitempty"` // "" for a global resource
	Name    string `json:"name"`
}

// String is "project/name".
func (r Ref) String() string { return r.Project + "/" + r.Name }

// parseRef reads projects/P/[regions/R|global]/KIND/NAME, with or without a host
// in front, and a bare NAME as one in the given project and region.
func parseRef(link, project, region string) Ref {
	ref := Ref{Project: project, Region: region}
	parts := strings.Split(link, "/")
	ref.Name = parts[len(parts)-1]
	for i := 0; i+1 < len(parts); i++ {
		switch parts[i] {
		case "projects":
			ref.Project = parts[i+1]
		case "regions":
			ref.Region = parts[i+1]
		}
	}
	return ref
}

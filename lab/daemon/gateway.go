package daemon

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"causeway/internal/gcptest"
	"causeway/lab/cluster"
	"causeway/lab/topology"
)

// masters are whom the API servers take for admins, and users those whom they only know.
func (t tokens) masters() map[string]string {
	return map[string]string{t.owner: Owner, t.gateway: gatewayUser}
}

func (t tokens) users() map[string]string { return map[string]string{t.alice: Alice} }

// gatewayHosts are the names of Connect Gateway: for memberships in the location, and
// for global ones.
func gatewayHosts() []string {
	return []string{topology.Location + "-connectgateway.googleapis.com", "connectgateway.googleapis.com"}
}

// Gateway is Connect Gateway before the clusters of the lab: a front end for each, since
// each has an API server of its own.
type Gateway struct {
	google *gcptest.Server
	fronts map[string]*gcptest.GatewayFront // by the cluster's path
	first  *gcptest.GatewayFront            // for those whom it refuses
}

// newGateway makes it for the first cluster, and for the second where there is one.
func (d *daemon) newGateway(google *gcptest.Server) (*Gateway, error) {
	g := &Gateway{google: google, fronts: map[string]*gcptest.GatewayFront{}}
	for name, c := range map[string]*cluster.Cluster{topology.Cluster: d.cluster, topology.SecondCluster: d.second} {
		if c == nil {
			continue
		}
		front, err := gcptest.NewGatewayFront(google, c.Server(), toAPI(c))
		if err != nil {
			return nil, fmt.Errorf("start Connect Gateway before %s: %w", name, err)
		}
		front.Token = d.tokens.gateway
		g.fronts[fmt.Sprintf("projects/%s/locations/%s/clusters/%s", topology.Project, topology.Location, name)] = front
	}
	g.first = g.fronts[fmt.Sprintf("projects/%s/locations/%s/clusters/%s", topology.Project, topology.Location, topology.Cluster)]
	return g, nil
}

// Fail makes it fail in a documented way from now on, until Fail("").
func (g *Gateway) Fail(failure gcptest.GatewayFailure) {
	for _, front := range g.fronts {
		front.Fail(failure)
	}
}

// membershipPath finds the membership in an address of the gateway's.
var membershipPath = regexp.MustCompile(`^/v1/projects/[^/]+/locations/([^/]+)/(?:gkeMemberships|memberships)/([^/]+)`)

// ServeHTTP passes a request to the front end of the cluster that its membership leads to.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	front := g.first
	if found := membershipPath.FindStringSubmatch(r.URL.Path); found != nil {
		membership := g.google.Object(fmt.Sprintf("projects/%s/locations/%s/memberships/%s", topology.Project, found[1], found[2]))
		if one := g.fronts[clusterOf(membership)]; one != nil {
			front = one
		}
	}
	front.ServeHTTP(w, r)
}

// clusterOf is the path of a membership's cluster.
func clusterOf(membership map[string]any) string {
	endpoint, _ := membership["endpoint"].(map[string]any)
	gke, _ := endpoint["gkeCluster"].(map[string]any)
	link, _ := gke["resourceLink"].(string)
	return strings.TrimPrefix(link, "//container.googleapis.com/")
}

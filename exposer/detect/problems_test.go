package detect

import (
	"strings"
	"testing"

	"causeway/exposer"
	"causeway/internal/gcp"
)

// said fails the test unless the problems have these codes, in order, each with a
// text and a cure.
func said(t *testing.T, problems []exposer.Problem, codes ...string) {
	t.Helper()
	var have []string
	for _, p := range problems {
		have = append(have, p.Code)
		if p.Text == "" {
			t.Errorf("%s says nothing", p.Code)
		}
	}
	if strings.Join(have, " ") != strings.Join(codes, " ") {
		t.Errorf("problems %v, want %v", have, codes)
	}
}

func TestImagesThatNodesCanPull(t *testing.T) {
	private := gcp.Cluster{PrivateNodes: true}
	with, without := gcp.Subnetwork{Name: "s", PrivateGoogleAccess: true}, gcp.Subnetwork{Name: "s", Project: "p", Region: region}
	for name, c := range map[string]struct {
		cluster gcp.Cluster
		nodes   gcp.Subnetwork
		covered bool
		image   string
		cure    string // "" where there is no problem
	}{
		"Google's mirror by Private Google Access":    {private, with, false, exposer.DefaultImage, ""},
		"Artifact Registry by it":                     {private, with, false, "europe-docker.pkg.dev/p/r/nginx", ""},
		"Docker Hub by it":                            {private, with, false, "nginx:1.28", "leave --image out"},
		"Docker Hub by a NAT":                         {private, without, true, "nginx:1.28", ""},
		"Google's mirror by nothing":                  {private, without, false, exposer.DefaultImage, "gcloud compute networks subnets update s --project p --region europe-west3"},
		"a name that only looks like Google's":        {private, with, false, "gcr.io.example.com/nginx", "leave --image out"},
		"public nodes pull whatever they want":        {gcp.Cluster{}, without, false, "nginx:1.28", ""},
		"a registry of gcr.io in a region of its own": {private, with, false, "eu.gcr.io/p/nginx", ""},
	} {
		problems := ImageProblems(c.cluster, c.nodes, c.covered, c.image)
		if (len(problems) == 0) != (c.cure == "") || len(problems) == 1 && !strings.HasPrefix(problems[0].Fix, c.cure) {
			t.Errorf("%s: %+v", name, problems)
		}
	}
}

func TestRefusalsOfRoute(t *testing.T) {
	psc := world().Cluster
	behind := world(peered).Cluster
	none := psc
	none.PrivateEndpoint = ""
	off := none
	off.IPEndpointsOff = true
	said(t, RouteProblems(psc, gcp.Ref{}))
	said(t, RouteProblems(psc, own))
	said(t, RouteProblems(psc, hubRef), "CW-ROUTE-TRANSIT")
	said(t, RouteProblems(none, own), "CW-ROUTE-NO-ENDPOINT")
	said(t, RouteProblems(off, own), "CW-GCP-IP-ENDPOINTS-OFF") // and not that there is no address beside it
	if p := RouteProblems(behind, hubRef)[0]; !strings.Contains(p.Text, "two peerings") {
		t.Error(p.Text)
	}
	if p := RouteProblems(psc, hubRef)[0]; !strings.Contains(p.Text, "endpoint can't be reached") || !strings.Contains(p.Fix, "--hub-network h/hub") {
		t.Error(p)
	}
}

func TestRegionsThatALineReaches(t *testing.T) {
	c := world().Cluster
	near, far := gcp.Ref{Project: "p", Region: region, Name: "near"}, gcp.Ref{Project: "p", Region: "us-east1", Name: "far"}
	said(t, RegionProblems(c, own, "REGIONAL", []gcp.Ref{near}, false))
	said(t, RegionProblems(c, own, "REGIONAL", []gcp.Ref{near, far}, false), "CW-ROUTE-REGIONAL", "CW-ROUTE-GLOBAL-ACCESS")
	said(t, RegionProblems(c, own, "GLOBAL", []gcp.Ref{far}, false), "CW-ROUTE-GLOBAL-ACCESS")
	said(t, RegionProblems(c, own, "GLOBAL", []gcp.Ref{far}, true))
	c.GlobalAccess = true
	said(t, RegionProblems(c, own, "GLOBAL", []gcp.Ref{far}, false))
	said(t, HubRegionProblems(region, hubRef, "REGIONAL", []gcp.Ref{near}, false))
	said(t, HubRegionProblems(region, hubRef, "REGIONAL", []gcp.Ref{far}, false), "CW-HUB-REGION", "CW-HUB-REGION")
	said(t, HubRegionProblems(region, hubRef, "GLOBAL", []gcp.Ref{far}, true))
}

func TestHubsArePeeredInBothDirections(t *testing.T) {
	c := world().Cluster
	to := func(ref gcp.Ref) gcp.Network {
		return gcp.Network{Peerings: []gcp.Peering{{Name: "x", Network: ref, State: "ACTIVE"}}}
	}
	said(t, HubProblems(c, hubRef, to(hubRef), to(own)))
	said(t, HubProblems(c, hubRef, gcp.Network{}, to(own)), "CW-HUB-PEERING")
	said(t, HubProblems(c, hubRef, to(hubRef), gcp.Network{}), "CW-HUB-PEERING")
}

// TestGooglesOwnPeeringsAreNoHubs: control planes and managed services.
func TestGooglesOwnPeeringsAreNoHubs(t *testing.T) {
	network := gcp.Network{Peerings: []gcp.Peering{
		{Name: "gke-abc-peer", State: "ACTIVE", Network: gcp.Ref{Project: "g", Name: "n"}}, {Name: ServicePeering, State: "ACTIVE"},
		{Name: "to-hub", State: "ACTIVE", Network: hubRef}, {Name: "broken", State: "INACTIVE", Network: gcp.Ref{Project: "x", Name: "y"}},
	}}
	if got := hubsOf(network); len(got) != 1 || got[0].Network != hubRef {
		t.Errorf("%+v", got)
	}
	p := NoLine(exposer.Problem{Text: "none"}, network)
	if !strings.Contains(p.Text, "peered with h/hub,") || !strings.Contains(p.Fix, "--hub-network h/hub") {
		t.Errorf("%+v", p)
	}
	if p := NoLine(exposer.Problem{Text: "none"}, gcp.Network{}); p.Text != "none" || strings.Contains(p.Fix, "hub") {
		t.Errorf("%+v", p)
	}
}

func TestRangesThatCollide(t *testing.T) {
	f := world(peered)
	f.Cluster.PoolPodCIDRs = prefixes("100.64.0.0/20")
	used := UsedBy(f.Cluster, f.Subnets...)
	for client, about := range map[string]string{
		"172.31.0.0/16": "", "10.4.0.0/14": "the cluster's Pods", "10.8.8.0/24": "the cluster's Services", "192.168.0.0/16": "its control plane (192.168.50.0/28)",
		"100.64.8.0/24": "Pods of a node pool (100.64.0.0/20)",
		"10.0.0.0/24":   "subnet nodes in europe-west3 (10.0.0.0/20)",
	} {
		problems := OverlapProblems(prefixes(client), used)
		if about == "" {
			said(t, problems)
			continue
		}
		said(t, problems, "CW-NET-OVERLAP")
		if !strings.Contains(problems[0].Text, about) {
			t.Errorf("%s: %s", client, problems[0].Text)
		}
	}
	said(t, OverlapProblems(prefixes("10.0.0.0/8"), used), "CW-NET-OVERLAP", "CW-NET-OVERLAP", "CW-NET-OVERLAP")
	said(t, OverlapProblems(prefixes("10.0.0.0/8"), []Used{{"nothing", ControlPlane(gcp.Cluster{})}})) // an address that is not there
}

func TestWhomAuthorizedNetworksKeepOut(t *testing.T) {
	on := gcp.AuthorizedNetworks{Enabled: true}
	enforced := gcp.AuthorizedNetworks{Enabled: true, PrivateEnforced: true}
	for name, c := range map[string]struct {
		cluster gcp.Cluster
		want    bool
	}{
		"off":                                {gcp.Cluster{PeeringName: "x"}, false},
		"on, behind a peering":               {gcp.Cluster{PeeringName: "x", Authorized: on}, true},
		"on, at an endpoint in the VPC":      {gcp.Cluster{Authorized: on}, false},
		"enforced at an endpoint in the VPC": {gcp.Cluster{Authorized: enforced}, true},
	} {
		if got := Enforced(c.cluster); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestRefusalsOfTheDNSEndpoint(t *testing.T) {
	closed := world().Cluster
	open, absent, new := closed, closed, closed
	open.DNSExternal, absent.DNSEndpoint, new.Status = true, "", "PROVISIONING"
	said(t, DNSProblems(closed, false), "CW-DNS-CLOSED")
	said(t, DNSProblems(closed, true))
	said(t, DNSProblems(open, false))
	said(t, DNSProblems(absent, true), "CW-DNS-ABSENT")
	said(t, DNSProblems(new, true), "CW-GCP-CLUSTER-STATE")
}

func TestASubnetOfAnotherNetworkIsRefused(t *testing.T) {
	c := world().Cluster
	said(t, ILBProblems(c, gcp.Subnetwork{}))
	said(t, ILBProblems(c, gcp.Subnetwork{Name: "s", Network: "vpc"}))
	said(t, ILBProblems(c, gcp.Subnetwork{Name: "s", Network: "other"}), "CW-NET-SUBNET")
}

// TestCuresAreCommandsWhereTheyCan: what a report prints to be typed is a command,
// and nothing but it.
func TestCuresAreCommandsWhereTheyCan(t *testing.T) {
	for fix, want := range map[string]Step{
		"gcloud x y (it counts for the whole network), or a line that ends in r": {What: "let the network route globally (it counts for all of it)", Command: "gcloud x y"},
		"have the far side's router announce 10.0.0.0/8":                         {What: "have the far side's router announce 10.0.0.0/8"},
	} {
		if got := stepOf(exposer.Problem{Code: "CW-ROUTE-REGIONAL", Fix: fix}); got != want {
			t.Errorf("%+v", got)
		}
	}
	if got := stepOf(exposer.Problem{Code: "CW-DNS-CLOSED", Fix: addOpen}); got != (Step{What: "open it", Flag: "--open-dns-endpoint"}) {
		t.Errorf("%+v", got)
	}
}

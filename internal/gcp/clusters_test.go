package gcp

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"causeway/internal/gcptest"
)

func comparers() cmp.Option {
	return cmp.Options{
		cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
		cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
	}
}

func TestClustersOfEveryKind(t *testing.T) {
	private := Cluster{
		Project: "lab-project", Location: "europe-west3", Name: "private-cluster", Status: "RUNNING", Version: "1.36.3-gke.1",
		PrivateEndpoint: "192.168.50.2", DNSEndpoint: "gke-5f0c2d7e9b1a4c3d8e6f-123456789012.europe-west3.gke.goog",
		CA:          []byte{},
		PeeringName: "gke-n2f8c1d5e7a9b3c4d6e8-4b2a-9c1d-peer", MasterCIDR: netip.MustParsePrefix("192.168.50.0/28"), PrivateNodes: true,
		Network:    Ref{Project: "lab-project", Name: "default"},
		Subnetwork: Ref{Project: "lab-project", Region: "europe-west3", Name: "default"},
		PodCIDR:    netip.MustParsePrefix("10.36.0.0/14"), ServiceCIDR: netip.MustParsePrefix("10.40.0.0/20"),
		L4ILBSubsetting: true, Authorized: AuthorizedNetworks{Enabled: true}, NewEndpointsConfig: true,
		ReleaseChannel: "REGULAR", VPCNative: true, StackType: "IPV4", HTTPLoadBalancing: true,
	}
	for seed, change := range map[string]func(*Cluster){
		"lab":          func(*Cluster) {},
		"nosubsetting": func(c *Cluster) { c.L4ILBSubsetting = false },
		"psc": func(c *Cluster) {
			c.Name, c.PeeringName, c.MasterCIDR = "psc-cluster", "", netip.Prefix{}
			c.PrivateEndpoint, c.PublicEndpoint, c.GlobalAccess, c.DNSExternal = "10.156.0.3", "203.0.113.10", true, true
			c.Authorized.PrivateEnforced = true
			c.Authorized.CIDRs = []AuthorizedNetwork{{CIDR: netip.MustParsePrefix("198.51.100.0/24"), Name: "office"}}
			c.PrivateEndpointSubnet = c.Subnetwork
		},
		"sharedvpc": func(c *Cluster) {
			c.Name, c.Project = "shared-cluster", "service-project"
			c.Network.Project, c.Subnetwork.Project = "host-project", "host-project"
		},
	} {
		t.Run(seed, func(t *testing.T) {
			cloud, _ := open(t, gcptest.Options{}, seed)
			want := private
			change(&want)
			got, err := cloud.Cluster(t.Context(), want.Project, want.Location, want.Name)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got, comparers()); diff != "" {
				t.Error(diff)
			}
			all, unreached, err := cloud.Clusters(t.Context(), want.Project, "-")
			if err != nil || len(unreached) != 0 {
				t.Fatal(err, unreached)
			}
			if diff := cmp.Diff([]Cluster{want}, all, comparers()); diff != "" {
				t.Error(diff)
			}
			subnet, err := cloud.Subnetwork(t.Context(), got.Subnetwork.Project, got.Subnetwork.Region, got.Subnetwork.Name)
			if err != nil {
				t.Fatal(err)
			}
			wantSubnet := Subnetwork{
				Project: got.Subnetwork.Project, Region: "europe-west3", Name: "default", Network: "default", Purpose: "PRIVATE",
				Range: netip.MustParsePrefix("10.156.0.0/20"), PrivateGoogleAccess: true,
				Secondary: map[string]netip.Prefix{"pods": want.PodCIDR, "services": want.ServiceCIDR},
			}
			if diff := cmp.Diff(wantSubnet, subnet, comparers()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestTheCertificateOfTheClustersCA(t *testing.T) {
	cloud, google := open(t, gcptest.Options{}, "lab")
	if err := google.SetClusterCA(project, area, "private-cluster", []byte("-----BEGIN CERTIFICATE-----\n")); err != nil {
		t.Fatal(err)
	}
	got, err := cloud.Cluster(t.Context(), project, area, "private-cluster")
	if err != nil || string(got.CA) != "-----BEGIN CERTIFICATE-----\n" {
		t.Errorf("CA %q, %v", got.CA, err)
	}
	err = google.Change("projects/lab-project/locations/europe-west3/clusters/private-cluster", func(o map[string]any) {
		o["masterAuth"] = map[string]any{"clusterCaCertificate": "%%%"}
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = cloud.Cluster(t.Context(), project, area, "private-cluster")
	expect(t, err, "", "not base64")
}

func TestAClusterWhoseIPEndpointsAreOff(t *testing.T) {
	cloud, google := open(t, gcptest.Options{}, "lab")
	err := google.Change("projects/lab-project/locations/europe-west3/clusters/private-cluster", func(o map[string]any) {
		o["controlPlaneEndpointsConfig"].(map[string]any)["ipEndpointsConfig"] = map[string]any{"enabled": false}
		o["status"] = "ERROR"
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := cloud.Cluster(t.Context(), project, area, "private-cluster")
	if err != nil || !got.IPEndpointsOff || got.Ready() {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestRangesOfNodePools: each further range once, whatever the pools tell.
func TestRangesOfNodePools(t *testing.T) {
	pool := func(name, block string) map[string]any {
		return map[string]any{"name": name, "networkConfig": map[string]any{"podRange": name, "podIpv4CidrBlock": block}}
	}
	const main = "10.36.0.0/14"
	for name, test := range map[string]struct {
		pools []any
		want  []string
	}{
		"pools in the main range":        {[]any{pool("a", main), pool("b", main)}, []string{main}},
		"a pool that tells none":         {[]any{map[string]any{"name": "a"}}, []string{main}},
		"pools with ranges of their own": {[]any{pool("a", "10.60.0.0/20"), pool("b", main), pool("c", "10.52.0.0/20"), pool("d", "10.60.0.0/20")}, []string{main, "10.52.0.0/20", "10.60.0.0/20"}},
		"a size instead of a range":      {[]any{pool("a", "/20")}, []string{main}},
	} {
		t.Run(name, func(t *testing.T) {
			cloud, google := open(t, gcptest.Options{}, "lab")
			if err := google.Change("projects/lab-project/locations/europe-west3/clusters/private-cluster", func(o map[string]any) { o["nodePools"] = test.pools }); err != nil {
				t.Fatal(err)
			}
			one, err := cloud.Cluster(t.Context(), project, area, "private-cluster")
			if err != nil {
				t.Fatal(err)
			}
			all, _, err := cloud.Clusters(t.Context(), project, "-")
			if err != nil {
				t.Fatal(err)
			}
			for _, cluster := range append(all, one) {
				var got []string
				for _, r := range cluster.PodRanges() {
					got = append(got, r.String())
				}
				if diff := cmp.Diff(test.want, got); diff != "" {
					t.Error(diff)
				}
			}
		})
	}
}

func TestNoSuchCluster(t *testing.T) {
	cloud, _ := open(t, gcptest.Options{}, "lab")
	_, err := cloud.Cluster(t.Context(), project, area, "other")
	expect(t, err, "CW-GCP-NOT-FOUND", "read cluster projects/lab-project/locations/europe-west3/clusters/other: Not found")
	if !NotFound(err) {
		t.Error("NotFound does not say so")
	}
	_, err = cloud.Cluster(t.Context(), "no-project", area, "other")
	expect(t, err, "CW-GCP-PERMISSION", "does not have permission")
	if clusters, _, err := cloud.Clusters(t.Context(), project, "us-central1"); err != nil || len(clusters) != 0 {
		t.Errorf("clusters of a region without any: %v, %v", clusters, err)
	}
}

func TestNetworkWithItsPeering(t *testing.T) {
	cloud, _ := open(t, gcptest.Options{}, "lab")
	got, err := cloud.Network(t.Context(), project, "default")
	if err != nil {
		t.Fatal(err)
	}
	want := Network{Project: project, Name: "default", RoutingMode: "REGIONAL", Peerings: []Peering{{
		Name: "gke-n2f8c1d5e7a9b3c4d6e8-4b2a-9c1d-peer", State: "ACTIVE",
		Network:      Ref{Project: "gke-prod-europe-west3-1a2b", Name: "gke-n2f8c1d5e7a9b3c4d6e8-4b2a-9c1d-net"},
		StateDetails: "[2026-10-01T08:00:00.000-00:00]: Connected.", ExchangeSubnetRoutes: true, ExportSubnetRoutesWithPublicIP: true,
	}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	_, err = cloud.Network(t.Context(), project, "none")
	expect(t, err, "CW-GCP-NOT-FOUND", "read network projects/lab-project/global/networks/none")
	_, err = cloud.Subnetwork(t.Context(), project, area, "none")
	expect(t, err, "CW-GCP-NOT-FOUND", "read subnetwork")
}

func TestWhetherNodesGetOut(t *testing.T) {
	for seed, want := range map[string]bool{"lab": false, "psc": true} {
		cloud, google := open(t, gcptest.Options{}, seed)
		subnet, err := cloud.Subnetwork(t.Context(), project, area, "default")
		if err != nil {
			t.Fatal(err)
		}
		if got, err := cloud.NATFor(t.Context(), subnet); err != nil || got != want {
			t.Errorf("%s: NAT %v, %v", seed, got, err)
		}
		if seed != "psc" {
			continue
		}
		for kind, covers := range map[string]struct {
			nat  map[string]any
			want bool
		}{
			"another subnet only": {map[string]any{"name": "n", "sourceSubnetworkIpRangesToNat": "LIST_OF_SUBNETWORKS",
				"subnetworks": []any{map[string]any{"name": "projects/lab-project/regions/europe-west3/subnetworks/other"}}}, false},
			"this subnet by name": {map[string]any{"name": "n", "sourceSubnetworkIpRangesToNat": "LIST_OF_SUBNETWORKS",
				"subnetworks": []any{map[string]any{"name": "projects/lab-project/regions/europe-west3/subnetworks/default"}}}, true},
			"a private NAT": {map[string]any{"name": "n", "type": "PRIVATE", "sourceSubnetworkIpRangesToNat": "ALL_SUBNETWORKS_ALL_IP_RANGES"}, false},
		} {
			err := google.Change("projects/lab-project/regions/europe-west3/routers/nat", func(o map[string]any) { o["nats"] = []any{covers.nat} })
			if err != nil {
				t.Fatal(err)
			}
			if got, err := cloud.NATFor(t.Context(), subnet); err != nil || got != covers.want {
				t.Errorf("%s: %v, %v", kind, got, err)
			}
		}
	}
}

// TestAClusterThatTellsOnlyTheOlderFields: one whose answer has no
// controlPlaneEndpointsConfig and no networkConfig with a project.
func TestAClusterThatTellsOnlyTheOlderFields(t *testing.T) {
	cloud, google := open(t, gcptest.Options{}, "lab")
	err := google.Change("projects/lab-project/locations/europe-west3/clusters/private-cluster", func(o map[string]any) {
		delete(o, "controlPlaneEndpointsConfig")
		delete(o, "networkConfig")
		o["privateClusterConfig"] = map[string]any{"enablePrivateNodes": true, "privateEndpoint": "192.168.50.2", "publicEndpoint": "203.0.113.9",
			"peeringName": "gke-x-peer", "masterGlobalAccessConfig": map[string]any{"enabled": true}}
		o["masterAuthorizedNetworksConfig"] = map[string]any{"enabled": true, "cidrBlocks": []any{map[string]any{"cidrBlock": "198.51.100.0/24"}}}
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := cloud.Cluster(t.Context(), project, area, "private-cluster")
	if err != nil {
		t.Fatal(err)
	}
	want := Cluster{
		Project: project, Location: area, Name: "private-cluster", Status: "RUNNING", Version: "1.36.3-gke.1", CA: []byte{},
		PrivateEndpoint: "192.168.50.2", PublicEndpoint: "203.0.113.9", GlobalAccess: true, PeeringName: "gke-x-peer", PrivateNodes: true,
		Network: Ref{Project: project, Name: "default"}, Subnetwork: Ref{Project: project, Region: area, Name: "default"},
		PodCIDR: netip.MustParsePrefix("10.36.0.0/14"), ServiceCIDR: netip.MustParsePrefix("10.40.0.0/20"),
		Authorized:     AuthorizedNetworks{Enabled: true, CIDRs: []AuthorizedNetwork{{CIDR: netip.MustParsePrefix("198.51.100.0/24")}}},
		ReleaseChannel: "REGULAR", VPCNative: true, StackType: "IPV4", HTTPLoadBalancing: true,
	}
	if diff := cmp.Diff(want, got, comparers()); diff != "" {
		t.Error(diff)
	}
}

func TestFleetAndAddonsOfAClusterAreRead(t *testing.T) {
	cloud, google := open(t, gcptest.Options{}, "lab")
	const at = "projects/lab-project/locations/europe-west3/clusters/private-cluster"
	err := google.Change(at, func(o map[string]any) {
		o["fleet"] = map[string]any{"project": "fleet-project", "membership": "//gkehub.googleapis.com/projects/fleet-project/locations/europe-west3/memberships/m"}
		o["workloadIdentityConfig"] = map[string]any{"workloadPool": "fleet-project.svc.id.goog"}
		o["addonsConfig"] = map[string]any{"httpLoadBalancing": map[string]any{"disabled": true}}
		o["autopilot"] = map[string]any{"enabled": true}
		delete(o, "releaseChannel")
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := cloud.Cluster(t.Context(), project, area, "private-cluster")
	if err != nil {
		t.Fatal(err)
	}
	if want := (Fleet{Project: "fleet-project", Membership: "projects/fleet-project/locations/europe-west3/memberships/m"}); got.Fleet != want {
		t.Errorf("fleet %+v", got.Fleet)
	}
	if got.WorkloadPool != "fleet-project.svc.id.goog" || got.HTTPLoadBalancing || !got.Autopilot || got.ReleaseChannel != "" {
		t.Errorf("pool %q, add-on %v, autopilot %v, channel %q", got.WorkloadPool, got.HTTPLoadBalancing, got.Autopilot, got.ReleaseChannel)
	}
}

func TestRegionsOfLocations(t *testing.T) {
	for location, want := range map[string]string{"europe-west3": "europe-west3", "europe-west3-a": "europe-west3", "us": "us"} {
		if got := RegionOf(location); got != want {
			t.Errorf("region of %s is %s", location, got)
		}
	}
}

package gcptest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestEverySeedIsTaken: Fill holds each to the discovery documents.
func TestEverySeedIsTaken(t *testing.T) {
	file, err := SeedFile("lab")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(filepath.Dir(file), "*.yaml"))
	if err != nil || len(files) < 4 {
		t.Fatalf("seeds %v, %v", files, err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		// One membership is all that lab-fleet adds to the seed "fleet".
		if s := Serve(t, Options{}, name); len(s.objects) < 4 && name != "lab-fleet" || len(s.objects) == 0 {
			t.Errorf("%s makes %d objects", file, len(s.objects))
		}
	}
}

func TestSeedsThatAreNone(t *testing.T) {
	for sentence, test := range map[string]struct{ text, part string }{
		"not YAML":                {"{", "read seed"},
		"an unknown key":          {"project: []", `unknown field "project"`},
		"an unknown field":        {"resources: [{path: projects/p/global/networks/n, body: {mtuu: 1}}]", "mtuu: unknown field"},
		"an unknown enum value":   {"resources: [{path: projects/p/locations/l/clusters/c, body: {status: FINE}}]", "is not one of"},
		"an unknown collection":   {"resources: [{path: projects/p/global/firewalls/f, body: {}}]", "no such collection"},
		"a field of another type": {"resources: [{path: projects/p/global/networks/n, body: {mtu: big}}]", "is not of type integer"},
	} {
		t.Run(sentence, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "s.yaml")
			if err := os.WriteFile(file, []byte(test.text), 0o600); err != nil {
				t.Fatal(err)
			}
			seed, err := ReadSeed(file)
			if err == nil {
				err = Serve(t, Options{}).Fill(seed)
			}
			if err == nil || !strings.Contains(err.Error(), test.part) {
				t.Errorf("%v does not say %q", err, test.part)
			}
		})
	}
	if _, err := ReadSeed(filepath.Join(t.TempDir(), "absent.yaml")); err == nil {
		t.Error("a file that is not there is read")
	}
	if _, err := SeedFile("absent"); err == nil {
		t.Error("a seed that is not there is found")
	}
}

// TestASeedOfALine: far routers, and links in short form; the key of a tunnel is
// taken away from what the API tells, as is a state that the line knows better.
func TestASeedOfALine(t *testing.T) {
	file := filepath.Join(t.TempDir(), "line.yaml")
	err := os.WriteFile(file, []byte(`
remotes:
  - {address: 203.0.113.10, secret: not-a-real-key, asn: 65010, prefixes: [10.200.0.0/16]}
resources:
  - path: projects/lab-project/regions/europe-west3/vpnGateways/g
    body: {network: projects/lab-project/global/networks/default}
  - path: projects/lab-project/global/externalVpnGateways/e
    body: {redundancyType: SINGLE_IP_INTERNALLY_REDUNDANT, interfaces: [{id: 0, ipAddress: 203.0.113.10}]}
  - path: projects/lab-project/regions/europe-west3/routers/r
    body:
      network: projects/lab-project/global/networks/default
      bgp: {asn: 64512}
      interfaces: [{name: i, ipRange: 169.254.1.1/30, linkedVpnTunnel: regions/europe-west3/vpnTunnels/t}]
      bgpPeers: [{name: p, interfaceName: i, peerIpAddress: 169.254.1.2, peerAsn: 65010}]
  - path: projects/lab-project/regions/europe-west3/vpnTunnels/t
    body:
      vpnGateway: regions/europe-west3/vpnGateways/g
      vpnGatewayInterface: 0
      peerExternalGateway: global/externalVpnGateways/e
      peerExternalGatewayInterface: 0
      router: regions/europe-west3/routers/r
      sharedSecret: not-a-real-key
      status: FAILED
`), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	seed, err := ReadSeed(file)
	if err != nil {
		t.Fatal(err)
	}
	s := Serve(t, Options{}, "lab")
	if err := s.Fill(seed); err != nil {
		t.Fatal(err)
	}
	fabric := s.Fabric()
	if len(fabric.Sessions) != 1 || !fabric.Sessions[0].Up || fabric.Sessions[0].Learned[0].String() != "10.200.0.0/16" {
		t.Errorf("sessions %+v", fabric.Sessions)
	}
	if strings.Contains(string(s.Snapshot()), "not-a-real-key") || strings.Contains(string(s.Snapshot()), "FAILED") {
		t.Error("the state has the key or the seed's status")
	}
}

func TestStateBehindTheAPIs(t *testing.T) {
	s := Serve(t, Options{}, "lab")
	if err := s.Change("projects/absent", func(map[string]any) {}); err == nil {
		t.Error("what is not there is changed")
	}
	if err := s.SetClusterCA("lab-project", "europe-west3", "private-cluster", []byte("PEM")); err != nil {
		t.Fatal(err)
	}
	cluster := s.Object("projects/lab-project/locations/europe-west3/clusters/private-cluster")
	if diff := cmp.Diff(object{"clusterCaCertificate": "UEVN"}, cluster["masterAuth"]); diff != "" {
		t.Error(diff)
	}
	if s.Object("projects/absent") != nil {
		t.Error("what is not there is told")
	}
	if diff := cmp.Diff(string(s.Snapshot()), string(s.SnapshotWithout())); diff != "" {
		t.Error(diff)
	}
	if strings.Contains(string(s.SnapshotWithout(Volatile()...)), "creationTimestamp") {
		t.Error("a volatile field is left")
	}
}

func TestTheEnvironmentOfBothTools(t *testing.T) {
	want := map[string]string{
		"CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE":              "http://10.0.0.1:80/compute/v1/",
		"CLOUDSDK_API_ENDPOINT_OVERRIDES_DNS":                  "http://10.0.0.1:80/dns/v1/",
		"CLOUDSDK_API_ENDPOINT_OVERRIDES_CONTAINER":            "http://10.0.0.1:80/container/",
		"CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDRESOURCEMANAGER": "http://10.0.0.1:80/cloudresourcemanager/",
		"CLOUDSDK_API_ENDPOINT_OVERRIDES_SERVICEUSAGE":         "http://10.0.0.1:80/serviceusage/",
		"CLOUDSDK_API_ENDPOINT_OVERRIDES_IAM":                  "http://10.0.0.1:80/iam/",
		"CLOUDSDK_API_ENDPOINT_OVERRIDES_IAMCREDENTIALS":       "http://10.0.0.1:80/iamcredentials/",
		"CLOUDSDK_API_ENDPOINT_OVERRIDES_GKEHUB":               "http://10.0.0.1:80/gkehub/",
		"CLOUDSDK_API_ENDPOINT_OVERRIDES_CONNECTGATEWAY":       "http://10.0.0.1:80/connectgateway/",
	}
	if diff := cmp.Diff(want, Env("http://10.0.0.1:80")); diff != "" {
		t.Error(diff)
	}
}

func TestStartAndClose(t *testing.T) {
	s, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("closing what was not started: %v", err)
	}
	if _, err := s.Start("256.0.0.1:0"); err == nil {
		t.Error("an address that is none is listened on")
	}
	if _, err := s.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

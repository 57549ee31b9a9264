package ilb

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"causeway/exposer"
	"causeway/exposer/conformance"
	"causeway/internal/gcptest"
)

// refused plans and returns what stands in the way, each problem as "CODE text".
func refused(t testing.TB, w *conformance.World) []string {
	t.Helper()
	_, err := w.Apply(t.Context(), Method{})
	var missing *exposer.PreconditionError
	if !errors.As(err, &missing) {
		t.Fatalf("apply: %v, want a *PreconditionError", err)
	}
	var all []string
	for _, p := range missing.Problems {
		if p.Fix == "" && !strings.HasPrefix(p.Code, "CW-NET-ADDRESS") && p.Code != "CW-KUBE-FOREIGN" && p.Code != "CW-NET-OUTSIDE-SUBNET" {
			t.Errorf("a problem without a fix: %+v", p)
		}
		all = append(all, p.Code+" "+p.Text)
	}
	slices.Sort(all)
	return all
}

func want(t testing.TB, got []string, wanted ...string) {
	t.Helper()
	slices.Sort(wanted)
	if len(got) != len(wanted) {
		t.Errorf("%d problems, want %d: %q", len(got), len(wanted), got)
		return
	}
	for i := range got {
		if !strings.Contains(got[i], wanted[i]) {
			t.Errorf("problem %q, want %q", got[i], wanted[i])
		}
	}
}

func TestEachMissingPermissionIsNamed(t *testing.T) {
	t.Parallel()
	w := world(t, conformance.Options{NoController: true})
	before := w.State()
	var all []string
	for _, permission := range slices.Concat(permissions, subnetPermissions) {
		w.Google.Deny(permission)
		line := fmt.Sprintf("CW-GCP-PERMISSION permission %s is missing on project lab-project", permission)
		all = append(all, line)
		t.Run(permission, func(t *testing.T) { want(t, refused(t, w), line) })
		w.Google.Allow(permission)
	}
	for _, permission := range slices.Concat(permissions, subnetPermissions) {
		w.Google.Deny(permission)
	}
	t.Run("all at once", func(t *testing.T) { want(t, refused(t, w), all...) })
	untouched(t, w, before)
}

func TestPermissionsOfASharedVPC(t *testing.T) {
	t.Parallel()
	w := world(t, conformance.Options{Seed: "sharedvpc"}, shared)
	before := w.State()
	for _, permission := range slices.Concat(permissions, subnetPermissions) {
		where, elsewhere := "service-project", "host-project"
		if slices.Contains(subnetPermissions, permission) {
			where, elsewhere = elsewhere, where
		}
		w.Google.Deny(permission, where)
		t.Run(permission, func(t *testing.T) {
			want(t, refused(t, w), fmt.Sprintf("CW-GCP-PERMISSION permission %s is missing on project %s", permission, where))
		})
		w.Google.Allow(permission)
		w.Google.Deny(permission, elsewhere) // where it is not needed
	}
	untouched(t, w, before)
	apply(t, w)
	destroy(t, w)
	w.Gone(t, before)
}

func shared(s *exposer.Spec) { s.Cluster.Project, s.Cluster.Name = "service-project", "shared-cluster" }

func TestEachAPIThatIsOffIsNamed(t *testing.T) {
	t.Parallel()
	w := world(t, conformance.Options{NoController: true})
	before := w.State()
	line := func(api string) string {
		return "CW-GCP-API-DISABLED the API " + api + " is not enabled in project lab-project"
	}
	for _, api := range []string{"compute.googleapis.com", "container.googleapis.com"} {
		w.Google.Disable("lab-project", api)
		t.Run(api, func(t *testing.T) { want(t, refused(t, w), line(api)) })
		w.Google.Enable("lab-project", api)
	}
	w.Google.Disable("lab-project", "compute.googleapis.com")
	w.Google.Disable("lab-project", "container.googleapis.com")
	t.Run("both", func(t *testing.T) {
		want(t, refused(t, w), line("compute.googleapis.com"), line("container.googleapis.com"))
	})
	w.Google.Enable("lab-project", "compute.googleapis.com")
	w.Google.Enable("lab-project", "container.googleapis.com")
	untouched(t, w, before)
}

func TestCredentials(t *testing.T) {
	t.Parallel()
	w := world(t, conformance.Options{NoController: true})
	before := w.State()
	w.GoogleToken = "ya29.expired"
	_, err := w.Apply(t.Context(), Method{})
	wantCode(t, err, "CW-GCP-CREDENTIALS", "read cluster")
	plain(t, err)
	if strings.Contains(err.Error(), w.GoogleToken) {
		t.Errorf("the error shows the token: %v", err)
	}
	w.GoogleToken = gcptest.Token
	w.ClusterToken = "ended"
	_, err = w.Apply(t.Context(), Method{})
	wantCode(t, err, "CW-KUBE-UNAUTHORIZED")
	plain(t, err)
	untouched(t, w, before)
}

func TestClientNetworksThatTheClusterUses(t *testing.T) {
	t.Parallel()
	w := world(t, conformance.Options{NoController: true})
	for cidr, line := range map[string]string{
		"10.36.8.0/24":    "client network 10.36.8.0/24 overlaps the cluster's Pods (10.36.0.0/14)",
		"10.40.0.0/16":    "client network 10.40.0.0/16 overlaps the cluster's Services (10.40.0.0/20)",
		"192.168.50.0/24": "client network 192.168.50.0/24 overlaps its control plane (192.168.50.0/28)",
		"10.156.1.0/24":   "client network 10.156.1.0/24 overlaps subnet default in europe-west3 (10.156.0.0/20)",
	} {
		t.Run(cidr, func(t *testing.T) {
			w.Spec.FarSide.CIDRs = []string{"172.31.0.0/16", cidr}
			want(t, refused(t, w), "CW-NET-OVERLAP "+line)
		})
	}
	w.Spec.FarSide.CIDRs = []string{"10.0.0.0/8"}
	t.Run("three at once", func(t *testing.T) {
		want(t, refused(t, w), "overlaps subnet default", "overlaps the cluster's Pods", "overlaps the cluster's Services")
	})
}

func TestWhetherPrivateNodesReachTheImage(t *testing.T) {
	t.Parallel()
	const nat, subnet = "projects/lab-project/regions/europe-west3/routers/nat", labRegion + "/subnetworks/default"
	router := gcptest.Seed{Resources: []gcptest.SeedObject{{Path: nat, Body: map[string]any{
		"network": "projects/lab-project/global/networks/default",
		"nats":    []any{map[string]any{"name": "all", "type": "PUBLIC", "natIpAllocateOption": "AUTO_ONLY", "sourceSubnetworkIpRangesToNat": "ALL_SUBNETWORKS_ALL_IP_RANGES"}}}}}}
	for name, c := range map[string]struct {
		image                         string
		nat, noAccess, nodesArePublic bool
		want                          string
	}{
		"Docker Hub without NAT":                  {image: "nginx:1.28", want: "image nginx:1.28 is not on a registry that Private Google Access reaches"},
		"Docker Hub by its name without NAT":      {image: "docker.io/library/nginx:1.28", want: "docker.io/library/nginx:1.28 is not on a registry"},
		"Docker Hub with NAT":                     {image: "nginx:1.28", nat: true},
		"Docker Hub from public nodes":            {image: "nginx:1.28", nodesArePublic: true},
		"Google's mirror":                         {image: exposer.DefaultImage},
		"Artifact Registry":                       {image: "europe-west3-docker.pkg.dev/p/r/nginx:1.28"},
		"a mirror without Private Google Access":  {image: exposer.DefaultImage, noAccess: true, want: "it has no Private Google Access: no image can be pulled"},
		"a mirror without access but with NAT":    {image: exposer.DefaultImage, noAccess: true, nat: true},
		"a host that only looks like Google's":    {image: "evilgcr.io/nginx:1", want: "evilgcr.io/nginx:1 is not on a registry"},
		"a host that only ends as Google's would": {image: "my-docker.pkg.dev.example.com/nginx:1", want: "is not on a registry"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := world(t, conformance.Options{NoController: true}, func(s *exposer.Spec) { s.ILB.Image = c.image })
			if c.nat {
				if err := w.Google.Fill(router); err != nil {
					t.Fatal(err)
				}
			}
			if c.noAccess {
				change(t, w, subnet, func(o map[string]any) { o["privateIpGoogleAccess"] = false })
			}
			if c.nodesArePublic {
				change(t, w, labAt, func(o map[string]any) {
					o["privateClusterConfig"].(map[string]any)["enablePrivateNodes"] = false
				})
			}
			problems := planProblems(t, w)
			if c.want == "" {
				want(t, problems)
				return
			}
			want(t, problems, "CW-IMG-UNREACHABLE the nodes are private, no Cloud NAT covers their subnet default")
			if !strings.Contains(strings.Join(problems, ""), c.want) {
				t.Errorf("problem %q does not say %q", problems, c.want)
			}
		})
	}
}

func change(t testing.TB, w *conformance.World, at string, edit func(map[string]any)) {
	t.Helper()
	if err := w.Google.Change(at, edit); err != nil {
		t.Fatal(err)
	}
}

// planProblems is refused where nothing may stand in the way.
func planProblems(t testing.TB, w *conformance.World) []string {
	t.Helper()
	job, err := w.Job(Method{})
	if err != nil {
		t.Fatal(err)
	}
	_, _, problems, err := job.Plan(t.Context(), w.Spec)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, p := range problems {
		all = append(all, p.Code+" "+p.Text)
	}
	slices.Sort(all)
	return all
}

func TestRoleAndNamespacesMustExist(t *testing.T) {
	t.Parallel()
	w := world(t, conformance.Options{NoController: true}, func(s *exposer.Spec) {
		s.Access.Role, s.Access.Namespaces = "viewer", []string{"team-a", "kube-system", "team-b"}
	})
	before := w.State()
	want(t, refused(t, w), "CW-KUBE-ROLE ClusterRole viewer does not exist", "CW-KUBE-NAMESPACE Namespace team-a does not exist", "CW-KUBE-NAMESPACE Namespace team-b does not exist")
	untouched(t, w, before)
}

func TestEverythingInTheWayAtOnce(t *testing.T) {
	t.Parallel()
	w := world(t, conformance.Options{NoController: true}, func(s *exposer.Spec) {
		s.FarSide.CIDRs, s.ILB.Image, s.ILB.Address, s.Access.Role = []string{"10.36.0.0/16"}, "nginx:1.28", "10.200.0.5", "nobody"
	})
	before := w.State()
	put(t, w, namespaces, named("Namespace", "v1", "", w.Spec.Namespace, nil))
	put(t, w, serviceKind, named("Service", "v1", w.Spec.Namespace, proxyName, map[string]any{"spec": map[string]any{"ports": []any{map[string]any{"port": int64(80)}}}}))
	w.Google.Deny("compute.addresses.createInternal")
	want(t, refused(t, w), "CW-NET-OUTSIDE-SUBNET ", "CW-KUBE-FOREIGN service/causeway-proxy", "CW-GCP-PERMISSION permission compute.addresses.createInternal",
		"CW-NET-OVERLAP ", "CW-IMG-UNREACHABLE ", "CW-KUBE-ROLE ")
	if w.State() != before {
		t.Error("something was reserved")
	}
	if get(t, w, configMaps, w.Spec.Namespace, "causeway-record") != nil || get(t, w, deployments, w.Spec.Namespace, proxyName) != nil {
		t.Error("something was made in the namespace")
	}
}

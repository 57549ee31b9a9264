package gateway

import (
	"slices"
	"strings"
	"testing"

	"causeway/exposer"
	"causeway/exposer/conformance"
	"causeway/internal/gcptest"
)

// forAlice lets one user in.
func forAlice() exposer.Spec {
	spec := plain()
	spec.Gateway.Members = []string{alice}
	return spec
}

// with edits a spec's part of this method.
func with(spec exposer.Spec, edit func(*exposer.Gateway)) exposer.Spec {
	own := *spec.Gateway
	edit(&own)
	spec.Gateway = &own
	return spec
}

// role makes a role of the project's own.
func role(t testing.TB, w *conformance.World, name string, permissions ...string) {
	t.Helper()
	if err := w.Google.Fill(gcptest.Seed{Resources: []gcptest.SeedObject{{Path: "projects/lab-project/roles/" + name,
		Body: map[string]any{"title": name, "includedPermissions": permissions}}}}); err != nil {
		t.Fatal(err)
	}
}

func custom(name string, stream bool) exposer.Spec {
	return with(forAlice(), func(o *exposer.Gateway) { o.Role, o.Stream = "projects/lab-project/roles/"+name, stream })
}

func TestWhatStandsInTheWay(t *testing.T) {
	t.Parallel()
	deny := func(permissions ...string) func(*testing.T, *conformance.World) {
		return func(_ *testing.T, w *conformance.World) {
			for _, one := range permissions {
				w.Google.Deny(one)
			}
		}
	}
	change := func(at string, edit func(map[string]any)) func(*testing.T, *conformance.World) {
		return func(t *testing.T, w *conformance.World) {
			t.Helper()
			if err := w.Google.Change(at, edit); err != nil {
				t.Fatal(err)
			}
		}
	}
	const other = "projects/lab-project/locations/europe-west3/clusters/client-cluster"
	unregistered := with(plain(), func(o *exposer.Gateway) { o.Register = false })
	for about, c := range map[string]struct {
		spec   exposer.Spec
		member bool // the cluster is one already
		change func(*testing.T, *conformance.World)
		codes  []string
		says   []string
	}{
		"a cluster in no fleet, and nobody asked to register it": {spec: unregistered, codes: []string{"CW-FLEET-MEMBER"}, says: []string{"in no fleet, as far as project lab-project knows", "--register"}},
		"one that is in it":            {spec: unregistered, member: true},
		"one that is to be registered": {spec: forAlice()},
		"a cluster in another project's fleet": {spec: with(plain(), func(o *exposer.Gateway) { o.FleetProject = "lab-project" }), codes: []string{"CW-FLEET-MEMBER"},
			says: []string{"in the fleet of project 567890123456, not in that of lab-project", "--fleet-project"},
			change: change(clusterAt, func(o map[string]any) {
				o["fleet"] = map[string]any{"project": "567890123456", "membership": "//gkehub.googleapis.com/projects/567890123456/locations/global/memberships/x"}
			})},
		"the name is another cluster's": {spec: plain(), codes: []string{"CW-FLEET-NAME"}, says: []string{"a membership private-cluster in europe-west3 already, of " + other, "--membership"},
			change: func(t *testing.T, w *conformance.World) { member(t, w, membershipAt, other) }},
		"it is another cluster's, and a new one is given": {spec: with(plain(), func(o *exposer.Gateway) { o.Membership = "second" }),
			change: func(t *testing.T, w *conformance.World) { member(t, w, membershipAt, other) }},
		"the name is another's in another location": {spec: plain(),
			change: func(t *testing.T, w *conformance.World) {
				member(t, w, "projects/lab-project/locations/global/memberships/private-cluster", other)
			}},
		"a location does not answer, where it may be a member": {spec: plain(), codes: []string{"CW-FLEET-UNREACHABLE"}, says: []string{"us-east1", "under two names"},
			change: func(_ *testing.T, w *conformance.World) { w.Google.SetUnreachable("gkehub", "us-east1") }},
		"a location does not answer, and it is found in another": {spec: plain(), member: true,
			change: func(_ *testing.T, w *conformance.World) { w.Google.SetUnreachable("gkehub", "us-east1") }},
		"its membership leads to one that was deleted": {spec: plain(), member: true, codes: []string{"CW-FLEET-MEMBER"}, says: []string{"cluster is missing", "gcloud container fleet memberships delete private-cluster --location europe-west3"},
			change: change(membershipAt, func(o map[string]any) {
				o["endpoint"].(map[string]any)["gkeCluster"].(map[string]any)["clusterMissing"] = true
			})},
		"its membership is being deleted": {spec: plain(), member: true, codes: []string{"CW-FLEET-MEMBER"}, says: []string{"is being deleted"},
			change: change(membershipAt, func(o map[string]any) { o["state"] = map[string]any{"code": "DELETING"} })},
		"a cluster that is being made": {spec: plain(), codes: []string{"CW-GCP-CLUSTER-STATE"}, says: []string{"PROVISIONING"},
			change: change(clusterAt, func(o map[string]any) { o["status"] = "PROVISIONING" })},
		"APIs are off, and this identity may turn them on": {spec: forAlice(), change: func(t *testing.T, w *conformance.World) { bare(t, w) }},
		"APIs are off, and it may not": {spec: forAlice(), codes: []string{"CW-GCP-PERMISSION"}, says: []string{"serviceusage.services.enable", "gcloud services enable connectgateway.googleapis.com gkeconnect.googleapis.com gkehub.googleapis.com --project lab-project"},
			change: func(t *testing.T, w *conformance.World) { bare(t, w); w.Google.Deny("serviceusage.services.enable") }},
		"a role of one's own that holds what it needs": {spec: custom("stream", true), change: func(t *testing.T, w *conformance.World) {
			role(t, w, "stream", mayGet, mayMake, mayStream)
		}},
		"one without stream": {spec: custom("quiet", true), codes: []string{"CW-GATEWAY-STREAM"}, says: []string{"role projects/lab-project/roles/quiet does not hold gkehub.gateway.stream"},
			change: func(t *testing.T, w *conformance.World) { role(t, w, "quiet", mayGet, mayMake) }},
		"one without stream, and nobody streams": {spec: custom("quiet", false), change: func(t *testing.T, w *conformance.World) { role(t, w, "quiet", mayGet, mayMake) }},
		"one that lets nobody in":                {spec: custom("empty", false), codes: []string{"CW-GATEWAY-ROLE"}, says: []string{"does not hold gkehub.gateway.get and gkehub.gateway.generateCredentials"}, change: func(t *testing.T, w *conformance.World) { role(t, w, "empty", "gkehub.memberships.get") }},
		"one that does not exist":                {spec: custom("nobodys", false), codes: []string{"CW-GATEWAY-ROLE"}, says: []string{"IAM knows no role projects/lab-project/roles/nobodys"}},
		"one that may not be looked at": {spec: custom("hidden", false), change: func(t *testing.T, w *conformance.World) {
			role(t, w, "hidden", "gkehub.memberships.get")
			w.Google.Deny("iam.roles.get")
		}},
		"streams to a cluster at 1.29": {spec: with(forAlice(), func(o *exposer.Gateway) { o.Stream = true }), codes: []string{"CW-GATEWAY-VERSION"}, says: []string{"1.29.8-gke.1", "leave --stream out"},
			change: change(clusterAt, func(o map[string]any) { o["currentMasterVersion"] = "1.29.8-gke.1" })},
		"groups, and the cluster has no security group": {spec: with(forAlice(), func(o *exposer.Gateway) { o.Members = append(o.Members, "group:ops@example.com") }), codes: []string{"CW-GATEWAY-GROUPS"},
			says: []string{"group:ops@example.com would give nobody rights", "--security-group="}, change: change(clusterAt, func(o map[string]any) { delete(o, "authenticatorGroupsConfig") })},
		"the operator may not get the kubeconfig himself": {spec: plain(), codes: []string{"CW-GATEWAY-ROLE"}, says: []string{"lacks gkehub.gateway.generateCredentials in project lab-project", "--member user:YOU"}, change: deny(mayMake)},
		"he may not, and grants roles in this apply":      {spec: forAlice(), change: deny(mayMake)},
		"the operator lacks rights of all kinds, which are told together": {spec: forAlice(), codes: []string{"CW-GCP-PERMISSION", "CW-GCP-PERMISSION"},
			says: []string{"gkehub.memberships.create", "resourcemanager.projects.setIamPolicy"}, change: deny("gkehub.memberships.create", "resourcemanager.projects.setIamPolicy")},
		"the policy may not be read, and more": {spec: forAlice(), codes: []string{"CW-GCP-PERMISSION", "CW-GCP-PERMISSION"},
			says: []string{"gkehub.memberships.create", "resourcemanager.projects.getIamPolicy"}, change: deny("gkehub.memberships.create", "resourcemanager.projects.getIamPolicy")},
		"which APIs are on may not be seen":       {spec: forAlice(), codes: []string{"CW-GCP-PERMISSION"}, says: []string{"serviceusage.services.get"}, change: deny("serviceusage.services.get")},
		"he may register nobody, and need not":    {spec: forAlice(), member: true, change: deny("gkehub.memberships.create")},
		"he may not even list the fleet":          {spec: forAlice(), codes: []string{"CW-GCP-PERMISSION"}, says: []string{"gkehub.memberships.list"}, change: deny("gkehub.memberships.list")},
		"he may not even look at the cluster":     {spec: forAlice(), codes: []string{"CW-GCP-PERMISSION"}, says: []string{"container.clusters.get"}, change: deny("container.clusters.get")},
		"by the agent, and the cluster has none":  {spec: with(forAlice(), func(o *exposer.Gateway) { o.Agent = true }), codes: []string{"CW-GATEWAY-NO-AGENT"}, says: []string{"the Connect Agent is not installed", "leave --use-agent out"}},
		"rights by a role that the cluster lacks": {spec: func() exposer.Spec { s := forAlice(); s.Access.Role = "no-such-role"; return s }(), codes: []string{"CW-KUBE-ROLE"}, says: []string{"no-such-role"}},
	} {
		t.Run(about, func(t *testing.T) {
			t.Parallel()
			w := world(t, c.spec)
			if c.member {
				member(t, w, membershipAt, clusterAt)
			}
			if c.change != nil {
				c.change(t, w)
			}
			before := w.State()
			codes, text := problemsOf(t, w)
			if !slices.Equal(codes, c.codes) {
				t.Errorf("%v, want %v\n%s", codes, c.codes, text)
			}
			for _, want := range c.says {
				if !strings.Contains(text, want) {
					t.Errorf("it does not say %q:\n%s", want, text)
				}
			}
			if w.State() != before {
				t.Error("something was changed")
			}
		})
	}
}

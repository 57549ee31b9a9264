package main

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"causeway/exposer"
	"causeway/exposer/conformance"
	"causeway/internal/gcptest"
	"causeway/internal/kubetest"
	"causeway/probe"
)

const (
	ownMember    = "projects/lab-project/locations/europe-west3/memberships/private-cluster"
	clientMember = "projects/lab-project/locations/europe-west3/memberships/client-cluster"
)

// standInFleetOfTwo is a place in the project of a fleet that another cluster is in,
// with its kubeconfig, and with Google's importer between the two.
func standInFleetOfTwo(t *testing.T, name string, namespaces ...string) *place {
	t.Helper()
	p := standIn(t, name, conformance.Options{Seed: "fleet", GoogleTime: googleTime})
	second := kubetest.StartSecond(t)
	kubetest.Workloads(t, second.Config)
	kubetest.Workloads(t, p.world.Server.Config)
	p.world.Google.SetPolicy("lab-project", gcptest.Binding{Role: "roles/owner", Members: []string{gcptest.Owner}})
	for _, api := range []string{"multiclusterservicediscovery", "trafficdirector", "dns"} {
		p.world.Google.Disable("lab-project", api+".googleapis.com")
	}
	if err := p.world.Google.SetClusterCA("lab-project", "europe-west3", "client-cluster", second.CA); err != nil {
		t.Fatal(err)
	}
	if err := p.world.Google.Fill(gcptest.Seed{Resources: []gcptest.SeedObject{{Path: clientMember, Body: map[string]any{
		"endpoint": map[string]any{"gkeCluster": map[string]any{"resourceLink": "//container.googleapis.com/projects/lab-project/locations/europe-west3/clusters/client-cluster"}}}}}}); err != nil {
		t.Fatal(err)
	}
	text, err := second.Kubeconfig("client", kubetest.GoogleToken)
	if err != nil {
		t.Fatal(err)
	}
	p.write("client.kubeconfig", string(text))
	p.env["KUBECONFIG"] += ":" + "client.kubeconfig"
	p.world.Import(t, map[string]*kubetest.Server{ownMember: p.world.Server, clientMember: second}, namespaces...)
	report := works()
	const host = "causeway-private-cluster-ef5ff2.causeway-beneath.svc.clusterset.local"
	report.Server, report.Curl = "https://"+host, "curl --cacert ca.crt -H @token https://"+host+"/version"
	for i, detail := range []string{host + " is 10.41.0.7", "TCP to 10.41.0.7:443", "TLSv1.3, certificate for " + host + ", 364 days left"} {
		report.Results[i].Status, report.Results[i].Detail = probe.Pass, detail
	}
	said, err := probe.JSON(report)
	if err != nil {
		t.Fatal(err)
	}
	for _, namespace := range namespaces {
		kubetest.Workloads(t, second.Config).OnRun(namespace, func(*unstructured.Unstructured) (string, int) { return string(said), 0 })
	}
	return p
}

// TestTheStoryOfAnExportToTheFleet: the API server of one cluster, for Pods of
// another one.
func TestTheStoryOfAnExportToTheFleet(t *testing.T) {
	p := standInFleetOfTwo(t, "beneath", "causeway-beneath")
	before := p.world.State()
	p.runs(2, p.on("plan", "mcs", "--client-cidr", "172.31.0.0/16")...)
	p.shows("mcs-alone", 4, append(p.on("plan", "mcs"), "--register")...)
	p.apply()
	p.exposed = "fleet"
	export := []string{"--exposure", "beneath", "--register", "--importer", "europe-west3/client-cluster"}

	p.shows("mcs-unregistered", 4, append(p.on("plan", "mcs"), "--exposure", "beneath")...)
	p.shows("mcs-plan", 0, append(p.on("plan", "mcs"), export...)...)
	p.shows("mcs-render", 0, append(p.on("render", "mcs"), export...)...)
	p.shows("mcs-fleet-before", 4, "mcs", "status", "--project", "lab-project")
	p.shows("mcs-apply", 0, append(p.on("apply", "mcs", "--yes"), export...)...)
	p.mode("causeway-fleet.kubeconfig", 0o600)
	p.says(p.read("causeway-fleet.kubeconfig"), "server: https://causeway-private-cluster-ef5ff2.causeway-beneath.svc.clusterset.local", "certificate-authority-data")
	p.shows("mcs-apply-again", 0, append(p.on("apply", "mcs", "--yes"), export...)...)
	p.shows("mcs-verify", 0, p.on("verify", "mcs")...)
	p.says(p.runs(0, append(p.on("verify", "mcs"), "-o", "json")...).out, `"from": "cluster client-cluster"`)
	p.shows("mcs-status", 0, p.on("status", "mcs")...)
	p.shows("mcs-fleet", 0, "mcs", "status", "--project", "lab-project")
	p.shows("mcs-handoff", 0, p.on("handoff", "mcs", "--secrets", "omit")...)

	p.world.Google.SetMemberState("lab-project", clientMember, "FAILED",
		"Project that member lives in is missing required permissions and/or has not enabled all required APIs - additional setup steps are required")
	p.world.Google.SetMemberState("lab-project", ownMember, "WARNING", "Firewall creation pending")
	p.shows("mcs-fleet-broken", 4, "mcs", "status", "--project", "lab-project")
	p.shows("mcs-fleet-own", 0, "mcs", "status", "--project", "lab-project", "--location", "europe-west3", "--cluster", "private-cluster", "-o", "json")
	p.world.Google.SetMemberState("lab-project", clientMember, "", "")
	p.world.Google.SetMemberState("lab-project", ownMember, "", "")

	p.exposed = "beneath"
	p.says(p.runs(4, p.on("destroy", "ilb", "--yes")...).err, "the exposure fleet by mcs stands on it", "CW-RUN-GUESTS")
	p.exposed = "fleet"
	p.shows("mcs-destroy-dry-run", 0, p.on("destroy", "mcs", "--dry-run")...)
	p.shows("mcs-destroy", 0, p.on("destroy", "mcs", "--yes")...)
	p.exposed = "beneath"
	p.runs(0, p.on("destroy", "ilb", "--yes")...)
	if p.world.State() != before {
		t.Error("Google's side is not as before")
	}
}

// TestTheStoryOfAnyService has no kubeconfig, and ends with the feature turned off.
func TestTheStoryOfAnyService(t *testing.T) {
	p := standInFleetOfTwo(t, "shop-web", "shop")
	client, err := dynamic.NewForConfig(p.world.Server.Config)
	if err != nil {
		t.Fatal(err)
	}
	make := func(resource, namespace string, o map[string]any) {
		t.Helper()
		kind := client.Resource(schema.GroupVersionResource{Version: "v1", Resource: resource}).Namespace(namespace)
		if _, err := kind.Create(t.Context(), &unstructured.Unstructured{Object: o}, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	make("namespaces", "", map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": "shop"}})
	make("services", "shop", map[string]any{"apiVersion": "v1", "kind": "Service", "metadata": map[string]any{"name": "web"},
		"spec": map[string]any{"clusterIP": "None", "selector": map[string]any{"app": "web"}, "ports": []any{map[string]any{"port": int64(80), "targetPort": int64(8080)}}}})
	p.shows("mcs-any-apply", 0, append(p.on("apply", "mcs", "--yes"), "--service", "shop/web", "--register")...)
	p.absent("causeway-shop-web.kubeconfig")
	p.says(p.runs(exitFailed, p.on("kubeconfig", "mcs")...).err, "CW-MCS-NO-API")
	p.says(p.runs(2, "mcs", "disable", "--project", "lab-project").err, "stdin is no terminal")
	p.shows("mcs-disable-dry-run", 0, "mcs", "disable", "--project", "lab-project", "--dry-run")
	p.shows("mcs-disable", 0, "mcs", "disable", "--project", "lab-project", "--yes")
	p.says(p.runs(0, "mcs", "disable", "--project", "lab-project", "--yes").out, "nothing of this")
	p.runs(0, p.on("destroy", "mcs", "--yes")...)
}

// TestWhatMCSCantBeTold: mistakes that would leave people with another exposure than
// they think.
func TestWhatMCSCantBeTold(t *testing.T) {
	p := standIn(t, "mistakes", conformance.Options{Seed: "fleet", NoController: true})
	for name, c := range map[string]struct {
		args []string
		says string
	}{
		"networks":                       {[]string{"--client-cidr", "172.31.0.0/16"}, "--client-cidr is a flag of the method ilb, route, psc, not of mcs"},
		"two things to export":           {[]string{"--service", "a/b", "--exposure", "c"}, "mcs.service can't go with mcs.exposure"},
		"a Service without a namespace":  {[]string{"--service", "web"}, "mcs.service must be NAMESPACE/NAME"},
		"an importer that is none":       {[]string{"--importer", "x"}, "mcs.importers[0] is not well-formed"},
		"the exporting cluster":          {[]string{"--importer", "europe-west3/private-cluster"}, "mcs.importers[0] is the exporting cluster"},
		"an importer twice":              {[]string{"--importer", "europe-west3/a", "--importer", "lab-project/europe-west3/a"}, "mcs.importers[1] is the exporting cluster, or in the list twice"},
		"a fleet's project that is none": {[]string{"--fleet-project", "123"}, "mcs.fleetProject must be a Google project ID"},
		"people who are let in":          {[]string{"--member", "user:alice@example.com"}, "--member is a flag of the method gateway, not of mcs"},
	} {
		t.Run(name, func(t *testing.T) { p.says(p.runs(2, append(p.on("plan", "mcs"), c.args...)...).err, c.says) })
	}
	p.says(p.runs(2, "mcs", "status", "--project", "lab-project", "--cluster", "x").err, "cluster.location")
	p.says(p.runs(2, "mcs", "disable", "--project", "lab-project", "--cluster", "x").err, "unknown flag: --cluster")
	spec := exposer.Spec{Method: "mcs", Cluster: exposer.ClusterRef{Name: "c"}}.WithDefaults()
	if spec.MCS.Exposure != "c" || spec.Name != "c-mcs" {
		t.Errorf("the defaults are %+v", spec)
	}
}

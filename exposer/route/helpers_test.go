package route

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"causeway/exposer"
	"causeway/exposer/conformance"
	"causeway/internal/explain"
	"causeway/internal/gcptest"
	"causeway/internal/kubetest"
)

// Where the seeds' things lie.
const (
	lab       = "projects/lab-project"
	networkAt = lab + "/global/networks/default"
	west3     = lab + "/regions/europe-west3"
	west4     = lab + "/regions/europe-west4"
	routerAt  = west3 + "/routers/cr-line"
	clusterAt = lab + "/locations/europe-west3/clusters/private-cluster"
	pscAt     = lab + "/locations/europe-west3/clusters/psc-cluster"
	peering   = "gke-n2f8c1d5e7a9b3c4d6e8-4b2a-9c1d-peer"
	master    = "192.168.50.0/28"
	client    = "172.31.0.0/16"
)

// The same steps in each exposure.
const (
	peeringStep    = "peering/default/" + peering
	announceStep   = "advertisement/europe-west3/cr-line"
	authorizedStep = "authorized-networks/private-cluster"
	globalStep     = "global-access/private-cluster"
)

func psc(s *exposer.Spec) { s.Cluster.Name = "psc-cluster" }

// world is a seed with an exposure whose name is the test's.
func world(t *testing.T, seed string, spec exposer.Spec, edit ...func(*exposer.Spec)) *conformance.World {
	t.Helper()
	return worldOf(t, conformance.Options{Seed: seed}, spec, edit...)
}

func worldOf(t *testing.T, o conformance.Options, spec exposer.Spec, edit ...func(*exposer.Spec)) *conformance.World {
	t.Helper()
	sum := fnv.New32a()
	fmt.Fprint(sum, t.Name())
	spec.Name = fmt.Sprintf("t%08x", sum.Sum32())
	for _, change := range edit {
		change(&spec)
	}
	kubetest.Workloads(t, kubetest.Start(t).Config)
	o.NoController = true
	w := conformance.New(t, spec, o)
	t.Cleanup(func() { clean(t, w) })
	return w
}

// beside is another exposure in the same world.
func beside(t *testing.T, w *conformance.World, edit ...func(*exposer.Spec)) *conformance.World {
	t.Helper()
	second := *w
	second.Spec.Name, second.Spec.Namespace = w.Spec.Name+"b", ""
	second.Spec.Route = &exposer.Route{}
	for _, change := range edit {
		change(&second.Spec)
	}
	second.Spec = second.Spec.WithDefaults()
	c := second.Spec.Cluster
	if err := w.Google.SetClusterCA(c.Project, c.Location, c.Name, w.Server.CA); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { clean(t, &second) })
	return &second
}

// clean removes what a test leaves in the server that all tests share.
func clean(t *testing.T, w *conformance.World) {
	client, err := dynamic.NewForConfig(w.Server.Config)
	if err != nil {
		t.Fatal(err)
	}
	rbac := func(resource string) schema.GroupVersionResource {
		return schema.GroupVersionResource{Group: "rbac.authorization.k8s.io", Version: "v1", Resource: resource}
	}
	_ = client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}).Delete(context.Background(), w.Spec.Namespace, metav1.DeleteOptions{})
	for _, resource := range []string{"clusterroles", "clusterrolebindings"} {
		_ = client.Resource(rbac(resource)).DeleteCollection(context.Background(), metav1.DeleteOptions{},
			metav1.ListOptions{LabelSelector: exposer.ExposureLabel + "=" + w.Spec.Name})
	}
}

func apply(t testing.TB, w *conformance.World) exposer.Plan {
	t.Helper()
	plan, err := w.Apply(t.Context(), Method{})
	if err != nil {
		t.Fatalf("apply: %v", err)
	}
	return plan
}

// unchanged applies again and fails the test when there was anything to do.
func unchanged(t testing.TB, w *conformance.World) {
	t.Helper()
	if plan := apply(t, w); !plan.Empty() {
		t.Errorf("an apply after the apply has something to do: %v", todo(plan))
	}
}

func destroy(t testing.TB, w *conformance.World) map[string]exposer.DestroyItem {
	t.Helper()
	items, err := w.Destroy(t.Context(), Method{})
	if err != nil {
		t.Fatalf("destroy: %v", err)
	}
	all := map[string]exposer.DestroyItem{}
	for _, item := range items {
		all[item.ID] = item
	}
	return all
}

// todo lists what a plan does: "change router/europe-west3/cr".
func todo(plan exposer.Plan) []string {
	var all []string
	for _, item := range plan.Items {
		if item.Action != exposer.Keep {
			all = append(all, string(item.Action)+" "+item.ID)
		}
	}
	slices.Sort(all)
	return all
}

// open opens the exposure, as a verb would.
func open(t testing.TB, w *conformance.World) *exposure {
	t.Helper()
	job, err := w.Job(Method{})
	if err != nil {
		t.Fatal(err)
	}
	x, err := Method{}.Open(t.Context(), w.Spec, job.Deps)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	return x.(*exposure)
}

// trace looks at the way as `verify` does.
func trace(t testing.TB, w *conformance.World) exposer.Trace {
	t.Helper()
	way, err := open(t, w).Trace(t.Context())
	if err != nil {
		t.Fatalf("trace: %v", err)
	}
	return way
}

// passes fails the test unless the whole way is good.
func passes(t testing.TB, w *conformance.World) {
	t.Helper()
	way := trace(t, w)
	for _, h := range way.Hops {
		if h.Verdict != exposer.Good {
			t.Errorf("%s way, %s is %s: %s", h.Way, h.Name, h.Verdict, h.Text)
		}
	}
	if err := way.Err(); err != nil {
		t.Error(err)
	}
}

// breaks fails the test unless the trace says that the way is broken, at hops with
// these codes and at no other.
func breaks(t testing.TB, w *conformance.World, codes ...string) exposer.Trace {
	t.Helper()
	way := trace(t, w)
	var got []string
	for _, h := range way.Hops {
		if h.Verdict == exposer.Broken {
			got = append(got, h.Code)
			if h.Code == "" {
				t.Errorf("a broken hop without a code: %+v", h)
			}
		}
	}
	slices.Sort(got)
	slices.Sort(codes)
	if got = slices.Compact(got); !slices.Equal(got, codes) {
		t.Errorf("the way is broken by %q, want %q:\n%v", got, codes, way.Err())
	}
	return way
}

// refused plans and returns what stands in the way, each problem as "CODE text";
// it fails the test where a problem has no cure.
func refused(t testing.TB, w *conformance.World) []string {
	t.Helper()
	before := w.State()
	_, err := w.Apply(t.Context(), Method{})
	var missing *exposer.PreconditionError
	if !errors.As(err, &missing) {
		t.Fatalf("apply: %v, want a *PreconditionError", err)
	}
	var all []string
	for _, p := range missing.Problems {
		if _, ok := explain.Lookup(p.Code); !ok {
			t.Errorf("a problem with the code %q, which has no entry: %s", p.Code, p.Text)
		}
		all = append(all, p.Code+" "+p.Text+" FIX "+p.Fix)
	}
	if w.State() != before {
		t.Error("a refused apply changed Google's side")
	}
	if left, err := w.Objects(t.Context()); err != nil || len(left) > 0 {
		t.Errorf("a refused apply made something in the cluster: %v %v", left, err)
	}
	slices.Sort(all)
	return all
}

// want compares problems with parts of them, one each, in any order.
func want(t testing.TB, got []string, parts ...string) {
	t.Helper()
	left := slices.Clone(got)
	for _, part := range parts {
		at := slices.IndexFunc(left, func(problem string) bool { return strings.Contains(problem, part) })
		if at < 0 {
			t.Errorf("no problem says %q: %q", part, left)
			continue
		}
		left = slices.Delete(left, at, at+1)
	}
	if len(left) > 0 {
		t.Errorf("further problems: %q", left)
	}
}

func wantCode(t testing.TB, err error, code string, texts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want %s", code)
	}
	if got := explain.CodeOf(err); got != code {
		t.Errorf("code %q, want %q: %v", got, code, err)
	}
	if _, ok := explain.Lookup(code); !ok {
		t.Errorf("code %s has no entry", code)
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("the error does not say %q: %v", text, err)
		}
	}
}

// change edits something of Google's as somebody else would.
func change(t testing.TB, w *conformance.World, at string, edit func(map[string]any)) {
	t.Helper()
	if err := w.Google.Change(at, edit); err != nil {
		t.Fatal(err)
	}
}

// setPeering edits the control plane's peering.
func setPeering(t testing.TB, w *conformance.World, fields map[string]any) {
	t.Helper()
	change(t, w, networkAt, func(network map[string]any) {
		maps.Copy(network["peerings"].([]any)[0].(map[string]any), fields)
	})
}

// exports reports whether the control plane's peering exports custom routes.
func exports(w *conformance.World) bool {
	one, _ := w.Google.Object(networkAt)["peerings"].([]any)[0].(map[string]any)
	return one["exportCustomRoutes"] == true
}

// setRouter edits what a router announces.
func setRouter(t testing.TB, w *conformance.World, at, mode string, groups []any, ranges ...string) {
	t.Helper()
	change(t, w, at, func(router map[string]any) { advertise(router["bgp"].(map[string]any), mode, groups, ranges...) })
}

// setPeer gives a BGP peer of the seeds' router a list of its own.
func setPeer(t testing.TB, w *conformance.World, name string, groups []any, ranges ...string) {
	t.Helper()
	change(t, w, routerAt, func(router map[string]any) {
		for _, one := range router["bgpPeers"].([]any) {
			if peer := one.(map[string]any); peer["name"] == name {
				advertise(peer, "CUSTOM", groups, ranges...)
			}
		}
	})
}

// advertise writes a list; a range may have a description behind a blank.
func advertise(to map[string]any, mode string, groups []any, ranges ...string) {
	delete(to, "advertisedGroups")
	delete(to, "advertisedIpRanges")
	to["advertiseMode"] = mode
	if len(groups) > 0 {
		to["advertisedGroups"] = groups
	}
	var list []any
	for _, text := range ranges {
		cidr, about, _ := strings.Cut(text, " ")
		one := map[string]any{"range": cidr}
		if about != "" {
			one["description"] = about
		}
		list = append(list, one)
	}
	if len(list) > 0 {
		to["advertisedIpRanges"] = list
	}
}

var allOfThem = []any{"ALL_SUBNETS"}

// announces tells what a router's list or that of a BGP peer ("" for the router's
// own) says: "CUSTOM ALL_SUBNETS 10.0.0.0/8 (about)".
func announces(w *conformance.World, at, peer string) string {
	router := w.Google.Object(at)
	from, _ := router["bgp"].(map[string]any)
	if peer != "" {
		for _, one := range router["bgpPeers"].([]any) {
			if p := one.(map[string]any); p["name"] == peer {
				from = p
			}
		}
	}
	words := []string{fmt.Sprint(from["advertiseMode"])}
	groups, _ := from["advertisedGroups"].([]any)
	for _, group := range groups {
		words = append(words, fmt.Sprint(group))
	}
	ranges, _ := from["advertisedIpRanges"].([]any)
	for _, one := range ranges {
		r := one.(map[string]any)
		word := fmt.Sprint(r["range"])
		if r["description"] != nil {
			word += fmt.Sprintf(" (%s)", r["description"])
		}
		words = append(words, word)
	}
	return strings.Join(words, " ")
}

// authorized lists a cluster's authorized networks: "172.31.0.0/16 (name)".
func authorized(w *conformance.World, at string) []string {
	config, _ := w.Google.Object(at)["masterAuthorizedNetworksConfig"].(map[string]any)
	blocks, _ := config["cidrBlocks"].([]any)
	var all []string
	for _, one := range blocks {
		block := one.(map[string]any)
		text := fmt.Sprint(block["cidrBlock"])
		if block["displayName"] != nil {
			text += fmt.Sprintf(" (%s)", block["displayName"])
		}
		all = append(all, text)
	}
	return all
}

// setAuthorized writes the list of a cluster.
func setAuthorized(t testing.TB, w *conformance.World, at string, blocks ...map[string]any) {
	t.Helper()
	change(t, w, at, func(cluster map[string]any) {
		list := []any{}
		for _, block := range blocks {
			list = append(list, block)
		}
		ip := cluster["controlPlaneEndpointsConfig"].(map[string]any)["ipEndpointsConfig"].(map[string]any)
		for _, config := range []map[string]any{cluster["masterAuthorizedNetworksConfig"].(map[string]any), ip["authorizedNetworksConfig"].(map[string]any)} {
			config["cidrBlocks"] = slices.Clone(list)
		}
	})
}

// globalAccess reports whether a control plane answers other regions.
func globalAccessOf(w *conformance.World, at string) bool {
	endpoints, _ := w.Google.Object(at)["controlPlaneEndpointsConfig"].(map[string]any)
	return endpoints["ipEndpointsConfig"].(map[string]any)["globalAccess"] == true
}

// fillLine puts somebody's HA VPN with one tunnel and a router of the name into a
// region; the far side is at the address.
func fillLine(t testing.TB, w *conformance.World, in, network, name, address string, link int) {
	t.Helper()
	project := strings.Join(strings.Split(in, "/")[:2], "/")
	tunnel := in + "/vpnTunnels/" + name
	far := project + "/global/externalVpnGateways/" + name
	seed := gcptest.Seed{Resources: []gcptest.SeedObject{
		{Path: in + "/vpnGateways/" + name, Body: map[string]any{"network": network}},
		{Path: far, Body: map[string]any{"redundancyType": "SINGLE_IP_INTERNALLY_REDUNDANT", "interfaces": []any{map[string]any{"id": 0, "ipAddress": address}}}},
		{Path: tunnel, Body: map[string]any{"vpnGateway": in + "/vpnGateways/" + name, "vpnGatewayInterface": 0, "peerExternalGateway": far,
			"peerExternalGatewayInterface": 0, "router": in + "/routers/" + name, "ikeVersion": 2, "peerIp": address, "status": "ESTABLISHED"}},
		{Path: in + "/routers/" + name, Body: map[string]any{"network": network, "description": "somebody else's",
			"bgp":        map[string]any{"asn": 64700 + link, "advertiseMode": "DEFAULT", "keepaliveInterval": 20},
			"interfaces": []any{map[string]any{"name": name, "linkedVpnTunnel": tunnel, "ipRange": fmt.Sprintf("169.254.99.%d/30", 4*link+1)}},
			"bgpPeers": []any{map[string]any{"name": name, "interfaceName": name, "ipAddress": fmt.Sprintf("169.254.99.%d", 4*link+1),
				"peerIpAddress": fmt.Sprintf("169.254.99.%d", 4*link+2), "peerAsn": 65001, "advertiseMode": "DEFAULT", "enable": "TRUE"}}}},
	}}
	if err := w.Google.Fill(seed); err != nil {
		t.Fatal(err)
	}
}

// remote is a far router that announces.
func remote(address string, prefixes ...string) gcptest.Remote {
	r := gcptest.Remote{Address: netip.MustParseAddr(address), ASN: 65001}
	for _, text := range prefixes {
		r.Prefixes = append(r.Prefixes, netip.MustParsePrefix(text))
	}
	return r
}

// forget loses the exposure's record, on this machine and in the cluster.
func forget(t testing.TB, w *conformance.World) {
	t.Helper()
	if err := os.RemoveAll(filepath.Join(w.Dir, "state")); err != nil {
		t.Fatal(err)
	}
	client, err := dynamic.NewForConfig(w.Server.Config)
	if err != nil {
		t.Fatal(err)
	}
	maps := client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}).Namespace(w.Spec.Namespace)
	if err := maps.Delete(t.Context(), "causeway-record", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
}

// asked lists the bodies of the calls of a method, since the log was emptied.
func asked(w *conformance.World, method string) []string {
	var bodies []string
	for _, request := range w.Google.Requests() {
		if request.Method == method {
			bodies = append(bodies, request.Body)
		}
	}
	return bodies
}

// onStart is a Progress that acts when a step starts.
type onStart struct{ do func(id string) }

func (o onStart) Start(id, _ string)               { o.do(id) }
func (onStart) Note(string, string)                {}
func (onStart) Done(string, time.Duration, string) {}
func (onStart) Fail(string, error)                 {}

// problemsOf are what a *PreconditionError says.
func problemsOf(t testing.TB, err error) []exposer.Problem {
	t.Helper()
	var missing *exposer.PreconditionError
	if !errors.As(err, &missing) {
		t.Fatalf("error is no *PreconditionError but %T: %v", err, err)
	}
	return missing.Problems
}

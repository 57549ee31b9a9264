package psc

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"causeway/exposer"
	"causeway/exposer/conformance"
	"causeway/exposer/ilb"
	"causeway/internal/explain"
	"causeway/internal/gcp"
	"causeway/internal/kubetest"
)

// Where the seed's things lie.
const (
	producerAt = "projects/lab-project/regions/europe-west3"
	consumerAt = "projects/consumer-project/regions/europe-west3"
)

// stage is the seed with an exposure by ilb, for tests whose exposures share it.
type stage struct {
	*conformance.World
	host *conformance.World
}

// newStage makes one. edit changes the spec of the exposure by ilb.
func newStage(t *testing.T, name string, edit ...func(*exposer.Spec)) stage {
	t.Helper()
	kubetest.Workloads(t, kubetest.Start(t).Config)
	options := world()
	options.Before = nil
	spec := bothHalves(hostName(name))
	spec.Name = name
	w := conformance.New(t, spec, options)
	return stage{w, w.Host(t, ilb.Method{}, hostSpec(hostName(name), edit...))}
}

func hostSpec(name string, edit ...func(*exposer.Spec)) exposer.Spec {
	spec := exposer.Spec{Method: "ilb", Name: name, Cluster: labCluster, FarSide: exposer.FarSide{CIDRs: []string{"172.31.0.0/16"}}, ILB: &exposer.ILB{}}
	for _, change := range edit {
		change(&spec)
	}
	return spec
}

// act is another exposure on the stage, with both halves unless edit says otherwise.
func (s stage) act(name string, edit ...func(*exposer.Spec)) *conformance.World {
	spec := bothHalves(s.host.Spec.Name)
	spec.Name = s.Spec.Name + "-" + name
	for _, change := range edit {
		change(&spec)
	}
	return s.Beside(spec)
}

// alone leaves the consumer's half out.
func alone(s *exposer.Spec) { s.PSC.Consumer = nil }

// letIn names who is let in.
func letIn(consumers ...string) func(*exposer.Spec) {
	return func(s *exposer.Spec) { s.PSC.Consumers = consumers }
}

// run is an apply; the producer's half alone has no endpoint, which is no failure.
func run(t testing.TB, w *conformance.World) (exposer.Plan, error) {
	t.Helper()
	plan, err := w.Apply(t.Context(), Method{})
	if explain.CodeOf(err) == "CW-PSC-NO-CONSUMER" {
		err = nil
	}
	return plan, err
}

func apply(t testing.TB, w *conformance.World) exposer.Plan {
	t.Helper()
	plan, err := run(t, w)
	if err != nil {
		t.Fatalf("apply: %v", err)
	}
	return plan
}

func unchanged(t testing.TB, w *conformance.World) {
	t.Helper()
	if plan := apply(t, w); !plan.Empty() {
		t.Errorf("an apply after the apply has something to do: %v", todo(plan))
	}
}

// destroy returns the outcomes by step, those of the client's account left out.
func destroy(t testing.TB, w *conformance.World) map[string]exposer.Outcome {
	t.Helper()
	items, err := w.Destroy(t.Context(), Method{})
	if err != nil {
		t.Fatalf("destroy: %v", err)
	}
	all := map[string]exposer.Outcome{}
	for _, item := range items {
		kind, _, _ := strings.Cut(item.ID, "/")
		all[kind] = item.Outcome
	}
	return all
}

// todo lists what a plan does: "change service-attachment".
var todo = conformance.TodoKinds

// open opens the exposure and reads what stands, as a verb would.
func open(t testing.TB, w *conformance.World) *exposure {
	t.Helper()
	x := w.Opened(t, Method{})
	if _, err := exposer.MakePlan(t.Context(), x.Steps()); err != nil {
		t.Fatalf("read: %v", err)
	}
	return x.(*exposure)
}

// onNote is a Progress that acts on what a step tells.
type onNote struct {
	exposer.Quiet
	do func(text string)
}

func (o onNote) Note(_, text string) { o.do(text) }

func google(t testing.TB, w *conformance.World) *gcp.Cloud {
	t.Helper()
	return w.JobOf(t, Method{}).Deps.Google
}

// hops are those of the trace, "NAME VERDICT CODE" each.
func hops(t testing.TB, w *conformance.World) []string {
	t.Helper()
	all := conformance.Hops(t, open(t, w))
	for i, hop := range all {
		if name, _, _ := strings.Cut(hop, " "); name == "consumer" { // without its ID
			fields := strings.Fields(hop)
			all[i] = strings.Join(slices.Delete(fields, 1, 2), " ")
		}
	}
	return all
}

func wantHops(t testing.TB, w *conformance.World, want ...string) {
	t.Helper()
	if got := hops(t, w); !slices.Equal(got, want) {
		t.Errorf("hops %q, want %q", got, want)
	}
}

var wantCode = conformance.WantCode

func refused(t testing.TB, w *conformance.World) []exposer.Problem {
	t.Helper()
	return w.Refused(t, Method{})
}

// wantProblem fails the test unless there is one problem, of that code and text.
func wantProblem(t testing.TB, problems []exposer.Problem, code, text string) {
	t.Helper()
	if len(problems) != 1 || problems[0].Code != code || !strings.Contains(problems[0].Text, text) {
		t.Errorf("problems %+v, want one of %s with %q", problems, code, text)
	}
}

// attachment is the exposure's, as it is now; nil for none.
func attachment(t testing.TB, w *conformance.World) *gcp.ServiceAttachment {
	t.Helper()
	have, err := google(t, w).ServiceAttachment(t.Context(), gcp.Ref{Project: "lab-project", Region: "europe-west3", Name: "causeway-" + w.Spec.Name})
	if err != nil {
		t.Fatal(err)
	}
	return have
}

// edit changes the attachment as somebody else would.
func edit(t testing.TB, w *conformance.World, change func(gcp.ServiceAttachment) gcp.AttachmentEdit) {
	t.Helper()
	ref := gcp.Ref{Project: "lab-project", Region: "europe-west3", Name: "causeway-" + w.Spec.Name}
	if _, err := google(t, w).EditServiceAttachment(t.Context(), ref, func(have gcp.ServiceAttachment) (gcp.AttachmentEdit, error) { return change(have), nil }, nil); err != nil {
		t.Fatal(err)
	}
}

// endpointAt is the path of the exposure's endpoint.
func endpointAt(w *conformance.World) string {
	return consumerAt + "/forwardingRules/causeway-" + w.Spec.Name
}

// object reads one out of the cluster.
func object(t testing.TB, w *conformance.World, resource, namespace, name string) *unstructured.Unstructured {
	t.Helper()
	client, err := dynamic.NewForConfig(w.Server.Config)
	if err != nil {
		t.Fatal(err)
	}
	got, err := client.Resource(schema.GroupVersionResource{Version: "v1", Resource: resource}).Namespace(namespace).Get(context.Background(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// sourceRanges are who the load balancer lets in.
func sourceRanges(t testing.TB, host *conformance.World) []string {
	t.Helper()
	ranges, _, err := unstructured.NestedStringSlice(object(t, host, "services", host.Spec.Namespace, "causeway-proxy").Object, "spec", "loadBalancerSourceRanges")
	if err != nil {
		t.Fatal(err)
	}
	return ranges
}

// certified are the names and addresses that nginx's certificate bears.
func certified(t testing.TB, host *conformance.World) []string {
	t.Helper()
	data, _, err := unstructured.NestedStringMap(object(t, host, "secrets", host.Spec.Namespace, "causeway-tls").Object, "data")
	if err != nil {
		t.Fatal(err)
	}
	text, err := base64.StdEncoding.DecodeString(data["tls.crt"])
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	if block == nil {
		t.Fatal("the load balancer serves no certificate")
	}
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return append(slices.Clone(leaf.DNSNames), texts(leaf.IPAddresses)...)
}

func texts(ips []net.IP) []string {
	var all []string
	for _, ip := range ips {
		all = append(all, ip.String())
	}
	return all
}

// handOver writes what a producer hands over, and returns its psc.yaml.
func handOver(t testing.TB, w *conformance.World) string {
	t.Helper()
	half, err := open(t, w).FarHalf(t.Context())
	if err != nil || len(half.Top) != 1 {
		t.Fatal(half, err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "kubeconfig"), []byte(handedConfig), 0o600); err != nil {
		t.Fatal(err)
	}
	at := filepath.Join(dir, half.Top[0].Name)
	if err := os.WriteFile(at, half.Top[0].Content, 0o600); err != nil {
		t.Fatal(err)
	}
	return at
}

const handedConfig = `apiVersion: v1
kind: Config
current-context: c
clusters: [{name: c, cluster: {server: "https://10.156.0.3"}}]
contexts: [{name: c, context: {cluster: c, user: u}}]
users: [{name: u, user: {token: abc}}]
`

// consuming is the consumer's half alone, from a producer's file.
func (s stage) consuming(name, file string, edit ...func(*exposer.Spec)) *conformance.World {
	spec := exposer.Spec{Method: "psc", Name: s.Spec.Name + "-" + name, Cluster: labCluster, PSC: &exposer.PSC{Consume: file,
		Consumer: &exposer.Consumer{Project: "consumer-project", Network: "consumer-vpc", Subnet: "clients"}}}
	for _, change := range edit {
		change(&spec)
	}
	return s.Beside(spec)
}

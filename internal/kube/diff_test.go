package kube

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestDiff(t *testing.T) {
	tests := map[string]struct {
		want, live string
		changes    []string
	}{
		"equal":                            {"{kind: X, spec: {a: 1}}", "{kind: X, spec: {a: 1}}", nil},
		"what the server adds is none":     {"{kind: X, spec: {a: 1}}", "{kind: X, spec: {a: 1, b: 2}, status: {c: 3}}", nil},
		"status and identity are none":     {"{kind: X, metadata: {name: a}, status: {x: 1}}", "{kind: X, metadata: {name: a, uid: u, resourceVersion: '5'}, status: {x: 2}}", nil},
		"a scalar":                         {"{kind: X, spec: {a: 1}}", "{kind: X, spec: {a: 2}}", []string{"spec.a: 2 -> 1"}},
		"a missing field":                  {"{kind: X, spec: {a: true}}", "{kind: X, spec: {}}", []string{"spec.a: + true"}},
		"a false that is missing":          {"{kind: X, spec: {a: false}}", "{kind: X, spec: {}}", []string{"spec.a: + false"}},
		"a type that changed":              {"{kind: X, spec: {a: '1'}}", "{kind: X, spec: {a: 1}}", []string{`spec.a: 1 -> "1"`}},
		"a float that is a whole number":   {"{kind: X, spec: {a: 1.0}}", "{kind: X, spec: {a: 1}}", nil},
		"an empty list that is dropped":    {"{kind: X, spec: {a: []}}", "{kind: X, spec: {}}", nil},
		"an empty list against a full one": {"{kind: X, spec: {a: []}}", "{kind: X, spec: {a: [1]}}", []string{"spec.a: [1] -> []"}},
		"lists in order":                   {"{kind: X, spec: {a: [1, 2]}}", "{kind: X, spec: {a: [2, 1]}}", []string{"spec.a[0]: 2 -> 1", "spec.a[1]: 1 -> 2"}},
		"defaults within list elements":    {"{kind: X, spec: {a: [{x: 1}]}}", "{kind: X, spec: {a: [{x: 1, y: 2}]}}", nil},
		"keyed lists in another order": {"{kind: Pod, spec: {containers: [{name: a, image: x}, {name: b, image: yy}]}}",
			"{kind: Pod, spec: {containers: [{name: s, image: sidecar}, {name: b, image: z}, {name: a, image: x}]}}", []string{`spec.containers[b].image: "z" -> "yy"`}},
		"a keyed element that is missing": {"{kind: Pod, spec: {volumes: [{name: a, emptyDir: {}}]}}", "{kind: Pod, spec: {volumes: [{name: b}]}}",
			[]string{`spec.volumes[a]: + {"emptyDir":{},"name":"a"}`}},
		"a Service's ports by port and protocol": {"{kind: Service, spec: {ports: [{port: 443, targetPort: 8443}]}}",
			"{kind: Service, spec: {ports: [{port: 80, protocol: TCP, targetPort: 1}, {port: 443, protocol: TCP, targetPort: 9443, nodePort: 30000}]}}",
			[]string{"spec.ports[443/TCP].targetPort: 9443 -> 8443"}},
		"a container's ports": {"{kind: Pod, spec: {containers: [{name: c, ports: [{containerPort: 8443, name: tls}]}]}}",
			"{kind: Pod, spec: {containers: [{name: c, ports: [{containerPort: 8443, protocol: TCP, name: web}]}]}}",
			[]string{`spec.containers[c].ports[8443/TCP].name: "web" -> "tls"`}},
		"a NetworkPolicy's ports in order": {"{kind: NetworkPolicy, spec: {ingress: [{ports: [{port: 1}]}]}}",
			"{kind: NetworkPolicy, spec: {ingress: [{ports: [{port: 1, protocol: TCP}, {port: 2, protocol: TCP}]}]}}",
			[]string{`spec.ingress[0].ports: [{"port":1,"protocol":"TCP"},{"port":2,"protocol":"TCP"}] -> [{"port":1}]`}},
		"quantities by what they mean": {"{kind: Pod, spec: {containers: [{name: c, resources: {limits: {cpu: 1000m, memory: 1024Mi}}}]}}",
			"{kind: Pod, spec: {containers: [{name: c, resources: {limits: {cpu: '1', memory: 1Gi}}}]}}", nil},
		"quantities that differ": {"{kind: Pod, spec: {containers: [{name: c, resources: {limits: {cpu: 500m}}}]}}",
			"{kind: Pod, spec: {containers: [{name: c, resources: {limits: {cpu: '5'}}}]}}", []string{`spec.containers[c].resources.limits.cpu: "5" -> "500m"`}},
		"keys with dots": {"{kind: X, metadata: {labels: {a.b/c: x}}}", "{kind: X, metadata: {labels: {a.b/c: z}}}", []string{`metadata.labels["a.b/c"]: "z" -> "x"`}},
		"a Secret's value": {"{kind: Secret, data: {k: aGVsbG8=}}", "{kind: Secret, data: {k: d29ybGQ=}}",
			[]string{"data.k: (secret, sha256:55e878baf189) -> (secret, sha256:333d6b3a3c1f)"}},
		"a Secret's stringData that is there": {"{kind: Secret, stringData: {k: hello}}", "{kind: Secret, data: {k: aGVsbG8=}}", nil},
		"a Secret without data":               {"{kind: Secret, data: {k: aGVsbG8=}}", "{kind: Secret}", []string{"data.k: + (secret, sha256:333d6b3a3c1f)"}},
		"a text of lines":                     {"{kind: ConfigMap, data: {c: \"a\\nb\\nc\\n\"}}", "{kind: ConfigMap, data: {c: \"a\\nx\\nc\\n\"}}", []string{"data.c: line 2: x -> line 2: b"}},
		"a text that ends":                    {"{kind: ConfigMap, data: {c: \"a\\nb\"}}", "{kind: ConfigMap, data: {c: \"a\\nb\\nc\"}}", []string{"data.c: line 3: c -> (ends)"}},
		"a new text":                          {"{kind: ConfigMap, data: {c: \"a\\nb\\n\"}}", "{kind: ConfigMap}", []string{"data.c: + (2 lines)"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, change := range Diff(parse(t, "{apiVersion: v1, "+test.want[1:]), parse(t, "{apiVersion: v1, "+test.live[1:])) {
				got = append(got, change.String())
			}
			if diff := cmp.Diff(test.changes, got); diff != "" {
				t.Errorf("changes (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDiffSeesWhatAnApplyWouldRemove(t *testing.T) {
	const fields = `{"f:data":{"f:a":{},"f:b":{}},"f:metadata":{"f:labels":{"f:x":{},".":{}}},"f:spec":{"f:ports":{".":{},"k:{\"port\":80,\"protocol\":\"TCP\"}":{".":{},"f:port":{}}}}}`
	tests := map[string]struct {
		manager, operation, raw string
		changes                 []string
	}{
		"fields of causeway's":      {"causeway", "Apply", fields, []string{`data.b: - "2"`, `metadata.labels.x: - "1"`, `spec.ports[80/TCP]: - {"port":80,"protocol":"TCP"}`}},
		"fields of another manager": {"kubectl", "Apply", fields, nil},
		"an update, not an apply":   {"causeway", "Update", fields, nil},
		"fields that do not parse":  {"causeway", "Apply", `{"f:`, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			want := parse(t, "{apiVersion: v1, kind: X, data: {a: '1'}}")
			live := parse(t, "{apiVersion: v1, kind: X, metadata: {labels: {x: '1'}}, data: {a: '1', b: '2'}, spec: {ports: [{port: 80, protocol: TCP}]}}")
			live.SetManagedFields([]metav1.ManagedFieldsEntry{{Manager: test.manager, Operation: metav1.ManagedFieldsOperationType(test.operation),
				FieldsV1: metav1.NewFieldsV1(`{}`)}})
			// Written past SetManagedFields, which refuses what does not parse.
			entry := live.Object["metadata"].(map[string]any)["managedFields"].([]any)[0].(map[string]any)
			entry["fieldsV1"] = jsonOf(test.raw)
			var got []string
			for _, change := range Diff(want, live) {
				got = append(got, change.String())
			}
			if diff := cmp.Diff(test.changes, got); diff != "" {
				t.Errorf("changes (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRefNames(t *testing.T) {
	tests := map[string]struct {
		ref            Ref
		id, text, word string
	}{
		"a Deployment":    {Ref{"apps", "v1", "Deployment", "ns", "d"}, "deployment/d", "Deployment ns/d", "deployments"},
		"a namespace":     {Ref{"", "v1", "Namespace", "", "ns"}, "namespace/ns", "Namespace ns", "namespaces"},
		"a NetworkPolicy": {Ref{"networking.k8s.io", "v1", "NetworkPolicy", "ns", "n"}, "networkpolicy/n", "NetworkPolicy ns/n", "networkpolicies"},
		"an IngressClass": {Ref{"networking.k8s.io", "v1", "IngressClass", "", "n"}, "ingressclass/n", "IngressClass n", "ingressclasses"},
		"a Gateway":       {Ref{"gateway.networking.k8s.io", "", "HTTPRoute", "ns", "n"}, "httproute/n", "HTTPRoute ns/n", "httproutes"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := test.ref.ID(); got != test.id {
				t.Errorf("ID %q, want %q", got, test.id)
			}
			if got := test.ref.String(); got != test.text {
				t.Errorf("text %q, want %q", got, test.text)
			}
			if got := test.ref.Resource().Resource; got != test.word {
				t.Errorf("resource %q, want %q", got, test.word)
			}
			if got := test.ref.Resource().Version; strings.TrimSpace(got) != "v1" {
				t.Errorf("version %q", got)
			}
		})
	}
}

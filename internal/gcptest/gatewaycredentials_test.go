package gcptest

import (
	"encoding/base64"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"cloud.google.com/go/gkeconnect/gateway/apiv1/gatewaypb"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"sigs.k8s.io/yaml"
)

// alice is the token of alice@example.com, who may use the gateway and do nothing else.
const alice = "ya29.alice"

const generateBase = "/connectgateway/v1/projects/123456789012/locations/"

// fleet is the seed with Connect Gateway's API and three memberships: of a GKE cluster in
// its region, the same of the older kind, and of a cluster elsewhere.
func fleet(t *testing.T) *Server {
	t.Helper()
	s := Serve(t, Options{}, "fleet")
	s.AddPrincipal(alice, "user:alice@example.com")
	s.SetPolicy("lab-project", Binding{Role: "roles/gkehub.gatewayAdmin", Members: []string{"user:alice@example.com"}})
	gke := object{"endpoint": object{"gkeCluster": object{
		"resourceLink": "//container.googleapis.com/projects/lab-project/locations/europe-west3/clusters/private-cluster"}}}
	if err := s.Fill(Seed{Resources: []SeedObject{
		{Path: "projects/lab-project/locations/europe-west3/memberships/private-cluster", Body: gke},
		{Path: "projects/lab-project/locations/global/memberships/old", Body: gke},
		{Path: "projects/lab-project/locations/global/memberships/elsewhere", Body: object{"endpoint": object{
			"kubernetesMetadata": object{"kubernetesApiServerVersion": "v1.31.2"}}}},
	}}); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestGatewayCredentialsByWay(t *testing.T) {
	for name, c := range map[string]struct{ ask, base, context, endpoint string }{
		"a GKE cluster is reached without an agent": {"europe-west3/memberships/private-cluster:generateCredentials", "",
			"connectgateway_lab-project_europe-west3_private-cluster",
			"https://europe-west3-connectgateway.googleapis.com/v1/projects/123456789012/locations/europe-west3/gkeMemberships/private-cluster"},
		"unless the agent's way is asked for": {"europe-west3/memberships/private-cluster:generateCredentials?forceUseAgent=true", "",
			"connectgateway_lab-project_europe-west3_private-cluster",
			"https://europe-west3-connectgateway.googleapis.com/v1/projects/123456789012/locations/europe-west3/memberships/private-cluster"},
		"a global membership has the global server": {"global/memberships/old:generateCredentials?forceUseAgent=False", "",
			"connectgateway_lab-project_global_old",
			"https://connectgateway.googleapis.com/v1/projects/123456789012/locations/global/gkeMemberships/old"},
		"a cluster elsewhere has the agent": {"global/memberships/elsewhere:generateCredentials", "",
			"connectgateway_lab-project_global_elsewhere",
			"https://connectgateway.googleapis.com/v1/projects/123456789012/locations/global/memberships/elsewhere"},
		"a namespace is in the names, and the server is where it is said to be": {
			"europe-west3/memberships/private-cluster:generateCredentials?kubernetesNamespace=shop&operatingSystem=OPERATING_SYSTEM_WINDOWS", "https://127.0.0.1:8443/",
			"connectgateway_lab-project_europe-west3_private-cluster_ns-shop",
			"https://127.0.0.1:8443/v1/projects/123456789012/locations/europe-west3/gkeMemberships/private-cluster"},
	} {
		t.Run(name, func(t *testing.T) {
			s := fleet(t)
			s.SetGatewayURL(c.base)
			answer := must(t, s, "GET", generateBase+c.ask, "")
			text, err := base64.StdEncoding.DecodeString(answer["kubeconfig"].(string))
			if err != nil || answer["endpoint"] != c.endpoint {
				t.Fatalf("endpoint %v, want %s; %v", answer["endpoint"], c.endpoint, err)
			}
			cluster, namespace, _ := strings.Cut(c.context, "_ns-")
			inner := object{"cluster": cluster, "user": c.context}
			if namespace != "" {
				inner["namespace"] = namespace
			}
			var got object
			if err := yaml.Unmarshal(text, &got); err != nil {
				t.Fatal(err)
			}
			users := got["users"].([]any)
			delete(got, "users")
			if diff := cmp.Diff(object{"apiVersion": "v1", "kind": "Config", "preferences": object{}, "current-context": c.context,
				"clusters": []any{object{"name": cluster, "cluster": object{"server": c.endpoint}}},
				"contexts": []any{object{"name": c.context, "context": inner}}}, got); diff != "" {
				t.Errorf("kubeconfig: %s", diff)
			}
			user := users[0].(object)
			exec := user["user"].(object)["exec"].(object)
			if user["name"] != c.context || exec["command"] != "gke-gcloud-auth-plugin" || exec["provideClusterInfo"] != true || exec["apiVersion"] != "client.authentication.k8s.io/v1beta1" {
				t.Errorf("user %v", user)
			}
		})
	}
}

func TestGatewayCredentialsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		change    func(*Server)
		ask       string
		status    int
		says      string
		violation bool
	}{
		"a membership that is not there": {nil, "europe-west3/memberships/none:generateCredentials", 404, "Resource 'projects/lab-project/locations/europe-west3/memberships/none' was not found", false},
		"one of another location":        {nil, "global/memberships/private-cluster:generateCredentials", 404, "was not found", false},
		"without the permission": {func(s *Server) { s.Deny(generatePermission, "lab-project") }, "global/memberships/old:generateCredentials", 403,
			"Permission 'gkehub.gateway.generateCredentials' denied on resource '//connectgateway.googleapis.com/projects/123456789012/locations/global/memberships/old'", false},
		"with the API off": {func(s *Server) { s.Disable("lab-project", "connectgateway.googleapis.com") }, "global/memberships/old:generateCredentials", 403,
			"Connect Gateway API has not been used in project 123456789012", false},
		"a parameter that the proto does not have": {nil, "global/memberships/old:generateCredentials?agent=true", 400, "resource.agent': unknown parameter", true},
		"an enum's value that it does not have":    {nil, "global/memberships/old:generateCredentials?operatingSystem=LINUX", 400, "LINUX", true},
		"a path that it does not have":             {nil, "global/gkeMemberships/old:generateCredentials", 404, "was not found on this server", true},
	} {
		t.Run(name, func(t *testing.T) {
			s := fleet(t)
			if c.change != nil {
				c.change(s)
			}
			status, answer := do(t, s, "GET", generateBase+c.ask, "")
			failure, _ := answer["error"].(object)
			if status != c.status || !strings.Contains(text(failure, "message"), c.says) {
				t.Errorf("%d %v, want %d %q", status, answer, c.status, c.says)
			}
			if found := s.TakeViolations(); len(found) > 0 != c.violation {
				t.Errorf("violations %v", found)
			}
		})
	}
}

// TestTheGatewayDocumentIsTheProto: what is made from the descriptor says no more and no
// less than the message, and strict JSON of the proto takes what the emulator answers.
func TestTheGatewayDocumentIsTheProto(t *testing.T) {
	s := fleet(t)
	method := s.gateway.Methods[generateMethod]
	if diff := cmp.Diff([]string{"forceUseAgent", "kubernetesNamespace", "name", "operatingSystem", "version"}, slices.Sorted(maps.Keys(method.Parameters))); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"OPERATING_SYSTEM_UNSPECIFIED", "OPERATING_SYSTEM_WINDOWS"}, method.Parameters["operatingSystem"].Enum); diff != "" {
		t.Error(diff)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL()+generateBase+"global/memberships/old:generateCredentials", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+Token)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	var answer gatewaypb.GenerateCredentialsResponse
	if err := protojson.Unmarshal(text, &answer); err != nil || proto.Equal(&answer, &gatewaypb.GenerateCredentialsResponse{}) {
		t.Errorf("%s: %v", text, err)
	}
	if problems := s.gateway.CheckBody(method.Response, object{"kubeconfig": "QQ==", "server": "x"}); len(problems) != 1 {
		t.Errorf("a field that the message lacks: %v", problems)
	}
}

package gcptest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"cloud.google.com/go/gkeconnect/gateway/apiv1/gatewaypb"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"
	"sigs.k8s.io/yaml"

	"causeway/internal/gcptest/discovery"
)

const (
	gatewayService     = "connectgateway"
	generateMethod     = "connectgateway.projects.locations.memberships.generateCredentials"
	generatePermission = "gkehub.gateway.generateCredentials"
)

// generatePath is the route in the proto's google.api.http annotation:
// /v1/{name=projects/*/locations/*/memberships/*}:generateCredentials
var generatePath = regexp.MustCompile(`^v1/projects/([^/]+)/locations/([^/]+)/memberships/([^/:]+):generateCredentials$`)

// gatewayDocument is what a discovery document would say of Connect Gateway's API,
// which has none: it is made from the messages of the proto that Google's own client is
// generated from, so that the emulator holds requests and answers to those. system are
// the query parameters that every API of Google's takes.
func gatewayDocument(system map[string]*discovery.Schema) *discovery.Service {
	method := &discovery.Method{ID: generateMethod, HTTPMethod: http.MethodGet,
		FlatPath:   "v1/projects/{projectsId}/locations/{locationsId}/memberships/{membershipsId}:generateCredentials",
		Parameters: fieldsOf((&gatewaypb.GenerateCredentialsRequest{}).ProtoReflect().Descriptor()),
		Response: &discovery.Schema{Type: "object",
			Properties: fieldsOf((&gatewaypb.GenerateCredentialsResponse{}).ProtoReflect().Descriptor())}}
	method.Parameters["name"].Location = "path"
	return &discovery.Service{Document: &discovery.Document{Name: gatewayService, Version: "v1", Parameters: system,
		Methods: map[string]*discovery.Method{generateMethod: method}}}
}

// fieldsOf tells the fields of a message as JSON has them.
func fieldsOf(message protoreflect.MessageDescriptor) map[string]*discovery.Schema {
	out := map[string]*discovery.Schema{}
	for i := range message.Fields().Len() {
		field := message.Fields().Get(i)
		schema := &discovery.Schema{Type: "string", Location: "query"}
		switch field.Kind() {
		case protoreflect.BoolKind:
			schema.Type = "boolean"
		case protoreflect.BytesKind:
			schema.Format = "byte"
		case protoreflect.EnumKind:
			for j := range field.Enum().Values().Len() {
				schema.Enum = append(schema.Enum, string(field.Enum().Values().Get(j).Name()))
			}
		}
		out[field.JSONName()] = schema
	}
	return out
}

// matchGateway is discovery.Service.Match for the one method of this API.
func matchGateway(service *discovery.Service, verb, path string) (*discovery.Method, map[string]string) {
	found := generatePath.FindStringSubmatch(path)
	if verb != http.MethodGet || found == nil {
		return nil, nil
	}
	return service.Methods[generateMethod], map[string]string{"projectsId": found[1], "locationsId": found[2], "membershipsId": found[3]}
}

func gatewayRoutes() map[string]handler {
	return map[string]handler{generateMethod: {generateCredentials, nil}}
}

// SetGatewayURL says where the gateway's front end is served: the base of the servers
// in the kubeconfigs that generateCredentials answers from now on, as
// "https://127.0.0.1:8443". "" is Google's own names.
func (s *Server) SetGatewayURL(base string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gatewayURL = strings.TrimSuffix(base, "/")
}

// generateCredentials answers a whole kubeconfig, as bytes, and the address in it.
func generateCredentials(c *call) (any, *Error) {
	s := c.server
	project := s.projectObject(c.project())
	location, id := c.params["locationsId"], c.params["membershipsId"]
	// The path has the project's number, and a permission is denied by its id.
	if failure := c.need(text(project, "projectId"), generatePermission, c.target()); failure != nil {
		return nil, failure
	}
	at := fmt.Sprintf("projects/%s/locations/%s/memberships/%s", text(project, "projectId"), location, id)
	membership, ok := s.objects[at]
	if !ok {
		return nil, &Error{Status: http.StatusNotFound, Reason: "notFound", Message: fmt.Sprintf("Resource '%s' was not found", at)}
	}
	agent, _ := strconv.ParseBool(c.query.Get("forceUseAgent")) // checked before
	endpoint := fmt.Sprintf("%s/v1/projects/%s/locations/%s/%s/%s", s.gatewayBase(location), text(project, "projectNumber"), location,
		gatewayCollection(membership, agent), id)
	namespace := c.query.Get("kubernetesNamespace")
	kubeconfig, err := gatewayKubeconfig(fmt.Sprintf("connectgateway_%s_%s_%s", text(project, "projectId"), location, id), endpoint, namespace)
	if err != nil {
		return nil, &Error{Status: http.StatusInternalServerError, Reason: "backendError", Message: err.Error()}
	}
	answer, err := protojson.Marshal(&gatewaypb.GenerateCredentialsResponse{Kubeconfig: kubeconfig, Endpoint: endpoint})
	if err != nil {
		return nil, &Error{Status: http.StatusInternalServerError, Reason: "backendError", Message: err.Error()}
	}
	return json.RawMessage(answer), nil
}

// gatewayBase is the server for memberships of a location.
func (s *Server) gatewayBase(location string) string {
	switch {
	case s.gatewayURL != "":
		return s.gatewayURL
	case location == "global":
		return "https://connectgateway.googleapis.com"
	}
	return "https://" + location + "-connectgateway.googleapis.com"
}

// gatewayCollection is how the gateway reaches a membership's cluster: GKE's on Google
// Cloud without an agent, all others, and those for which it is forced, by the Connect Agent.
func gatewayCollection(membership object, agent bool) string {
	if gkeCluster(membership) == "" || agent {
		return "memberships"
	}
	return "gkeMemberships"
}

// gkeCluster is the path of a membership's GKE cluster on Google Cloud, "" for others.
func gkeCluster(membership object) string {
	endpoint, _ := membership["endpoint"].(object)
	cluster, _ := endpoint["gkeCluster"].(object)
	return relative(text(cluster, "resourceLink"), "")
}

// gatewayKubeconfig has the names and the user that gcloud writes where it makes such a
// file itself (command_lib/container/fleet/gateway.py): a namespace goes into the
// context's and the user's name, the cluster's stays.
func gatewayKubeconfig(cluster, server, namespace string) ([]byte, error) {
	context, inner := cluster, object{"cluster": cluster}
	if namespace != "" {
		context += "_ns-" + namespace
		inner["namespace"] = namespace
	}
	inner["user"] = context
	return yaml.Marshal(object{
		"apiVersion": "v1", "kind": "Config", "current-context": context, "preferences": object{},
		"clusters": []any{object{"name": cluster, "cluster": object{"server": server}}},
		"contexts": []any{object{"name": context, "context": inner}},
		"users": []any{object{"name": context, "user": object{"exec": object{
			"apiVersion": "client.authentication.k8s.io/v1beta1", "command": "gke-gcloud-auth-plugin", "provideClusterInfo": true,
			"installHint": "Install gke-gcloud-auth-plugin for use with kubectl by following https://cloud.google.com/kubernetes-engine/docs/how-to/cluster-access-for-kubectl#install_plugin",
		}}}},
	})
}

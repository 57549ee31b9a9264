package gcp

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"cloud.google.com/go/gkeconnect/gateway/apiv1/gatewaypb"
	"google.golang.org/protobuf/encoding/protojson"
)

// GatewayCredentials is how a cluster is reached through Connect Gateway.
type GatewayCredentials struct {
	Endpoint   string // https://LOCATION-connectgateway.googleapis.com/v1/projects/NUMBER/locations/LOCATION/gkeMemberships/NAME
	Kubeconfig []byte // YAML with one context, whose user is the gke-gcloud-auth-plugin; no secret in it
}

// GatewayCredentials asks for the address and the kubeconfig of a membership:
// projects/NUMBER/locations/LOCATION/memberships/NAME, asked from the location's own
// server. agent asks for the way by the Connect Agent where the gateway would not take
// it; namespace, unless "", becomes the context's. The caller needs
// gkehub.gateway.generateCredentials, which says nothing about the rights to use it.
//
// A membership that does not exist is an error (NotFound).
func (c *Cloud) GatewayCredentials(ctx context.Context, membership string, agent bool, namespace string) (GatewayCredentials, error) {
	const verb = "get gateway credentials of"
	resource := "membership " + membership
	parts := strings.Split(membership, "/")
	if len(parts) != 6 || parts[0] != "projects" || parts[2] != "locations" || parts[4] != "memberships" || parts[3] == "" || parts[3] == "-" || parts[5] == "" {
		return GatewayCredentials{}, &Error{Verb: verb, Resource: resource, Message: "want projects/NUMBER/locations/LOCATION/memberships/NAME"}
	}
	query := url.Values{}
	if agent {
		query.Set("forceUseAgent", "true")
	}
	if namespace != "" {
		query.Set("kubernetesNamespace", namespace)
	}
	text, err := c.rawGateway(parts[3]).call(ctx, http.MethodGet, membership+":generateCredentials", query, nil)
	if err != nil {
		return GatewayCredentials{}, wrap(verb, resource, err)
	}
	var answer gatewaypb.GenerateCredentialsResponse
	// A field that is newer than the client is nothing to fail for.
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(text, &answer); err != nil {
		return GatewayCredentials{}, &Error{Verb: verb, Resource: resource, Message: "the answer is none of this API: " + err.Error(), Cause: err}
	}
	if answer.GetEndpoint() == "" || len(answer.GetKubeconfig()) == 0 {
		return GatewayCredentials{}, &Error{Verb: verb, Resource: resource, Message: "the answer has no endpoint or no kubeconfig"}
	}
	return GatewayCredentials{Endpoint: answer.GetEndpoint(), Kubeconfig: answer.GetKubeconfig()}, nil
}

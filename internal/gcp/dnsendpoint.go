package gcp

import (
	"context"
	"fmt"
)

const codeDNSAbsent = "CW-DNS-ABSENT"

// dnsFields are the switches of a DNS endpoint, by the words of SetDNSEndpoint.
var dnsFields = map[string]string{
	"external": "allowExternalTraffic",
	"tokens":   "enableK8sTokensViaDns",
	"certs":    "enableK8sCertsViaDns",
}

// SetDNSEndpoint turns one switch of a cluster's DNS endpoint on or off: field is
// "external" (traffic from outside Google's own services), "tokens" (Kubernetes
// tokens) or "certs" (Kubernetes client certificates). It sends that switch alone,
// as Google takes one change of a cluster at a time, and waits for the operation;
// when it is so already, nothing is sent.
//
// It fails with CW-DNS-ABSENT when the cluster has no DNS endpoint, with
// CW-GCP-PRECONDITION when another tool set the switch back at once, and with
// CW-GCP-BUSY when another operation ran on the cluster for ten minutes.
func (c *Cloud) SetDNSEndpoint(ctx context.Context, project, location, name, field string, on bool, note func(string)) error {
	const verb = "set DNS endpoint of"
	resource := "cluster " + clusterPath(project, location, name)
	key, ok := dnsFields[field]
	if !ok {
		return &Error{Verb: verb, Resource: resource, Message: fmt.Sprintf("there is no switch %q; there are external, tokens and certs", field)}
	}
	have := func(cluster document) bool {
		value, _ := cluster.inner("controlPlaneEndpointsConfig", "dnsEndpointConfig")[key].(bool)
		return value
	}
	update := func(cluster document) (map[string]any, error) {
		switch endpoint := cluster.inner("controlPlaneEndpointsConfig", "dnsEndpointConfig"); {
		case endpoint == nil || endpoint["endpoint"] == nil || endpoint["endpoint"] == "":
			return nil, &Error{Verb: verb, Resource: resource, Message: "the cluster has no DNS endpoint", code: codeDNSAbsent}
		case have(cluster) == on:
			return nil, nil
		}
		return map[string]any{"desiredControlPlaneEndpointsConfig": map[string]any{"dnsEndpointConfig": map[string]any{key: on}}}, nil
	}
	after, err := c.updateCluster(ctx, verb, project, location, name, update, note)
	if err == nil && after != nil && have(after) != on {
		err = &Error{Verb: verb, Resource: resource, Message: fmt.Sprintf("%s was set to %t and is %t again", key, on, !on), code: codePrecondition}
	}
	return err
}

package exposer

import (
	"fmt"

	"causeway/internal/gcp"
)

// DNSProblems are what keeps a cluster's DNS endpoint from being used as a spec
// wants it, in Google's own words, each with the command that cures it. None of them
// asks anybody: they follow from the cluster as it was read.
func DNSProblems(c gcp.Cluster, want DNS) []Problem {
	var problems []Problem
	add := func(code, text, fix string) { problems = append(problems, Problem{Code: code, Text: text, Fix: fix}) }
	gcloud := fmt.Sprintf("gcloud container clusters update %s --location %s --project %s", c.Name, c.Location, c.Project)
	if !c.Ready() {
		add("CW-GCP-CLUSTER-STATE", "the cluster is "+c.Status, "wait until it is RUNNING, then run the same command again")
	}
	if c.DNSEndpoint == "" {
		add("CW-DNS-ABSENT", fmt.Sprintf("cluster %s is missing DNSEndpointConfig", c.Name), "take a method that uses the private endpoint: ilb or route")
		return problems
	}
	if !c.DNSExternal && !want.Open {
		add("CW-DNS-CLOSED", fmt.Sprintf("controlPlaneEndpointsConfig.dnsEndpointConfig.allowExternalTraffic is disabled for cluster %s", c.Name),
			"give --open-dns-endpoint, and causeway turns it on (as "+gcloud+" --enable-dns-access does)")
	}
	if want.Identity == IdentityAccount && !c.DNSTokens && !want.Tokens {
		add("CW-DNS-TOKENS", fmt.Sprintf("controlPlaneEndpointsConfig.dnsEndpointConfig.enableK8sTokensViaDns is disabled for cluster %s: its DNS endpoint takes no ServiceAccount token", c.Name),
			"give --dns-tokens, and causeway turns it on (as "+gcloud+" --enable-k8s-tokens-via-dns does), or use Google identities (--identity google)")
	}
	return problems
}

package kube

// Via is a way to the cluster's API.
type Via string

// The ways that --via knows.
const (
	Auto      Via = "auto"    // what works, in the order below
	ByContext Via = "context" // a kubeconfig context that is this cluster
	ByPrivate Via = "private" // the private endpoint
	ByPublic  Via = "public"  // the public endpoint
	ByDNS     Via = "dns"     // the DNS endpoint, through Google's front ends
	ByGateway Via = "gateway" // Connect Gateway, for a cluster whose membership is known
)

// Package routing holds the settings by which networks and routers let packets
// through: a peering's custom-route flags and a router's advertised ranges. More
// than one method needs them. An exposure owns neither the peering nor the
// router, so each is changed additively, its old value is kept, and leaving takes
// away no more than was added.
//
// It must not know a method, nor the cluster's API.
//
//	&routing.Peering{Google: cloud, Network: network, Name: "gke-...-peer", Export: true}
//	&routing.Advertisement{Google: cloud, Router: router, Ranges: ranges, Exposure: "prod"}
package routing

import "causeway/exposer"

import "fmt"

// refusal is an error with its code.
func refusal(code, format string, args ...any) error {
	return &exposer.RunError{Code_: code, Text: fmt.Sprintf(format, args...)}
}

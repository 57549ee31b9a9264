// Package fleet owns what the methods gateway and mcs both need of Google's fleets:
// finding the membership that a cluster has, by its resource link and never by its
// name; and the steps that make a cluster a member, turn the APIs on, and grant a
// role in the fleet's project.
//
// It must not know the methods. Read fleet.go, then the steps: apis.go,
// registration.go, grant.go.
//
//	f, err := fleet.Read(ctx, google, cluster, "")
//	if f.Member == nil { steps = append(steps, f.Registration(...)) }
package fleet

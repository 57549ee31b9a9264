// Package detect reads a cluster and its network and says which methods can work
// there, why the others can not, and which to take.
//
// It owns the reasons: a method refuses an apply with the very functions that the
// verdicts are made of (problems.go), so that what is said beforehand and what is
// said at the door are the same. It changes nothing, needs no right but to read,
// and each right that is missing narrows the answer and is told (Unseen); only a
// cluster that can't be read ends it.
//
//	facts, err := detect.Read(ctx, google, spec.Cluster)
//	report := facts.Assess(detect.Ask{Clients: clients}, []string{"ilb", "route"})
//
// # What is recommended
//
// The first of these that holds, among the methods that this causeway has:
//
//  1. Client networks that collide with the cluster's or the VPC's: psc, which needs
//     no routes between the two sides; else dns, for the same reason.
//  2. A line ends in the cluster's network, or in one that is peered with it: ilb.
//     It works nearly everywhere, lets in the client networks alone, and leaves
//     routers and peerings that others use as they are.
//  3. The same, and only ilb is in the way (its image, its region): route, where a
//     line ends in the cluster's own network. Nothing runs in the cluster then, but
//     the control plane itself is announced, and settings change that others share.
//  4. No line at all: dns, which needs none: the name resolves in public, and IAM
//     guards it. Then gateway, by the same thought; then route, which can make a line.
//  5. It can't be seen whether there is a line: what is open already (dns), else ilb,
//     with an if.
//
// What works comes before what works after something, within a step; but a line
// that is there is not left for a public name (2 and 3 come before 4). mcs is never
// recommended: it leads to clusters of the fleet, not to a far side.
package detect

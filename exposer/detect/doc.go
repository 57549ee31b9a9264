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
//	report := facts.Assess(detect.Ask{Clients: clients})
//
// # What is recommended
//
// The first of these that holds:
//
//  1. The control plane does not serve: none; wait, where that helps.
//  2. Client networks collide with the cluster's or the VPC's: psc, which needs no
//     routes between the two sides; else dns, for the same reason.
//  3. The IP endpoints are off: dns. Whoever turned them off chose it.
//  4. A line ends in the cluster's network, or in one that is peered with it: ilb,
//     where it works. It works nearly everywhere, lets in the client networks alone
//     and keeps the control plane off the line. Where it needs something first and
//     route works at once: route, by which nothing runs in the cluster, but the
//     control plane itself is announced, by settings that others share. Where both
//     need something: ilb, then route.
//  5. No line: dns, then gateway, which need none; the name is public and IAM guards
//     it. Beside it route, which makes a line, for a way that stays private.
//  6. It can't be seen whether there is a line: what is open already (dns), else ilb,
//     with an if.
//
// What works comes before what works after something, within a rule; but a line
// that is there is not left for a public name (4 comes before 5). mcs is never
// recommended: it leads to clusters of the fleet, not to a far side.
package detect

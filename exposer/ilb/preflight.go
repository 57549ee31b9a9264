package ilb

import (
	"context"
	"slices"

	"causeway/exposer"
	"causeway/exposer/detect"
)

// services are the Google APIs that the method calls.
var services = []string{"compute.googleapis.com", "container.googleapis.com"}

// permissions on the cluster's project. Google's *Internal variants are
// permissions of their own.
var permissions = []string{
	"compute.addresses.createInternal", "compute.addresses.deleteInternal", "compute.addresses.get", "compute.addresses.list",
	"compute.addresses.setLabels", "compute.addresses.useInternal", "compute.forwardingRules.get", "compute.forwardingRules.list",
	"compute.regionOperations.get", "container.clusters.get",
}

// subnetPermissions on the network's project (the host, with a Shared VPC).
var subnetPermissions = []string{"compute.subnetworks.get", "compute.subnetworks.use"}

// Preflight implements exposer.Exposure: every check runs, whatever the others
// say, so that one change night is enough to hear of all problems.
func (x *exposure) Preflight(ctx context.Context, plan exposer.Plan) ([]exposer.Problem, error) {
	checks := append(x.rightsChecks(), x.checkRanges, x.checkImage, x.checkAccess)
	return append(plan.Refusals(), exposer.RunChecks(ctx, checks...)...), ctx.Err()
}

// blocked turns a right that is missing before a plan can be made into the list
// of all that are missing.
func (x *exposure) blocked(ctx context.Context, err error) error {
	if x.deps.Leaving {
		return err
	}
	return exposer.Blocked(ctx, "expose "+x.spec.Cluster.Name+" by ilb", err, x.rightsChecks()...)
}

// rightsChecks look for APIs that are off and for rights that are missing, in
// Google's projects and in the cluster.
func (x *exposure) rightsChecks() []exposer.Precheck {
	own, host := x.spec.Cluster.Project, x.cluster.Network.Project
	checks := []exposer.Precheck{exposer.CheckServices(x.google, own, services)}
	if host == "" || host == own { // the cluster can't be read, or has a network of its own
		checks = append(checks, exposer.CheckPermissions(x.google, own, slices.Concat(permissions, subnetPermissions)))
	} else {
		checks = append(checks, exposer.CheckPermissions(x.google, own, permissions), exposer.CheckPermissions(x.google, host, subnetPermissions))
	}
	return append(append(checks, x.hubChecks()...), exposer.CheckRights(x.kube, x.rights()))
}

// checkRanges finds client networks that the cluster uses itself: answers to
// them would stay inside.
func (x *exposure) checkRanges(context.Context) ([]exposer.Problem, error) {
	return detect.OverlapProblems(x.spec.FarSide.Prefixes(), detect.UsedBy(x.cluster, x.subnet)), nil
}

// checkImage: nodes that can't pull the image would keep nginx from running.
func (x *exposure) checkImage(ctx context.Context) ([]exposer.Problem, error) {
	image, nodes := x.spec.ILB.Image, x.subnet
	if !x.cluster.PrivateNodes {
		return nil, nil
	}
	if nodes.Name != x.cluster.Subnetwork.Name {
		var err error
		if nodes, err = x.google.Subnetwork(ctx, x.cluster.Subnetwork.Project, x.region, x.cluster.Subnetwork.Name); err != nil {
			return nil, err
		}
	}
	if len(detect.ImageProblems(x.cluster, nodes, false, image)) == 0 {
		return nil, nil // good without any NAT: no need to look for one
	}
	covered, err := x.google.NATFor(ctx, nodes)
	if err != nil {
		return nil, err
	}
	return detect.ImageProblems(x.cluster, nodes, covered, image), nil
}

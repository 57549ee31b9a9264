package ilb

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"causeway/exposer"
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
	ranges := []struct {
		about  string
		prefix netip.Prefix
	}{
		{"the cluster's Pods", x.cluster.PodCIDR}, {"the cluster's Services", x.cluster.ServiceCIDR},
		{"its control plane", x.cluster.MasterCIDR}, {"the subnet " + x.subnet.Name, x.subnet.Range},
	}
	var problems []exposer.Problem
	for _, client := range x.spec.FarSide.Prefixes() {
		for _, r := range ranges {
			if r.prefix.IsValid() && r.prefix.Overlaps(client) {
				problems = append(problems, exposer.Problem{Code: "CW-NET-OVERLAP",
					Text: fmt.Sprintf("client network %s overlaps %s (%s)", client, r.about, r.prefix),
					Fix:  "narrow --client-cidr to the far side's real client range"})
			}
		}
	}
	return problems, nil
}

// checkImage: private nodes without NAT reach Google's registries only, and
// those only where their subnet has Private Google Access.
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
	if googleRegistry(image) && nodes.PrivateGoogleAccess {
		return nil, nil
	}
	covered, err := x.google.NATFor(ctx, nodes)
	if err != nil || covered {
		return nil, err
	}
	if googleRegistry(image) {
		return []exposer.Problem{{Code: "CW-IMG-UNREACHABLE",
			Text: fmt.Sprintf("the nodes are private, no Cloud NAT covers their subnet %s, and it has no Private Google Access: no image can be pulled", nodes.Name),
			Fix:  fmt.Sprintf("gcloud compute networks subnets update %s --project %s --region %s --enable-private-ip-google-access", nodes.Name, nodes.Project, nodes.Region)}}, nil
	}
	return []exposer.Problem{{Code: "CW-IMG-UNREACHABLE",
		Text: fmt.Sprintf("the nodes are private, no Cloud NAT covers their subnet %s, and image %s is not on a registry that Private Google Access reaches", nodes.Name, image),
		Fix:  "leave --image out (" + exposer.DefaultImage + "), or name a copy in Artifact Registry"}}, nil
}

// googleRegistry reports whether an image is pulled from a Google host, which
// nodes without NAT reach by Private Google Access.
func googleRegistry(image string) bool {
	host, _, _ := strings.Cut(image, "/")
	return host == "gcr.io" || strings.HasSuffix(host, ".gcr.io") || strings.HasSuffix(host, "-docker.pkg.dev")
}

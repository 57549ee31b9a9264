package ilb

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"

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
	found := runChecks(ctx, x.checkServices, x.checkPermissions, x.checkRanges, x.checkImage, x.checkRights, x.checkAccess)
	return append(plan.Refusals(), found...), ctx.Err()
}

// blocked turns a right that is missing before a plan can be made into the list
// of all that are missing.
func (x *exposure) blocked(ctx context.Context, err error) error {
	if x.deps.Leaving || !exposer.MissingRight(err) {
		return err
	}
	checks := []check{x.checkServices, x.checkPermissions}
	if x.kube != nil {
		checks = append(checks, x.checkRights)
	}
	problems := runChecks(ctx, checks...)
	met := exposer.ProblemOf(err)
	if !slices.ContainsFunc(problems, func(p exposer.Problem) bool { return p.Code == met.Code }) {
		problems = append(problems, met)
	}
	return &exposer.PreconditionError{Verb: "expose " + x.spec.Cluster.Name + " by ilb", Problems: problems}
}

// check is one part of preflight.
type check func(context.Context) ([]exposer.Problem, error)

// runChecks runs all at once; the problems stand in the order of the checks. A
// check that can't be made is a problem too, not silence.
func runChecks(ctx context.Context, checks ...check) []exposer.Problem {
	found := make([][]exposer.Problem, len(checks))
	var wait sync.WaitGroup
	for i, check := range checks {
		wait.Go(func() {
			problems, err := check(ctx)
			if err != nil {
				problems = append(problems, exposer.ProblemOf(err))
			}
			found[i] = problems
		})
	}
	wait.Wait()
	return slices.Concat(found...)
}

func (x *exposure) checkServices(ctx context.Context) ([]exposer.Problem, error) {
	missing, err := x.google.MissingServices(ctx, x.spec.Cluster.Project, services)
	if err != nil {
		return nil, err
	}
	var problems []exposer.Problem
	for _, name := range missing {
		problems = append(problems, exposer.Problem{Code: "CW-GCP-API-DISABLED",
			Text: fmt.Sprintf("the API %s is not enabled in project %s", name, x.spec.Cluster.Project),
			Fix:  fmt.Sprintf("gcloud services enable %s --project %s", name, x.spec.Cluster.Project)})
	}
	return problems, nil
}

func (x *exposure) checkPermissions(ctx context.Context) ([]exposer.Problem, error) {
	own, host := x.spec.Cluster.Project, x.cluster.Network.Project
	if host == "" { // the cluster can't be read
		host = own
	}
	wanted := map[string][]string{own: permissions}
	wanted[host] = append(append([]string{}, wanted[host]...), subnetPermissions...)
	var problems []exposer.Problem
	for _, project := range distinct(own, host) {
		missing, err := x.google.TestPermissions(ctx, project, wanted[project])
		if err != nil {
			return problems, err
		}
		for _, permission := range missing {
			problems = append(problems, exposer.Problem{Code: "CW-GCP-PERMISSION",
				Text: fmt.Sprintf("permission %s is missing on project %s", permission, project),
				Fix:  "have a role granted there that holds it, such as " + roleFor(permission)})
		}
	}
	return problems, nil
}

func distinct(a, b string) []string {
	if a == b {
		return []string{a}
	}
	return []string{a, b}
}

// roleFor names a predefined role that holds a permission.
func roleFor(permission string) string {
	switch {
	case strings.HasPrefix(permission, "container."):
		return "roles/container.clusterViewer"
	case strings.HasPrefix(permission, "compute.subnetworks."):
		return "roles/compute.networkUser"
	}
	return "roles/compute.networkAdmin"
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

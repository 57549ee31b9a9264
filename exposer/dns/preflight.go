package dns

import (
	"context"
	"fmt"
	"slices"

	"causeway/exposer"
	"causeway/exposer/detect"
	"causeway/internal/gcp"
)

// services are the Google APIs that the method calls.
var services = []string{"container.googleapis.com"}

// connectPermission is what Google's front ends ask IAM for, for each request.
const connectPermission = "container.clusters.connect"

// problems are what keeps the endpoint from being used as it is wanted, in Google's
// own words, each with what cures it. They follow from the cluster as it was read:
// nobody is asked.
func (x *exposure) problems(c gcp.Cluster, want exposer.DNS) []exposer.Problem {
	problems := detect.DNSProblems(c, want.Open)
	gcloud := fmt.Sprintf("gcloud container clusters update %s --location %s --project %s", c.Name, c.Location, c.Project)
	for i := range problems {
		switch problems[i].Code {
		case "CW-DNS-ABSENT":
			problems[i].Text = "cluster " + c.Name + " is missing DNSEndpointConfig"
		case "CW-DNS-CLOSED":
			problems[i].Text = "controlPlaneEndpointsConfig.dnsEndpointConfig.allowExternalTraffic is disabled for cluster " + c.Name + ": its DNS endpoint takes no traffic but that of Google's own services"
			problems[i].Fix = "give --open-dns-endpoint, and causeway turns it on, as " + gcloud + " --enable-dns-access does"
		}
	}
	if c.DNSEndpoint != "" && want.Identity == exposer.IdentityAccount && !c.DNSTokens && !want.Tokens {
		problems = append(problems, exposer.Problem{Code: "CW-DNS-TOKENS",
			Text: "controlPlaneEndpointsConfig.dnsEndpointConfig.enableK8sTokensViaDns is disabled for cluster " + c.Name + ": its DNS endpoint takes no ServiceAccount token",
			Fix:  "give --dns-tokens, and causeway turns it on, as " + gcloud + " --enable-k8s-tokens-via-dns does; or use Google identities (--identity google)"})
	}
	return problems
}

// Preflight implements exposer.Exposure: every check runs, whatever the others say.
func (x *exposure) Preflight(ctx context.Context, plan exposer.Plan) ([]exposer.Problem, error) {
	checks := append(x.rightsChecks(), x.checkAccess)
	return append(plan.Refusals(), exposer.RunChecks(ctx, checks...)...), ctx.Err()
}

// blocked turns a right that is missing before a plan can be made into the list of
// all that are missing.
func (x *exposure) blocked(ctx context.Context, err error) error {
	if x.deps.Leaving {
		return err
	}
	return exposer.Blocked(ctx, "expose "+x.spec.Cluster.Name+" by dns", err, x.rightsChecks()...)
}

func (x *exposure) rightsChecks() []exposer.Precheck {
	project := x.spec.Cluster.Project
	permissions := []string{"container.clusters.get"}
	if x.turnsOn(x.cluster) {
		permissions = append(permissions, "container.clusters.update", "container.operations.get")
	}
	checks := []exposer.Precheck{exposer.CheckServices(x.google, project, services), exposer.CheckPermissions(x.google, project, permissions), x.checkConnect}
	if !x.spec.ByGoogle() {
		checks = append(checks, exposer.CheckRights(x.kube, exposer.AccessRights(x.spec)))
	}
	return checks
}

// turnsOn reports whether a switch is asked for that is off.
func (x *exposure) turnsOn(c gcp.Cluster) bool {
	want := x.spec.DNS
	return want.Open && !c.DNSExternal || want.Tokens && !c.DNSTokens || want.Certificates && !c.DNSCerts
}

// checkConnect looks whether this identity may use the endpoint itself: to prove
// the way, and to do the cluster's part where there is no other way from here.
func (x *exposure) checkConnect(ctx context.Context) ([]exposer.Problem, error) {
	if !x.spec.ByGoogle() && x.deferred == nil {
		return nil, nil // a ServiceAccount's token is not IAM's concern
	}
	lacks, err := x.lacksConnect(ctx)
	if err != nil || !lacks {
		return nil, err
	}
	return []exposer.Problem{{Code: "CW-DNS-CONNECT",
		Text: fmt.Sprintf("permission %s is missing on project %s: the DNS endpoint would not let this identity in", connectPermission, x.spec.Cluster.Project),
		Fix:  "have a role granted there that holds it, such as roles/container.viewer or roles/container.developer"}}, nil
}

func (x *exposure) lacksConnect(ctx context.Context) (bool, error) {
	missing, err := x.google.TestPermissions(ctx, x.spec.Cluster.Project, []string{connectPermission})
	return slices.Contains(missing, connectPermission), err
}

func (x *exposure) checkAccess(ctx context.Context) ([]exposer.Problem, error) {
	if x.kube == nil { // nothing is made there, or not yet
		return nil, nil
	}
	return exposer.CheckAccess(ctx, x.kube, x.spec)
}

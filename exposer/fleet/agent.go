package fleet

import (
	"context"
	"fmt"
	"slices"

	"causeway/exposer"
	"causeway/internal/gcp"
)

// agentRole is what lets a fleet's service agent register clusters of a project that
// is not the fleet's own (Google's page on fleets' prerequisites, cross-project).
const agentRole = "roles/gkehub.serviceAgent"

// agent is the service agent of the fleet, as IAM writes it.
func (f *Fleet) agent() string {
	return fmt.Sprintf("serviceAccount:service-%d@gcp-sa-gkehub.iam.gserviceaccount.com", f.Project.Number)
}

// CheckAgent looks, before a cluster is registered in another project's fleet, whether
// that fleet's agent has any role in the cluster's project. Which permissions it takes
// is not documented, so that any role will do; where the policy can't be read nothing is
// known, and Google says it in the end (CW-FLEET-REGISTER too).
func (f *Fleet) CheckAgent(google *gcp.Cloud, register bool) exposer.Precheck {
	return func(ctx context.Context) ([]exposer.Problem, error) {
		own := f.cluster.Project
		if !register || f.Member != nil || own == f.Project.ID || own == fmt.Sprint(f.Project.Number) {
			return nil, nil
		}
		policy, err := google.Policy(ctx, own)
		if exposer.MissingRight(err) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(policy.Bindings, func(b gcp.Binding) bool { return slices.Contains(b.Members, f.agent()) }) {
			return nil, nil
		}
		fix := fmt.Sprintf("gcloud projects add-iam-policy-binding %s --member %s --role %s --condition None", own, f.agent(), agentRole)
		if f.Off { // the agent comes with the API
			fix = fmt.Sprintf("gcloud services enable gkehub.googleapis.com --project %s; gcloud beta services identity create --service gkehub.googleapis.com --project %s; ", f.Project.ID, f.Project.ID) + fix
		}
		return []exposer.Problem{{Code: "CW-FLEET-REGISTER", Fix: fix,
			Text: fmt.Sprintf("the fleet is project %s's, whose agent has no role in project %s, where the cluster is: it may not register it", f.Project.ID, own)}}, nil
	}
}

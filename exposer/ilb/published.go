package ilb

import (
	"context"
	"fmt"

	"causeway/exposer"
	"causeway/internal/gcp"
)

// publishedBy refuses a destroy while a service attachment points at the load
// balancer: Google does not let the forwarding rule go, and its controller would
// try for ever. Who made the attachment does not matter. Who may not look is told
// so, and goes on.
func (x *exposure) publishedBy(ctx context.Context) error {
	project := x.spec.Cluster.Project
	address, err := x.address().get(ctx)
	if err != nil || address == nil || !address.IP.IsValid() {
		return err
	}
	attachments, err := x.google.ServiceAttachments(ctx, project, x.region)
	if exposer.MissingRight(err) {
		x.deps.Note("may not list service attachments: whether one points at the load balancer is not known")
		return nil
	}
	if err != nil || len(attachments) == 0 {
		return err
	}
	rules, err := x.google.ForwardingRulesByIP(ctx, project, x.region, address.IP)
	if err != nil {
		return err
	}
	var problems []exposer.Problem
	for _, a := range attachments {
		for _, rule := range rules {
			if a.Target == rulePath(rule) {
				problems = append(problems, exposer.Problem{Code: "CW-LB-PUBLISHED",
					Text: fmt.Sprintf("the service attachment %s points at the load balancer, with %d endpoints of consumers", a.Name, len(a.Endpoints)),
					Fix:  fmt.Sprintf("destroy what made it, or: gcloud compute service-attachments delete %s --project %s --region %s", a.Name, a.Project, a.Region)})
			}
		}
	}
	if len(problems) == 0 {
		return nil
	}
	return &exposer.PreconditionError{Verb: "destroy ilb " + x.spec.Name, Problems: problems}
}

func rulePath(rule gcp.ForwardingRule) string {
	return fmt.Sprintf("projects/%s/regions/%s/forwardingRules/%s", rule.Project, rule.Region, rule.Name)
}

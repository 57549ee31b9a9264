package dns

import (
	"context"
	"fmt"

	"causeway/exposer"
)

// Trace implements exposer.Traced: what Google's side says of the endpoint, read
// anew. There is no way back to look at: answers come on the same connection.
func (x *exposure) Trace(ctx context.Context) (exposer.Trace, error) {
	cluster, err := x.readCluster(ctx)
	if err != nil {
		return exposer.Trace{}, err
	}
	asked := *x.spec.DNS
	asked.Open, asked.Tokens = false, false // what is asked for counts when it is there
	hops := []exposer.TraceHop{
		{Name: "DNS endpoint", Text: cluster.DNSEndpoint},
		{Name: "external traffic", Text: "is let in, from everywhere"},
		{Name: "identity", Text: "Google's: each request needs " + connectPermission},
	}
	if !x.spec.ByGoogle() {
		hops[2] = exposer.TraceHop{Name: "identity", Text: "a ServiceAccount's token, which the endpoint takes"}
	}
	at := map[string]int{"CW-DNS-ABSENT": 0, "CW-GCP-CLUSTER-STATE": 0, "CW-DNS-CLOSED": 1, "CW-DNS-TOKENS": 2}
	for _, problem := range x.problems(cluster, asked) {
		hop := &hops[at[problem.Code]]
		hop.Verdict, hop.Text, hop.Code, hop.Fix = exposer.Broken, problem.Text, problem.Code, problem.Fix
	}
	if x.spec.ByGoogle() {
		if err := x.traceConnect(ctx, &hops[2]); err != nil {
			return exposer.Trace{}, err
		}
	}
	for i := range hops {
		hops[i].Way = exposer.Forward
		if hops[i].Verdict == "" {
			hops[i].Verdict = exposer.Good
		}
	}
	return exposer.Trace{Hops: hops}, nil
}

// traceConnect looks at the one identity that it can: that of this run. The far
// side's may well be another, so a missing permission is a warning.
func (x *exposure) traceConnect(ctx context.Context, hop *exposer.TraceHop) error {
	lacks, err := x.lacksConnect(ctx)
	if exposer.MissingRight(err) {
		hop.Verdict, hop.Text = exposer.Unknown, "whether this identity has "+connectPermission+" can't be asked: "+err.Error()
		return nil
	}
	if lacks {
		hop.Verdict, hop.Code = exposer.Warns, "CW-DNS-CONNECT"
		hop.Text = fmt.Sprintf("this identity lacks %s on project %s; one that has it is let in", connectPermission, x.spec.Cluster.Project)
		hop.Fix = "have a role granted that holds it, such as roles/container.viewer or roles/container.developer"
	}
	return err
}

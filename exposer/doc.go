// Package exposer does the job: it makes one cluster's API server reachable by
// one method for one far side, keeps it so, and takes it away again.
//
// Read it in this order:
//
//	spec.go       what the user wants, as data; validate.go says what is wrong with it;
//	              each method's part stands in a file of its own (spec_ilb.go)
//	step.go       one thing that an exposure needs: read it, do it, undo it
//	plan.go       reads every step; the answer is data and changes nothing
//	apply.go      does what the plan says, independent steps at the same time
//	destroy.go    undoes it in the reverse order
//	record.go     what an apply did, so that it can be resumed and undone
//	method.go     what a method (ilb, route, ...) has to bring
//	access.go     ServiceAccount, rights and token behind the kubeconfig
//
// The package knows no method, no cobra and no SDK: methods live in folders
// below it, Google behind internal/gcp and Kubernetes behind internal/kube. It
// must not print; what it has to tell goes through Progress or a return value.
//
//	exposure, err := method.Open(ctx, spec, deps)
//	plan, err := exposer.MakePlan(ctx, exposure.Steps())
//	err = exposer.Apply(ctx, plan, options)
//	endpoint, err := exposure.Endpoint(ctx)
package exposer

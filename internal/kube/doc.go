// Package kube is the only door to Kubernetes: it connects to a cluster's API
// server in the way that works from here, reads, compares, applies and deletes
// objects, waits for what the cluster makes of them, and says in plain words,
// with a code, why something does not come.
//
// It must not know Google, exposures or methods; it prints nothing and reads no
// environment but what is handed in. It needs neither the typed clients of
// client-go nor discovery: the few kinds that the product uses are in kinds.go.
//
//	client, err := kube.Connect(ctx, kube.ConnectOptions{Via: kube.Auto, Endpoints: endpoints, Tokens: source})
//	live, err := client.Get(ctx, kube.RefOf(want)) // nil when there is none
//	if len(kube.Diff(want, live)) > 0 {
//		err = client.Apply(ctx, want)
//	}
//	err = client.WaitServiceIP(ctx, ref, reserved, 10*time.Minute, note)
package kube

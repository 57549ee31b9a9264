// Package probe asks, from where it runs, whether a kubeconfig works: it goes the
// way of a kubectl call hop by hop and names the hop that fails, with a code, what
// was seen and what to do.
//
// The hops, in this order: resolve, connect, tls, http, identity, rights, list,
// watch and, on request, exec-websocket, exec-spdy, large-body, idle. Up to
// identity each hop needs the one before, so a failure skips the rest; after it
// each hop is judged for itself, since a proxy may well pass one and break another.
//
// The probe takes the bytes of the kubeconfig as they will be written to disk and
// loads them as kubectl does (client-go's clientcmd), so what it proves is what the
// user gets. It must never switch certificate verification off, not even to look
// at a bad certificate; never print, store or return a token; and change nothing in
// the cluster, unless Options.WatchChange asks for one ConfigMap that comes and goes.
//
// It knows no other package of causeway but internal/explain, which explains the
// codes and recognises what Connect Gateway says.
//
//	report, err := probe.Run(ctx, probe.Target{Kubeconfig: data}, probe.Options{}, nil)
//	probe.Table(os.Stdout, report)
//	if failed := report.Failed(); failed != nil { ... } // err is then a *probe.Error
//
// scripts/verify.sh goes the same hops with curl and openssl alone; ParseScript reads
// what it writes with -o json back into a Report.
package probe

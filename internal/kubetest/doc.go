// Package kubetest owns the real etcd and kube-apiserver that tests, the lab's
// small form and the benchmarks talk to, and a stand-in for what a cluster's
// controller manager and nodes would do to the objects in it.
//
// The binaries lie in <cache>/bin (`make tools` puts them there). Everything
// listens on free loopback ports and needs no root. The package must not be
// imported by the product: only by tests, lab and bench.
//
// In a test binary:
//
//	func TestMain(m *testing.M) { os.Exit(kubetest.StartMain(m)) }
//
//	func TestApply(t *testing.T) {
//		server := kubetest.Start(t)           // started once, shared by the binary
//		ns := server.Namespace(t)             // a fresh namespace, deleted at the end
//		kubetest.Workloads(t, server.Config)  // Deployments roll out, token Secrets fill
//		...
//	}
//
// Without *testing.T: StartServer, StartWorkloads, and their Stop.
package kubetest

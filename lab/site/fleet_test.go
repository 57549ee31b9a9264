package site

import "testing"

// What Google's importer brings is left out of pictures, and nothing else.
func TestWhatTheImporterBringsIsKnown(t *testing.T) {
	for line, want := range map[string]bool{
		"Namespace /gke-mcs 6f1 ":                                                 true,
		"Pod gke-mcs/gke-mcs-importer-6b7f9c5d8-x2x4k 6f1 1":                      true,
		"client-cluster: ServiceAccount gke-mcs/default 6f1 ":                     true,
		"CustomResourceDefinition /serviceexports.net.gke.io 6f1 1":               true,
		"client-cluster: APIService /v1.net.gke.io 6f1 ":                          true,
		"ServiceExport shop/web 6f1 1":                                            false,
		"client-cluster: ServiceImport shop/web 6f1 2":                            false,
		"client-cluster: Service shop/gke-mcs-lc9ck6a6tl 6f1 ":                    false,
		"Namespace /gke-mcs-of-mine 6f1 ":                                         false,
		"CustomResourceDefinition /serviceattachments.networking.gke.io 6f1 1":    false,
		"client-cluster: Namespace /causeway-private-cluster 6f1 ":                false,
		"ConfigMap causeway-private-cluster/gke-mcs 6f1 ":                         false,
		"client-cluster: EndpointSlice shop/gke-mcs-lc9ck6a6tl-eu 6f1 1":          false,
		"CustomResourceDefinition /serviceimports.multicluster.x-k8s.io 6f1-abc ": false,
	} {
		if got := importers(line); got != want {
			t.Errorf("%q: %t, want %t", line, got, want)
		}
	}
}

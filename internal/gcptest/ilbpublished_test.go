package gcptest

import (
	"path"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// TestAServiceThatIsPublished keeps its forwarding rule, whatever is wanted of it,
// until the service attachment is gone.
func TestAServiceThatIsPublished(t *testing.T) {
	b := newBench(t, "lab")
	b.create(nil, nil)
	b.ip()
	rule := b.rules()[0]
	finish(t, b.google, must(t, b.google, "POST", producerArea+"/subnetworks", natBody("nat", "default", "10.157.0.0/29", forNAT)))
	finish(t, b.google, must(t, b.google, "POST", producerArea+"/serviceAttachments",
		`{"name":"demo","targetService":"`+rule+`","connectionPreference":"ACCEPT_AUTOMATIC","natSubnets":["regions/europe-west3/subnetworks/nat"]}`))
	held := "The forwarding_rule resource '" + rule + "' is already being used by '" + demoPath + "'"
	global := []byte(`{"metadata":{"annotations":{"` + globalAnnotation + `":"true"}}}`)
	if _, err := b.client.Patch(t.Context(), "web", types.MergePatchType, global, metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	b.event("SyncLoadBalancerFailed", held)
	if err := b.client.Delete(t.Context(), "web", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	b.event("SyncLoadBalancerFailed", "failed to delete load balancer: googleapi: Error 400: "+held)
	if service, err := b.client.Get(t.Context(), "web", metav1.GetOptions{}); err != nil || !hasFinalizer(service) || len(b.rules()) != 1 {
		t.Errorf("the Service or its rule %s went: %v", path.Base(rule), err)
	}
	finish(t, b.google, must(t, b.google, "DELETE", producerArea+"/serviceAttachments/demo", ""))
	b.until("its rule is gone", func() bool { return len(b.rules()) == 0 })
}

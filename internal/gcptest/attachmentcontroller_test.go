package gcptest

import (
	"context"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"causeway/internal/kubetest"
)

// attachmentBench is a bench with the attachments' controller beside, and a NAT subnet.
type attachmentBench struct {
	*bench
	objects dynamic.ResourceInterface
}

func newAttachmentBench(t *testing.T) *attachmentBench {
	t.Helper()
	b := &attachmentBench{bench: newBench(t, "lab")}
	if err := b.google.Fill(Seed{Projects: []SeedProject{{ID: "consumer-project", Number: "987654321098", Services: []string{"compute.googleapis.com"}}}}); err != nil {
		t.Fatal(err)
	}
	config := kubetest.Start(t).Config
	controller, err := NewAttachmentController(b.google, "lab-project", "europe-west3", config)
	if err != nil {
		t.Fatal(err)
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	namespace := b.namespace()
	b.objects = client.Resource(resourceOf(ServiceAttachmentKind)).Namespace(namespace)
	controller.Namespace, controller.RetryInterval = namespace, 50*time.Millisecond
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := controller.Run(ctx); err != nil {
			t.Error(err)
		}
	}()
	t.Cleanup(func() { cancel(); <-ended })
	b.until("the kind is served", func() bool {
		_, err := b.objects.List(t.Context(), metav1.ListOptions{})
		return err == nil
	})
	return b
}

// namespace is the bench's, read off an object in it.
func (b *bench) namespace() string {
	b.t.Helper()
	return b.create(nil, nil).GetNamespace()
}

func (b *attachmentBench) put(name string, spec object) {
	b.t.Helper()
	full := object{"connectionPreference": "ACCEPT_MANUAL", "natSubnets": []any{"nat"}, "resourceRef": object{"kind": "Service", "name": "web"}}
	for field, value := range spec {
		full[field] = value
	}
	_, err := b.objects.Create(b.t.Context(), &unstructured.Unstructured{Object: object{"apiVersion": "networking.gke.io/v1", "kind": ServiceAttachmentKind,
		"metadata": object{"name": name}, "spec": full}}, metav1.CreateOptions{})
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *attachmentBench) patch(name, body string) {
	b.t.Helper()
	if _, err := b.objects.Patch(b.t.Context(), name, types.MergePatchType, []byte(body), metav1.PatchOptions{}); err != nil {
		b.t.Fatal(err)
	}
}

// attachment waits for the object's service attachment and returns its path.
func (b *attachmentBench) attachment(name string) string {
	b.t.Helper()
	var url string
	b.until("status tells the service attachment", func() bool {
		cr, err := b.objects.Get(b.t.Context(), name, metav1.GetOptions{})
		if err != nil {
			b.t.Fatal(err)
		}
		url, _, _ = unstructured.NestedString(cr.Object, "status", "serviceAttachmentURL")
		return url != ""
	})
	return relative(url, "")
}

func TestAServiceAttachmentObject(t *testing.T) {
	b := newAttachmentBench(t)
	b.ip()
	b.put("demo", nil)
	b.event(attachmentFailed, `failed to find nat subnets: failed to find Subnetwork europe-west3/nat: googleapi: Error 404: The resource 'projects/lab-project/regions/europe-west3/subnetworks/nat' was not found`)
	finish(t, b.google, must(t, b.google, "POST", producerArea+"/subnetworks", natBody("nat", "default", "10.157.0.0/29", forNAT)))
	at := b.attachment("demo")
	b.event(attachmentCreated, "Service Attachment "+link(at)+" was successfully created.")
	made := b.google.Object(at)
	if !strings.HasPrefix(made["name"].(string), "k8s1-sa-") || text(made, "targetService") != link(b.rules()[0]) || made["connectionPreference"] != manual {
		t.Errorf("the service attachment is %v", made)
	}
	b.google.Deny("compute.forwardingRules.use") // Google's own account is not the operator
	b.patch("demo", `{"spec":{"consumerAllowList":[{"project":"consumer-project","connectionLimit":2}],"consumerRejectList":["bad-project"]}}`)
	b.until("the lists are the object's", func() bool {
		made := b.google.Object(at)
		accept := entries(made, "consumerAcceptLists")
		return len(accept) == 1 && text(accept[0], "projectIdOrNum") == "consumer-project" && len(made["consumerRejectLists"].([]any)) == 1
	})
	b.patch("demo", `{"spec":{"connectionPreference":"ACCEPT_AUTOMATIC"}}`)
	b.event(attachmentFailed, "failed to update GCE Service Attachment: googleapi: Error 400")
	b.patch("demo", `{"spec":{"connectionPreference":"ACCEPT_AUTOMATIC","consumerAllowList":null,"consumerRejectList":null}}`)
	b.until("everybody is let in", func() bool { return b.google.Object(at)["connectionPreference"] == automatic })
	b.patch("demo", `{"spec":{"resourceRef":{"name":"other"}}}`)
	b.event(attachmentFailed, "failed to find forwarding rule: failed to get Service "+b.named("other")+": service not in store")

	if err := b.objects.Delete(t.Context(), "demo", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	b.until("object and service attachment are gone", func() bool {
		_, err := b.objects.Get(t.Context(), "demo", metav1.GetOptions{})
		return apierrors.IsNotFound(err) && b.google.Object(at) == nil
	})
}

// named is the name under which the controller's messages know an object.
func (b *attachmentBench) named(name string) string {
	b.t.Helper()
	cr, err := b.objects.Get(b.t.Context(), "demo", metav1.GetOptions{})
	if err != nil {
		b.t.Fatal(err)
	}
	return cr.GetNamespace() + "/" + name
}

func TestWhatAServiceAttachmentObjectMayPointAt(t *testing.T) {
	google := Serve(t, Options{}, "lab", "published")
	controller := &AttachmentController{google: google, project: "lab-project", region: "europe-west3"}
	service := &unstructured.Unstructured{Object: object{"metadata": object{"name": "web", "namespace": "shop", "uid": "0a1b2c3d-0000-4000-8000-000000000001"},
		"status": object{"loadBalancer": object{"ingress": []any{object{"ip": text(google.Object(apiRule), "IPAddress")}}}}}}
	at := (&ILBController{google: google, project: "lab-project", region: "europe-west3"}).rulePath(service)
	services := map[string]*unstructured.Unstructured{"shop/web": service}
	pointing := func(ref object) *unstructured.Unstructured {
		return &unstructured.Unstructured{Object: object{"metadata": object{"name": "demo", "namespace": "shop", "uid": "0a1b2c3d-0000-4000-8000-000000000002"},
			"spec": object{"connectionPreference": automatic, "natSubnets": []any{"nat"}, "resourceRef": ref}}}
	}
	web := object{"kind": "Service", "name": "web"}
	for _, step := range []struct {
		ref    object
		before func()
		want   string
	}{
		{object{"kind": "Ingress", "name": "web"}, nil, `invalid resource reference Ingress, kind must be "service"`},
		{object{"kind": "Service", "apiGroup": "apps", "name": "web"}, nil, "apiGroup must be"},
		{object{"kind": "service", "name": "none"}, nil, "failed to get Service shop/none: service not in store"},
		{web, nil, "failed to find forwarding rule: failed to get Forwarding Rule"},
		{web, func() {
			rule := google.Object(apiRule)
			rule["IPAddress"] = "10.156.0.77"
			google.objects[at] = rule
		}, "failed to find forwarding rule: forwarding rule does not have matching IPAddr to specified service: Mismatched ILB IP"},
		{web, func() { google.objects[at]["IPAddress"] = current(service) }, ""},
	} {
		if step.before != nil {
			step.before()
		}
		made, err := controller.ensureLocked(pointing(step.ref), services)
		switch {
		case step.want == "" && (err != nil || google.attachmentOf(at) != made):
			t.Errorf("a Service with its rule: %v, published by %q", err, google.attachmentOf(at))
		case step.want != "" && (err == nil || !strings.Contains(err.Error(), step.want)):
			t.Errorf("%v: %v, want %q", step.ref, err, step.want)
		}
	}
}

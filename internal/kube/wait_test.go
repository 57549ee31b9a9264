package kube

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

var reserved = netip.MustParseAddr("10.156.0.26")

func (r rig) balance(ip string) {
	r.Helper()
	r.patch(RefOf(r.manifest("Service")), "gke", `{"status":{"loadBalancer":{"ingress":[{"ip":"`+ip+`"}]}}}`, "status")
}

func TestServiceGetsItsAddress(t *testing.T) {
	slow := fast(1)
	slow.After = func(d time.Duration) <-chan time.Time { return time.After(30 * d) }
	r := newRig(t, slow)
	service := r.manifest("Service")
	r.apply(service)
	done := make(chan error, 1)
	go func() {
		done <- r.client.WaitServiceIP(context.Background(), RefOf(service), reserved, time.Minute, r.notes.note)
	}()
	began := time.Now()
	r.balance("10.156.0.26")
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	// The watch, not the next look a minute later, must have seen it.
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("the address was seen after %s", took)
	}
	if ips := ServiceIPs(r.get(RefOf(service))); len(ips) != 1 || ips[0] != reserved {
		t.Errorf("addresses are %v", ips)
	}
}

func TestFirewallRuleThatOthersMustMakeIsTold(t *testing.T) {
	r := newRig(t, Env{})
	service := r.manifest("Service")
	r.apply(service)
	command := "gcloud compute firewall-rules create k8s-fw-x --network vpc --allow tcp:443 " + strings.Repeat("--source-ranges 172.31.0.0/16 ", 10) + "--project host"
	r.event(r.get(RefOf(service)), "Normal", "LoadBalancerManualChange", "Firewall change required by security admin: `"+command+"`")
	r.balance("10.156.0.26")
	if err := r.client.WaitServiceIP(context.Background(), RefOf(service), reserved, time.Minute, r.notes.note); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(r.notes.text(), command) {
		t.Errorf("the command is not told whole: %s", r.notes.text())
	}
}

func TestServiceThatGetsNoGoodAddress(t *testing.T) {
	sync := func(message string) func(rig, *unstructured.Unstructured) {
		return func(r rig, service *unstructured.Unstructured) {
			r.event(service, "Warning", "SyncLoadBalancerFailed", "Error syncing load balancer: "+message)
		}
	}
	tests := map[string]struct {
		happens func(rig, *unstructured.Unstructured)
		bound   time.Duration // 10 minutes of the fast clock when zero
		code    string
		parts   []string
		noted   string
	}{
		"another address than the reserved one": {func(r rig, _ *unstructured.Unstructured) { r.balance("10.156.0.99") }, 0,
			"CW-LB-WRONG-IP", []string{"10.156.0.99", "not the reserved 10.156.0.26"}, "bears [10.156.0.99], not 10.156.0.26"},
		"nothing at all": {func(rig, *unstructured.Unstructured) {}, 2 * time.Minute,
			"CW-LB-TIMEOUT", []string{"wait for Service", "within 2m0s", "no event says why"}, ""},
		"an address that is not reserved": {sync(`IP configuration error: "10.156.0.26" address not found. Check if the IP is valid and is reserved in your VPC.`), 0,
			"CW-LB-ADDRESS-NOT-FOUND", []string{"address not found", "reserve the address"}, "reserve the address"},
		"an external address": {sync(`IP configuration error: "1.2.3.4" address type mismatch, expected "INTERNAL", actual: "EXTERNAL"`), 0,
			"CW-LB-ADDRESS-TYPE", []string{"type mismatch"}, ""},
		"a subnet that is none": {sync(`Subnetwork "x" can't be found for project p`), 0, "CW-LB-SUBNET", []string{`"x"`}, ""},
		"an address of another subnet": {sync(`googleapi: Error 400: Requested internal IP address is outside the network/subnetwork range`), 0,
			"CW-LB-ADDRESS-RANGE", []string{"outside"}, ""},
		"an address in use": {sync(`googleapi: Error 400: IP_IN_USE_BY_ANOTHER_RESOURCE - IP '10.156.0.26' is already being used by another resource`), 0,
			"CW-LB-ADDRESS-IN-USE", []string{"another forwarding rule"}, ""},
		"an organization's policy":    {sync("googleapi: Error 412: Constraint constraints/compute.x violated for p"), 0, "CW-LB-ORG-POLICY", []string{"Constraint"}, ""},
		"a quota":                     {sync("googleapi: Error 403: Quota 'FORWARDING_RULES' exceeded"), 0, "CW-LB-QUOTA", []string{"FORWARDING_RULES"}, ""},
		"a missing right":             {sync("googleapi: Error 403: Required 'compute.subnetworks.use' permission"), 0, "CW-LB-PERMISSION", []string{"compute.subnetworks.use"}, ""},
		"a failure that nobody knows": {sync("something new"), 0, "CW-LB-SYNC", []string{"something new"}, ""},
		"a firewall rule that others must make": {func(r rig, service *unstructured.Unstructured) {
			r.event(service, "Normal", "LoadBalancerManualChange", "Firewall change required by security admin: `gcloud compute firewall-rules create x`")
		}, 3 * time.Second, "CW-LB-TIMEOUT", nil, "gcloud compute firewall-rules create x"},
		"a Service that is deleted": {func(r rig, service *unstructured.Unstructured) {
			if err := r.client.Delete(context.Background(), r.get(RefOf(service))); err != nil {
				r.Fatal(err)
			}
		}, 0, "CW-KUBE-GONE", []string{"somebody deleted it"}, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, fast(100))
			service := r.manifest("Service")
			r.apply(service)
			test.happens(r, r.get(RefOf(service)).DeepCopy())
			if test.bound == 0 {
				test.bound = 10 * time.Minute
			}
			began := time.Now()
			err := r.client.WaitServiceIP(context.Background(), RefOf(service), reserved, test.bound, r.notes.note)
			wantError(t, err, test.code, test.parts...)
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("it took %s, which is %s of its clock", took, took*100)
			}
			if !strings.Contains(r.notes.text(), test.noted) {
				t.Errorf("notes lack %q: %s", test.noted, r.notes.text())
			}
		})
	}
}

func TestEventsOfAnEarlierTryDoNotCount(t *testing.T) {
	events := []Event{{Time: time.Unix(100, 0), Warning: true, Code: "CW-LB-SYNC"}, {Time: time.Unix(200, 0), Reason: "x"}}
	if kept := since(events, time.Unix(150, 0)); len(kept) != 1 || kept[0].Reason != "x" {
		t.Errorf("kept %v", kept)
	}
}

func TestWaitEndsWithItsContext(t *testing.T) {
	r := newRig(t, Env{})
	service := r.manifest("Service")
	r.apply(service)
	ctx, cancel := context.WithCancelCause(context.Background())
	stop := errors.New("interrupted")
	cancel(stop)
	err := r.client.WaitServiceIP(ctx, RefOf(service), reserved, time.Minute, nil)
	if !errors.Is(err, stop) && !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v", err)
	}
}

func TestDeploymentRollsOut(t *testing.T) {
	r := newRig(t, Env{})
	object := r.manifest("Deployment")
	r.apply(r.manifest("ServiceAccount"))
	r.apply(object)
	if err := r.client.WaitRollout(context.Background(), RefOf(object), time.Minute, r.notes.note); err != nil {
		t.Fatal(err)
	}
	if ok, why := RolledOut(r.get(RefOf(object))); !ok {
		t.Error(why)
	}
}

func TestDeploymentThatDoesNotRollOut(t *testing.T) {
	image := func(name string) func(rig, *unstructured.Unstructured) {
		return func(_ rig, d *unstructured.Unstructured) { setContainer(d, "image", name) }
	}
	tests := map[string]struct {
		broken func(rig, *unstructured.Unstructured)
		bound  time.Duration
		code   string
		parts  []string
	}{
		"an image that is not there":  {image("nginx:missing"), 0, "CW-IMG-NOT-FOUND", []string{"nginx:missing", "not found", "--image"}},
		"a container that crashes":    {image("nginx:crash"), 0, "CW-KUBE-CRASH", []string{`unknown directive "ssl"`}},
		"a Pod that no node takes":    {image("nginx:unschedulable"), 2 * time.Minute, "CW-KUBE-UNSCHEDULABLE", []string{"Insufficient cpu"}},
		"a Pod that never gets ready": {image("nginx:unready"), 2 * time.Minute, "CW-KUBE-NOT-READY", []string{"statuscode: 502"}},
		"a Pod that the namespace refuses": {func(r rig, d *unstructured.Unstructured) {
			r.patch(Ref{Version: "v1", Kind: "Namespace", Name: r.ns}, "test", `{"metadata":{"labels":{"pod-security.kubernetes.io/enforce":"restricted"}}}`)
			setContainer(d, "securityContext", map[string]any{"privileged": true})
		}, 0, "CW-KUBE-POD-SECURITY", []string{"privileged", "Pod Security level"}},
		"a ServiceAccount that is missing": {func(_ rig, d *unstructured.Unstructured) {
			_ = unstructured.SetNestedField(d.Object, "nobody", "spec", "template", "spec", "serviceAccountName")
		}, 0, "CW-KUBE-POD-REFUSED", []string{"nobody"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, fast(50))
			r.apply(r.manifest("ServiceAccount"))
			object := r.manifest("Deployment")
			test.broken(r, object)
			r.apply(object)
			if test.bound == 0 {
				test.bound = 10 * time.Minute
			}
			began := time.Now()
			err := r.client.WaitRollout(context.Background(), RefOf(object), test.bound, r.notes.note)
			wantError(t, err, test.code, append(test.parts, "wait for Deployment")...)
			if took := time.Since(began); took > 10*time.Second { // 10 minutes are 12 s
				t.Errorf("it took %s: the failure was not seen before the bound", took)
			}
		})
	}
}

func setContainer(d *unstructured.Unstructured, field string, value any) {
	containers, _, _ := unstructured.NestedSlice(d.Object, "spec", "template", "spec", "containers")
	containers[0].(map[string]any)[field] = value
	_ = unstructured.SetNestedSlice(d.Object, containers, "spec", "template", "spec", "containers")
}

func TestRolledOut(t *testing.T) {
	tests := map[string]struct{ deployment, why string }{
		"all there":         {"{metadata: {generation: 2}, spec: {replicas: 2}, status: {observedGeneration: 2, replicas: 2, updatedReplicas: 2, availableReplicas: 2}}", ""},
		"scaled to nothing": {"{metadata: {generation: 2}, spec: {replicas: 0}, status: {observedGeneration: 2}}", ""},
		"one by default":    {"{metadata: {generation: 1}, spec: {}, status: {observedGeneration: 1, replicas: 1, updatedReplicas: 1, availableReplicas: 1}}", ""},
		"not seen yet":      {"{metadata: {generation: 2}, spec: {replicas: 2}, status: {observedGeneration: 1, replicas: 2, updatedReplicas: 2, availableReplicas: 2}}", "the cluster has not looked at it yet"},
		"half replaced":     {"{metadata: {generation: 2}, spec: {replicas: 2}, status: {observedGeneration: 2, replicas: 2, updatedReplicas: 1, availableReplicas: 2}}", "1 of 2 pods are of the present version"},
		"old ones left":     {"{metadata: {generation: 2}, spec: {replicas: 2}, status: {observedGeneration: 2, replicas: 3, updatedReplicas: 2, availableReplicas: 3}}", "1 pods of the version before are still there"},
		"not ready":         {"{metadata: {generation: 2}, spec: {replicas: 2}, status: {observedGeneration: 2, replicas: 2, updatedReplicas: 2, availableReplicas: 1}}", "1 of 2 pods are ready"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			ok, why := RolledOut(parse(t, "{apiVersion: apps/v1, kind: Deployment, "+test.deployment[1:]))
			if why != test.why || ok != (test.why == "") {
				t.Errorf("%v %q, want %q", ok, why, test.why)
			}
		})
	}
	if ok, _ := RolledOut(nil); ok {
		t.Error("none is rolled out")
	}
}

func TestWhatHoldsAnObjectIsTold(t *testing.T) {
	r := newRig(t, fast(200))
	held := r.create("{apiVersion: v1, kind: ConfigMap, metadata: {name: held, namespace: NAMESPACE, finalizers: [test.causeway.dev/hold]}}")
	if err := r.client.Delete(context.Background(), held); err != nil {
		t.Fatal(err)
	}
	err := r.client.WaitGone(context.Background(), RefOf(held), r.notes.note)
	wantError(t, err, "CW-KUBE-STUCK", "test.causeway.dev/hold", "10m0s")
	if !strings.Contains(r.notes.text(), "waits for test.causeway.dev/hold") {
		t.Errorf("notes: %s", r.notes.text())
	}
	r.patch(RefOf(held), "test", `{"metadata":{"finalizers":null}}`)
	if err := r.client.WaitGone(context.Background(), RefOf(held), r.notes.note); err != nil {
		t.Error(err)
	}
}

func TestClusterIP(t *testing.T) {
	r := newRig(t, Env{})
	ip, port, err := ClusterIP(r.get(Ref{Version: "v1", Kind: "Service", Namespace: "default", Name: "kubernetes"}))
	if err != nil || ip != r.server.ServiceIP || port != 443 {
		t.Errorf("the service kubernetes is at %s:%d, %v", ip, port, err)
	}
	for name, text := range map[string]string{
		"headless":     "{spec: {clusterIP: None, ports: [{port: 1}]}}",
		"without port": "{spec: {clusterIP: 10.0.0.1}}",
		"a bad port":   "{spec: {clusterIP: 10.0.0.1, ports: [{port: 70000}]}}",
	} {
		if _, _, err := ClusterIP(parse(t, "{apiVersion: v1, kind: Service, "+text[1:])); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, _, err := ClusterIP(nil); err == nil {
		t.Error("none: accepted")
	}
}

func TestCures(t *testing.T) {
	tests := map[string]struct{ reason, message, code string }{
		"docker hub without NAT":    {"ImagePullBackOff", `Back-off pulling image "nginx": ErrImagePull: failed to pull: dial tcp 1.2.3.4:443: i/o timeout`, "CW-IMG-UNREACHABLE"},
		"docker hub's rate limit":   {"Failed", `Failed to pull image "nginx": toomanyrequests: You have reached your pull rate limit`, "CW-IMG-RATE"},
		"a registry's denial":       {"Failed", `Failed to pull image "x": denied: Permission "artifactregistry.repositories.downloadArtifacts" denied`, "CW-IMG-DENIED"},
		"a registry's 403":          {"ErrImagePull", `failed to authorize: failed to fetch oauth token: unexpected status: 403 Forbidden`, "CW-IMG-DENIED"},
		"a private CA":              {"Failed", `Failed to pull image "x": tls: failed to verify certificate: x509: certificate signed by unknown authority`, "CW-IMG-UNTRUSTED"},
		"a back-off without reason": {"ImagePullBackOff", `Back-off pulling image "nginx"`, "CW-IMG-PULL"},
		"a bad name":                {"InvalidImageName", `Failed to apply default image tag "A B"`, "CW-IMG-NAME"},
		"scheduling":                {"FailedScheduling", "0/3 nodes are available", "CW-KUBE-UNSCHEDULABLE"},
		"a normal event":            {"Pulled", "Successfully pulled image", ""},
		"both ways of an address":   {"MixedStaticIP", "x", ""},
		"the network programmer":    {"XPN", "Firewall change required by security admin: `gcloud x`", "CW-LB-FIREWALL"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if code, _ := cureOf(test.reason, test.message); code != test.code {
				t.Errorf("code %q, want %q", code, test.code)
			}
		})
	}
	for i, c := range cures {
		if c.do == "" {
			t.Errorf("cure %d (%s %q) says nothing", i, c.reasons, c.has)
		}
	}
}

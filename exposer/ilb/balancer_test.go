package ilb

import (
	"errors"
	"testing"

	"causeway/exposer"
	"causeway/exposer/conformance"
)

// fast lets waits of ten minutes end after twenty seconds: long enough for a busy
// machine to do in time what is not to be late.
const fast = 30

// stands fails the test unless the run's own story names what stands.
func stands(t testing.TB, err error, ids ...string) {
	t.Helper()
	stopped := wantStopped(t, err)
	have := map[string]bool{}
	for _, id := range stopped.Standing {
		have[id] = true
	}
	for _, id := range ids {
		if !have[id] {
			t.Errorf("the error does not name %s among what stands: %v", id, stopped.Standing)
		}
	}
}

func wantStopped(t testing.TB, err error) *exposer.Stopped {
	t.Helper()
	plain(t, err)
	var stopped *exposer.Stopped
	if !errors.As(err, &stopped) {
		t.Fatalf("error is no *Stopped but %T: %v", err, err)
	}
	return stopped
}

func TestALoadBalancerThatNeverComes(t *testing.T) {
	t.Parallel()
	w := world(t, conformance.Options{NoController: true, Speed: fast})
	before := w.State()
	_, err := w.Apply(t.Context(), Method{})
	wantCode(t, err, "CW-LB-TIMEOUT", "service/causeway-proxy", "no load balancer within 10m0s")
	stands(t, err, "address/"+w.Spec.ILB.AddressName, "namespace/"+w.Spec.Namespace, "deployment/causeway-proxy")
	w.Balance(t, w.Spec.Namespace, 0) // it was only late
	apply(t, w)
	unchanged(t, w)
	destroy(t, w)
	w.Gone(t, before)
}

func TestALoadBalancerWithAnotherAddress(t *testing.T) {
	t.Parallel()
	w := world(t, conformance.Options{NoController: true, Speed: fast})
	before := w.State()
	w.Progress = onStart{func(id string) {
		if id != "deployment/causeway-proxy" {
			return
		}
		go func() { // as the controller does when it does not find the address of that name
			for t.Context().Err() == nil && get(t, w, serviceKind, w.Spec.Namespace, proxyName) == nil {
				pause(t)
			}
			edit(t, w, serviceKind, w.Spec.Namespace, proxyName, map[string]any{"status": map[string]any{
				"loadBalancer": map[string]any{"ingress": []any{map[string]any{"ip": "10.156.0.200", "ipMode": "VIP"}}}}}, "status")
		}()
	}}
	_, err := w.Apply(t.Context(), Method{})
	wantCode(t, err, "CW-LB-WRONG-IP", "10.156.0.200", "not the reserved 10.156.0.")
	wantStopped(t, err)
	w.Progress = exposer.Quiet{}
	w.Balance(t, w.Spec.Namespace, 0)
	apply(t, w)
	unchanged(t, w)
	destroy(t, w)
	w.Gone(t, before)
}

func TestWhatTheLoadBalancerControllerSaysIsTold(t *testing.T) {
	t.Parallel()
	w := world(t, conformance.Options{Speed: fast})
	before := w.State()
	w.Progress = onStart{func(id string) {
		if id == "service/causeway-proxy" { // somebody turns the address into another kind
			change(t, w, labRegion+"/addresses/"+w.Spec.ILB.AddressName, func(o map[string]any) { o["addressType"] = "EXTERNAL" })
		}
	}}
	_, err := w.Apply(t.Context(), Method{})
	wantCode(t, err, "CW-LB-ADDRESS-TYPE", "address type mismatch")
	wantStopped(t, err)
	change(t, w, labRegion+"/addresses/"+w.Spec.ILB.AddressName, func(o map[string]any) { o["addressType"] = "INTERNAL" })
	w.Progress = exposer.Quiet{}
	apply(t, w)
	destroy(t, w)
	w.Gone(t, before)
}

func TestPodsThatDoNotRun(t *testing.T) {
	t.Parallel()
	for tag, c := range map[string]struct{ code, text string }{
		"missing":       {"CW-IMG-NOT-FOUND", "nginx:missing"},
		"crash":         {"CW-KUBE-CRASH", "CrashLoopBackOff"},
		"unready":       {"CW-KUBE-NOT-READY", "probe failed"},
		"unschedulable": {"CW-KUBE-UNSCHEDULABLE", "no node takes the pod"},
	} {
		t.Run(tag, func(t *testing.T) {
			t.Parallel()
			w := world(t, conformance.Options{Speed: fast}, func(s *exposer.Spec) { s.ILB.Image = "mirror.gcr.io/library/nginx:" + tag })
			before := w.State()
			_, err := w.Apply(t.Context(), Method{})
			wantCode(t, err, c.code, "deployment/causeway-proxy", c.text)
			stands(t, err, "address/"+w.Spec.ILB.AddressName)
			if tag == "missing" { // the same command with another image goes on
				w.Spec.ILB.Image = exposer.DefaultImage
				apply(t, w)
				unchanged(t, w)
			}
			destroy(t, w)
			w.Gone(t, before)
		})
	}
}

func TestANamespaceWithAQuotaThatForbidsThePods(t *testing.T) {
	t.Parallel()
	w := world(t, conformance.Options{Speed: fast})
	put(t, w, namespaces, named("Namespace", "v1", "", w.Spec.Namespace, map[string]any{"metadata": map[string]any{"name": w.Spec.Namespace,
		"labels": map[string]any{"pod-security.kubernetes.io/enforce": "restricted"}}}))
	put(t, w, quotas, named("ResourceQuota", "v1", w.Spec.Namespace, "none", map[string]any{"spec": map[string]any{"hard": map[string]any{"pods": "0"}}}))
	// What the quota controller would write.
	edit(t, w, quotas, w.Spec.Namespace, "none", map[string]any{"status": map[string]any{"hard": map[string]any{"pods": "0"}, "used": map[string]any{"pods": "0"}}}, "status")
	before := w.State()
	_, err := w.Apply(t.Context(), Method{})
	wantCode(t, err, "CW-KUBE-QUOTA", "exceeded quota")
	wantStopped(t, err)
	items := destroy(t, w)
	if item := items["namespace/"+w.Spec.Namespace]; item.Outcome != exposer.Left {
		t.Errorf("the user's namespace: %+v", item)
	}
	if w.State() != before {
		t.Error("something is left in Google")
	}
}

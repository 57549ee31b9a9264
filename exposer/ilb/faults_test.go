package ilb

import (
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"causeway/exposer"
	"causeway/exposer/conformance"
	"causeway/internal/gcptest"
)

func TestEveryGoogleCallMeetsTrouble(t *testing.T) {
	t.Parallel()
	conformance.EveryCall(t, conformance.Trouble{Method: Method{},
		World: func(t *testing.T) *conformance.World { return world(t, conformance.Options{}) },
		// Who may not list these can do without, and is told: leftovers are not found,
		// nor who publishes the load balancer.
		Optional: []string{"compute.addresses.list", "compute.serviceAttachments.list"},
		Varies:   regexp.MustCompile(`k8s2-tcp-[-0-9a-zA-Z]+`)}) // with the Service's uid
}

func TestInterruptedAtEveryStep(t *testing.T) {
	t.Parallel()
	conformance.InterruptedAtEveryStep(t, Method{}, func(t *testing.T) *conformance.World { return world(t, conformance.Options{}) })
}

func TestCredentialsThatEndDuringTheRun(t *testing.T) {
	t.Parallel()
	t.Run("Google's", func(t *testing.T) {
		t.Parallel()
		w := world(t, conformance.Options{})
		before := w.State()
		w.Google.AddToken("ya29.short", time.Time{})
		w.GoogleToken = "ya29.short"
		w.Progress = onStart{func(id string) {
			if strings.HasPrefix(id, "address/") {
				w.Google.RevokeToken("ya29.short")
			}
		}}
		_, err := w.Apply(t.Context(), Method{})
		wantCode(t, err, "CW-GCP-CREDENTIALS", "address/"+w.Spec.ILB.AddressName, "not reached: ")
		wantStopped(t, err)
		w.GoogleToken, w.Progress = gcptest.Token, exposer.Quiet{}
		apply(t, w)
		destroy(t, w)
		w.Gone(t, before)
	})
	t.Run("the cluster's", func(t *testing.T) {
		t.Parallel()
		w := world(t, conformance.Options{})
		before := w.State()
		var mu sync.Mutex
		ended := false
		w.Refuse = func(r *http.Request) error {
			mu.Lock()
			defer mu.Unlock()
			if ended = ended || r.Method == http.MethodPatch && strings.HasSuffix(r.URL.Path, "/deployments/"+proxyName); ended {
				r.Header.Set("Authorization", "Bearer ended")
			}
			return nil
		}
		_, err := w.Apply(t.Context(), Method{})
		wantCode(t, err, "CW-KUBE-UNAUTHORIZED", "does not accept the credentials")
		wantStopped(t, err)
		w.Refuse = nil
		// The run could not give its lock back. Its process ends in real life, and
		// with it the lock (kube.EndedHere); here the test is the process.
		if err := objects(t, w).Resource(leases).Namespace(w.Spec.Namespace).Delete(t.Context(), "causeway-lock", metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		apply(t, w)
		destroy(t, w)
		w.Gone(t, before)
	})
}

func TestTwoRunsAtOnce(t *testing.T) {
	t.Parallel()
	w := world(t, conformance.Options{})
	before := w.State()
	second := *w
	var once sync.Once
	var applyErr, destroyErr error
	w.Progress = onStart{func(string) {
		once.Do(func() {
			_, applyErr = second.Apply(t.Context(), Method{})
			_, destroyErr = second.Destroy(t.Context(), Method{})
		})
	}}
	if _, err := w.Apply(t.Context(), Method{}); err != nil {
		t.Fatalf("the first of two: %v", err)
	}
	for verb, err := range map[string]error{"apply": applyErr, "destroy": destroyErr} {
		if err == nil {
			t.Fatalf("%s went on beside an apply", verb)
		}
		wantCode(t, err, "CW-RUN-LOCKED", "held by net@host")
		plain(t, err)
	}
	unchanged(t, &second)
	destroy(t, &second)
	second.Gone(t, before)
}

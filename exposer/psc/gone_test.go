package psc

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"causeway/exposer"
	"causeway/exposer/conformance"
	"causeway/exposer/ilb"
	"causeway/internal/gcptest"
	"causeway/internal/kubetest"
)

const clusterAt = "projects/lab-project/locations/europe-west3/clusters/private-cluster"

// attachUntil runs GKE's controller of ServiceAttachment objects until stop is called:
// it ends with its cluster.
func (s stage) attachUntil(t *testing.T) (stop func()) {
	t.Helper()
	controller, err := gcptest.NewAttachmentController(s.Google, "lab-project", "europe-west3", s.Server.Config)
	if err != nil {
		t.Fatal(err)
	}
	controller.Namespace, controller.Cluster, controller.RetryInterval = s.host.Spec.Namespace, "private-cluster", 100*time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- controller.Run(ctx) }()
	return sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// items are what a destroy told, by step.
func items(t *testing.T, w *conformance.World) map[string]exposer.DestroyItem {
	t.Helper()
	told, err := w.Destroy(t.Context(), Method{})
	if err != nil {
		t.Fatalf("destroy: %v", err)
	}
	all := map[string]exposer.DestroyItem{}
	for _, item := range told {
		all[item.ID] = item
	}
	return all
}

// TestAClusterThatWentFirst leaves at Google what GKE made of its objects.
func TestAClusterThatWentFirst(t *testing.T) {
	t.Parallel()
	s := newStage(t, "went")
	before := s.State()
	stop := s.attachUntil(t)
	defer stop()
	w := s.act("known", through)
	lost := s.act("lost", through, alone, letIn("somebody"), func(spec *exposer.Spec) { spec.PSC.NATRange = "10.201.0.0/28" })
	rest := s.act("rest", alone, letIn("somebody"), func(spec *exposer.Spec) { spec.PSC.NATRange = "10.202.0.0/28" })
	for _, one := range []*conformance.World{w, lost, rest} {
		apply(t, one)
	}
	ofKnown, ofLost := s.made(t, w), s.made(t, lost)
	stop()
	s.Google.Remove(clusterAt)

	step := func(at string) string { return "service-attachment/europe-west3/" + at[strings.LastIndex(at, "/")+1:] }
	nat := func(w *conformance.World) string { return "nat-subnet/europe-west3/causeway-" + w.Spec.Name + "-nat" }
	told := items(t, w)
	for _, id := range []string{step(ofKnown), nat(w), "endpoint/consumer-project/causeway-" + w.Spec.Name, "address/consumer-project/causeway-" + w.Spec.Name} {
		if told[id].Outcome != exposer.Removed {
			t.Errorf("%s: %+v", id, told[id])
		}
	}
	if s.Google.Object(ofKnown) != nil || s.Google.Object(ofLost) == nil {
		t.Errorf("left: %v; another exposure's: %v", s.Google.Object(ofKnown), s.Google.Object(ofLost))
	}
	if _, ok := told[step(ofLost)]; ok {
		t.Error("another exposure's attachment is looked at")
	}

	// Without a record nobody knows whose it was: it is left, and so is its subnet.
	if err := os.RemoveAll(filepath.Join(lost.Dir, "state")); err != nil {
		t.Fatal(err)
	}
	told = items(t, lost)
	for id, says := range map[string]string{step(ofLost): "gcloud compute service-attachments delete " + ofLost[strings.LastIndex(ofLost, "/")+1:] + " --region europe-west3 --project lab-project", nat(lost): "comes first"} {
		if told[id].Outcome != exposer.Left || !strings.Contains(told[id].Why, says) {
			t.Errorf("%s: %+v", id, told[id])
		}
	}
	s.Google.Remove(ofLost) // as the command does
	if told = items(t, lost); told[nat(lost)].Outcome != exposer.Removed {
		t.Errorf("the subnet afterwards: %+v", told[nat(lost)])
	}

	told = items(t, rest)
	for _, id := range []string{"service-attachment/europe-west3/causeway-" + rest.Spec.Name, nat(rest)} {
		if told[id].Outcome != exposer.Removed {
			t.Errorf("%s: %+v", id, told[id])
		}
	}
	if now := s.State(); strings.Contains(now, "causeway-went") || strings.Contains(now, "serviceAttachments/") {
		t.Errorf("left at Google:\n%s\nbefore:\n%s", now, before)
	}
}

// TestAClusterOfASharedVPCThatWentFirst: its NAT subnet lies in the host project,
// which nothing but the record and the attachment tell any more.
func TestAClusterOfASharedVPCThatWentFirst(t *testing.T) {
	t.Parallel()
	const name = "shared"
	at := exposer.ClusterRef{Project: "service-project", Location: "europe-west3", Name: "shared-cluster"}
	kubetest.Workloads(t, kubetest.Start(t).Config)
	spec := exposer.Spec{Method: "psc", Name: name, Cluster: at, PSC: &exposer.PSC{Exposure: hostName(name), NATRange: "10.200.0.0/28", Consumers: []string{"somebody"}}}
	options := world()
	options.Before, options.Seed = nil, "sharedvpc"
	w := conformance.New(t, spec, options)
	host := w.Beside(hostSpec(hostName(name), func(s *exposer.Spec) { s.Cluster = at }))
	w.Balance(t, host.Spec.Namespace, 0)
	if _, err := host.Apply(t.Context(), ilb.Method{}); err != nil {
		t.Fatal(err)
	}
	const subnet = "projects/host-project/regions/europe-west3/subnetworks/causeway-shared-nat"
	again := func(t *testing.T) {
		t.Helper()
		apply(t, w)
		unchanged(t, w)
		if w.Google.Object(subnet) == nil {
			t.Fatal("the NAT subnet is not in the host project")
		}
	}
	cluster := "projects/service-project/locations/europe-west3/clusters/shared-cluster"
	again(t)
	kept := w.Google.Object(cluster)
	for name, lost := range map[string]func(){
		"the attachment tells it": func() { _ = os.RemoveAll(filepath.Join(w.Dir, "state")) },
		"the attachment is gone, the record has it": func() {
			w.Google.Remove("projects/service-project/regions/europe-west3/serviceAttachments/causeway-shared")
		},
	} {
		t.Run(name, func(t *testing.T) {
			lost()
			w.Google.Remove(cluster)
			if told := items(t, w); w.Google.Object(subnet) != nil {
				t.Errorf("the NAT subnet is left: %+v", told)
			}
			var seed gcptest.Seed
			seed.Resources = []gcptest.SeedObject{{Path: cluster, Body: kept}}
			if err := w.Google.Fill(seed); err != nil {
				t.Fatal(err)
			}
			again(t)
		})
	}
	destroy(t, w)
}

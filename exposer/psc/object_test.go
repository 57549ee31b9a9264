package psc

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"causeway/exposer"
	"causeway/exposer/conformance"
	"causeway/exposer/ilb"
	"causeway/internal/explain"
	"causeway/internal/gcp"
	"causeway/internal/gcptest"
	"causeway/internal/kube"
	"causeway/internal/kubetest"
)

// through makes the attachment by the cluster's object.
func through(spec *exposer.Spec) { spec.PSC.Through = exposer.ThroughCRD }

// attached is a stage with GKE's controller of ServiceAttachment objects.
func attached(t *testing.T, name string) stage {
	t.Helper()
	s := newStage(t, name)
	s.Attach(t, s.host.Spec.Namespace)
	return s
}

func objects(t testing.TB, w *conformance.World, namespace string) dynamic.ResourceInterface {
	t.Helper()
	client, err := dynamic.NewForConfig(w.Server.Config)
	if err != nil {
		t.Fatal(err)
	}
	return client.Resource(schema.GroupVersionResource{Group: "networking.gke.io", Version: "v1", Resource: "serviceattachments"}).Namespace(namespace)
}

// made is the path of the attachment that GKE made of an exposure's object; "" for none.
func (s stage) made(t testing.TB, w *conformance.World) string {
	t.Helper()
	live, err := objects(t, w, s.host.Spec.Namespace).Get(context.Background(), "causeway-"+w.Spec.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return ""
	}
	if err != nil {
		t.Fatal(err)
	}
	url, _, _ := unstructured.NestedString(live.Object, "status", "serviceAttachmentURL")
	return url[strings.Index(url, "projects/"):]
}

// patch edits an exposure's object as a colleague would.
func (s stage) patch(t testing.TB, w *conformance.World, body string) {
	t.Helper()
	if _, err := objects(t, w, s.host.Spec.Namespace).Patch(context.Background(), "causeway-"+w.Spec.Name, types.MergePatchType, []byte(body), metav1.PatchOptions{FieldManager: "kubectl-edit"}); err != nil {
		t.Fatal(err)
	}
}

func (s stage) lists(t testing.TB, at string) (accept []gcp.ConsumerLimit, reject []string, preference string) {
	t.Helper()
	have, err := google(t, s.World).ServiceAttachment(t.Context(), gcp.Ref{Project: "lab-project", Region: "europe-west3", Name: at[strings.LastIndex(at, "/")+1:]})
	if err != nil || have == nil {
		t.Fatal(at, have, err)
	}
	return have.Accept, have.Reject, have.Preference
}

func TestAnAttachmentThatGKEMakes(t *testing.T) {
	t.Parallel()
	s := attached(t, "object")
	before := s.State()
	w := s.act("both", through)
	for _, permission := range []string{"compute.serviceAttachments.create", "compute.serviceAttachments.update", "compute.serviceAttachments.delete", "compute.forwardingRules.use"} {
		s.Google.Deny(permission, "lab-project") // who lets GKE make it needs none of them
	}
	if got := todo(apply(t, w)); !slices.Contains(got, "create serviceattachment") || slices.Contains(got, "create service-attachment") {
		t.Errorf("the plan is %q", got)
	}
	unchanged(t, w)
	wantHops(t, w, all...)
	at := s.made(t, w)
	if target := s.Google.Object(endpointAt(w))["target"]; !strings.HasSuffix(target.(string), at) || strings.HasSuffix(at, w.Spec.Name) {
		t.Errorf("the endpoint leads to %v, GKE made %s", target, at)
	}

	t.Run("lists are added to, limits raised", func(t *testing.T) {
		s.patch(t, w, `{"spec":{"consumerAllowList":[{"project":"consumer-project","connectionLimit":20},{"project":"colleagues","connectionLimit":3}],"consumerRejectList":["banned"]}}`)
		w.Spec.PSC.Consumers, w.Spec.PSC.Reject = []string{"colleagues=5", "more-people"}, []string{"spam"}
		apply(t, w)
		unchanged(t, w)
		accept, reject, _ := s.lists(t, at)
		want := []gcp.ConsumerLimit{{Project: "consumer-project", Limit: 20}, {Project: "colleagues", Limit: 5}, {Project: "more-people", Limit: 10}}
		if !slices.Equal(accept, want) || !slices.Equal(reject, []string{"banned", "spam"}) {
			t.Errorf("accepted %+v, rejected %q", accept, reject)
		}
	})
	t.Run("lists go with automatic acceptance, whoever wrote them", func(t *testing.T) {
		w.Spec.PSC.Accept, w.Spec.PSC.Consumers, w.Spec.PSC.Reject = exposer.AcceptAutomatic, nil, nil
		apply(t, w)
		unchanged(t, w)
		if accept, reject, preference := s.lists(t, at); len(accept)+len(reject) > 0 || preference != gcp.AcceptAutomatic {
			t.Errorf("%s, with %v and %v", preference, accept, reject)
		}
	})
	t.Run("a producer's file names what GKE made", func(t *testing.T) {
		published, err := exposer.ReadPublished(handOver(t, w))
		if err != nil || published.Attachment != at {
			t.Errorf("handed over %s, %v; GKE made %s", published.Attachment, err, at)
		}
	})
	t.Run("an object that somebody deleted", func(t *testing.T) {
		if err := objects(t, w, s.host.Spec.Namespace).Delete(t.Context(), "causeway-"+w.Spec.Name, metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		apply(t, w) // waits until the old one is gone; the endpoint is closed by then, and made anew
		unchanged(t, w)
		wantHops(t, w, all...)
		if again := s.made(t, w); again == at || s.Google.Object(at) != nil {
			t.Errorf("after %s came %s", at, again)
		}
	})
	t.Run("the way does not change while it stands", func(t *testing.T) {
		w.Spec.PSC.Through = exposer.ThroughREST
		_, err := run(t, w)
		wantCode(t, err, "CW-PSC-THROUGH", "--through crd")
		if outcomes := destroy(t, w); outcomes["serviceattachment"] != exposer.Removed || outcomes["nat-subnet"] != exposer.Removed {
			t.Errorf("outcomes %v", outcomes) // destroy takes away what stands, whatever the spec says
		}
	})
	w.Gone(t, before)

	for _, permission := range producerPermissions {
		s.Google.Allow(permission)
	}
	rest := s.act("rest")
	apply(t, rest)
	rest.Spec.PSC.Through = exposer.ThroughCRD
	_, err := run(t, rest)
	wantCode(t, err, "CW-PSC-THROUGH", "--through rest")
	destroy(t, rest)
}

func TestTwoHalvesWithAnAttachmentOfGKEs(t *testing.T) {
	t.Parallel()
	s := attached(t, "objects")
	producer := s.act("half", alone, through, letIn("consumer-project"))
	apply(t, producer)
	wantHops(t, producer, "attachment ok", "consumers waits", "load balancer ok")
	consumer := s.consuming("end", handOver(t, producer))
	apply(t, consumer)
	wantHops(t, consumer, "endpoint ok")
	wantHops(t, producer, "attachment ok", "consumer ok", "load balancer ok")

	// The producer goes first; the consumer goes on with what the next one hands over.
	if outcomes := destroy(t, producer); outcomes["serviceattachment"] != exposer.Removed || outcomes["guest"] != exposer.Restored {
		t.Errorf("outcomes %v", outcomes)
	}
	wantHops(t, consumer, "endpoint broken CW-PSC-CLOSED")
	apply(t, producer)
	consumer.Spec.PSC.Consume = handOver(t, producer)
	apply(t, consumer)
	wantHops(t, consumer, "endpoint ok")
	destroy(t, consumer)
	destroy(t, producer)
}

func TestWhatGKESaysOfAnAttachment(t *testing.T) {
	t.Parallel()
	s := attached(t, "says")
	s.plant(t, map[string]map[string]any{producerAt + "/subnetworks/nat": subnet("projects/lab-project/global/networks/default", "10.212.0.0/28", purposeNAT)})
	nat := func(spec *exposer.Spec) { spec.PSC.NATSubnet, spec.PSC.NATRange = "nat", "" }
	first, second := s.act("first", alone, nat), s.act("second", alone, nat, through)
	apply(t, first)
	_, err := run(t, second)
	wantCode(t, err, "CW-PSC-NAT-SUBNET", "already being used by", "causeway-"+first.Spec.Name)
	wantHops(t, second, "attachment broken CW-PSC-NAT-SUBNET", "load balancer ok")
	if _, err := open(t, second).FarHalf(t.Context()); explain.CodeOf(err) != "CW-RUN-ABSENT" {
		t.Errorf("handed over without an attachment: %v", err)
	}
	destroy(t, first)
	apply(t, second) // once it is free
	unchanged(t, second)
	t.Run("a target that is another one", func(t *testing.T) {
		at := s.made(t, second)
		target := s.Google.Object(at)["targetService"]
		set := func(value any) {
			if err := s.Google.Change(at, func(o map[string]any) { o["targetService"] = value }); err != nil {
				t.Fatal(err)
			}
		}
		set(producerAt + "/forwardingRules/somebodys")
		_, err := run(t, second)
		wantCode(t, err, "CW-PSC-TARGET", "Google can't change that")
		set(target)
	})
	destroy(t, second)

	for text, code := range map[string]string{
		`error processing service attachment "a/b": "failed to find nat subnets: failed to find Subnetwork r/n: googleapi: Error 404"`:                 "CW-PSC-NAT-SUBNET",
		`failed to find forwarding rule: forwarding rule does not have matching IPAddr to specified service: Mismatched ILB IP`:                        "CW-PSC-TARGET",
		`unable to process Service Attachment Update: serviceAttachment target service cannot be updated from A to B`:                                  "CW-PSC-TARGET",
		`failed to update GCE Service Attachment: googleapi: Error 400: Incorrect combination of connection preference with accept and/or reject list`: "CW-PSC-LISTS",
		`failed to create GCE Service Attachment: googleapi: Error 403: quota`:                                                                         "CW-PSC-CRD-FAILED",
	} {
		if got := codeOfFailure(text); got != code {
			t.Errorf("%s has code %s, want %s", text, got, code)
		}
	}
}

func TestAnAttachmentThatNeverComes(t *testing.T) {
	t.Parallel()
	s := newStage(t, "never")
	if err := gcptest.InstallCRDs(t.Context(), s.Server.Config, gcptest.ServiceAttachmentKind); err != nil {
		t.Fatal(err)
	}
	slow := s.act("slow", alone, through)
	x := open(t, slow)
	x.deps.After = func(d time.Duration) <-chan time.Time { return time.After(d / 1000) }
	wantCode(t, x.object.Do(t.Context(), func(string) {}), "CW-PSC-CRD-FAILED", "GKE says nothing of it")
	if outcome := destroy(t, slow)["serviceattachment"]; outcome != exposer.Removed {
		t.Errorf("an object that GKE never looked at: %s", outcome)
	}
	t.Run("an attachment that outlived its object", func(t *testing.T) {
		rest, orphan := s.act("rest", alone), s.act("orphan", alone, through)
		apply(t, rest)
		left := producerAt + "/serviceAttachments/causeway-" + rest.Spec.Name
		x := open(t, orphan)
		x.deps.After = func(d time.Duration) <-chan time.Time { return time.After(d / 1000) }
		wantCode(t, x.object.Do(t.Context(), func(string) {}), "CW-PSC-CRD-FAILED")
		s.patch(t, orphan, `{"status":{"serviceAttachmentURL":"https://www.googleapis.com/compute/v1/`+left+`"}}`)
		_, err := x.object.Undo(t.Context(), nil, func(string) {})
		wantCode(t, err, "CW-PSC-CRD-FAILED", "its service attachment "+left+" is still there")
		destroy(t, orphan)
		destroy(t, rest)
	})
	t.Run("without the rights in the cluster", func(t *testing.T) {
		w := s.act("poor", alone, through)
		x := open(t, w)
		w.ClusterToken = kubetest.PlainToken
		job, err := w.Job(Method{})
		if err != nil {
			t.Fatal(err)
		}
		if x.kube, err = job.Deps.Connect(t.Context(), kube.ConnectOptions{}); err != nil {
			t.Fatal(err)
		}
		var told string
		for _, problem := range exposer.RunChecks(t.Context(), x.rightsChecks()...) {
			told += problem.Code + " " + problem.Text + "\n"
		}
		for _, verb := range []string{"get", "list", "create", "patch", "delete"} {
			if want := "CW-KUBE-FORBIDDEN no right in the cluster to " + verb + " serviceattachments"; !strings.Contains(told, want) {
				t.Errorf("%q is not told: %s", want, told)
			}
		}
	})
}

func TestAClusterThatDoesNotKnowTheKind(t *testing.T) {
	options := world()
	options.Before, options.Server = nil, kubetest.StartSecond(t)
	kubetest.Workloads(t, options.Server.Config)
	spec := throughCluster(hostName("old"))
	spec.Name = "old"
	w := conformance.New(t, spec, options)
	host := w.Beside(hostSpec(hostName("old")))
	w.Balance(t, host.Spec.Namespace, 0)
	if _, err := host.Apply(t.Context(), ilb.Method{}); err != nil {
		t.Fatal(err)
	}
	wantProblem(t, refused(t, w), "CW-PSC-CRD", "does not serve the kind ServiceAttachment")
	destroy(t, w) // what was never made
}

func TestANATSubnetOfAnEarlierSpecGoesToo(t *testing.T) {
	t.Parallel()
	s := newStage(t, "earlier")
	before := s.State()
	w := s.act("moved")
	apply(t, w)
	w.Spec.PSC.NATSubnet, w.Spec.PSC.NATRange = "second", "10.201.0.0/28"
	apply(t, w)
	unchanged(t, w)
	if have := attachment(t, w); len(have.NATSubnets) != 2 {
		t.Fatalf("the attachment has %v", have.NATSubnets)
	}
	destroy(t, w)
	w.Gone(t, before)
}

// Package conformance owns the suite that every method has to pass, on an
// emulator of Google's APIs and a real kube-apiserver: a plan that is not empty,
// apply, an empty plan, a second apply that writes nothing, destroy, nothing
// left; then the same with a failure, and with a kill, at every single step. It owns
// too what the tests of several methods share: worlds, trouble at Google's calls,
// interruptions, front ends, gcloud, and what they ask of errors, plans and traces.
//
// It must only be imported by tests.
//
//	func TestConformance(t *testing.T) { conformance.Run(t, conformance.Method{Method: ilb.Method{}, Spec: spec}) }
package conformance

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/oauth2"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"causeway/exposer"
	"causeway/internal/gcp"
	"causeway/internal/gcptest"
	"causeway/internal/kube"
	"causeway/internal/kubetest"
)

// World is a project, a private cluster and its controllers, for one test.
type World struct {
	Google *gcptest.Server
	Server *kubetest.Server
	Dir    string // of records and kubeconfigs
	Spec   exposer.Spec

	Counter  *Counter // of requests to the cluster
	Progress exposer.Progress
	Now      func() time.Time
	google   string // URL of an emulator in another process
	clock    clock
	// GoogleToken and ClusterToken are whose rights causeway works with; empty: the
	// owner's.
	GoogleToken, ClusterToken string
	// Refuse lets a test refuse requests to the cluster before they are sent.
	Refuse func(*http.Request) error
	// Answer lets a test change what the cluster answers.
	Answer func(*http.Request, *http.Response) error
	// Others are the methods of exposures that this one stands on.
	Others []exposer.Method
	// Clusters are further clusters, by the addresses of their control planes; every
	// other one is Server.
	Clusters map[string]*kubetest.Server
}

// Options of a world; the zero value is the lab's cluster.
type Options struct {
	Seed          string // of testdata/gcptest, default lab
	OperationTime time.Duration
	NoController  bool          // no load balancer ever comes
	CreateTime    time.Duration // until one comes
	GoogleTime    time.Time     // at which the emulator's clock stands still; zero: it goes with the machine's
	// Speed makes causeway's own waits and bounds pass so many times faster (1 when
	// 0), so that a wait of ten minutes can be seen to end.
	Speed int
	// Server is the cluster's API server; the test binary's when nil.
	Server *kubetest.Server
	// Others are the methods of exposures that the world's own stands on, and Before
	// makes them, before anything of the suite is done.
	Others []exposer.Method
	Before func(t testing.TB, w *World)
}

// New makes a world around a spec; the spec's project, location and cluster are
// the seed's. The load-balancer controller and the stand-in for the cluster's own
// controllers run until the test ends.
func New(t testing.TB, spec exposer.Spec, o Options) *World {
	t.Helper()
	if o.Seed == "" {
		o.Seed = "lab"
	}
	server := o.Server
	if server == nil {
		server = kubetest.Start(t)
	}
	options := gcptest.Options{OperationTime: o.OperationTime}
	if !o.GoogleTime.IsZero() {
		options.Now = func() time.Time { return o.GoogleTime }
	}
	google := gcptest.Serve(t, options, o.Seed)
	if err := google.SetClusterCA(spec.Cluster.Project, spec.Cluster.Location, spec.Cluster.Name, server.CA); err != nil {
		t.Fatal(err)
	}
	w := &World{Google: google, Server: server, Dir: t.TempDir(), Spec: spec.WithDefaults(), Counter: &Counter{}, Progress: exposer.Quiet{}, Now: time.Now,
		clock: newClock(o.Speed), Others: o.Others}
	if !o.NoController {
		w.Balance(t, w.Spec.Namespace, o.CreateTime)
	}
	if o.Before != nil {
		o.Before(t, w)
	}
	return w
}

// Beside is the same world for another exposure in it, with records of its own.
func (w *World) Beside(spec exposer.Spec) *World {
	other := *w
	other.Spec, other.Counter, other.Dir = spec.WithDefaults(), &Counter{}, filepath.Join(w.Dir, "beside-"+spec.Name)
	return &other
}

// Balance runs Google's load-balancer controller for a namespace until the test
// ends; a load balancer takes that long to come.
func (w *World) Balance(t testing.TB, namespace string, create time.Duration) {
	t.Helper()
	controller, err := gcptest.NewILBController(w.Google, w.Spec.Cluster.Project, gcp.RegionOf(w.Spec.Cluster.Location), w.Server.Config)
	if err != nil {
		t.Fatal(err)
	}
	controller.Namespace, controller.Cluster, controller.RetryInterval = namespace, w.Spec.Cluster.Name, 100*time.Millisecond
	controller.CreateTime = create
	background(t, controller.Run)
}

// Attach runs GKE's controller of ServiceAttachment objects for a namespace until the
// test ends.
func (w *World) Attach(t testing.TB, namespace string) *gcptest.AttachmentController {
	t.Helper()
	controller, err := gcptest.NewAttachmentController(w.Google, w.Spec.Cluster.Project, gcp.RegionOf(w.Spec.Cluster.Location), w.Server.Config)
	if err != nil {
		t.Fatal(err)
	}
	controller.Namespace, controller.Cluster, controller.RetryInterval = namespace, w.Spec.Cluster.Name, 100*time.Millisecond
	background(t, controller.Run)
	return controller
}

// background runs what ends with its context until the test ends.
func background(t testing.TB, run func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() { _ = run(ctx) }) // ends with ctx's error
	t.Cleanup(func() { cancel(); done.Wait() })
}

// Job is what cmd would make: the product's own doors, opened on the world.
func (w *World) Job(method exposer.Method) (exposer.Job, error) {
	token := gcptest.Token
	if w.GoogleToken != "" {
		token = w.GoogleToken
	}
	tokens := oauth2.StaticTokenSource(&oauth2.Token{AccessToken: token})
	at := gcptest.Env(w.url())
	const prefix = "CLOUDSDK_API_ENDPOINT_OVERRIDES_"
	google, err := gcp.New(context.Background(), gcp.Config{TokenSource: tokens, Endpoints: gcp.Endpoints{
		Compute: at[prefix+"COMPUTE"], Container: at[prefix+"CONTAINER"],
		ResourceManager: at[prefix+"CLOUDRESOURCEMANAGER"], ServiceUsage: at[prefix+"SERVICEUSAGE"], DNS: at[prefix+"DNS"],
		IAM: at[prefix+"IAM"], GKEHub: at[prefix+"GKEHUB"], ConnectGateway: at[prefix+"CONNECTGATEWAY"]}})
	if err != nil {
		return exposer.Job{}, err
	}
	job := exposer.Job{
		Method: method, Progress: w.Progress, By: "net@host", Story: func(string) {}, Command: "/usr/bin/causeway",
		File: exposer.Output{Path: filepath.Join(w.Dir, "kubeconfig")},
		Deps: exposer.Deps{Google: google, Now: w.Now, Rand: rand.Reader, Note: func(string) {}, Connect: w.connect, After: w.clock.after,
			Siblings: w.siblings, HandOver: w.bequeath,
			Getenv: func(name string) string { return map[string]string{"PSK": "a.key_that.tests.share"}[name] }},
		Records: func(x exposer.Exposure) exposer.Records {
			return exposer.RecordsOf(exposer.FileRecords{Dir: filepath.Join(w.Dir, "state")}, x)
		},
	}
	job.Deps.Open = func(ctx context.Context, spec exposer.Spec, leaving bool) (exposer.Exposure, error) {
		deps := job.Deps
		deps.Leaving = leaving
		for _, other := range w.Others {
			if other.Name() == spec.Method {
				return other.Open(ctx, spec, deps)
			}
		}
		return nil, fmt.Errorf("open exposure %s: the world has no method %s", spec.Name, spec.Method)
	}
	return job, nil
}

// Import runs Google's importer of multi-cluster Services until the test ends, for the
// namespaces that are named: clusters are those of the fleet of the spec's project, by
// the paths of their memberships.
func (w *World) Import(t testing.TB, clusters map[string]*kubetest.Server, namespaces ...string) *gcptest.Importer {
	t.Helper()
	configs := map[string]*rest.Config{}
	for membership, server := range clusters {
		configs[membership] = server.Config
	}
	importer, err := gcptest.NewImporter(w.Google, w.Spec.Cluster.Project, configs)
	if err != nil {
		t.Fatal(err)
	}
	importer.Namespaces, importer.RetryInterval = namespaces, 100*time.Millisecond
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() { _ = importer.Run(ctx) }) // ends with ctx
	t.Cleanup(func() { cancel(); done.Wait() })
	return importer
}

// connect is the way to a cluster, with every request counted.
func (w *World) connect(_ context.Context, o kube.ConnectOptions) (*kube.Client, error) {
	config := rest.CopyConfig(w.Server.Config)
	if w.ClusterToken != "" {
		config = w.Server.ConfigFor(w.ClusterToken)
	}
	if other, ok := w.Clusters[o.Endpoints.Private]; ok {
		if other == nil {
			return nil, errUnreached
		}
		config = rest.CopyConfig(other.Config)
	}
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return counting{w, next} })
	return kube.New(config, kube.Env{Now: w.clock.now, After: w.clock.after, Holder: kube.HolderName("net", "host", os.Getpid()), Ended: kube.EndedHere("host")})
}

// errUnreached is a cluster without a server.
var errUnreached = errors.New("no way to the cluster's API")

// siblings are those of this world's records: the cluster is that of other worlds
// too, each with a Google of its own.
func (w *World) siblings(ctx context.Context, _ *kube.Client, spec exposer.Spec) ([]exposer.Spec, error) {
	return exposer.FileRecords{Dir: filepath.Join(w.Dir, "state")}.Siblings(ctx, nil, spec)
}

// bequeath is likewise for the records of this world alone.
func (w *World) bequeath(ctx context.Context, _ *kube.Client, spec exposer.Spec, estate exposer.Estate) (string, error) {
	return exposer.FileRecords{Dir: filepath.Join(w.Dir, "state")}.HandOver(ctx, nil, spec, estate)
}

// Counter counts requests to the cluster.
type Counter struct {
	mu            sync.Mutex
	reads, writes int
	Writes        []string
}

// Reset forgets what was counted.
func (c *Counter) Reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reads, c.writes, c.Writes = 0, 0, nil
}

// Counts are the requests that read (access reviews among them) and that wrote.
func (c *Counter) Counts() (reads, writes int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.reads, c.writes
}

type counting struct {
	w    *World
	next http.RoundTripper
}

func (c counting) RoundTrip(r *http.Request) (*http.Response, error) {
	review := strings.Contains(r.URL.Path, "reviews")
	c.w.Counter.mu.Lock()
	if r.Method == http.MethodGet || review {
		c.w.Counter.reads++
	} else {
		c.w.Counter.writes++
		c.w.Counter.Writes = append(c.w.Counter.Writes, r.Method+" "+r.URL.Path)
	}
	c.w.Counter.mu.Unlock()
	if c.w.Refuse != nil {
		if err := c.w.Refuse(r); err != nil {
			return nil, err
		}
	}
	answer, err := c.next.RoundTrip(r)
	if err == nil && c.w.Answer != nil {
		err = c.w.Answer(r, answer)
	}
	return answer, err
}

// kinds that an exposure may leave behind, in any namespace or in none.
var kinds = []schema.GroupVersionResource{
	{Version: "v1", Resource: "namespaces"}, {Version: "v1", Resource: "secrets"}, {Version: "v1", Resource: "configmaps"},
	{Version: "v1", Resource: "serviceaccounts"}, {Version: "v1", Resource: "services"}, {Version: "v1", Resource: "pods"},
	{Group: "apps", Version: "v1", Resource: "deployments"}, {Group: "policy", Version: "v1", Resource: "poddisruptionbudgets"},
	{Group: "networking.k8s.io", Version: "v1", Resource: "networkpolicies"}, {Group: "coordination.k8s.io", Version: "v1", Resource: "leases"},
	{Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "roles"}, {Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "rolebindings"},
	{Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "clusterroles"}, {Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "clusterrolebindings"},
	{Group: "networking.gke.io", Version: "v1", Resource: "serviceattachments"},
	{Group: "net.gke.io", Version: "v1", Resource: "serviceexports"}, {Group: "net.gke.io", Version: "v1", Resource: "serviceimports"},
}

// Objects lists everything in the cluster that bears the exposure's mark or lies
// in its namespace, as "resource/namespace/name".
func (w *World) Objects(ctx context.Context) ([]string, error) {
	client, err := dynamic.NewForConfig(w.Server.Config)
	if err != nil {
		return nil, err
	}
	var found []string
	for _, kind := range kinds {
		list, err := client.Resource(kind).List(ctx, metav1.ListOptions{})
		if apierrors.IsNotFound(err) {
			continue // a kind of GKE's own that this cluster does not have
		}
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", kind.Resource, err)
		}
		for _, item := range list.Items {
			mine := item.GetLabels()[exposer.ExposureLabel] == w.Spec.Name || item.GetNamespace() == w.Spec.Namespace ||
				kind.Resource == "namespaces" && item.GetName() == w.Spec.Namespace
			if mine {
				found = append(found, kind.Resource+"/"+item.GetNamespace()+"/"+item.GetName())
			}
		}
	}
	slices.Sort(found)
	return found, nil
}

// State is Google's side, without what differs from run to run by nature.
func (w *World) State() string {
	return string(w.Google.SnapshotWithout(gcptest.Volatile()...))
}

// text is any value as JSON, for messages.
func text(value any) string {
	encoded, err := json.Marshal(value)
	if err != nil {
		return err.Error()
	}
	return string(encoded)
}

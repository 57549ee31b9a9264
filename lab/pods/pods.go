// Package pods runs the Pods of a cluster that has no container runtime: each is a
// process in the network namespace of its node, with the machine's own programs, its
// Secrets as files, and the resolver of the cluster's Pods. It is scheduler and kubelet
// for them, as far as a Pod needs both that runs a command to its end: binding, status,
// log, and the end when it is deleted. It restarts and probes nothing, and leaves alone
// what names another scheduler.
//
//	r, err := pods.Start(pods.Options{Config: config, Node: name, Listener: l, Certificate: pair, Space: space, Dir: dir})
//	defer r.Stop()
package pods

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"k8s.io/client-go/rest"

	"causeway/lab/netns"
)

// Port is a kubelet's.
const Port = 10250

// lookEvery is how often Pods are looked for.
const lookEvery = 200 * time.Millisecond

// Options say where Pods run.
type Options struct {
	Config      *rest.Config // to the cluster's API, with every right to Pods and Secrets
	Node        string       // whose kubelet this is: its status tells address and port
	Listener    net.Listener // for the API server's requests for logs
	Certificate tls.Certificate
	Space       *netns.Space // nil: where the caller is
	Resolv      string       // the Pods' resolv.conf; "": the machine's
	Dir         string       // for the Pods' files
	Note        func(string)
}

// Runner runs Pods until Stop.
type Runner struct {
	o      Options
	client *http.Client
	url    string
	server *http.Server
	cancel context.CancelFunc
	wait   sync.WaitGroup

	mu   sync.Mutex
	pods map[string]*running // by UID
	last string              // error that was told
}

// running is a Pod that was taken on.
type running struct {
	namespace, name string
	cancel          context.CancelFunc
	ended           chan struct{}
	log             log
}

// Start looks for Pods from now on.
func Start(o Options) (*Runner, error) {
	client, err := rest.HTTPClientFor(o.Config)
	if err != nil {
		return nil, fmt.Errorf("run Pods: %w", err)
	}
	url, _, err := rest.DefaultServerUrlFor(o.Config)
	if err != nil {
		return nil, fmt.Errorf("run Pods: %w", err)
	}
	r := &Runner{o: o, client: client, url: url.Scheme + "://" + url.Host, pods: map[string]*running{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /containerLogs/{namespace}/{pod}/{container}", r.logs)
	r.server = &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second,
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{o.Certificate}, MinVersion: tls.VersionTLS12}}
	r.wait.Go(func() {
		if err := r.server.ServeTLS(o.Listener, "", ""); !errors.Is(err, http.ErrServerClosed) {
			o.Note("the stand-in for a kubelet ended: " + err.Error())
		}
	})
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	r.wait.Go(func() { r.loop(ctx) })
	return r, nil
}

// Stop ends all Pods' processes; the Pods themselves stay.
func (r *Runner) Stop() {
	r.cancel()
	_ = r.server.Close() // what still asks for a log gets none
	r.wait.Wait()
}

func (r *Runner) loop(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		r.tell(ctx, r.look(ctx))
	}
}

// tell notes an error, once.
func (r *Runner) tell(ctx context.Context, err error) {
	if err == nil || ctx.Err() != nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.last != err.Error() {
		r.last = err.Error()
		r.o.Note("Pods without a kubelet: " + r.last)
	}
}

// look takes on Pods that came, and ends those that go.
func (r *Runner) look(ctx context.Context) error {
	var list struct {
		Items []pod `json:"items"`
	}
	if err := r.ask(ctx, http.MethodGet, "/api/v1/pods", "", nil, &list); err != nil {
		return err
	}
	there := map[string]bool{}
	var errs []error
	for _, p := range list.Items {
		if p.Spec.SchedulerName != "default-scheduler" || len(p.Spec.Containers) == 0 {
			continue
		}
		there[p.Metadata.UID] = true
		if p.Metadata.DeletionTimestamp != "" {
			errs = append(errs, r.end(ctx, p))
		} else if p.Status.Phase == "Pending" {
			r.take(ctx, p)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for uid, one := range r.pods {
		if !there[uid] { // deleted without a grace
			one.cancel()
			delete(r.pods, uid)
		}
	}
	return errors.Join(errs...)
}

// take runs a Pod that is new.
func (r *Runner) take(ctx context.Context, p pod) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.pods[p.Metadata.UID] != nil {
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	one := &running{namespace: p.Metadata.Namespace, name: p.Metadata.Name, cancel: cancel, ended: make(chan struct{})}
	r.pods[p.Metadata.UID] = one
	r.wait.Go(func() {
		defer close(one.ended)
		defer cancel()
		r.tell(ctx, r.run(ctx, p, one))
	})
}

// end ends a Pod's process, and then says that the Pod may go.
func (r *Runner) end(ctx context.Context, p pod) error {
	r.mu.Lock()
	one := r.pods[p.Metadata.UID]
	r.mu.Unlock()
	if one != nil {
		one.cancel()
		<-one.ended
	}
	if err := os.RemoveAll(r.dir(p)); err != nil {
		return err
	}
	return r.ask(ctx, http.MethodDelete, p.path(), "application/json",
		map[string]any{"gracePeriodSeconds": 0, "preconditions": map[string]any{"uid": p.Metadata.UID}}, nil)
}

func (r *Runner) dir(p pod) string { return filepath.Join(r.o.Dir, p.Metadata.UID) }

// logs answers the API server.
func (r *Runner) logs(w http.ResponseWriter, q *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, one := range r.pods {
		if one.namespace == q.PathValue("namespace") && one.name == q.PathValue("pod") {
			_, _ = w.Write(one.log.bytes()) // who asked may have gone
			return
		}
	}
	http.NotFound(w, q)
}

// Package flow is a client of the far side that never rests: it reads from the
// API server through the exposure over connections that it keeps, as client-go
// does, and counts what fails. The lab uses it to show that rotation and
// restarts are not felt.
//
//	f, err := flow.Start(ctx, flow.Config{Kubeconfig: text, Dial: far.Dial, Workers: 8})
//	...
//	report := f.Stop()
package flow

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// Config says what to read, over what.
type Config struct {
	Kubeconfig []byte
	Dial       func(ctx context.Context, network, address string) (net.Conn, error)
	Workers    int           // half of them over HTTP/1.1, half over HTTP/2 where it is offered
	Pause      time.Duration // between two requests of a worker
	Path       string        // default /api/v1/namespaces
}

// Report is what came of it.
type Report struct {
	Requests int
	Failures []string // at most failureLimit of them, each with its moment
	Failed   int
	Took     time.Duration
	P50, P99 time.Duration
	Slowest  time.Duration
	Versions []string // the HTTP versions that answered
}

const failureLimit = 10

// requestBound is client-go's usual patience with one request, far beyond what
// any of them needs here.
const requestBound = 20 * time.Second

// Flow is a client at work.
type Flow struct {
	cancel func()
	wait   sync.WaitGroup
	began  time.Time

	mu       sync.Mutex
	took     []time.Duration
	failures []string
	failed   int
	versions map[string]bool
}

// Start begins. The caller must Stop it.
func Start(ctx context.Context, c Config) (*Flow, error) {
	config, err := clientcmd.RESTConfigFromKubeConfig(c.Kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("read kubeconfig: %w", err)
	}
	if c.Path == "" {
		c.Path = "/api/v1/namespaces"
	}
	config.Dial = c.Dial
	var clients []*http.Client
	for _, protocols := range [][]string{{"http/1.1"}, nil} {
		one := rest.CopyConfig(config)
		one.NextProtos = protocols
		client, err := rest.HTTPClientFor(one)
		if err != nil {
			return nil, fmt.Errorf("make client: %w", err)
		}
		clients = append(clients, client)
	}
	ctx, cancel := context.WithCancel(ctx)
	f := &Flow{cancel: cancel, began: time.Now(), versions: map[string]bool{}}
	for i := range c.Workers {
		client := clients[i%len(clients)]
		f.wait.Go(func() { f.work(ctx, client, config.Host+c.Path, c.Pause) })
	}
	return f, nil
}

func (f *Flow) work(ctx context.Context, client *http.Client, url string, pause time.Duration) {
	for ctx.Err() == nil {
		began := time.Now()
		version, err := read(client, url)
		f.note(time.Since(began), version, err)
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

// read makes one request. It does not end with the flow: a request that is cut
// off by ourselves would count as failed.
func read(client *http.Client, url string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), requestBound)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	err = errors.Join(err, resp.Body.Close())
	if err == nil && resp.StatusCode != http.StatusOK {
		err = errors.New(resp.Status)
	}
	return resp.Proto, err
}

func (f *Flow) note(took time.Duration, version string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.took = append(f.took, took)
	if err == nil {
		f.versions[version] = true
		return
	}
	f.failed++
	if len(f.failures) < failureLimit {
		f.failures = append(f.failures, fmt.Sprintf("after %s: %v", time.Since(f.began).Round(10*time.Millisecond), err))
	}
}

// Requests is how many were made so far.
func (f *Flow) Requests() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.took)
}

// Stop lets the requests under way end and tells what came of all.
func (f *Flow) Stop() Report {
	f.cancel()
	f.wait.Wait()
	r := Report{Requests: len(f.took), Failures: f.failures, Failed: f.failed, Took: time.Since(f.began)}
	slices.Sort(f.took)
	if n := len(f.took); n > 0 {
		r.P50, r.P99, r.Slowest = f.took[n/2], f.took[n*99/100], f.took[n-1]
	}
	for version := range f.versions {
		r.Versions = append(r.Versions, version)
	}
	slices.Sort(r.Versions)
	return r
}

// String is the report in a line.
func (r Report) String() string {
	return fmt.Sprintf("%d requests in %s over %v, %d failed; p50 %s, p99 %s, slowest %s", r.Requests, r.Took.Round(100*time.Millisecond),
		r.Versions, r.Failed, r.P50.Round(100*time.Microsecond), r.P99.Round(100*time.Microsecond), r.Slowest.Round(time.Millisecond))
}

package kube

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
)

// FieldManager is the name under which causeway owns fields of objects.
const FieldManager = "causeway"

// Labels that mark an object as causeway's and as one exposure's.
const (
	ManagedByLabel = "app.kubernetes.io/managed-by"
	ExposureLabel  = "causeway.dev/exposure"
)

// Env is what the package gets from outside. Zero fields mean the real thing.
type Env struct {
	Now   func() time.Time
	After func(time.Duration) <-chan time.Time
	Rand  io.Reader
	Note  func(string) // told what is worth a line, outside of waits
	// Holder names this run in the Lease: "net@host pid 4711" (HolderName).
	Holder string
	// Ended reports whether another holder is known to run no more, so that its
	// Lease need not be waited for (EndedHere). Nil: nobody knows.
	Ended func(holder string) bool
}

func (e Env) withDefaults() Env {
	if e.Now == nil {
		e.Now = time.Now
	}
	if e.After == nil {
		e.After = time.After
	}
	if e.Rand == nil {
		e.Rand = rand.Reader
	}
	if e.Note == nil {
		e.Note = func(string) {}
	}
	if e.Ended == nil {
		e.Ended = func(string) bool { return false }
	}
	if e.Holder == "" {
		e.Holder = FieldManager
	}
	return e
}

// Client talks to one cluster's API server. It is safe for use at the same time.
type Client struct {
	env     Env
	config  *rest.Config
	objects dynamic.Interface
	http    *http.Client
	host    string
	via     Via

	// By the DNS endpoint only: where the API server itself listens, and its CA.
	tlsOf     []string
	clusterCA []byte

	lost atomic.Pointer[Error] // set when this run's Lease was lost: writes stop
}

// New makes a client of a configuration; nothing is sent yet.
func New(config *rest.Config, env Env) (*Client, error) {
	config = rest.CopyConfig(config)
	// The server's own priority and fairness limits clients; client-go's default
	// of 5 requests a second would make an apply wait for itself.
	config.QPS = -1
	if config.UserAgent == "" {
		config.UserAgent = FieldManager
	}
	env = env.withDefaults()
	config.WarningHandler = &warnings{note: env.Note}
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return googleAnswers{endedRuns{next}} })
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("make kubernetes client: %w", err)
	}
	objects, err := dynamic.NewForConfigAndClient(config, client)
	if err != nil {
		return nil, fmt.Errorf("make kubernetes client: %w", err)
	}
	return &Client{env: env, config: config, objects: objects, http: client,
		host: strings.TrimSuffix(config.Host, "/"), via: ByContext}, nil
}

// warnings passes on what the API server warns of, each text once: client-go
// would write them to stderr by itself.
type warnings struct {
	note func(string)
	told sync.Map
}

// HandleWarningHeader implements rest.WarningHandler.
func (w *warnings) HandleWarningHeader(code int, _, text string) {
	// That a kind is deprecated is for those who write manifests; here it is about
	// kinds that are only listed, to see what a namespace holds.
	if strings.Contains(text, " is deprecated in ") {
		return
	}
	if _, twice := w.told.LoadOrStore(text, true); code == 299 && text != "" && !twice {
		w.note("the API server warns: " + text)
	}
}

// Via says which way Connect took.
func (c *Client) Via() Via { return c.via }

// Host is the server's URL.
func (c *Client) Host() string { return c.host }

// Config is a copy of the configuration, for what needs its own connections.
// It holds credentials: never print it.
func (c *Client) Config() *rest.Config { return rest.CopyConfig(c.config) }

func (c *Client) in(ref Ref) dynamic.ResourceInterface {
	resource := c.objects.Resource(ref.Resource())
	if ref.Namespace == "" {
		return resource
	}
	return resource.Namespace(ref.Namespace)
}

// Get reads an object; nil without an error when there is none.
func (c *Client) Get(ctx context.Context, ref Ref) (*unstructured.Unstructured, error) {
	var live *unstructured.Unstructured
	err := c.try(ctx, func() (err error) {
		live, err = c.in(ref).Get(ctx, ref.Name, metav1.GetOptions{})
		return err
	})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, wrap("get", ref.String(), err)
	}
	return live, nil
}

// List reads the objects of ref's kind in ref's namespace ("" for all) whose
// labels match the selector ("" for all).
func (c *Client) List(ctx context.Context, ref Ref, selector string) ([]unstructured.Unstructured, error) {
	return c.list(ctx, ref, metav1.ListOptions{LabelSelector: selector})
}

func (c *Client) list(ctx context.Context, ref Ref, options metav1.ListOptions) ([]unstructured.Unstructured, error) {
	var items []unstructured.Unstructured
	options.Limit = 500 // pages, so that a large cluster does not come in one answer
	for {
		var page *unstructured.UnstructuredList
		err := c.try(ctx, func() (err error) {
			page, err = c.in(ref).List(ctx, options)
			return err
		})
		if err != nil {
			return nil, wrap("list", ref.Resource().Resource+in(ref.Namespace), err)
		}
		items = append(items, page.Items...)
		if options.Continue = page.GetContinue(); options.Continue == "" {
			return items, nil
		}
	}
}

func in(namespace string) string {
	if namespace == "" {
		return ""
	}
	return " in " + namespace
}

// try repeats a call that may be repeated when the connection broke or the
// server was overloaded: at most 4 times, within about 1.5 s.
func (c *Client) try(ctx context.Context, call func() error) error {
	for wait := 100 * time.Millisecond; ; wait *= 2 {
		err := call()
		if err == nil || wait > 400*time.Millisecond || ctx.Err() != nil || !transient(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-c.env.After(wait):
		}
	}
}

// raw sends a GET for what is no object: logs, version, discovery.
func (c *Client) raw(ctx context.Context, path, accept string) ([]byte, *http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.host+path, nil)
	if err != nil {
		return nil, nil, fmt.Errorf("get %s: %w", path, err)
	}
	if accept != "" {
		request.Header.Set("Accept", accept)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, nil, wrap("get", path, err)
	}
	defer response.Body.Close()
	// 10 MiB: more than any answer that is read this way.
	body, err := io.ReadAll(io.LimitReader(response.Body, 10<<20))
	if err != nil {
		return nil, nil, wrap("get", path, err)
	}
	if response.StatusCode != http.StatusOK {
		return nil, response, wrap("get", path, statusError(response.StatusCode, body))
	}
	return body, response, nil
}

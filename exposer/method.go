package exposer

import (
	"context"
	"io"
	"net"
	"net/netip"
	"net/url"
	"time"

	"causeway/internal/gcp"
	"causeway/internal/kube"
)

// Method is one way to expose a cluster. cmd gets the list from exposer/all.
type Method interface {
	// Name is the method's word: "ilb".
	Name() string
	// Open reads the cluster and its network, connects to the cluster, and
	// refuses early (*PreconditionError) where the method can't work at all.
	// It changes nothing.
	Open(ctx context.Context, spec Spec, deps Deps) (Exposure, error)
}

// Exposure is a spec that has met its cluster.
type Exposure interface {
	// Spec is the spec with everything filled in that the cluster decided.
	Spec() Spec
	// Facts are what Open read, for people: "subnetting", "control plane", ...
	Facts() []Fact
	// Preflight looks for everything that stands in the way of the plan's
	// changes; it only reads. An empty plan needs none.
	Preflight(ctx context.Context, plan Plan) ([]Problem, error)
	// Steps lists what the exposure needs, in an order that reads well.
	Steps() []Step
	// Lock keeps a second apply or destroy out until release is called.
	Lock(ctx context.Context) (release func(), err error)
	// Endpoint is what the far side will talk to; known after an apply.
	Endpoint(ctx context.Context) (Endpoint, error)
	// Cluster is the way to the cluster's API; nil when the cluster is gone.
	Cluster() *kube.Client
}

// Deferring is an exposure that may have to open the way to the cluster's API
// before it can do the cluster's part: causeway runs on the far side then.
type Deferring interface {
	// Deferred says why the API can't be reached yet; nil when it can.
	Deferred() error
}

// deferred is an exposure's Deferred, nil for those that never are.
func deferred(exposure Exposure) error {
	if d, ok := exposure.(Deferring); ok {
		return d.Deferred()
	}
	return nil
}

// Remembering is an exposure whose steps depend on what earlier applies recorded.
type Remembering interface {
	// Remember is called before Steps, with the record, which may be the zero one.
	Remember(record Record)
}

// remember hands an exposure its record, where it wants one.
func remember(exposure Exposure, record Record) {
	if r, ok := exposure.(Remembering); ok {
		r.Remember(record)
	}
}

// Halved is an exposure of which somebody else makes the other half.
type Halved interface {
	// Half says what is missing, and gives an endpoint by which certificate and
	// identity can be handed over meanwhile, where there is one; "" when the exposure
	// is whole.
	Half() (missing string, meanwhile Endpoint)
}

// half is an exposure's Half; "" for those that are whole by nature.
func half(exposure Exposure) (string, Endpoint) {
	if h, ok := exposure.(Halved); ok {
		return h.Half()
	}
	return "", Endpoint{}
}

// endpointOf is an exposure's endpoint, or the one that stands for it meanwhile.
func endpointOf(ctx context.Context, exposure Exposure) (Endpoint, error) {
	if missing, meanwhile := half(exposure); missing != "" && meanwhile.URL != "" {
		return meanwhile, nil
	}
	return exposure.Endpoint(ctx)
}

// Carrying is an exposure whose kubeconfig carries on the identity of another one,
// because it has no way to the cluster to make its own.
type Carrying interface {
	Carried() (kubeconfig []byte)
}

// Deps is everything that a method gets from outside, so that nothing is global.
type Deps struct {
	Google  *gcp.Cloud
	Connect func(ctx context.Context, options kube.ConnectOptions) (*kube.Client, error)
	Now     func() time.Time
	Rand    io.Reader
	Note    func(string) // told what Open does, for the story on stderr
	// Consumer is the door to Google for the consumer's half of a way between two
	// organisations; Google itself where nil.
	Consumer *gcp.Cloud
	// Open opens another exposure of the same cluster, by its spec: what stands on
	// one must ask it, and no method knows another.
	Open func(ctx context.Context, spec Spec, leaving bool) (Exposure, error)
	// Getenv reads the environment: pre-shared keys may lie there. Nil: empty.
	Getenv func(string) string
	// Dial tries whether this machine has a way to an address; net's own where nil.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// After is time.After, where nil; tests run waits faster with it.
	After func(time.Duration) <-chan time.Time
	// Siblings lists the other exposures of the same cluster, whose way to it may be
	// nil (FileRecords.Siblings); where nil, none are known.
	Siblings func(ctx context.Context, cluster *kube.Client, spec Spec) ([]Spec, error)
	// HandOver leaves a setting's old value to an exposure that still needs the setting
	// (FileRecords.HandOver); where nil, none takes it.
	HandOver func(ctx context.Context, cluster *kube.Client, spec Spec, estate Estate) (heir string, err error)
	Leaving  bool // opened for destroy: what is missing is no obstacle
}

// Fact is one thing that Open learned, with the value that people know it by.
type Fact struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Endpoint is what a method yields: the only value that crosses from the network
// to the access.
type Endpoint struct {
	URL           string         `json:"url"`                     // https://10.156.0.26
	Address       netip.AddrPort `json:"address,omitzero"`        // none where the URL has a public name
	TLSServerName string         `json:"tlsServerName,omitempty"` // when the URL's host is not in the certificate
	CA            []byte         `json:"-"`                       // PEM; empty: the system's roots
	ClientCert    []byte         `json:"-"`                       // PEM pair for mtls
	ClientKey     []byte         `json:"-"`
	ServerCert    []byte         `json:"-"` // PEM leaf as served, where causeway made it
}

// HostPort is what a client dials, from the URL: "10.156.0.26:443", or a name.
func (e Endpoint) HostPort() string {
	u, err := url.Parse(e.URL)
	if err != nil {
		return ""
	}
	port := u.Port()
	if port == "" {
		port = "443"
	}
	return net.JoinHostPort(u.Hostname(), port)
}

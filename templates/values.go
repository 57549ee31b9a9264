package templates

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
)

// Modes of the ilb method.
const (
	Terminate   = "terminate"   // nginx ends the client's TLS and speaks HTTP/1.1 over TLS to the API server
	Passthrough = "passthrough" // nginx passes bytes on
)

// Ways to ask for the reserved address.
const (
	ByAnnotation     = "annotation"     // by the address's name; clusters with internal load balancer subsetting
	ByLoadBalancerIP = "loadBalancerIP" // by the address itself; every cluster
)

// Ports that the container listens on.
const (
	TLSPort    = 8443 // clients
	HealthPort = 8081 // /healthz, /readyz; plain HTTP, for the kubelet
)

// Defaults of ILB's optional fields.
const (
	DefaultReplicas     = 2
	DefaultPort         = 443
	DefaultUpstreamName = "kubernetes.default.svc"

	// DefaultDrainSeconds is how long a pod goes on taking connections after it
	// was told to stop: Google's health check needs three failures, eight seconds
	// apart, before the load balancer turns to other nodes.
	DefaultDrainSeconds = 30

	// DefaultSessionSeconds is how long watches and exec sessions may then go on
	// before they are cut. Clients renew watches by themselves; five minutes are
	// for a person's shell.
	DefaultSessionSeconds = 300
)

// ILB is everything that the nginx proxy of the ilb method is rendered from.
// Fields that a zero value leaves open take the defaults named beside them.
type ILB struct {
	Exposure   string // RFC 1123 label, at most 40 characters
	Namespace  string
	Mode       string // Terminate or Passthrough
	ClientAuth bool   // mode terminate: demand a client certificate signed by client-ca.crt
	Image      string
	HTTP2      bool // mode terminate: offer HTTP/2; only where HTTP2OK says so
	Replicas   int  // default 2
	Port       int  // TCP port of the load balancer, default 443

	Upstream     netip.AddrPort // the ClusterIP of the `kubernetes` Service: it outlives any control-plane address
	UpstreamName string         // name that the API server's certificate must bear, default kubernetes.default.svc
	UpstreamCA   []byte         // PEM: the cluster's CA
	APIPorts     []int          // ports behind that Service (its EndpointSlices'); a NetworkPolicy may see either side of the translation

	ClientCIDRs  []netip.Prefix
	Address      netip.Addr // the reserved address
	AddressName  string     // its name in the cloud
	Subnet       string     // its subnetwork's short name; empty: the cluster's own
	IPBy         string     // ByAnnotation or ByLoadBalancerIP
	GlobalAccess bool

	ConfigHash string // default: computed from the ConfigMap
	TLSHash    string // Hash of the causeway-tls Secret's contents; mode terminate

	DrainSeconds   int // default 30
	SessionSeconds int // default 300

	Layout Layout // default: the container's
}

// Layout is where nginx finds and keeps things. The zero value is the
// container's; tests, the benchmarks and the lab's smaller form run the same
// configuration elsewhere.
type Layout struct {
	Listen    string // address:port or port, default 8443
	Health    string // address:port or port, default 8081
	TLSDir    string // tls.crt, tls.key, client-ca.crt; default /etc/causeway/tls
	ConfDir   string // upstream-ca.crt; default /etc/causeway/nginx
	RunDir    string // pid and temporary files, writable; default /tmp
	Modules   string // glob of files with load_module lines; default /etc/nginx/modules-enabled/*.conf
	AccessLog string // default /dev/stdout
	ErrorLog  string // default stderr
	Workers   int    // default 2
}

func (l Layout) withDefaults() Layout {
	fill(&l.Listen, strconv.Itoa(TLSPort))
	fill(&l.Health, strconv.Itoa(HealthPort))
	fill(&l.TLSDir, "/etc/causeway/tls")
	fill(&l.ConfDir, "/etc/causeway/nginx")
	fill(&l.RunDir, "/tmp")
	fill(&l.Modules, "/etc/nginx/modules-enabled/*.conf")
	fill(&l.AccessLog, "/dev/stdout")
	fill(&l.ErrorLog, "stderr")
	fill(&l.Workers, 2)
	return l
}

func fill[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func (v ILB) withDefaults() ILB {
	fill(&v.Replicas, DefaultReplicas)
	fill(&v.Port, DefaultPort)
	fill(&v.UpstreamName, DefaultUpstreamName)
	fill(&v.DrainSeconds, DefaultDrainSeconds)
	fill(&v.SessionSeconds, DefaultSessionSeconds)
	fill(&v.IPBy, ByLoadBalancerIP)
	v.Layout = v.Layout.withDefaults()
	return v
}

var (
	label     = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	dnsName   = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$`)
	imageRef  = regexp.MustCompile(`^[a-zA-Z0-9]([a-zA-Z0-9._:/_-]*[a-zA-Z0-9_])?(@sha256:[0-9a-f]{64})?$`)
	plainPath = regexp.MustCompile(`^/[A-Za-z0-9._/*+-]*$`)
	hexHash   = regexp.MustCompile(`^[0-9a-f]{0,64}$`)
)

// Validate reports every value that cannot be rendered, joined, each named by
// its field. Nothing is rendered from values that fail it.
func (v ILB) Validate() error {
	v = v.withDefaults()
	return errors.Join(v.validateNames(), v.validateNumbers(), v.validateNetwork(), v.Layout.validate())
}

func (v ILB) validateNames() error {
	var problems []error
	bad := func(field, value, want string) {
		problems = append(problems, fmt.Errorf("%s: %q is not %s", field, value, want))
	}
	if !label.MatchString(v.Exposure) || len(v.Exposure) > 40 {
		bad("exposure", v.Exposure, "a name of at most 40 lower-case letters, digits and dashes")
	}
	if !label.MatchString(v.Namespace) {
		bad("namespace", v.Namespace, "a Kubernetes namespace name")
	}
	if v.Mode != Terminate && v.Mode != Passthrough {
		bad("mode", v.Mode, "terminate or passthrough")
	}
	if v.Mode == Passthrough && (v.ClientAuth || v.HTTP2) {
		bad("mode", v.Mode, "a mode in which nginx sees the client's TLS: client certificates and HTTP/2 are the API server's there")
	}
	if !imageRef.MatchString(v.Image) || len(v.Image) > 255 {
		bad("image", v.Image, "an image reference")
	}
	if !dnsName.MatchString(v.UpstreamName) || len(v.UpstreamName) > 253 {
		bad("upstream name", v.UpstreamName, "a DNS name")
	}
	if v.AddressName != "" && !label.MatchString(v.AddressName) {
		bad("address name", v.AddressName, "a name of a Google Cloud address")
	}
	if v.Subnet != "" && !label.MatchString(v.Subnet) {
		bad("subnet", v.Subnet, "a name of a subnetwork")
	}
	if v.IPBy != ByAnnotation && v.IPBy != ByLoadBalancerIP {
		bad("address by", v.IPBy, "annotation or loadBalancerIP")
	}
	if v.IPBy == ByAnnotation && v.AddressName == "" {
		bad("address name", v.AddressName, "given: the annotation asks for the address by its name")
	}
	for field, hash := range map[string]string{"configuration hash": v.ConfigHash, "TLS hash": v.TLSHash} {
		if !hexHash.MatchString(hash) {
			bad(field, hash, "hexadecimal")
		}
	}
	return errors.Join(problems...)
}

func (v ILB) validateNumbers() error {
	var problems []error
	within := func(field string, value, low, high int) {
		if value < low || value > high {
			problems = append(problems, fmt.Errorf("%s: %d is not between %d and %d", field, value, low, high))
		}
	}
	within("replicas", v.Replicas, 1, 50)
	within("port", v.Port, 1, 65535)
	within("drain seconds", v.DrainSeconds, 1, 600)
	within("session seconds", v.SessionSeconds, 1, 24*3600)
	for _, port := range v.APIPorts {
		within("API port", port, 1, 65535)
	}
	return errors.Join(problems...)
}

func (v ILB) validateNetwork() error {
	var problems []error
	if !v.Upstream.IsValid() || v.Upstream.Port() == 0 || v.Upstream.Addr().Zone() != "" {
		problems = append(problems, fmt.Errorf("upstream: %s is not an address and port", v.Upstream))
	}
	if _, err := certificates(v.UpstreamCA); err != nil {
		problems = append(problems, fmt.Errorf("upstream CA: %w", err))
	}
	if !v.Address.IsValid() || !v.Address.Is4() {
		problems = append(problems, fmt.Errorf("address: %s is not an IPv4 address", v.Address))
	}
	if len(v.ClientCIDRs) == 0 {
		problems = append(problems, errors.New("client CIDRs: none given; without them every address could connect"))
	}
	for _, prefix := range v.ClientCIDRs {
		if !prefix.IsValid() || prefix != prefix.Masked() {
			problems = append(problems, fmt.Errorf("client CIDR: %s is not a network's prefix", prefix))
		}
	}
	return errors.Join(problems...)
}

// certificates reads PEM and writes back its certificates alone, so that neither
// comments nor a private key that lies beside them reach a ConfigMap.
func certificates(text []byte) ([]byte, error) {
	var out []byte
	for {
		var found *pem.Block
		if found, text = pem.Decode(text); found == nil {
			break
		}
		if found.Type != "CERTIFICATE" {
			continue
		}
		if _, err := x509.ParseCertificate(found.Bytes); err != nil {
			return nil, fmt.Errorf("read certificate: %w", err)
		}
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: found.Type, Bytes: found.Bytes})...)
	}
	if out == nil {
		return nil, errors.New("holds no PEM certificate")
	}
	return out, nil
}

func (l Layout) validate() error {
	var problems []error
	for _, field := range []struct{ name, value string }{
		{"TLS folder", l.TLSDir}, {"configuration folder", l.ConfDir}, {"run folder", l.RunDir},
		{"modules", l.Modules}, {"access log", l.AccessLog},
	} {
		if !plainPath.MatchString(field.value) {
			problems = append(problems, fmt.Errorf("%s: %q is not a plain absolute path", field.name, field.value))
		}
	}
	if l.ErrorLog != "stderr" && !plainPath.MatchString(l.ErrorLog) {
		problems = append(problems, fmt.Errorf("error log: %q is neither stderr nor a plain absolute path", l.ErrorLog))
	}
	for _, field := range []struct{ name, value string }{{"listen", l.Listen}, {"health", l.Health}} {
		if port, err := strconv.ParseUint(field.value, 10, 16); err == nil && port > 0 {
			continue
		}
		if address, err := netip.ParseAddrPort(field.value); err != nil || address.Addr().Zone() != "" || address.Port() == 0 {
			problems = append(problems, fmt.Errorf("%s: %q is neither a port nor an address and port", field.name, field.value))
		}
	}
	if l.Workers < 1 || l.Workers > 64 {
		problems = append(problems, fmt.Errorf("workers: %d is not between 1 and 64", l.Workers))
	}
	return errors.Join(problems...)
}

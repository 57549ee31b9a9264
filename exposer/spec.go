package exposer

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"sigs.k8s.io/yaml"
)

// APIVersion and Kind stand at the head of every exposure file.
const (
	APIVersion = "causeway.dev/v1"
	Kind       = "Exposure"
)

// Kinds of token in the kubeconfig.
const (
	TokenBound    = "bound"    // from TokenRequest; ends by itself
	TokenRenewing = "renewing" // bound, and renewed by causeway as the exec plugin
	TokenSecret   = "secret"   // long-lived, in a Secret
)

// Spec declares one exposure: one cluster's API server made reachable by one
// method for one far side. It is what a file holds and what flags fill.
type Spec struct {
	APIVersion string     `json:"apiVersion"`
	Kind       string     `json:"kind"`
	Name       string     `json:"name"`   // default: the cluster's name, CLUSTER-METHOD for all methods but ilb
	Method     string     `json:"method"` // ilb, route, psc, gateway, mcs, dns
	Cluster    ClusterRef `json:"cluster"`
	FarSide    FarSide    `json:"farSide"`
	Namespace  string     `json:"namespace,omitempty"` // default: causeway-NAME
	Reach      Reach      `json:"reach,omitempty"`
	ILB        *ILB       `json:"ilb,omitempty"`
	Route      *Route     `json:"route,omitempty"`
	PSC        *PSC       `json:"psc,omitempty"`
	DNS        *DNS       `json:"dns,omitempty"`
	Gateway    *Gateway   `json:"gateway,omitempty"`
	MCS        *MCS       `json:"mcs,omitempty"`
	Access     Access     `json:"access,omitempty"`
}

// ClusterRef names a GKE cluster as gcloud does.
type ClusterRef struct {
	Project  string `json:"project"`
	Location string `json:"location"` // a region or a zone
	Name     string `json:"name"`
}

// FarSide is the network that wants in.
type FarSide struct {
	CIDRs []string `json:"cidrs"` // client addresses as the cluster's VPC sees them
}

// Reach says how causeway itself reaches the cluster's API for its work.
type Reach struct {
	Via        string `json:"via,omitempty"`        // auto, context, private, public, dns, gateway
	Context    string `json:"context,omitempty"`    // a kubeconfig context, for via: context
	Kubeconfig string `json:"kubeconfig,omitempty"` // default: KUBECONFIG, then ~/.kube/config
}

// Access is who the kubeconfig is, and what that identity may do.
type Access struct {
	Role       string   `json:"role,omitempty"`       // view, edit, admin, node-reader, cluster-admin or a ClusterRole's name
	Namespaces []string `json:"namespaces,omitempty"` // empty: the whole cluster
	Token      string   `json:"token,omitempty"`
	TokenTTL   string   `json:"tokenTTL,omitempty"` // a Go duration; the API server may give less

	// Account is the ServiceAccount of a further identity (Identity); empty in
	// every spec: the exposure's own, ClientAccount.
	Account string `json:"-"`
}

// DefaultTokenTTL is the life of a bound token when nobody says otherwise: long
// enough for a change night and the day after, short of the 48 h that GKE was
// seen to cap at.
const DefaultTokenTTL = 24 * time.Hour

// WithDefaults returns the spec with everything filled in that was left open and
// does not depend on the cluster.
func (s Spec) WithDefaults() Spec {
	fill(&s.APIVersion, APIVersion)
	fill(&s.Kind, Kind)
	fill(&s.Name, s.defaultName())
	fill(&s.Namespace, "causeway-"+s.Name)
	fill(&s.Reach.Via, "auto")
	if s.Method == "ilb" {
		part := s.ILB.withDefaults(s.Name)
		s.ILB = &part
	}
	if s.Method == "route" {
		part := s.Route.withDefaults(s.Name)
		s.Route = &part
	}
	if s.Method == "psc" {
		part := s.PSC.withDefaults(s.Name, s.Cluster.Name)
		s.PSC = &part
	}
	if s.Method == "dns" {
		part := s.DNS.withDefaults()
		s.DNS = &part
	}
	if s.Method == "mcs" {
		part := s.MCS.withDefaults(s.Cluster.Name)
		s.MCS = &part
	}
	if s.Method == "gateway" {
		part := s.Gateway.withDefaults(s.Cluster.Name)
		s.Gateway = &part
		if len(part.Members) > 0 {
			fill(&s.Access.Role, "view")
		}
	}
	if s.ByGoogle() {
		return s // no ServiceAccount, so no rights and no token of one
	}
	fill(&s.Access.Role, "view")
	fill(&s.Access.Token, TokenBound)
	fill(&s.Access.TokenTTL, DefaultTokenTTL.String())
	return s
}

// defaultName is the cluster's name, with the method behind it for all but ilb:
// exposures of one cluster by several methods stand beside each other.
func (s Spec) defaultName() string {
	if s.Method == "" || s.Method == "ilb" || s.Cluster.Name == "" {
		return s.Cluster.Name
	}
	if s.PSC != nil && s.PSC.Consume != "" { // beside the producer's half, on one machine too
		return s.Cluster.Name + "-" + s.Method + "-end"
	}
	return s.Cluster.Name + "-" + s.Method
}

// fill gives a field its default when it was left open.
func fill[T comparable](field *T, value T) {
	var open T
	if *field == open {
		*field = value
	}
}

// ReadSpec decodes one exposure from YAML or JSON. Unknown fields are an error
// that names them (*SpecError), so that a typo never means a default.
func ReadSpec(text []byte) (Spec, error) {
	var spec Spec
	if first := bytes.TrimPrefix(bytes.TrimSpace(text), []byte("---")); bytes.Contains(first, []byte("\n---")) {
		return Spec{}, &SpecError{Problems: []FieldProblem{{Field: "(file)", Text: "holds more than one document; give one exposure a file"}}}
	}
	if err := yaml.UnmarshalStrict(text, &spec); err != nil {
		return Spec{}, &SpecError{Problems: decodeProblems(err)}
	}
	return spec, nil
}

// decodeProblems turns the decoder's one error into a problem a line.
func decodeProblems(err error) []FieldProblem {
	text := err.Error()
	var inner interface{ Unwrap() []error }
	if errors.As(err, &inner) {
		var problems []FieldProblem
		for _, e := range inner.Unwrap() {
			problems = append(problems, decodeProblems(e)...)
		}
		return problems
	}
	for _, prefix := range []string{"error unmarshaling JSON: ", "error converting YAML to JSON: ", "while decoding JSON: ", "json: "} {
		text = strings.ReplaceAll(text, prefix, "")
	}
	if _, field, ok := strings.Cut(text, "unknown field "); ok {
		return []FieldProblem{{Field: strings.Trim(field, `"`), Text: "is no field of an exposure; check its spelling and its place"}}
	}
	return []FieldProblem{{Field: "(file)", Text: text}}
}

// Prefixes returns the far side's CIDRs, masked. Call it on a valid spec only:
// what does not parse is left out.
func (f FarSide) Prefixes() []netip.Prefix {
	var prefixes []netip.Prefix
	for _, text := range f.CIDRs {
		if prefix, err := netip.ParsePrefix(text); err == nil {
			prefixes = append(prefixes, prefix.Masked())
		}
	}
	return prefixes
}

// TTL is the token's asked life. Call it on a valid spec only.
func (a Access) TTL() time.Duration {
	ttl, err := time.ParseDuration(a.TokenTTL)
	if err != nil {
		return DefaultTokenTTL
	}
	return ttl
}

// String names the cluster as Google's API does.
func (c ClusterRef) String() string {
	return fmt.Sprintf("projects/%s/locations/%s/clusters/%s", c.Project, c.Location, c.Name)
}

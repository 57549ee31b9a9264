package exposer

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"
)

// FieldProblem is one fault in a spec.
type FieldProblem struct {
	Field string `json:"field"` // path, as in the file: ilb.address
	Text  string `json:"text"`
	code  string
}

// FieldError is a fault that was met when what a field names was read, with the
// code that err carries.
func FieldError(field string, err error) *SpecError {
	return &SpecError{Problems: []FieldProblem{{Field: field, Text: "can't be used: " + err.Error(), code: codeOf(err)}}}
}

// SpecError holds every fault of a spec at once. It ends in exit code 2.
type SpecError struct{ Problems []FieldProblem }

func (e *SpecError) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.Field + " " + p.Text
	}
	if len(lines) == 1 {
		return "read spec: " + lines[0]
	}
	return fmt.Sprintf("read spec: %d problems:\n  %s", len(lines), strings.Join(lines, "\n  "))
}

// Code is the first problem's own code, or CW-SPEC-INVALID.
func (e *SpecError) Code() string {
	for _, p := range e.Problems {
		if p.code != "" {
			return p.code
		}
	}
	return "CW-SPEC-INVALID"
}

var (
	// RFC 1123 label; 40 leaves room for "causeway-" and Google's limit of 63.
	nameForm = regexp.MustCompile(`^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$`)
	// A Google project ID (6 to 30), with the legacy domain prefix.
	projectForm  = regexp.MustCompile(`^([a-z0-9.-]+:)?[a-z][-a-z0-9]{4,28}[a-z0-9]$`)
	locationForm = regexp.MustCompile(`^[a-z]+-[a-z]+[0-9]+(-[a-z])?$`)
	resourceForm = regexp.MustCompile(`^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$`)
	labelForm    = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)
	dnsForm      = regexp.MustCompile(`^(\*\.)?([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\.)*[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)
	imageForm    = regexp.MustCompile(`^[a-z0-9]([-a-z0-9._:/]*[a-z0-9])?(:[A-Za-z0-9_][-A-Za-z0-9_.]{0,127})?(@sha256:[0-9a-f]{64})?$`)
	roleForm     = regexp.MustCompile(`^[A-Za-z0-9]([-A-Za-z0-9.:_]{0,251}[A-Za-z0-9])?$`)
)

// The shortest token that TokenRequest gives (its documented minimum).
const minTokenTTL = 10 * time.Minute

// Validate looks at the spec alone, without any network, after WithDefaults. It
// returns a *SpecError with every problem, or nil.
func (s Spec) Validate(methods []string) error {
	v := &validator{}
	v.names(s, methods)
	if len(s.FarSide.CIDRs) > 0 || slices.Contains(byClients, s.Method) {
		v.farSide(s.FarSide)
	}
	if s.ILB != nil && s.Method == "ilb" {
		v.ilb(*s.ILB, s.Name)
	}
	if s.Route != nil && s.Method == "route" {
		v.route(*s.Route)
	}
	if s.PSC != nil && s.Method == "psc" {
		v.psc(*s.PSC)
	}
	if s.DNS != nil && s.Method == "dns" {
		v.dns(s)
	}
	if s.MCS != nil && s.Method == "mcs" {
		v.mcs(s)
	}
	switch {
	case s.Method == "gateway" && s.Gateway != nil:
		v.gateway(s)
	case s.ByGoogle():
		v.googleAccess(s.Access)
	default:
		v.access(s.Access)
	}
	return v.err()
}

// byClients are the methods that let in by the clients' networks; the others know
// them by who they are.
var byClients = []string{"ilb", "route", ""}

// ValidateTarget looks at what names a cluster and, where it is told, its far side:
// all that is known before a method is chosen.
func ValidateTarget(cluster ClusterRef, far FarSide) error {
	v := &validator{}
	v.cluster(cluster)
	if len(far.CIDRs) > 0 {
		v.farSide(far)
	}
	return v.err()
}

// ValidateNames is Validate for finding an exposure that stands: what names it
// must be there and well-formed, what it was made of need not.
func (s Spec) ValidateNames(methods []string) error {
	v := &validator{}
	v.names(s, methods)
	return v.err()
}

func (v *validator) names(s Spec, methods []string) {
	v.is("apiVersion", s.APIVersion, APIVersion)
	v.is("kind", s.Kind, Kind)
	if s.Name != "" || s.Cluster.Name != "" { // the cluster's name is the default, and missed by itself
		v.form("name", s.Name, nameForm, "must be lower case letters, digits and '-', start with a letter, and have at most 40 characters; --name gives one")
	}
	v.method(s.Method, methods)
	v.cluster(s.Cluster)
	if s.Namespace != "causeway-"+s.Name { // the default has no faults but the name's
		v.form("namespace", s.Namespace, labelForm, "must be a namespace's name")
	}
	if slices.Contains([]string{"default", "kube-system", "kube-public", "kube-node-lease"}, s.Namespace) {
		v.add("namespace", "must not be one of Kubernetes' own namespaces, "+s.Namespace+" is")
	}
	v.one("reach.via", s.Reach.Via, []string{"auto", "context", "private", "public", "dns", "gateway"})
}

func (v *validator) cluster(c ClusterRef) {
	v.form("cluster.project", c.Project, projectForm, "must be a Google project ID (not its number)")
	v.form("cluster.location", c.Location, locationForm, "must be a region or a zone, such as europe-west3 or europe-west3-c")
	v.form("cluster.name", c.Name, resourceForm, "must be a cluster's name")
}

func (v *validator) err() error {
	if len(v.problems) == 0 {
		return nil
	}
	return &SpecError{Problems: v.problems}
}

type validator struct{ problems []FieldProblem }

func (v *validator) add(field, text string) { v.coded(field, text, "") }
func (v *validator) coded(field, text, code string) {
	v.problems = append(v.problems, FieldProblem{Field: field, Text: text, code: code})
}

func (v *validator) is(field, value, want string) {
	if value != want {
		v.add(field, fmt.Sprintf("must be %q, not %q", want, value))
	}
}

func (v *validator) one(field, value string, allowed []string) {
	if !slices.Contains(allowed, value) {
		v.add(field, fmt.Sprintf("must be one of %s, not %q", strings.Join(allowed, ", "), value))
	}
}

func (v *validator) form(field, value string, form *regexp.Regexp, hint string) {
	switch {
	case value == "":
		v.add(field, "is missing"+flagFor(field))
	case !form.MatchString(value):
		v.add(field, hint+fmt.Sprintf(", %q is not", value))
	}
}

func (v *validator) method(name string, methods []string) {
	if name == "" {
		v.add("method", "is missing: name it behind the verb, one of "+strings.Join(methods, ", "))
		return
	}
	v.one("method", name, methods)
}

// flagFor names the flag of a field that must be given, for those who use no file.
func flagFor(field string) string {
	switch field {
	case "cluster.project":
		return " (--project, or CLOUDSDK_CORE_PROJECT)"
	case "cluster.location":
		return " (--location)"
	case "cluster.name":
		return " (--cluster)"
	}
	return ""
}

func (v *validator) farSide(f FarSide) {
	if len(f.CIDRs) == 0 {
		v.add("farSide.cidrs", "is missing: name the networks that clients come from (--client-cidr); causeway opens nothing to the whole world")
	}
	var seen []netip.Prefix
	for i, text := range f.CIDRs {
		field := fmt.Sprintf("farSide.cidrs[%d]", i)
		prefix, err := netip.ParsePrefix(text)
		switch {
		case err != nil:
			v.coded(field, fmt.Sprintf("must be a CIDR such as 172.31.0.0/16, %q is not", text), "CW-NET-CIDR")
			continue
		case !prefix.Addr().Is4():
			v.coded(field, fmt.Sprintf("must be IPv4, %s is not: GKE's internal load balancers for this use have IPv4 addresses", text), "CW-NET-CIDR")
			continue
		case prefix.Masked() != prefix:
			v.coded(field, fmt.Sprintf("has bits set behind its mask: %s, the network is %s", text, prefix.Masked()), "CW-NET-CIDR")
		case !private(prefix):
			v.coded(field, fmt.Sprintf("must be private (RFC 1918 or RFC 6598), %s is public: a private way carries no public addresses", text), "CW-NET-PUBLIC")
		}
		for _, other := range seen {
			if other.Overlaps(prefix) {
				v.coded(field, fmt.Sprintf("overlaps %s, which the list has too", other), "CW-NET-OVERLAP")
			}
		}
		seen = append(seen, prefix.Masked())
	}
}

// private reports whether the whole prefix lies in RFC 1918 or RFC 6598 space.
func private(p netip.Prefix) bool {
	for _, text := range []string{"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"} {
		block := netip.MustParsePrefix(text)
		if block.Contains(p.Addr()) && block.Bits() <= p.Bits() {
			return true
		}
	}
	return false
}

func (v *validator) access(a Access) {
	v.form("access.role", a.Role, roleForm, "must be a ClusterRole's name")
	v.one("access.token", a.Token, []string{TokenBound, TokenRenewing, TokenSecret})
	for i, ns := range a.Namespaces {
		v.form(fmt.Sprintf("access.namespaces[%d]", i), ns, labelForm, "must be a namespace's name")
	}
	if len(a.Namespaces) > 0 && a.Role == "node-reader" {
		v.add("access.namespaces", "can't narrow node-reader: nodes belong to no namespace")
	}
	ttl, err := time.ParseDuration(a.TokenTTL)
	switch {
	case err != nil:
		v.add("access.tokenTTL", fmt.Sprintf("must be a duration such as 24h, %q is not", a.TokenTTL))
	case ttl < minTokenTTL:
		v.add("access.tokenTTL", fmt.Sprintf("must be at least %s, the shortest that a cluster gives, not %s", minTokenTTL, ttl))
	}
}

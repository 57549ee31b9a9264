package exposer

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const goodSpec = `
apiVersion: causeway.dev/v1
kind: Exposure
method: ilb
cluster: {project: flius-vpc-2, location: europe-west3-c, name: private-cluster}
farSide: {cidrs: [172.31.0.0/16]}
`

func read(t *testing.T, text string) Spec {
	t.Helper()
	spec, err := ReadSpec([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return spec.WithDefaults()
}

func TestASmallFileIsAWholeSpec(t *testing.T) {
	t.Parallel()
	spec := read(t, goodSpec)
	if err := spec.Validate([]string{"ilb"}); err != nil {
		t.Fatal(err)
	}
	want := ILB{Address: "auto", AddressName: "causeway-private-cluster", Mode: ModeTerminate, Port: 443,
		Replicas: 2, Image: DefaultImage, ClientAuth: "none"}
	if diff := cmp.Diff(want, *spec.ILB); diff != "" {
		t.Errorf("defaults (-want +got):\n%s", diff)
	}
	if spec.Access.Role != "view" || spec.Access.Token != TokenBound || spec.Namespace != "causeway-private-cluster" {
		t.Errorf("defaults: %+v", spec)
	}
}

func TestEveryFaultIsToldAtOnceWithItsField(t *testing.T) {
	t.Parallel()
	spec := read(t, `
apiVersion: causeway.dev/v1
kind: Exposure
name: Prod
method: ilb
cluster: {project: x, location: mars, name: ""}
farSide: {cidrs: [172.31.0.0/16, 172.31.5.0/24, 8.8.8.0/24, nonsense, 10.1.2.3/8, "2001:db8::/32"]}
namespace: kube-system
reach: {via: telepathy}
ilb: {address: 999.1.1.1, mode: sideways, port: 70000, replicas: -1, dnsNames: ["bad name"], clientAuth: maybe, image: "NGINX latest", addressName: Nope, tls: {cert: a.pem, caKey: k.pem}}
access: {role: "no role", token: forever, tokenTTL: 1s, namespaces: [Bad]}
`)
	err := spec.Validate([]string{"ilb"})
	var bad *SpecError
	if !errors.As(err, &bad) {
		t.Fatalf("validate: %v", err)
	}
	var fields []string
	for _, p := range bad.Problems {
		fields = append(fields, p.Field)
	}
	want := []string{"name", "cluster.project", "cluster.location", "cluster.name", "namespace", "reach.via",
		"farSide.cidrs[1]", "farSide.cidrs[2]", "farSide.cidrs[3]", "farSide.cidrs[4]", "farSide.cidrs[5]",
		"ilb.address", "ilb.addressName", "ilb.mode", "ilb.clientAuth", "ilb.image", "ilb.port", "ilb.replicas", "ilb.dnsNames[0]",
		"ilb.tls", "ilb.tls", "ilb.tls", "ilb.tls",
		"access.role", "access.token", "access.namespaces[0]", "access.tokenTTL"}
	if diff := cmp.Diff(want, fields); diff != "" {
		t.Errorf("fields (-want +got):\n%s\n%v", diff, err)
	}
}

func TestWhatEachFaultSays(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change     func(*Spec)
		says, code string
	}{
		"a public client network":   {func(s *Spec) { s.FarSide.CIDRs = []string{"8.8.8.0/24"} }, "8.8.8.0/24 is public", "CW-NET-PUBLIC"},
		"the whole internet":        {func(s *Spec) { s.FarSide.CIDRs = []string{"0.0.0.0/0"} }, "is public", "CW-NET-PUBLIC"},
		"no CIDR":                   {func(s *Spec) { s.FarSide.CIDRs = []string{"172.31.0.9"} }, "must be a CIDR", "CW-NET-CIDR"},
		"no client networks at all": {func(s *Spec) { s.FarSide.CIDRs = nil }, "--client-cidr", "CW-SPEC-INVALID"},
		"networks that overlap":     {func(s *Spec) { s.FarSide.CIDRs = []string{"10.0.0.0/8", "10.1.0.0/16"} }, "overlaps 10.0.0.0/8", "CW-NET-OVERLAP"},
		"mtls in passthrough": {func(s *Spec) { s.ILB.Mode, s.ILB.ClientAuth = ModePassthrough, "mtls" },
			"the API server itself takes client certificates", "CW-SPEC-INVALID"},
		"nodes in a namespace": {func(s *Spec) { s.Access.Role, s.Access.Namespaces = "node-reader", []string{"shop"} },
			"nodes belong to no namespace", "CW-SPEC-INVALID"},
		"a token too short to be given": {func(s *Spec) { s.Access.TokenTTL = "5m" }, "at least 10m0s", "CW-SPEC-INVALID"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spec := read(t, goodSpec)
			c.change(&spec)
			err := spec.Validate([]string{"ilb"})
			if err == nil || !strings.Contains(err.Error(), c.says) || codeOf(err) != c.code {
				t.Errorf("validate: %v [%s], want %q [%s]", err, codeOf(err), c.says, c.code)
			}
		})
	}
}

func TestReadSpecRefusesWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ text, says string }{
		"an unknown field":       {goodSpec + "adress: auto\n", "adress is no field"},
		"an unknown inner field": {goodSpec + "ilb: {adress: auto}\n", "adress is no field"},
		"a key that comes twice": {goodSpec + "method: ilb\n", "already"},
		"two documents":          {goodSpec + "---\n" + goodSpec, "more than one document"},
		"a list for a word":      {strings.Replace(goodSpec, "method: ilb", "method: [ilb]", 1), "method"},
		"no YAML":                {"{", "(file)"},
	} {
		_, err := ReadSpec([]byte(c.text))
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", name, err, c.says)
		}
	}
}

// FuzzReadSpec: whatever the file holds, reading and validating it ends in a
// value or an error, and what is valid stays valid when it is read again.
func FuzzReadSpec(f *testing.F) {
	f.Add(goodSpec)
	f.Add(goodSpec + "ilb: {address: 10.0.0.1, tls: {cert: a}}\n")
	f.Add("farSide: {cidrs: [null, 7]}")
	f.Fuzz(func(t *testing.T, text string) {
		spec, err := ReadSpec([]byte(text))
		if err != nil {
			return
		}
		spec = spec.WithDefaults()
		first := spec.Validate([]string{"ilb"})
		second := spec.WithDefaults().Validate([]string{"ilb"})
		if (first == nil) != (second == nil) {
			t.Errorf("defaults twice change the verdict: %v, then %v", first, second)
		}
		if first == nil && len(spec.FarSide.Prefixes()) != len(spec.FarSide.CIDRs) {
			t.Errorf("a valid spec has CIDRs that do not parse: %v", spec.FarSide.CIDRs)
		}
	})
}

func TestAnUnknownMethodIsOneFault(t *testing.T) {
	t.Parallel()
	spec := read(t, strings.Replace(goodSpec, "method: ilb", "method: carrier-pigeon", 1))
	err := spec.Validate([]string{"ilb"})
	if err == nil || err.Error() != `read spec: method must be one of ilb, not "carrier-pigeon"` {
		t.Errorf("validate: %v", err)
	}
}

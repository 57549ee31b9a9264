package certs

import (
	"net/netip"
	"slices"
	"testing"
	"time"
)

func TestVerifyChain(t *testing.T) {
	ca, other := newCA(t, at(noon)), newCA(t, at(noon))
	pair := newServer(t, ca)
	for name, test := range map[string]struct {
		pair  Pair
		ca    []byte
		name  string
		now   time.Time
		codes []string
	}{
		"the address":            {pair, ca.Trust(), "10.0.0.5", noon, nil},
		"an IPv6 address":        {pair, ca.Trust(), "fd00::5", noon, nil},
		"a name":                 {pair, ca.Trust(), "API.corp.example", noon, nil},
		"no name":                {pair, ca.Trust(), "", noon, nil},
		"a bundle":               {pair, join(other.Trust(), ca.Trust()), "10.0.0.5", noon, nil},
		"another address":        {pair, ca.Trust(), "10.0.0.6", noon, []string{"CW-TLS-SAN"}},
		"another CA":             {pair, other.Trust(), "10.0.0.5", noon, []string{"CW-TLS-TRUST"}},
		"another CA and address": {pair, other.Trust(), "10.0.0.6", noon, []string{"CW-TLS-TRUST", "CW-TLS-SAN"}},
		"after its end":          {pair, ca.Trust(), "10.0.0.5", noon.Add(398 * 24 * time.Hour), []string{"CW-TLS-EXPIRED"}},
		"no certificate":         {Pair{}, ca.Trust(), "", noon, []string{"CW-TLS-PEM"}},
		"no CA":                  {pair, nil, "", noon, []string{"CW-TLS-PEM"}},
	} {
		t.Run(name, func(t *testing.T) {
			err := VerifyChain(at(test.now), test.pair, test.ca, test.name)
			if len(test.codes) == 0 {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			want(t, err, test.codes)
		})
	}
}

func TestCovers(t *testing.T) {
	pair := newServer(t, newCA(t, at(noon)))
	if err := pair.Covers([]string{"localhost"}, []netip.Addr{address, netip.MustParseAddr("::ffff:10.0.0.5")}); err != nil {
		t.Error(err)
	}
	want(t, pair.Covers([]string{"x"}, nil), []string{"CW-TLS-SAN"}, "check server certificate: ", "not valid for x")
	want(t, Pair{}.Covers(nil, nil), []string{"CW-TLS-PEM"})
	wild, err := newCA(t, at(noon)).IssueServer(ServerRequest{DNSNames: []string{"*.corp.example"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := wild.Covers([]string{"a.corp.example", "*.corp.example"}, nil); err != nil {
		t.Error(err)
	}
	want(t, wild.Covers([]string{"a.b.corp.example"}, nil), []string{"CW-TLS-SAN"})
}

func TestZeroPair(t *testing.T) {
	var pair Pair
	if pair.Leaf() != nil || pair.Chain() != nil || !slices.Equal(pair.Request().DNSNames, nil) || FingerprintPEM(nil) != "" {
		t.Error("a zero pair is not empty")
	}
}

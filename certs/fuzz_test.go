package certs

import (
	"bytes"
	"net/netip"
	"testing"
)

// FuzzLoadPair: whatever the files hold, the answer is a pair that loads again to
// the same bytes, or an error with codes.
func FuzzLoadPair(f *testing.F) {
	ca := newCA(f, at(noon))
	pair := newServer(f, ca)
	caPEM, caKey := ca.PEM()
	f.Add(pair.CertPEM, pair.KeyPEM)
	f.Add(join(pair.CertPEM, caPEM), pair.KeyPEM)
	f.Add(caPEM, caKey)
	f.Add(pair.CertPEM[:100], pair.KeyPEM[:50])
	f.Add(block("CERTIFICATE REQUEST", nil), block("ENCRYPTED PRIVATE KEY", nil))
	f.Add([]byte("\xef\xbb\xbf-----BEGIN "), []byte{0x30, 0x82})
	f.Fuzz(func(t *testing.T, certPEM, keyPEM []byte) {
		if ca, err := LoadAuthority(at(noon), certPEM, keyPEM); err == nil {
			again, err := LoadAuthority(at(noon), first(ca.PEM()), second(ca.PEM()))
			if err != nil || !bytes.Equal(again.Trust(), ca.Trust()) {
				t.Errorf("a CA does not survive being stored: %v", err)
			}
		}
		pair, err := LoadPair(at(noon), certPEM, keyPEM, Want{IPs: []netip.Addr{address}})
		if err != nil {
			if coded, ok := err.(*Error); !ok || coded.Code() == "" {
				t.Errorf("an error without a code: %v", err)
			}
			return
		}
		again, err := LoadPair(at(noon), pair.CertPEM, pair.KeyPEM, Want{IPs: []netip.Addr{address}})
		if err != nil || !bytes.Equal(again.CertPEM, pair.CertPEM) || !bytes.Equal(again.KeyPEM, pair.KeyPEM) {
			t.Errorf("a pair does not survive being stored: %v", err)
		}
	})
}

func first(a, _ []byte) []byte  { return a }
func second(_, b []byte) []byte { return b }

// FuzzBundle: a bundle of a bundle is the bundle.
func FuzzBundle(f *testing.F) {
	a, b := newCA(f, at(noon)).Trust(), newCA(f, at(noon)).Trust()
	f.Add(join(a, b))
	f.Add(join(a, a[:80]))
	f.Add([]byte("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		bundle, err := Bundle(at(noon), text)
		if err != nil {
			return
		}
		if again, err := Bundle(at(noon), bundle); err != nil || !bytes.Equal(again, bundle) {
			t.Errorf("%v\n%s\n%s", err, bundle, again)
		}
	})
}

// FuzzDecodeP12: no input panics, none holds the machine up, and a pair that comes
// out belongs together.
func FuzzDecodeP12(f *testing.F) {
	ca := newCA(f, at(noon))
	client := newClient(f, ca)
	for _, profile := range profiles {
		encoder, err := profile.encoder(at(noon))
		if err != nil {
			f.Fatal(err)
		}
		var p problems
		few := encoder.WithIterations(1) // the fuzzer is to try files, not to derive keys
		data, err := few.Encode(p.key("key", client.KeyPEM), client.Leaf(), nil, password)
		if err != nil {
			f.Fatal(err)
		}
		store, err := few.EncodeTrustStore(p.certificates("CA", ca.Trust()), password)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data, password)
		f.Add(store, password)
		f.Add(data[:len(data)/2], password)
		f.Add(data, "")
	}
	f.Add([]byte{0x30, 0x80}, "x")
	f.Fuzz(func(t *testing.T, data []byte, password string) {
		got, err := DecodeP12(data, password)
		if err != nil {
			if coded, ok := err.(*Error); !ok || coded.Code() == "" {
				t.Errorf("an error without a code: %v", err)
			}
			return
		}
		if len(got.Pair.CertPEM) == 0 && len(got.CAs) == 0 {
			t.Error("nothing came out")
		}
		if len(got.Pair.CertPEM) > 0 {
			var p problems
			p.matches("client", got.Pair.Chain(), p.key("client key", got.Pair.KeyPEM))
			for _, problem := range p {
				if problem.Code == "CW-TLS-KEY-MISMATCH" {
					t.Error(problem.Text)
				}
			}
		}
	})
}

package certs_test

import (
	"fmt"
	"net/netip"
	"time"

	"causeway/certs"
)

// The clock of the examples stands still, so that their output does too.
func env() certs.Env {
	return certs.Env{Now: func() time.Time { return time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC) }}
}

func Example() {
	ca, err := certs.NewAuthority(env(), certs.Options{Name: "prod"})
	if err != nil {
		fmt.Println(err)
		return
	}
	server, err := ca.IssueServer(certs.ServerRequest{
		DNSNames: []string{"api.corp.example"},
		IPs:      []netip.Addr{netip.MustParseAddr("10.0.0.5")},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(server.Leaf().NotAfter.Format(time.DateOnly), certs.DaysLeft(server.Leaf(), env().Now()))
	fmt.Println(certs.VerifyChain(env(), server, ca.Trust(), "10.0.0.5"))
	fmt.Println(certs.VerifyChain(env(), server, ca.Trust(), "10.0.0.6"))
	// Output:
	// 2027-12-23 396
	// <nil>
	// verify server certificate: the certificate is not valid for 10.0.0.6; it is valid for api.corp.example, 10.0.0.5
}

// A user's own certificate, with two faults: both are told.
func ExampleLoadPair() {
	ca, _ := certs.NewAuthority(env(), certs.Options{Name: "corp"})
	one, _ := ca.IssueServer(certs.ServerRequest{DNSNames: []string{"api.corp.example"}})
	other, _ := ca.IssueServer(certs.ServerRequest{DNSNames: []string{"api.corp.example"}})
	_, err := certs.LoadPair(env(), one.CertPEM, other.KeyPEM, certs.Want{IPs: []netip.Addr{netip.MustParseAddr("10.0.0.5")}})
	fmt.Println(err)
	// Output:
	// load server certificate: 2 problems:
	//   - the server key does not belong to the server certificate (CN=api.corp.example) [CW-TLS-KEY-MISMATCH]
	//   - the certificate is not valid for 10.0.0.5; it is valid for api.corp.example [CW-TLS-SAN]
}

// A renewed server certificate under the kept CA: kubeconfigs stay as they are.
func ExamplePair_Request() {
	ca, _ := certs.NewAuthority(env(), certs.Options{Name: "prod"})
	old, _ := ca.IssueServer(certs.ServerRequest{IPs: []netip.Addr{netip.MustParseAddr("10.0.0.5")}})
	renewed, err := ca.IssueServer(old.Request())
	fmt.Println(err, certs.VerifyChain(env(), renewed, ca.Trust(), "10.0.0.5"))
	// Output: <nil> <nil>
}

// A new CA: clients with the old one, the new one, or both accept what it issues.
func ExampleRotate() {
	old, _ := certs.NewAuthority(env(), certs.Options{Name: "prod"})
	rotation, err := certs.Rotate(env(), old, certs.Options{Name: "prod"})
	if err != nil {
		fmt.Println(err)
		return
	}
	server, _ := rotation.New.IssueServer(certs.ServerRequest{IPs: []netip.Addr{netip.MustParseAddr("10.0.0.5")}})
	fmt.Println("old:", certs.VerifyChain(env(), server, old.Trust(), "10.0.0.5"))
	fmt.Println("new:", certs.VerifyChain(env(), server, rotation.New.Trust(), "10.0.0.5"))
	fmt.Println("both:", certs.VerifyChain(env(), server, rotation.Bundle, "10.0.0.5"))
	// Output:
	// old: <nil>
	// new: <nil>
	// both: <nil>
}

func ExampleEncodeClientP12() {
	ca, _ := certs.NewAuthority(env(), certs.Options{Name: "prod"})
	client, _ := ca.IssueClient(certs.ClientRequest{CommonName: "far-side"})
	password, _ := certs.ParsePassword([]byte("from a file 0600\n"))
	data, err := certs.EncodeClientP12(env(), client, ca.Trust(), password, certs.Modern)
	if err != nil {
		fmt.Println(err)
		return
	}
	got, err := certs.DecodeP12(data, password)
	fmt.Println(got.Pair.Leaf().Subject, err)
	_, err = certs.DecodeP12(data, "something else")
	fmt.Println(err)
	// Output:
	// CN=far-side <nil>
	// read PKCS#12: the password is not the file's
}

func ExampleBundle() {
	old, _ := certs.NewAuthority(env(), certs.Options{Name: "prod"})
	next, _ := certs.NewAuthority(env(), certs.Options{Name: "prod"})
	bundle, err := certs.Bundle(env(), next.Trust(), old.Trust())
	if err != nil {
		fmt.Println(err)
		return
	}
	all, err := certs.ParseBundle(bundle)
	fmt.Println(len(all), err)
	// Output: 2 <nil>
}

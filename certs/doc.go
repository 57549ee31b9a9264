// Package certs owns every key and certificate of an exposure: a small
// certificate authority, the server's and the clients' certificates that it
// issues, the checks on those that users bring themselves, the rotation of all
// of them, and PKCS#12 files for the tools of the far side.
//
// It must not read or write files, clusters or the network, and never puts a key
// or a password into an error. Clock and randomness come in with Env.
//
//	ca, err := certs.NewAuthority(env, certs.Options{Name: "prod"})
//	pair, err := ca.IssueServer(certs.ServerRequest{IPs: []netip.Addr{address}})
//	// pair.CertPEM and pair.KeyPEM go to nginx, ca.Trust() into the kubeconfig.
//
// # What is decided here, and why
//
//   - Keys are ECDSA P-256: the one curve that Go, OpenSSL, Java 8 and later, and
//     every TLS 1.2 and 1.3 client support by default.
//   - A server's certificate lives 397 days and never more than 825. 825 days is
//     what Apple's platforms accept from any root, private ones included
//     (support.apple.com/103769); 398 days is what they and the CA/Browser Forum
//     (Baseline Requirements 6.3.2) allowed for public ones until 2026, and 397 is
//     their own advice (support.apple.com/102028). The shorter public limits since
//     then do not bind a private CA, and each renewal is a change somebody makes.
//   - The CA lives ten years, so that kubeconfigs outlive many renewals of the leaf.
//   - Certificates begin five minutes ago, for machines whose clock is late.
//   - The CA's path length is 1: only its cross-signed successor (path length 0,
//     see Rotate) may stand between it and a leaf.
//   - The CA has no name constraints. It is trusted only in the kubeconfigs of one
//     exposure; constraints would make each new address or name a new CA, hence new
//     kubeconfigs, which is just what keeping the CA avoids.
//   - A leaf has exactly one extended key usage and, as its key is ECDSA, only the
//     digitalSignature key usage (RFC 5480, section 3).
//   - All of it passes `openssl verify -x509_strict`, which Python's ssl module has
//     switched on since 3.13; a CA of one's own, made by a bare `openssl req -x509`,
//     lacks the key usage that this asks for.
package certs

import (
	"crypto/rand"
	"io"
	"time"
)

// Lifetimes and bounds. The package's doc comment names their sources.
const (
	Backdate         = 5 * time.Minute
	DefaultLeafLife  = 397 * 24 * time.Hour
	MaxLeafLife      = 825 * 24 * time.Hour
	DefaultCALife    = 3650 * 24 * time.Hour
	minLife          = time.Hour // below this a backdated certificate is useless
	maxInput         = 1 << 20   // bytes; a Kubernetes Secret holds no more than 1 MiB
	maxChain         = 10        // certificates; JSSE's jdk.tls.maxCertificateChainLength
	minRSABits       = 2048      // OpenSSL's security level 2, Debian's default
	maxRSABits       = 8192      // crypto/tls refuses larger keys of a peer
	maxCommonName    = 64        // ub-common-name, RFC 5280 appendix A
	maxOrganizations = 16
)

// Env is what the package takes from the world. The zero value is the system's
// clock and randomness.
type Env struct {
	Now func() time.Time
	// Rand gives serial numbers and PKCS#12 salts. Keys come from crypto/rand
	// whatever is set here, as Go's key generation ignores other sources since 1.26.
	Rand io.Reader
}

// now is the time in whole seconds and UTC, the resolution of X.509.
func (e Env) now() time.Time {
	if e.Now == nil {
		return time.Now().UTC().Truncate(time.Second)
	}
	return e.Now().UTC().Truncate(time.Second)
}

func (e Env) random() io.Reader {
	if e.Rand == nil {
		return rand.Reader
	}
	return e.Rand
}

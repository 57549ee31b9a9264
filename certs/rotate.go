package certs

import (
	"crypto/x509"
	"fmt"
	"slices"
	"time"
)

// Rotation is the result of Rotate.
type Rotation struct {
	// New is the successor. What it issues carries a cross certificate, so that
	// clients with only the old CA accept it too, for as long as the old CA lives.
	New *Authority
	// Bundle is both CAs' certificates as PEM, the new one first: what clients and,
	// with mtls, the server trust until nobody uses the old one any more.
	Bundle []byte
	// Crossed is false where the old CA can't sign a successor (its path length is 0,
	// or it has expired): then clients need the bundle before the server's
	// certificate is issued anew.
	Crossed bool
}

// Rotate makes a successor for a CA. The steps that keep every client working:
// give out Bundle in new kubeconfigs; issue the server's certificate from New; when
// all kubeconfigs are new, drop the old CA with New.WithoutCross(). Where the old
// key is compromised, drop it at once.
//
// A nil old stands for a CA that is lost, or that LoadAuthority refuses because it has
// expired: nobody can vouch for the successor then, and Bundle holds it alone.
func Rotate(env Env, old *Authority, o Options) (Rotation, error) {
	next, err := NewAuthority(env, o)
	if err != nil {
		return Rotation{}, fmt.Errorf("rotate certificate authority: %w", err)
	}
	trust := [][]byte{next.Trust()}
	if old != nil {
		trust = append(trust, old.Trust())
	}
	crossed := old != nil && old.mayCross(env.now())
	if crossed {
		cross, err := old.crossSign(env, next.cert)
		if err != nil {
			return Rotation{}, fmt.Errorf("rotate certificate authority: %w", err)
		}
		next.cross = []*x509.Certificate{cross}
	}
	bundle, err := Bundle(env, trust...)
	if err != nil {
		return Rotation{}, fmt.Errorf("rotate certificate authority: %w", err)
	}
	return Rotation{New: next, Bundle: bundle, Crossed: crossed}, nil
}

// mayCross says whether the old CA can sign a CA that clients accept. Only roots
// do: below a company's root, a second CA is for the company to sign.
func (a *Authority) mayCross(now time.Time) bool {
	limited := a.cert.MaxPathLen == 0 && a.cert.MaxPathLenZero
	return !limited && selfSigned(a.cert) && now.Add(minLife).Before(a.cert.NotAfter)
}

// crossSign signs another CA's name and key, path length 0, for the time that both
// have.
func (a *Authority) crossSign(env Env, other *x509.Certificate) (*x509.Certificate, error) {
	serial, err := newSerial(env.random())
	if err != nil {
		return nil, err
	}
	until := other.NotAfter
	if a.cert.NotAfter.Before(until) {
		until = a.cert.NotAfter
	}
	template := &x509.Certificate{
		SerialNumber:          serial,
		RawSubject:            other.RawSubject,
		SubjectKeyId:          other.SubjectKeyId,
		NotBefore:             other.NotBefore,
		NotAfter:              until,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
	}
	return sign(template, a.cert, other.PublicKey, a.signer)
}

// WithoutCross is the same CA without the link to its predecessor: what it issues
// from now on is accepted only by those who trust it itself.
func (a *Authority) WithoutCross() *Authority {
	return &Authority{env: a.env, cert: a.cert, signer: a.signer, above: a.above}
}

// Crossed says until when what this CA issues is accepted by clients of its
// predecessor too; false when there is none.
func (a *Authority) Crossed() (until time.Time, ok bool) {
	for _, cert := range a.cross {
		if cert.NotAfter.After(until) {
			until = cert.NotAfter
		}
	}
	return until, len(a.cross) > 0
}

// Bundle joins CA certificates in the order given, each once. Those that have
// expired and cross certificates of a CA that is in the bundle itself are left
// out: a client that trusts them gains nothing. Nothing left is an error
// (CW-TLS-EXPIRED).
func Bundle(env Env, caPEMs ...[]byte) ([]byte, error) {
	const op = "bundle CA certificates"
	var p problems
	var all, kept []*x509.Certificate
	for _, text := range caPEMs {
		all = append(all, p.certificates("CA bundle", text)...)
	}
	for _, cert := range all {
		if !cert.IsCA && !selfSigned(cert) {
			p.add("CW-TLS-NOT-CA", "%q is not a CA's certificate", cert.Subject)
		}
	}
	if err := p.err(op); err != nil {
		return nil, err
	}
	for _, cert := range all {
		doubled := !selfSigned(cert) && slices.ContainsFunc(all, func(other *x509.Certificate) bool {
			return selfSigned(other) && sameKey(other.PublicKey, cert.PublicKey)
		})
		expired := env.now().After(cert.NotAfter)
		if !doubled && !expired && !slices.ContainsFunc(kept, cert.Equal) {
			kept = append(kept, cert)
		}
	}
	if len(kept) == 0 {
		p.add("CW-TLS-EXPIRED", "all of its %d certificates have expired", len(all))
		return nil, p.err(op)
	}
	return encodeCerts(kept...), nil
}

package ilb

import (
	"context"
	"crypto/x509"
	"fmt"
	"time"

	"causeway/certs"
	"causeway/exposer"
	"causeway/internal/kube"
	"causeway/templates"
)

// Checks implements exposer.Watchful: the endpoint, the pods, the certificates.
func (x *exposure) Checks(ctx context.Context, warn time.Duration) ([]exposer.Check, error) {
	var checks []exposer.Check
	if x.addr.IsValid() {
		checks = append(checks, exposer.Check{Name: "address", Value: x.addr.String(), OK: true})
	} else {
		checks = append(checks, exposer.Check{Name: "address", Value: "not reserved", Code: "CW-RUN-ABSENT"})
	}
	service, err := x.kube.Get(ctx, x.proxyRef("Service"))
	if err != nil {
		return nil, err
	}
	ok, why := false, "does not exist"
	if service != nil {
		ok, why, err = x.balanced(ctx, service)
		if ok {
			why = "bears " + x.addr.String()
		}
	}
	checks = append(checks, exposer.Check{Name: "load balancer", Value: why, OK: ok})
	deployment, err2 := x.kube.Get(ctx, x.proxyRef("Deployment"))
	if err != nil || err2 != nil {
		return nil, fmt.Errorf("read status: %w", firstError(err, err2))
	}
	ok, why = false, "does not exist"
	if deployment != nil {
		if ok, why = kube.RolledOut(deployment); ok {
			why = fmt.Sprintf("%d of %d pods ready", x.spec.ILB.Replicas, x.spec.ILB.Replicas)
		}
	}
	checks = append(checks, exposer.Check{Name: "proxy", Value: why, OK: ok})
	return append(checks, x.certificateChecks(warn)...), nil
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (x *exposure) certificateChecks(warn time.Duration) []exposer.Check {
	var checks []exposer.Check
	add := func(name string, cert *x509.Certificate) {
		days := certs.DaysLeft(cert, x.deps.Now())
		check := exposer.Check{Name: name, Days: &days, OK: cert.NotAfter.Sub(x.deps.Now()) > warn,
			Value: fmt.Sprintf("ends %s, %d days left", cert.NotAfter.UTC().Format(time.DateOnly), days)}
		if !check.OK {
			check.Code = "CW-TLS-ENDS"
		}
		checks = append(checks, check)
	}
	if bundle, err := certs.ParseBundle(x.caPEM); err == nil {
		for _, cert := range bundle {
			add("certificate authority", cert)
		}
	}
	if x.leaf != nil && x.leaf.Leaf() != nil {
		add("certificate", x.leaf.Leaf())
	}
	if x.client != nil && x.client.Leaf() != nil {
		add("client certificate", x.client.Leaf())
	}
	return checks
}

// Certificates implements exposer.Certified.
func (x *exposure) Certificates(ctx context.Context) (exposer.Certificates, error) {
	if x.spec.ILB.Mode == exposer.ModePassthrough {
		return exposer.Certificates{}, refusal("CW-TLS-PASSTHROUGH", "mode passthrough has no certificate of causeway's: TLS ends at the API server")
	}
	if _, err := exposer.MakePlan(ctx, x.Steps()); err != nil {
		return exposer.Certificates{}, err
	}
	found := exposer.Certificates{Bundle: x.caPEM, Server: x.leaf, Client: x.client}
	return found, nil
}

// Rotate implements exposer.Certified. A new leaf needs nothing else; a new CA
// is signed across by the old one, and kubeconfigs made from now on trust both.
func (x *exposure) Rotate(ctx context.Context, ca bool, run exposer.Run) error {
	if _, err := x.Certificates(ctx); err != nil {
		return err
	}
	if x.ca == nil && !x.caEnded || x.own.leaf != nil {
		return refusal("CW-TLS-NO-CA-KEY", "rotate: the certificate is not causeway's to issue; give apply the new --tls-cert and --tls-key")
	}
	if x.caEnded && !ca {
		return refusal("CW-TLS-CA-ENDED", "rotate: the certificate authority itself has expired")
	}
	release, err := x.Lock(ctx)
	if err != nil {
		return err
	}
	defer release()
	if ca {
		if x.own.ca != nil {
			return refusal("CW-TLS-NO-CA-KEY", "rotate: the CA is your own; give apply the new --ca-cert and --ca-key")
		}
		rotation, err := certs.Rotate(x.env(), x.ca, certs.Options{Name: x.spec.Name})
		if err != nil {
			return err
		}
		x.ca, x.caPEM = rotation.New, rotation.Bundle
		if err := x.kube.Apply(ctx, x.caObject()); err != nil {
			return err
		}
	}
	if err := x.issueLeaf(); err != nil {
		return err
	}
	if err := x.kube.Apply(ctx, x.leafObject()); err != nil {
		return err
	}
	return x.rollOut(ctx, run)
}

// rollOut lets the Deployment follow the new certificate, pod by pod.
func (x *exposure) rollOut(ctx context.Context, run exposer.Run) error {
	for _, step := range x.Steps() {
		if step.ID() != "deployment/"+templates.ProxyName {
			continue
		}
		begin := run.Now()
		run.Progress.Start(step.ID(), "pods with the new certificate")
		if err := step.Do(ctx, func(text string) { run.Progress.Note(step.ID(), text) }); err != nil {
			run.Progress.Fail(step.ID(), err)
			return err
		}
		run.Progress.Done(step.ID(), run.Now().Sub(begin), "")
	}
	return nil
}

package ilb

import (
	"context"
	"crypto/x509"
	"fmt"
	"time"

	"causeway/certs"
	"causeway/exposer"
	"causeway/internal/kube"
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
		for i, cert := range bundle {
			if i > 0 && x.deps.Now().After(cert.NotAfter) {
				continue // a rotation put another before it, and nobody needs it any more
			}
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

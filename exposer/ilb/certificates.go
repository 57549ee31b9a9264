package ilb

import (
	"context"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"causeway/certs"
	"causeway/exposer"
	"causeway/templates"
)

// Certificates implements exposer.Certified.
func (x *exposure) Certificates(ctx context.Context) (exposer.Certificates, error) {
	if x.spec.ILB.Mode == exposer.ModePassthrough {
		return exposer.Certificates{}, refusal("CW-TLS-PASSTHROUGH", "mode passthrough has no certificate of causeway's: TLS ends at the API server")
	}
	if _, err := exposer.MakePlan(ctx, x.Steps()); err != nil {
		return exposer.Certificates{}, err
	}
	if len(x.caPEM) == 0 {
		return exposer.Certificates{}, refusal("CW-RUN-ABSENT", "find certificates: exposure %s does not stand: it has no CA yet", x.spec.Name)
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
		if err := x.applyObject(ctx, x.caObject); err != nil {
			return err
		}
	}
	if err := x.issueLeaf(); err != nil {
		return err
	}
	if err := x.applyObject(ctx, x.leafObject); err != nil {
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

func (x *exposure) applyObject(ctx context.Context, build func() (*unstructured.Unstructured, error)) error {
	object, err := build()
	if err != nil {
		return err
	}
	return x.kube.Apply(ctx, object)
}

package demo

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"causeway/lab/site"
	"causeway/lab/topology"
)

func (t *tour) passthrough(ctx context.Context) error {
	if _, err := t.operator.Do(ctx, command("apply", t.applied(namePass, "--mode", "passthrough"), "--yes")...); err != nil {
		return err
	}
	far, err := t.carry(namePass)
	if err != nil {
		return err
	}
	if _, err := far.Do(ctx, "causeway", "verify", "--kubeconfig", ".kube/config", "--exec", site.Shop+"/"+site.Web, "--large-body"); err != nil {
		return err
	}
	return far.EveryVerb(ctx)
}

func (t *tour) mtls(ctx context.Context) error {
	if _, err := t.operator.Do(ctx, command("apply", t.applied(nameMTLS, "--client-auth", "mtls"), "--yes")...); err != nil {
		return err
	}
	far, err := t.carry(nameMTLS)
	if err != nil {
		return err
	}
	if _, err := far.Do(ctx, "causeway", "verify", "--kubeconfig", ".kube/config", "--exec", site.Shop+"/"+site.Web); err != nil {
		return err
	}
	if err := far.Nodes(ctx); err != nil {
		return err
	}
	return t.withoutCertificate(ctx, far)
}

// withoutCertificate shows that mtls lets nobody in without the certificate.
func (t *tour) withoutCertificate(ctx context.Context, far site.Session) error {
	text, err := site.KubeconfigOf(far.Who)
	if err != nil {
		return err
	}
	u, err := site.Unpack(far.Who, text)
	if err != nil {
		return err
	}
	if len(u.Client) == 0 {
		return errors.New("the kubeconfig of an mtls exposure carries no client certificate")
	}
	fmt.Fprintln(t.out, "\n# with the token, without the client certificate: nothing of the API server")
	return far.NoCertificate(ctx, append(u.Curl, "-H", "@"+u.Header, u.URL+"/api")...)
}

// destroy takes the exposures away and proves that nothing is left of them.
func (t *tour) destroy(ctx context.Context) error {
	for _, name := range []string{nameMTLS, namePass, ""} {
		if _, err := t.operator.Do(ctx, command("destroy", named(name), "--yes")...); err != nil {
			return err
		}
	}
	if err := asBefore(ctx, t.stage, t.before); err != nil {
		return err
	}
	provider := t.s.Session(t.s.Provider(), t.out)
	r, err := provider.Do(ctx, "kubectl", "get", "namespaces")
	if err == nil && strings.Contains(r.Stdout, "causeway") {
		err = errors.New("a namespace of causeway is left")
	}
	return err
}

// leavePublished takes away what stands on the first exposure, and the DNS endpoint.
func (t *tour) leavePublished(ctx context.Context) []error {
	errs := []error{t.s.Allow(ctx, connectPermission)}
	if t.consumer.Site != nil {
		errs = append(errs, dismantle(ctx, t.stage, t.consumer.Who, nameEndpoint, publishedArgs(nameEndpoint)))
	}
	return append(errs,
		dismantle(ctx, t.stage, t.operator.Who, namePublished, publishedArgs(namePublished)),
		t.s.Run(ctx, t.operator.Who, command("destroy", dnsArgs(), "--yes")...).Want(0)) // nothing of it is no error
}

// leave takes the demo's own things out of a lab that stays up, after a failure
// too.
func (t *tour) leave(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), takeAwayBound)
	defer cancel()
	errs := append([]error{t.leaveFleet(ctx)}, t.leavePublished(ctx)...)
	for _, name := range []string{nameMTLS, namePass, topology.Cluster} {
		found := t.s.Run(ctx, t.s.Provider(), "kubectl", "get", "namespace", "causeway-"+name, "--ignore-not-found", "-o", "name")
		if strings.TrimSpace(found.Stdout) == "" {
			continue
		}
		began := time.Now()
		got := t.s.Run(ctx, t.operator.Who, command("destroy", named(strings.TrimSuffix(name, topology.Cluster)), "--yes")...)
		fmt.Fprintf(t.out, "# destroyed %s, after %s\n", name, time.Since(began).Round(time.Second))
		errs = append(errs, got.Want(0))
	}
	return errors.Join(append(errs, t.s.CloseShop(ctx))...)
}

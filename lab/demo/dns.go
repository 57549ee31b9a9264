package demo

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"causeway/lab/topology"
)

// connectPermission is what IAM is asked for at each request to a DNS endpoint.
const connectPermission = "container.clusters.connect"

// nameDNS is the exposure by the DNS endpoint: the name that it gets by itself.
const nameDNS = topology.Cluster + "-dns"

func dnsArgs() []string {
	return []string{"dns", "--location", topology.Location, "--cluster", topology.Cluster}
}

// dns opens the cluster's DNS endpoint, uses it, and closes it again.
func (t *tour) dns(ctx context.Context) error {
	fmt.Fprintf(t.out, `# The cluster's DNS endpoint: a public name, before which Google's front end asks IAM. For
# the far side it leads to %s, private Google access, where the emulator stands.
`, topology.GoogleFront)
	r, err := t.operator.DoWith(ctx, nil, 4, command("apply", dnsArgs(), "--yes")...)
	if err == nil && !strings.Contains(r.Text(), "CW-DNS-CLOSED") {
		err = fmt.Errorf("%s: does not name CW-DNS-CLOSED", r.Line)
	}
	if err != nil {
		return err
	}
	if _, err := t.operator.Do(ctx, command("apply", dnsArgs(), "--open-dns-endpoint", "--yes")...); err != nil {
		return err
	}
	if err := t.byName(ctx); err != nil {
		return err
	}
	_, err = t.operator.Do(ctx, command("destroy", dnsArgs(), "--yes")...)
	return err
}

// byName is the far side's colleague with a Google identity.
func (t *tour) byName(ctx context.Context) error {
	text, err := os.ReadFile(filepath.Join(t.operator.Who.Home, "causeway-"+nameDNS+".kubeconfig"))
	if err != nil {
		return err
	}
	who, err := t.s.Far("demo-dns", text)
	if err != nil {
		return err
	}
	if who, err = t.s.WithGoogle(who); err != nil {
		return err
	}
	far := t.s.Session(who, t.out)
	fmt.Fprintln(t.out, "\n# the kubeconfig holds no secret: the far side's colleague is who Google knows him as")
	verify := []string{"causeway", "verify", "--kubeconfig", ".kube/config"}
	if _, err := far.Do(ctx, verify...); err != nil {
		return err
	}
	if err := far.Nodes(ctx); err != nil {
		return err
	}
	fmt.Fprintf(t.out, "\n# somebody takes the permission %s away\n", connectPermission)
	if err := t.s.Deny(ctx, connectPermission); err != nil {
		return err
	}
	r, err := far.DoWith(ctx, nil, 5, verify...)
	if err == nil && !strings.Contains(r.Text(), "CW-DNS-CONNECT") {
		err = fmt.Errorf("%s: does not name CW-DNS-CONNECT", r.Line)
	}
	if err != nil {
		return err
	}
	fmt.Fprintln(t.out, "\n# and gives it back")
	return t.s.Allow(ctx, connectPermission)
}

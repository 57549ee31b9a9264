package mcs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"causeway/exposer"
	"causeway/internal/kube"
	"causeway/templates"
)

// beneath is the exposure by ilb whose nginx is exported.
type beneath struct {
	spec     exposer.Spec
	plan     exposer.Plan // what it lacks, as it was found
	endpoint exposer.Endpoint
}

// healthCheckers are the ranges that Google's health checks come from (docs:
// load-balancing/docs/health-checks). MCS has Traffic Director check each Pod, and
// the proxy's NetworkPolicy keeps out whom it does not name.
var healthCheckers = []string{"35.191.0.0/16", "130.211.0.0/22"}

// readHost finds the exposure that is exported.
func (x *exposure) readHost(ctx context.Context) error {
	if x.any() {
		return nil
	}
	record, err := exposer.RecordOf(ctx, x.kube, x.spec.MCS.Exposure)
	if err != nil {
		return err
	}
	if record.Version == 0 || record.Spec.Method != "ilb" {
		return x.refused(exposer.Problem{Code: "CW-MCS-NO-ILB",
			Text: fmt.Sprintf("cluster %s has no exposure %s by ilb whose nginx could be exported", x.spec.Cluster.Name, x.spec.MCS.Exposure),
			Fix:  fmt.Sprintf("causeway apply ilb %s --client-cidr ... first, or name another with --exposure, or any Service with --service", x.clusterFlags())})
	}
	x.host.spec = record.Spec
	x.host.spec.Reach = x.spec.Reach
	x.service = x.exported()
	host, err := x.openHost(ctx)
	if err != nil {
		return err
	}
	if x.host.plan, err = exposer.MakePlan(ctx, host.Steps()); err != nil {
		return err
	}
	x.host.endpoint, err = host.Endpoint(ctx)
	return err
}

func (x *exposure) openHost(ctx context.Context) (exposer.Exposure, error) {
	if x.deps.Open == nil {
		return nil, fmt.Errorf("open exposure %s: this program can open no other exposure", x.host.spec.Name)
	}
	return x.deps.Open(ctx, x.host.spec, false)
}

// exported names the Service. Clusters of a fleet share names: two that exported the
// same one would be taken for one, and clients would reach now this API server, now
// that. So causeway's own bears a piece of the cluster's path.
func (x *exposure) exported() kube.Ref {
	ref := kube.Ref{Version: "v1", Kind: "Service"}
	if x.any() {
		ref.Namespace, ref.Name, _ = strings.Cut(x.spec.MCS.Service, "/")
		return ref
	}
	ref.Namespace = "causeway-" + x.spec.MCS.Exposure
	if x.host.spec.Namespace != "" {
		ref.Namespace = x.host.spec.Namespace
	}
	ref.Name = ServiceName(x.spec.Cluster)
	return ref
}

// ServiceName is the name of the Service by which a cluster's API server is exported.
func ServiceName(c exposer.ClusterRef) string {
	sum := sha256.Sum256([]byte(c.String()))
	name := strings.TrimRight(c.Name[:min(len(c.Name), 40)], "-") // 63 less "causeway-" and the piece
	return "causeway-" + name + "-" + hex.EncodeToString(sum[:3])
}

// serviceSteps are the Service beside the load balancer's, whose type MCS does not
// take; none for one of the user's own.
func (x *exposure) serviceSteps() []exposer.Step {
	if x.any() {
		return nil
	}
	return []exposer.Step{&exposer.Object{Cluster: x.kube, Exposure: x.spec.Name, Ref: x.service,
		About: fmt.Sprintf("Service %s in %s, on the same Pods as the load balancer", x.service.Name, x.service.Namespace),
		Build: func() (*unstructured.Unstructured, string, error) {
			m, err := templates.FleetService(x.spec.Name, x.spec.MCS.Exposure, x.service.Namespace, x.service.Name, int(x.host.endpoint.Address.Port()))
			return m.Object, "", err
		}}}
}

// setGuest makes the setting on the exposure beneath.
func (x *exposure) setGuest() {
	if x.any() {
		return
	}
	x.guest = &exposer.GuestStep{Cluster: x.kube, Exposure: x.spec.Name, HostName: x.spec.MCS.Exposure, Host: x.host.spec, HostPlan: x.host.plan,
		About: fmt.Sprintf("entry for the fleet's other clusters in exposure %s, and the name in its certificate", x.spec.MCS.Exposure),
		Clock: x.deps.Now, Leaving: x.deps.Leaving, Open: x.openHost,
		Want: func() (exposer.Guest, bool) { return x.wanted(), true }}
}

// wanted is what the exposure beneath has to give.
func (x *exposure) wanted() exposer.Guest {
	return exposer.Guest{Method: "mcs", Ranges: append(x.others.ranges(), healthCheckers...), Names: []string{x.name()}}
}

// letsInFact says who is let in, and of whom nothing is known.
func (x *exposure) letsInFact() string {
	text := "no cluster's Pods: the fleet has no other GKE cluster that can be read"
	if ranges := x.others.ranges(); len(ranges) > 0 {
		text = "Pods of " + strings.Join(x.others.names(), ", ") + " (" + strings.Join(ranges, ", ") + ")"
	}
	if len(x.others.unseen) > 0 {
		text += "; not those of " + strings.Join(x.others.unseen, ", ") + ", which can't be read"
	}
	return text + "; Google's health checks"
}

// guestHop is whether the load balancer's proxy lets the fleet in.
func (x *exposure) guestHop(ctx context.Context) (exposer.TraceHop, error) {
	guests, err := exposer.ReadGuests(ctx, x.kube, x.host.spec)
	if err != nil {
		return exposer.TraceHop{}, err
	}
	const name = "proxy"
	want, have := x.wanted(), guests[x.spec.Name]
	switch {
	case !slices.Equal(have.Ranges, want.Ranges), !slices.Equal(have.Names, want.Names):
		return hop(name, exposer.Broken, "does not let all Pods of the fleet in, or its certificate does not bear the name", "CW-MCS-GUEST", again), nil
	case len(x.others.ranges()) == 0:
		return hop(name, exposer.Warns, "lets in "+x.letsInFact(), "CW-MCS-GUEST", "name clients' clusters with --importer, or have them registered in the fleet"), nil
	}
	return hop(name, exposer.Good, "lets in "+x.letsInFact(), "", ""), nil
}

package ilb

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"causeway/exposer"
	"causeway/internal/kube"
	"causeway/templates"
)

const proxyName = templates.ProxyName

// Bounds of the two long waits. GKE needs one to three minutes for an internal
// load balancer; a rollout waits for images and, on an autoscaled pool, a node.
const (
	balancerTimeout = 10 * time.Minute
	rolloutTimeout  = 10 * time.Minute
)

// removeGrace is what pods get on destroy instead of their drain: the load
// balancer that they would drain for goes at the same time.
const removeGrace = time.Second

// Steps implements exposer.Exposure. What two steps have in common is in their
// needs: the Deployment waits for the certificate, not for the load balancer;
// the load balancer waits for the address, not for the Deployment.
func (x *exposure) Steps() []exposer.Step {
	namespace := exposer.NamespaceStep(x.kube, x.spec)
	deployment := x.manifestStep("Deployment", proxyName)
	deployment.After = append(deployment.After, "configmap/"+proxyName, "serviceaccount/"+proxyName)
	deployment.Settled, deployment.Settle, deployment.Remove = x.rolledOut, x.waitRollout, x.removeWorkload

	service := x.manifestStep("Service", proxyName)
	service.After = append(service.After, x.address().ID())
	service.Settled, service.Settle = x.balanced, x.waitBalancer

	steps := []exposer.Step{x.address(), namespace}
	if x.spec.ILB.Mode == exposer.ModeTerminate {
		leaf := x.leafSecret()
		deployment.After = append(deployment.After, leaf.ID())
		steps = append(steps, caStep{x.caSecret(), x}, leaf)
		if x.spec.ILB.ClientAuth == "mtls" {
			steps = append(steps, x.clientSecret())
		}
	}
	steps = append(steps, x.manifestStep("ConfigMap", proxyName), x.manifestStep("ServiceAccount", proxyName),
		x.manifestStep("NetworkPolicy", proxyName), x.manifestStep("PodDisruptionBudget", proxyName), deployment, service)
	return slices.Concat(steps, x.hubSteps(), x.access, x.leftovers)
}

// manifestStep is the step of one object of the templates.
func (x *exposure) manifestStep(kind, name string) *exposer.Object {
	o := &exposer.Object{
		Cluster: x.kube, Exposure: x.spec.Name, After: []string{exposer.NamespaceID(x.spec)},
		About: fmt.Sprintf("%s %s", kind, name), Ref: kube.Ref{Group: groups[kind], Version: "v1", Kind: kind, Namespace: x.spec.Namespace, Name: name},
	}
	o.Build = func() (*unstructured.Unstructured, string, error) { return x.build(kind) }
	return o
}

// groups are the API groups of the kinds that the templates render.
var groups = map[string]string{"Deployment": "apps", "PodDisruptionBudget": "policy", "NetworkPolicy": "networking.k8s.io"}

// build renders one object, once what stands in it is known.
func (x *exposure) build(kind string) (*unstructured.Unstructured, string, error) {
	if x.deps.Leaving { // nothing is rendered then, and what it takes is not read
		return nil, "is to go", nil
	}
	if kind == "Service" && !x.addr.IsValid() {
		return nil, "the address is not known yet", nil
	}
	if kind == "Deployment" && x.spec.ILB.Mode == exposer.ModeTerminate && x.leaf == nil {
		return nil, "the certificate changes: pods are replaced one by one", nil
	}
	values := x.values()
	switch kind { // steps run at the same time: each reads only what its needs have settled
	case "Service":
		values.Address = x.addr
	case "Deployment":
		values.TLSHash = x.tlsHash()
	}
	manifests, err := values.Manifests()
	if err != nil {
		return nil, "", fmt.Errorf("render %s: %w", kind, err)
	}
	for _, m := range manifests {
		if m.Object.GetKind() == kind {
			return m.Object, "", nil
		}
	}
	return nil, "", fmt.Errorf("render %s: the templates have none", kind)
}

// tlsHash is of what nginx serves; empty when it serves nothing of its own.
func (x *exposure) tlsHash() string {
	if x.leaf == nil {
		return ""
	}
	return templates.Hash(x.leafData())
}

// values are what the templates are rendered with, but for the address, which
// only the Service bears, and the certificate's hash, which only the Deployment
// does: other steps may be settling them at this moment.
func (x *exposure) values() templates.ILB {
	o := x.spec.ILB
	version, known := templates.ImageVersion(o.Image)
	v := templates.ILB{
		Exposure: x.spec.Name, Namespace: x.spec.Namespace, Mode: o.Mode, ClientAuth: o.ClientAuth == "mtls",
		Image: o.Image, HTTP2: o.Mode == exposer.ModeTerminate && known && templates.HTTP2OK(version), Replicas: o.Replicas, Port: o.Port,
		Upstream: x.upstream, APIPorts: x.apiPorts, UpstreamCA: x.cluster.CA, ClientCIDRs: append(x.spec.FarSide.Prefixes(), x.guests.Ranges()...),
		Address: netip.IPv4Unspecified(), AddressName: o.AddressName, GlobalAccess: o.GlobalAccess, IPBy: templates.ByLoadBalancerIP,
	}
	if x.cluster.L4ILBSubsetting {
		v.IPBy = templates.ByAnnotation
	}
	if o.Subnet != x.cluster.Subnetwork.Name {
		v.Subnet = o.Subnet
	}
	return v
}

func (x *exposure) proxyRef(kind string) kube.Ref {
	return kube.Ref{Group: groups[kind], Version: "v1", Kind: kind, Namespace: x.spec.Namespace, Name: proxyName}
}

func (x *exposure) rolledOut(_ context.Context, live *unstructured.Unstructured) (bool, string, error) {
	ok, why := kube.RolledOut(live)
	return ok, why, nil
}

func (x *exposure) waitRollout(ctx context.Context, note func(string)) error {
	return x.kube.WaitRollout(ctx, x.proxyRef("Deployment"), rolloutTimeout, note)
}

// removeWorkload removes the Deployment with its pods, those of earlier versions
// that still drain among them, and a probe's that was cut off.
func (x *exposure) removeWorkload(ctx context.Context, live *unstructured.Unstructured, note func(string)) error {
	return x.kube.RemoveWorkload(ctx, live, x.spec.Namespace, exposer.ExposureLabel+"="+x.spec.Name, removeGrace, note)
}

func (x *exposure) balanced(_ context.Context, live *unstructured.Unstructured) (bool, string, error) {
	got := kube.ServiceIPs(live)
	if len(got) == 1 && got[0] == x.addr {
		return true, "", nil
	}
	return false, fmt.Sprintf("the load balancer bears %v, not %s", got, x.addr), nil
}

func (x *exposure) waitBalancer(ctx context.Context, note func(string)) error {
	return x.kube.WaitServiceIP(ctx, x.proxyRef("Service"), x.addr, balancerTimeout, note)
}

// Lock implements exposer.Exposure.
func (x *exposure) Lock(ctx context.Context) (func(), error) {
	return exposer.LockNamespace(ctx, x.kube, x.spec, x.deps.Leaving)
}

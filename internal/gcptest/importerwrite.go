package gcptest

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
)

// written is what was applied last, and what came of it.
type written struct{ want, version string }

func slicesResource() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "discovery.k8s.io", Version: "v1", Resource: "endpointslices"}
}

func endpointsResource() schema.GroupVersionResource {
	return schema.GroupVersionResource{Version: "v1", Resource: "endpoints"}
}

// apply writes an object unless the cluster has it as it was written last.
func (m *member) apply(ctx context.Context, resource schema.GroupVersionResource, want object, live *unstructured.Unstructured, part ...string) (*unstructured.Unstructured, error) {
	o := &unstructured.Unstructured{Object: want}
	text, err := json.Marshal(want)
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", resource.Resource, err)
	}
	id := strings.Join(append([]string{resource.Resource, key(o)}, part...), "/")
	if last, ok := m.wrote[id]; ok && live != nil && last == (written{string(text), live.GetResourceVersion()}) {
		return live, nil
	}
	force := true
	made, err := m.client.Resource(resource).Namespace(o.GetNamespace()).Patch(ctx, o.GetName(), types.ApplyPatchType, text,
		metav1.PatchOptions{FieldManager: importerManager, Force: &force}, part...)
	if err != nil {
		return nil, err
	}
	m.wrote[id] = written{string(text), made.GetResourceVersion()}
	return made, nil
}

// settle brings a member to the groups that it has the namespaces of, and takes
// away what else the importer made there.
func (i *Importer) settle(ctx context.Context, m *member, seen sight, groups map[string]*group, fleet fleetView) {
	keep, names := map[string]bool{}, map[string][]netip.Addr{}
	for _, name := range slices.Sorted(maps.Keys(groups)) {
		g := groups[name]
		space := seen[m]["namespaces"]["/"+g.service.GetNamespace()]
		if space == nil || space.GetDeletionTimestamp() != nil {
			continue
		}
		keep[name], keep[g.service.GetNamespace()+"/"+derivedName(name)] = true, true
		if ip, err := i.bring(ctx, m, seen, g, fleet, keep); err == nil {
			maps.Copy(names, namesOf(g, ip))
		}
	}
	for _, resource := range []schema.GroupVersionResource{resourceOf(ServiceImportKind), slicesResource(), servicesResource()} {
		for name, one := range seen[m][resource.Resource] {
			if one.GetLabels()[managedByLabel] == managedByImporter && !keep[name] && one.GetDeletionTimestamp() == nil {
				i.drop(ctx, m, resource, one)
			}
		}
	}
	i.mu.Lock()
	i.names[m.path] = names
	i.mu.Unlock()
}

// drop deletes one object, and with a derived Service its Endpoints.
func (i *Importer) drop(ctx context.Context, m *member, resource schema.GroupVersionResource, one *unstructured.Unstructured) {
	err := m.client.Resource(resource).Namespace(one.GetNamespace()).Delete(ctx, one.GetName(), metav1.DeleteOptions{})
	if err == nil && resource == servicesResource() {
		err = m.client.Resource(endpointsResource()).Namespace(one.GetNamespace()).Delete(ctx, one.GetName(), metav1.DeleteOptions{})
	}
	delete(m.wrote, resource.Resource+"/"+key(one))
	_ = err // it is still there then, and seen again at the next pass
}

// derivedName is the name of the Service behind an import, gke-mcs- and a hash.
func derivedName(name string) string {
	sum := sha256.Sum256([]byte(name))
	return "gke-mcs-" + strings.ToLower(base32.HexEncoding.EncodeToString(sum[:]))[:10]
}

// bring writes one import: the derived Service first, whose ClusterIP is the
// ClusterSetIP in this cluster, then the addresses, then the ServiceImport.
func (i *Importer) bring(ctx context.Context, m *member, seen sight, g *group, fleet fleetView, keep map[string]bool) (ip string, err error) {
	namespace, derived := g.service.GetNamespace(), derivedName(g.name)
	meta := func(name string, more object) object {
		labels := object{managedByLabel: managedByImporter}
		maps.Copy(labels, more)
		return object{"name": name, "namespace": namespace, "labels": labels}
	}
	live := seen[m]["services"][namespace+"/"+derived]
	if live != nil && headless(live) != g.headless() { // its kind is for life
		i.drop(ctx, m, servicesResource(), live)
		live = nil
	}
	spec := object{"type": "ClusterIP", "ports": portsOf(g.service, true)}
	if g.headless() {
		spec["clusterIP"] = "None"
	}
	service, err := m.apply(ctx, servicesResource(), object{"apiVersion": "v1", "kind": "Service", "metadata": meta(derived, nil), "spec": spec}, live)
	if err != nil {
		return "", err
	}
	if err := i.address(ctx, m, seen, g, meta, keep); err != nil {
		return "", err
	}
	want := object{"type": "ClusterSetIP", "ports": portsOf(g.service, false), "sessionAffinity": "None"}
	if ip, _, _ = unstructured.NestedString(service.Object, "spec", "clusterIP"); g.headless() {
		want["type"], ip = "Headless", ""
	} else {
		want["ips"] = []any{ip}
	}
	number, _, _ := strings.Cut(strings.TrimPrefix(g.from[0].canonical, "projects/"), "/")
	about := meta(g.service.GetName(), object{
		"net.gke.io/backend-service-name": "gkemcs-" + namespace + "-" + g.service.GetName(),
		"net.gke.io/export-project":       number, "net.gke.io/export-network": lastOf(g.network),
	})
	about["annotations"] = object{derivedAnnotation: derived}
	header := object{"apiVersion": fleetGroup + "/v1", "kind": ServiceImportKind}
	full := maps.Clone(header)
	full["metadata"], full["spec"] = about, want
	made, err := m.apply(ctx, resourceOf(ServiceImportKind), full, seen[m]["serviceimports"][g.name])
	if err != nil {
		return "", err
	}
	clusters := []any{}
	for _, from := range g.from {
		clusters = append(clusters, object{"cluster": from.canonical})
	}
	header["metadata"], header["status"] = object{"name": g.service.GetName(), "namespace": namespace}, object{"clusters": clusters}
	_, err = m.apply(ctx, resourceOf(ServiceImportKind), header, made, "status")
	return ip, err
}

func lastOf(path string) string { return path[strings.LastIndex(path, "/")+1:] }

// address writes the addresses of all exporting members' Pods: EndpointSlices, one
// a member and set of ports, and the same as Endpoints, which people look at.
func (i *Importer) address(ctx context.Context, m *member, seen sight, g *group, meta func(string, object) object, keep map[string]bool) error {
	namespace, derived := g.service.GetNamespace(), derivedName(g.name)
	subsets := []any{}
	for _, from := range g.from {
		for _, set := range bundle(from.backends) {
			sum := sha256.Sum256([]byte(from.canonical + set.signature))
			name := derived + "-" + strings.ToLower(base32.HexEncoding.EncodeToString(sum[:]))[:5]
			keep[namespace+"/"+name] = true
			endpoints, addresses := []any{}, []any{}
			for _, one := range set.backends {
				endpoint, address := object{"addresses": []any{one.ip}, "conditions": object{"ready": true}}, object{"ip": one.ip}
				if one.hostname != "" {
					endpoint["hostname"], address["hostname"] = one.hostname, one.hostname
				}
				endpoints, addresses = append(endpoints, endpoint), append(addresses, address)
			}
			_, err := m.apply(ctx, slicesResource(), object{
				"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4", "ports": set.ports, "endpoints": endpoints,
				"metadata": meta(name, object{"kubernetes.io/service-name": derived, "endpointslice.kubernetes.io/managed-by": managedByImporter}),
			}, seen[m]["endpointslices"][namespace+"/"+name])
			if err != nil {
				return err
			}
			subsets = append(subsets, object{"addresses": addresses, "ports": set.ports})
		}
	}
	// Without that label the cluster's own controller makes slices of it once more.
	about := meta(derived, object{"endpointslice.kubernetes.io/skip-mirror": "true"})
	endpoints := object{"apiVersion": "v1", "kind": "Endpoints", "metadata": about, "subsets": subsets}
	live, err := m.client.Resource(endpointsResource()).Namespace(namespace).Get(ctx, derived, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		live, err = nil, nil
	}
	if err != nil {
		return err
	}
	_, err = m.apply(ctx, endpointsResource(), endpoints, live)
	return err
}

// namesOf are the names of a group: the Service's, and where it is headless those of
// its Pods that have a host name. ip is the ClusterSetIP, "" for a headless Service.
func namesOf(g *group, ip string) map[string][]netip.Addr {
	service := g.service.GetName() + "." + g.service.GetNamespace() + "." + clusterSet
	if addr, err := netip.ParseAddr(ip); err == nil {
		return map[string][]netip.Addr{service: {addr}}
	}
	out := map[string][]netip.Addr{}
	for _, from := range g.from {
		parts := splitPath(from.canonical)
		for _, one := range from.backends {
			addr, err := netip.ParseAddr(one.ip)
			if err != nil {
				continue
			}
			out[service] = append(out[service], addr)
			if one.hostname == "" {
				continue
			}
			full := []string{one.hostname, parts[5], parts[3], service}
			out[strings.Join(full, ".")] = []netip.Addr{addr}
			if parts[3] == "global" {
				out[one.hostname+"."+parts[5]+"."+service] = []netip.Addr{addr}
			}
		}
	}
	return out
}

// setFinalizers writes an object's finalizers, unless it changed meanwhile.
func setFinalizers(ctx context.Context, client dynamic.Interface, resource schema.GroupVersionResource, o *unstructured.Unstructured, finalizers []string) error {
	patch, err := json.Marshal(object{"metadata": object{"finalizers": finalizers, "uid": o.GetUID(), "resourceVersion": o.GetResourceVersion()}})
	if err != nil {
		return err
	}
	_, err = client.Resource(resource).Namespace(o.GetNamespace()).Patch(ctx, o.GetName(), types.MergePatchType, patch, metav1.PatchOptions{FieldManager: importerManager})
	return err
}

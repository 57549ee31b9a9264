package gcptest

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
)

// Importer stands in for what Google does between the clusters of a fleet once
// multi-cluster Services are enabled: a Service with a ServiceExport in one member
// becomes a ServiceImport in every member that has the namespace, with a derived
// Service and the addresses of the Pods of all members that export it.
//
// It looks at the fleet as Google does. Nothing is exported or imported unless the
// feature is ACTIVE and the member's state is OK; a member whose importer lacks
// roles/compute.networkViewer, or whose cluster has no workload pool of the fleet's
// project, takes nothing in and its importer's Pod in namespace gke-mcs crashes; a
// cluster that is not VPC-native or has no HttpLoadBalancing add-on exports nothing.
// The kinds ServiceExport and ServiceImport come into a cluster with its being a
// member, not before.
//
// Only Services of type ClusterIP are exported, headless ones among them. Google
// does not support others and does not say what comes of them, so nothing does.
type Importer struct {
	// ExportTime is how long an export takes to come into force (some five minutes
	// at Google), WithdrawTime how long after its deletion it stays (up to thirty).
	ExportTime, WithdrawTime time.Duration
	// RetryInterval is how often the fleet is looked at, and how long what failed
	// waits; 2 s when 0.
	RetryInterval time.Duration
	// Namespaces are those that it looks at, all when there is none: where several
	// fleets of tests share a cluster, each has its own.
	Namespaces []string

	google  *Server
	project string
	members []*member
	news    chan struct{}       // something changed in a cluster
	exports map[string]*exports // by member and namespace/name

	mu    sync.Mutex
	names map[string]map[string][]netip.Addr // by member: what its clients resolve
}

// member is a cluster of the fleet.
type member struct {
	path    string // projects/P/locations/L/memberships/M, P by its ID
	config  *rest.Config
	client  dynamic.Interface
	mirrors map[string]*mirror // by resource
	wrote   map[string]written // what was applied, by kind and namespace/name
	served  bool               // the kinds are there
}

// exports is what the importer remembers of a ServiceExport.
type exports struct {
	uid   string
	since time.Time // when it first could be exported as it is
	leave time.Time // when it was first seen going; zero: it stays
}

// The strings that Google's importer reads and writes. Its finalizer is not known;
// that deletion waits for it is (the documents tell of up to thirty minutes).
const (
	managedByLabel    = "app.kubernetes.io/managed-by"
	managedByImporter = "gke-mcs-controller.gke.io"
	derivedAnnotation = "net.gke.io/derived-service"
	exportFinalizer   = "net.gke.io/service-export"
	importerManager   = "gke-mcs-importer"
	clusterSet        = "svc.clusterset.local"
)

func mirrored() []schema.GroupVersionResource {
	return []schema.GroupVersionResource{
		{Version: "v1", Resource: "namespaces"}, {Version: "v1", Resource: "services"}, {Version: "v1", Resource: "pods"},
		{Group: "discovery.k8s.io", Version: "v1", Resource: "endpointslices"},
		resourceOf(ServiceExportKind), resourceOf(ServiceImportKind),
	}
}

// NewImporter makes the importer of a fleet. clusters holds each member's cluster by
// the path of its membership (projects/P/locations/L/memberships/M, P by its ID);
// members that are not named are as if their clusters did not answer. The
// configurations must allow everything. Run starts it.
func NewImporter(google *Server, fleetProject string, clusters map[string]*rest.Config) (*Importer, error) {
	i := &Importer{google: google, project: fleetProject, news: make(chan struct{}, 1), exports: map[string]*exports{}, names: map[string]map[string][]netip.Addr{}}
	for _, path := range slices.Sorted(maps.Keys(clusters)) {
		config := rest.CopyConfig(clusters[path])
		config.QPS, config.UserAgent, config.WarningHandler = -1, importerManager, rest.NoWarnings{}
		client, err := dynamic.NewForConfig(config)
		if err != nil {
			return nil, fmt.Errorf("make client of %s: %w", path, err)
		}
		m := &member{path: path, config: config, client: client, mirrors: map[string]*mirror{}, wrote: map[string]written{}}
		for _, resource := range mirrored() {
			m.mirrors[resource.Resource] = &mirror{client: client, resource: resource, changed: i.wake}
		}
		i.members = append(i.members, m)
	}
	return i, nil
}

func (i *Importer) wake() {
	select {
	case i.news <- struct{}{}:
	default: // it will look anyway
	}
}

// Run works until ctx ends; it returns nil then. A cluster that does not answer is
// tried again.
func (i *Importer) Run(ctx context.Context) error {
	if i.RetryInterval == 0 {
		i.RetryInterval = defaultRetryInterval
	}
	var following sync.WaitGroup
	defer following.Wait()
	for _, m := range i.members {
		for _, one := range m.mirrors {
			following.Go(func() { one.run(ctx, i.RetryInterval) })
		}
	}
	tick := time.NewTicker(i.RetryInterval)
	defer tick.Stop()
	for ctx.Err() == nil {
		i.pass(ctx)
		select {
		case <-ctx.Done():
		case <-i.news:
		case <-tick.C:
		}
	}
	return nil
}

// Names are the names below svc.clusterset.local that clients in a member's cluster
// resolve now, with their addresses: what Cloud DNS would answer there.
func (i *Importer) Names(membership string) map[string][]netip.Addr {
	i.mu.Lock()
	defer i.mu.Unlock()
	return maps.Clone(i.names[membership])
}

// sight is what one look at all clusters found.
type sight map[*member]map[string]map[string]*unstructured.Unstructured // member, resource, namespace/name

// look copies all mirrors; false while some member's are not complete, whose kinds
// are served: what is missing then must not be taken for deleted.
func (i *Importer) look() (sight, bool) {
	out := sight{}
	for _, m := range i.members {
		out[m] = map[string]map[string]*unstructured.Unstructured{}
		for name, one := range m.mirrors {
			objects, known := one.all()
			if !known && (m.served || one.resource.Group != fleetGroup) {
				return nil, false
			}
			maps.DeleteFunc(objects, func(_ string, o *unstructured.Unstructured) bool { return !i.watches(o) })
			out[m][name] = objects
		}
	}
	return out, true
}

// watches says whether an object lies in a namespace that it looks at, or is one.
func (i *Importer) watches(o *unstructured.Unstructured) bool {
	namespace := o.GetNamespace()
	if namespace == "" {
		namespace = o.GetName()
	}
	return len(i.Namespaces) == 0 || slices.Contains(i.Namespaces, namespace)
}

// pass brings every cluster to what the fleet and the exports ask for.
func (i *Importer) pass(ctx context.Context) {
	fleet := i.readFleet()
	for _, m := range i.members {
		if fleet.active && fleet.members[m.path].ok {
			i.equip(ctx, m, fleet.members[m.path])
		}
	}
	seen, complete := i.look()
	if !complete {
		return
	}
	groups := i.collect(ctx, seen, fleet)
	for _, m := range i.members {
		view := fleet.members[m.path]
		switch {
		case !fleet.exists || !view.registered:
			i.settle(ctx, m, seen, nil, fleet) // who left has nothing of the fleet's any more
		case fleet.active && view.ok && view.imports == "":
			i.settle(ctx, m, seen, groups, fleet)
		default:
			// An importer that can't ask leaves what it has as it is.
		}
	}
	if fleet.exists {
		i.letGo(ctx, seen)
	}
}

// group is one Service of the fleet: all exports of a namespace and name.
type group struct {
	name    string // namespace/name
	service *unstructured.Unstructured
	project string // of the exporting clusters: one only
	network string
	from    []origin
}

// origin is one member that exports.
type origin struct {
	member    *member
	canonical string // its path as Google writes it
	backends  []backend
}

func (g *group) headless() bool { return headless(g.service) }

func headless(service *unstructured.Unstructured) bool {
	ip, _, _ := unstructured.NestedString(service.Object, "spec", "clusterIP")
	return ip == "None"
}

// collect finds what is exported now. Of exports from several projects under one
// name the oldest's project counts; the oldest also gives type and ports.
func (i *Importer) collect(ctx context.Context, seen sight, fleet fleetView) map[string]*group {
	type candidate struct {
		export *unstructured.Unstructured
		member *member
	}
	var all []candidate
	present := map[string]bool{}
	for _, m := range i.members {
		for name, export := range seen[m]["serviceexports"] {
			present[m.path+" "+name] = true
			if i.inForce(ctx, m, export, seen, fleet) {
				all = append(all, candidate{export, m})
			}
		}
	}
	maps.DeleteFunc(i.exports, func(name string, _ *exports) bool { return !present[name] })
	slices.SortFunc(all, func(a, b candidate) int {
		if c := a.export.GetCreationTimestamp().Compare(b.export.GetCreationTimestamp().Time); c != 0 {
			return c
		}
		return strings.Compare(a.member.path+key(a.export), b.member.path+key(b.export))
	})
	out := map[string]*group{}
	for _, one := range all {
		view, name := fleet.members[one.member.path], key(one.export)
		service := seen[one.member]["services"][name]
		g := out[name]
		if g == nil {
			g = &group{name: name, service: service, project: view.project, network: view.network}
			out[name] = g
		}
		if g.project == view.project && headless(service) == g.headless() {
			g.from = append(g.from, origin{one.member, view.canonical, backendsOf(seen[one.member], service)})
		}
	}
	return out
}

// inForce says whether an export counts now, and keeps its times and its finalizer.
func (i *Importer) inForce(ctx context.Context, m *member, export *unstructured.Unstructured, seen sight, fleet fleetView) bool {
	id := m.path + " " + key(export)
	known := i.exports[id]
	if known == nil || known.uid != string(export.GetUID()) {
		known = &exports{uid: string(export.GetUID())}
		i.exports[id] = known
	}
	view := fleet.members[m.path]
	can := fleet.active && view.ok && view.exports == "" && exportable(seen[m]["services"][key(export)])
	now := time.Now()
	if export.GetDeletionTimestamp() != nil {
		if known.leave.IsZero() {
			known.leave = now
		}
		return can && !known.since.IsZero() && now.Before(known.leave.Add(i.WithdrawTime))
	}
	if !can {
		known.since = time.Time{}
		return false
	}
	if known.since.IsZero() {
		known.since = now
	}
	if !slices.Contains(export.GetFinalizers(), exportFinalizer) {
		setFinalizers(ctx, m.client, resourceOf(ServiceExportKind), export, append(slices.Clone(export.GetFinalizers()), exportFinalizer))
	}
	return !now.Before(known.since.Add(i.ExportTime))
}

// letGo takes the finalizer off exports that have been withdrawn everywhere.
func (i *Importer) letGo(ctx context.Context, seen sight) {
	for _, m := range i.members {
		for name, export := range seen[m]["serviceexports"] {
			known := i.exports[m.path+" "+name]
			if known == nil || known.leave.IsZero() || time.Now().Before(known.leave.Add(i.WithdrawTime)) || !slices.Contains(export.GetFinalizers(), exportFinalizer) {
				continue
			}
			left := slices.DeleteFunc(slices.Clone(export.GetFinalizers()), func(one string) bool { return one == exportFinalizer })
			setFinalizers(ctx, m.client, resourceOf(ServiceExportKind), export, left)
		}
	}
}

// exportable says whether a Service is of a kind that Google supports.
func exportable(service *unstructured.Unstructured) bool {
	if service == nil || service.GetDeletionTimestamp() != nil {
		return false
	}
	kind, _, _ := unstructured.NestedString(service.Object, "spec", "type")
	return kind == "" || kind == "ClusterIP"
}

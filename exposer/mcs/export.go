package mcs

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"causeway/exposer"
	"causeway/internal/kube"
	"causeway/templates"
)

// Bounds of the waits. Google's page names five minutes for the first export and
// thirty until one is gone; twenty minutes have been seen for the first.
const (
	importBound   = 25 * time.Minute
	withdrawBound = 30 * time.Minute
	kindBound     = 15 * time.Minute // until a new member serves the kind ServiceExport
	fleetEvery    = 10               // looks at the cluster for one at the fleet
)

// exportStep is the ServiceExport, and the wait until the fleet's clusters have it.
type exportStep struct {
	*exposer.Object
	x *exposure
}

func (x *exposure) exportStep(ref kube.Ref, after []string) exposer.Step {
	service := kube.Ref{Version: "v1", Kind: "Service", Namespace: ref.Namespace, Name: ref.Name}
	return exportStep{x: x, Object: &exposer.Object{Cluster: x.kube, Exposure: x.spec.Name, Ref: ref, After: after,
		Name: "export/" + ref.Namespace + "/" + ref.Name, About: fmt.Sprintf("export of Service %s in %s to the fleet", ref.Name, ref.Namespace),
		Shared: x.any(), // one that the user made for the same Service does as well
		Build: func() (*unstructured.Unstructured, string, error) {
			m, err := templates.ServiceExport(x.spec.Name, ref.Namespace, ref.Name)
			return m.Object, "", err
		},
		Settled: func(ctx context.Context, _ *unstructured.Unstructured) (bool, string, error) {
			missing, err := x.missing(ctx, service)
			return missing == "", missing, err
		},
		Settle: func(ctx context.Context, note func(string)) error { return x.awaitImports(ctx, service, note) },
		Remove: func(ctx context.Context, live *unstructured.Unstructured, note func(string)) error {
			return x.withdraw(ctx, service, live, note)
		},
	}}
}

// Do implements exposer.Step: a cluster serves the kind some time after it became a
// member of a fleet that has the feature.
func (s exportStep) Do(ctx context.Context, note func(string)) error {
	begin := s.x.deps.Now()
	err := s.x.deps.Poll(ctx, kindBound, func(ctx context.Context) (bool, error) {
		_, err := s.Cluster.List(ctx, s.Ref, "")
		if !absent(err) {
			return true, err
		}
		note(fmt.Sprintf("the cluster does not know the kind ServiceExport yet, waited %s", since(s.x.deps, begin)))
		return false, nil
	})
	if exposer.TimedOut(err) {
		return &exposer.RunError{Code_: "CW-MCS-NO-KIND",
			Text: fmt.Sprintf("export %s: the cluster does not serve net.gke.io/v1 ServiceExport after %s", s.Ref.Name, kindBound)}
	}
	if err != nil {
		return err
	}
	return s.Object.Do(ctx, note)
}

func since(deps exposer.Deps, begin time.Time) string {
	return deps.Now().Sub(begin).Round(time.Second).String()
}

// missing says what the clusters lack of the import; "" when they have all of it.
func (x *exposure) missing(ctx context.Context, service kube.Ref) (string, error) {
	pods, _, err := endpointsOf(ctx, x.kube, service.Namespace, service.Name)
	if err != nil {
		return "", err
	}
	var missing []string
	for _, s := range x.sites() {
		have, err := readImport(ctx, s.kube, service)
		if err != nil {
			return "", err
		}
		if lack := have.lacks(pods > 0); lack != "" {
			missing = append(missing, s.name+": "+lack)
		}
	}
	return strings.Join(missing, "; "), nil
}

// awaitImports waits until the import works in every cluster that can be looked at.
// A state of Google's that no waiting cures ends it at once.
func (x *exposure) awaitImports(ctx context.Context, service kube.Ref, note func(string)) error {
	begin, look := x.deps.Now(), 0
	var last, fleetSays string
	err := x.deps.Poll(ctx, importBound, func(ctx context.Context) (bool, error) {
		missing, err := x.missing(ctx, service)
		if err != nil || missing == "" {
			return err == nil, err
		}
		if last = missing; look%fleetEvery == 0 {
			said, err := x.fleetSays(ctx)
			if err != nil {
				return false, err
			}
			if said.hopeless {
				return false, said.err("export " + service.Name)
			}
			fleetSays = said.text
		}
		look++
		text := fmt.Sprintf("waited %s (five minutes are normal for the first export, up to 20 have been seen); %s", since(x.deps, begin), missing)
		if fleetSays != "" {
			text += "; " + fleetSays
		}
		note(text)
		return false, nil
	})
	if !exposer.TimedOut(err) {
		return err
	}
	text := fmt.Sprintf("export %s: not imported after %s; %s", service.Name, importBound, last)
	code := "CW-MCS-NOT-IMPORTED"
	if said, failed := x.fleetSays(ctx); failed == nil && said.text != "" {
		text += "; " + said.text
		if said.code != "" {
			code = said.code
		}
	}
	return &exposer.RunError{Code_: code, Text: text}
}

// withdraw deletes an export and waits until no cluster that can be looked at holds
// anything of it: what is left there would keep its namespace.
func (x *exposure) withdraw(ctx context.Context, service kube.Ref, live *unstructured.Unstructured, note func(string)) error {
	if live != nil {
		if err := x.kube.Delete(ctx, live); err != nil {
			return err
		}
	}
	own := x.ownExporter()
	return withdrawn(ctx, x.deps, service, x.sites(), own, note)
}

// withdrawn waits until an export is gone, and its imports with it. Where others
// export the same Service it stays, without this cluster's Pods.
func withdrawn(ctx context.Context, deps exposer.Deps, service kube.Ref, sites []site, own func(string) bool, note func(string)) error {
	begin := deps.Now()
	var last string
	err := deps.Poll(ctx, withdrawBound, func(ctx context.Context) (bool, error) {
		var left []string
		for i, s := range sites {
			if i == 0 {
				export, err := s.kube.Get(ctx, exportOf(service))
				if err != nil {
					return false, err
				}
				if export != nil {
					left = append(left, s.name+": the ServiceExport")
				}
			}
			have, err := readImport(ctx, s.kube, service)
			if err != nil {
				return false, err
			}
			elsewhere := len(have.exporters) > 0
			for _, exporter := range have.exporters {
				elsewhere = elsewhere && !own(exporter)
			}
			if have.exists && !elsewhere {
				left = append(left, s.name+": the ServiceImport")
			}
		}
		if last = strings.Join(left, ", "); last == "" {
			return true, nil
		}
		note(fmt.Sprintf("waited %s for Google to take it back (up to thirty minutes are normal); still there in %s", since(deps, begin), last))
		return false, nil
	})
	if exposer.TimedOut(err) {
		return &exposer.RunError{Code_: "CW-MCS-WITHDRAW", Text: fmt.Sprintf("withdraw %s: not gone after %s; still there in %s", service.Name, withdrawBound, last)}
	}
	return err
}

// Undo implements exposer.Step: without a kind of that name there is no export.
func (s exportStep) Undo(ctx context.Context, old json.RawMessage, note func(string)) (exposer.Undone, error) {
	if s.Cluster == nil {
		return exposer.Undone{Outcome: exposer.Absent, Why: "went with the cluster"}, nil
	}
	return s.Object.Undo(ctx, old, note)
}

// ownExporter tells this cluster's membership among those that an import names.
func (x *exposure) ownExporter() func(string) bool {
	m := x.fleet.Member
	return func(name string) bool { return m == nil || sameMember(name, *m) }
}

// marked lists the exports that carry this exposure's mark.
func (x *exposure) marked(ctx context.Context) ([]kube.Ref, error) {
	found, err := x.kube.List(ctx, kube.Ref{Group: mcsGroup, Version: "v1", Kind: "ServiceExport"},
		exposer.ManagedByLabel+"=causeway,"+exposer.ExposureLabel+"="+x.spec.Name)
	if absent(err) {
		return nil, nil
	}
	if exposer.MissingRight(err) { // somebody with rights in few namespaces
		return []kube.Ref{exportOf(x.service)}, nil
	}
	if err != nil {
		return nil, err
	}
	var refs []kube.Ref
	for i := range found {
		refs = append(refs, kube.Ref{Group: mcsGroup, Version: "v1", Kind: "ServiceExport", Namespace: found[i].GetNamespace(), Name: found[i].GetName()})
	}
	return refs, nil
}

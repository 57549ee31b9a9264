package psc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"causeway/exposer"
	"causeway/internal/gcp"
	"causeway/internal/kube"
)

// clusterObject is the step of a service attachment that GKE makes from a ServiceAttachment
// object in the cluster (networking.gke.io/v1), beside the Service that it publishes.
// The attachment bears a name that GKE gives it, which the object's status tells.
type clusterObject struct {
	*exposer.Object
	x       *exposure
	service string // the one that is published, as it was found
	made    string // path of the attachment; "" while it is not known

	live *unstructured.Unstructured // as last read, to merge with
	seen []kube.Event               // those from before an apply
}

// How long GKE may take: to make an attachment some seconds; to let go of one until
// its collection, every two minutes, has been by.
const (
	madeWait = 5 * time.Minute
	leftWait = 5 * time.Minute
)

func (x *exposure) newObject() *clusterObject {
	namespace := x.host.Namespace
	if namespace == "" {
		namespace = exposer.Spec{Method: "ilb", Name: x.spec.PSC.Exposure, Cluster: x.spec.Cluster}.WithDefaults().Namespace
	}
	name := "causeway-" + x.spec.Name
	o := &clusterObject{x: x}
	o.Object = &exposer.Object{
		Cluster: x.kube, Exposure: x.spec.Name, After: append(x.natIDs(), exposer.GuestID(x.spec.PSC.Exposure)),
		Ref:   kube.Ref{Group: "networking.gke.io", Version: "v1", Kind: "ServiceAttachment", Namespace: namespace, Name: name},
		About: fmt.Sprintf("ServiceAttachment %s in %s, of which GKE makes the service attachment", name, namespace),
		Build: o.build, Settled: o.settled, Settle: o.settle,
	}
	return o
}

// Needs implements exposer.Step.
func (o *clusterObject) Needs() []string {
	return append(o.x.natIDs(), exposer.GuestID(o.x.spec.PSC.Exposure))
}

// standing says whether the exposure's object is in the cluster; a cluster that does
// not tell has none.
func (o *clusterObject) standing(ctx context.Context) bool {
	if o.Cluster == nil {
		return false
	}
	live, err := o.Cluster.Get(ctx, o.Ref)
	return err == nil && live != nil && o.ours(live)
}

func (o *clusterObject) ours(live *unstructured.Unstructured) bool {
	labels := live.GetLabels()
	return labels[exposer.ManagedByLabel] == "causeway" && labels[exposer.ExposureLabel] == o.Exposure
}

// look reads the object, and the name of what was made of it.
func (o *clusterObject) look(ctx context.Context) error {
	if o.Cluster == nil {
		return nil
	}
	live, err := o.Cluster.Get(ctx, o.Ref)
	if err != nil {
		return err
	}
	o.live, o.made = live, ""
	if live != nil && o.ours(live) {
		url, _, _ := unstructured.NestedString(live.Object, "status", "serviceAttachmentURL")
		if at := strings.Index(url, "projects/"); at >= 0 {
			o.made = url[at:]
		}
	}
	return nil
}

// attachment is what GKE made of the object, nil for nothing yet.
func (o *clusterObject) attachment(ctx context.Context) (*gcp.ServiceAttachment, error) {
	if err := o.look(ctx); err != nil {
		return nil, err
	}
	return o.attachmentMade(ctx)
}

func (o *clusterObject) attachmentMade(ctx context.Context) (*gcp.ServiceAttachment, error) {
	parts := strings.Split(o.made, "/") // projects/P/regions/R/serviceAttachments/S
	if len(parts) != 6 {
		return nil, nil
	}
	return o.x.google.ServiceAttachment(ctx, gcp.Ref{Project: parts[1], Region: parts[3], Name: parts[5]})
}

// findService finds the one that has the published load balancer's address.
func (o *clusterObject) findService(ctx context.Context) error {
	services, err := o.Cluster.List(ctx, kube.Ref{Version: "v1", Kind: "Service", Namespace: o.Ref.Namespace}, exposer.ExposureLabel+"="+o.x.host.Name)
	if err != nil {
		return err
	}
	for i := range services {
		if slices.Contains(kube.ServiceIPs(&services[i]), o.x.balancer.Address.Addr()) {
			o.service = services[i].GetName()
			return nil
		}
	}
	return refusal("CW-PSC-TARGET", "find the Service of exposure %s: none in namespace %s has the address %s", o.x.host.Name, o.Ref.Namespace, o.x.balancer.Address.Addr())
}

// Read implements exposer.Step.
func (o *clusterObject) Read(ctx context.Context) (exposer.Observed, error) {
	if err := o.look(ctx); err != nil {
		return exposer.Observed{}, err
	}
	if o.x.deps.Leaving {
		return exposer.Observed{Action: exposer.Keep, Exists: o.live != nil, Ours: o.live != nil && o.ours(o.live)}, nil
	}
	if o.live == nil {
		rest, err := o.x.google.ServiceAttachment(ctx, o.x.attachmentRef())
		if err != nil {
			return exposer.Observed{}, err
		}
		if rest != nil && o.x.marked(rest.Description) {
			return exposer.Observed{Action: exposer.Refuse, Cause: o.x.otherWay(exposer.ThroughREST)}, nil
		}
	}
	seen, err := o.Object.Read(ctx)
	if err != nil || !seen.Ours || seen.Action == exposer.Refuse {
		if seen.Action == exposer.Create {
			seen.Why = o.x.consumersFact()
		}
		return seen, err
	}
	attachment, err := o.attachmentMade(ctx)
	if err == nil && attachment != nil && attachment.Target != o.x.rule {
		seen.Action, seen.Cause = exposer.Refuse, refusal("CW-PSC-TARGET", "service attachment %s points at %s, not at %s: Google can't change that; destroy the exposure and apply it again", attachment.Name, attachment.Target, o.x.rule)
	}
	return seen, err
}

// build is the wanted object: what it says already stays, as with the lists of an
// attachment that is made by REST.
func (o *clusterObject) build() (*unstructured.Unstructured, string, error) {
	old := map[string]any{}
	if o.live != nil && o.ours(o.live) {
		old, _, _ = unstructured.NestedMap(o.live.Object, "spec")
	}
	nat := o.x.natRef().Name
	if o.x.networkProject() != o.x.spec.Cluster.Project {
		nat = fmt.Sprintf("projects/%s/regions/%s/subnetworks/%s", o.x.networkProject(), o.x.region, nat)
	}
	subnets, _ := old["natSubnets"].([]any)
	if !slices.Contains(subnets, any(nat)) {
		subnets = append(slices.Clone(subnets), nat)
	}
	spec := map[string]any{
		"connectionPreference": o.x.preference(), "natSubnets": subnets,
		"resourceRef": map[string]any{"kind": "Service", "name": o.service},
	}
	accept, reject := o.lists(old)
	for field, list := range map[string][]any{"consumerAllowList": accept, "consumerRejectList": reject} {
		_, had := old[field]
		switch {
		case len(list) > 0 && o.x.preference() == gcp.AcceptManual:
			spec[field] = list
		case had: // said aloud, so that it goes whoever wrote it
			spec[field] = []any{}
		}
	}
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "networking.gke.io/v1", "kind": o.Ref.Kind,
		"metadata": map[string]any{"name": o.Ref.Name, "namespace": o.Ref.Namespace,
			"labels": map[string]any{exposer.ManagedByLabel: "causeway", exposer.ExposureLabel: o.Exposure}},
		"spec": spec,
	}}, "", nil
}

// lists are those of the object with what the spec adds; limits are only raised.
func (o *clusterObject) lists(old map[string]any) (accept, reject []any) {
	accept, _ = old["consumerAllowList"].([]any)
	accept = slices.Clone(accept)
	for _, want := range o.x.limits() {
		at := slices.IndexFunc(accept, func(one any) bool {
			entry, _ := one.(map[string]any)
			return entry["project"] == want.Project
		})
		if at < 0 {
			accept = append(accept, map[string]any{"project": want.Project, "connectionLimit": int64(want.Limit)})
			continue
		}
		entry, _ := accept[at].(map[string]any)
		if limit, _ := entry["connectionLimit"].(int64); limit < int64(want.Limit) {
			entry["connectionLimit"] = int64(want.Limit)
		}
	}
	reject, _ = old["consumerRejectList"].([]any)
	reject = slices.Clone(reject)
	for _, who := range o.x.spec.PSC.Reject {
		if !slices.Contains(reject, any(who)) {
			reject = append(reject, who)
		}
	}
	return accept, reject
}

// settled says whether GKE has made of the object what it says.
func (o *clusterObject) settled(ctx context.Context, live *unstructured.Unstructured) (bool, string, error) {
	if err := o.look(ctx); err != nil {
		return false, "", err
	}
	have, err := o.attachmentMade(ctx)
	if err != nil || have == nil {
		return false, "GKE has not made the service attachment yet", err
	}
	want, _, _ := unstructured.NestedMap(live.Object, "spec")
	accept, _ := want["consumerAllowList"].([]any)
	same := have.Preference == want["connectionPreference"] && len(have.Accept) == len(accept) && have.Target == o.x.rule
	for _, one := range accept {
		entry, _ := one.(map[string]any)
		limit, _ := entry["connectionLimit"].(int64)
		project, _ := entry["project"].(string)
		same = same && slices.ContainsFunc(have.Accept, func(l gcp.ConsumerLimit) bool { // Google tells a number as an ID
			return (l.Project == project || numberIn(project) != "") && int64(l.Limit) == limit
		})
	}
	reject, _, _ := unstructured.NestedStringSlice(want, "consumerRejectList")
	subnets, _, _ := unstructured.NestedStringSlice(want, "natSubnets")
	same = same && slices.Equal(have.Reject, reject) && len(have.NATSubnets) == len(subnets)
	if !same {
		return false, "GKE has not brought the service attachment to what the object says yet", nil
	}
	return true, "", nil
}

// Do implements exposer.Step.
func (o *clusterObject) Do(ctx context.Context, note func(string)) error {
	if err := o.look(ctx); err != nil {
		return err
	}
	var err error
	if o.seen, err = o.Cluster.Events(ctx, o.Ref); err != nil {
		return err
	}
	return o.Object.Do(ctx, note)
}

// Undo implements exposer.Step. GKE deletes the attachment before it lets the object
// go, and with it closes consumers' endpoints for good.
func (o *clusterObject) Undo(ctx context.Context, old json.RawMessage, note func(string)) (exposer.Undone, error) {
	attachment, err := o.attachment(ctx)
	if err != nil {
		return exposer.Undone{}, err
	}
	if attachment != nil && len(attachment.Endpoints) > 0 {
		note(closing(len(attachment.Endpoints)))
	}
	undone, err := o.Object.Undo(ctx, old, note)
	if err != nil {
		if failure := o.lastFailure(ctx); strings.Contains(failure, "Garbage Collect") {
			err = fmt.Errorf("%w; GKE says: %s", err, failure)
		}
		return undone, err
	}
	if undone.Outcome != exposer.Removed {
		return undone, nil
	}
	err = o.x.deps.Poll(ctx, leftWait, func(ctx context.Context) (bool, error) {
		have, err := o.attachmentMade(ctx)
		return have == nil, err
	})
	if exposer.TimedOut(err) {
		err = refusal("CW-PSC-CRD-FAILED", "remove %s: it is gone, but its service attachment %s is still there", o.Ref, o.made)
	}
	return undone, err
}

// checkObject finds a cluster that does not know the kind.
func (x *exposure) checkObject(ctx context.Context) ([]exposer.Problem, error) {
	if x.object == nil || x.kube == nil {
		return nil, nil
	}
	ref := x.object.Ref
	ref.Name = ""
	_, err := x.kube.List(ctx, ref, "")
	var answer *kube.Error
	if errors.As(err, &answer) && answer.HTTP == http.StatusNotFound {
		return []exposer.Problem{{Code: "CW-PSC-CRD", Text: fmt.Sprintf("cluster %s (%s) does not serve the kind ServiceAttachment of networking.gke.io/v1", x.cluster.Name, x.cluster.Version),
			Fix: "leave --through crd out: causeway then makes the service attachment itself"}}, nil
	}
	if errors.As(err, &answer) && answer.HTTP == http.StatusForbidden {
		return nil, nil // told with the other rights
	}
	return nil, err
}

// objectRights are what the object takes in the cluster, beside the client's account.
func (x *exposure) objectRights() exposer.Rights {
	var rights exposer.Rights
	if x.object != nil {
		rights.Apply("networking.gke.io", "serviceattachments", x.object.Ref.Namespace)
		rights.Add("networking.gke.io", "serviceattachments", x.object.Ref.Namespace, "list")
		rights.Add("", "services", x.object.Ref.Namespace, "list")
		rights.Add("", "events", x.object.Ref.Namespace, "list")
	}
	return rights
}

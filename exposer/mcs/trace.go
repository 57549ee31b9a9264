package mcs

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"causeway/exposer"
	"causeway/exposer/fleet"
	"causeway/internal/kube"
)

func hop(name string, verdict exposer.Verdict, text, code, fix string) exposer.TraceHop {
	return exposer.TraceHop{Way: exposer.Forward, Name: name, Verdict: verdict, Text: text, Code: code, Fix: fix}
}

func (s said) hop(name string) exposer.TraceHop { return hop(name, s.verdict, s.text, s.code, s.fix) }

// Trace implements exposer.Traced: the fleet's part, the export, the import in each
// cluster that can be looked at, and whom the proxy lets in.
func (x *exposure) Trace(ctx context.Context) (exposer.Trace, error) {
	var hops []exposer.TraceHop
	for _, part := range []func(context.Context) ([]exposer.TraceHop, error){x.fleetHops, x.importerHops, x.exportHops, x.proxyHops, x.limitHops} {
		some, err := part(ctx)
		if err != nil {
			return exposer.Trace{}, err
		}
		hops = append(hops, some...)
	}
	return exposer.Trace{Hops: hops}, nil
}

// fleetHops are the feature and this cluster's membership.
func (x *exposure) fleetHops(ctx context.Context) ([]exposer.TraceHop, error) {
	project := x.fleet.Project
	f, err := x.feature(ctx)
	if err != nil {
		return nil, err
	}
	hops := []exposer.TraceHop{ofFeature(project.ID, f).hop("feature")}
	now, err := fleet.Read(ctx, x.google, x.cluster, project.ID)
	if err != nil {
		return nil, err
	}
	if now.Member == nil {
		return append(hops, hop("membership", exposer.Broken, "the cluster has none in the fleet of project "+project.ID, "CW-FLEET-MEMBER", again+" --register")), nil
	}
	if f == nil {
		return hops, nil
	}
	out := ofMember(project, *now.Member, stateOf(f, *now.Member))
	switch out.code {
	case "CW-MCS-CROSS-PROJECT": // it asks for grants, which the plan holds
		if missing, err := x.lacking(ctx); err != nil || missing == "" {
			out = said{verdict: exposer.Good, text: strings.SplitN(out.text, ":", 2)[0] + ": the further set-up is there"}
		}
	case "CW-MCS-VPCS": // it asks for peerings, which the remarks look at
		if !slices.ContainsFunc(x.remarks, func(r remark) bool { return r.code == "CW-MCS-VPCS" }) {
			out = said{verdict: exposer.Good, text: strings.SplitN(out.text, ":", 2)[0] + ": the networks of the clients' clusters are this one's, or peered with it"}
		}
	}
	return append(hops, out.hop("membership")), nil
}

// lacking names the first right that is not granted.
func (x *exposure) lacking(ctx context.Context) (string, error) {
	for _, step := range x.grants("", nil) {
		seen, err := step.Read(ctx)
		if err != nil {
			return "", err
		}
		if seen.Action != exposer.Keep {
			return step.Title(), nil
		}
	}
	return "", nil
}

// importerHops are the importer's rights, and its Pod, which takes what it imports
// only with them.
func (x *exposure) importerHops(ctx context.Context) ([]exposer.TraceHop, error) {
	const name = "importer"
	missing, err := x.lacking(ctx)
	if exposer.MissingRight(err) {
		return []exposer.TraceHop{hop(name, exposer.Unknown, "whether it has its rights can't be read: "+err.Error(), "", "")}, nil
	}
	if err != nil {
		return nil, err
	}
	if missing != "" {
		return []exposer.TraceHop{hop(name, exposer.Broken, "not so: "+missing+"; clusters import nothing new without it", "CW-MCS-IMPORTER", again)}, nil
	}
	for _, s := range x.sites() {
		trouble, err := podTrouble(ctx, s.kube)
		if err != nil {
			return nil, err
		}
		if trouble != "" {
			return []exposer.TraceHop{hop(name, exposer.Warns, fmt.Sprintf("in cluster %s: %s", s.name, trouble), "CW-MCS-IMPORTER",
				fmt.Sprintf("kubectl describe pods -n gke-mcs, in cluster %s: no room on its nodes, or rights that came a moment ago", s.name))}, nil
		}
	}
	return []exposer.TraceHop{hop(name, exposer.Good, "has "+importerRole+" in project "+x.fleet.Project.ID, "", "")}, nil
}

// podTrouble says what keeps the importer's Pod from running; "" where nothing does,
// or it can't be seen.
func podTrouble(ctx context.Context, client *kube.Client) (string, error) {
	found, err := client.List(ctx, kube.Ref{Version: "v1", Kind: "Pod", Namespace: "gke-mcs"}, "")
	if exposer.MissingRight(err) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	for i := range found {
		if phase, _, _ := unstructured.NestedString(found[i].Object, "status", "phase"); phase == "Pending" || phase == "Failed" {
			return fmt.Sprintf("Pod %s is %s", found[i].GetName(), phase), nil
		}
		statuses, _, _ := unstructured.NestedSlice(found[i].Object, "status", "containerStatuses")
		for _, each := range statuses {
			status, _ := each.(map[string]any)
			if reason, _, _ := unstructured.NestedString(status, "state", "waiting", "reason"); reason != "" {
				return fmt.Sprintf("Pod %s: %s", found[i].GetName(), reason), nil
			}
		}
	}
	return "", nil
}

// exportHops are the export and its imports.
func (x *exposure) exportHops(ctx context.Context) ([]exposer.TraceHop, error) {
	const name = "export"
	live, err := x.kube.Get(ctx, exportOf(x.service))
	if err != nil {
		return nil, err
	}
	if live == nil {
		return []exposer.TraceHop{hop(name, exposer.Broken, "there is no ServiceExport "+x.service.Namespace+"/"+x.service.Name, "CW-RUN-ABSENT", again)}, nil
	}
	export := hop(name, exposer.Good, "Service "+x.service.Namespace+"/"+x.service.Name, "", "")
	if live.GetDeletionTimestamp() != nil {
		export = hop(name, exposer.Broken, "is being withdrawn", "CW-RUN-ABSENT", again)
	}
	if words := refusing(live); words != "" {
		export.Verdict, export.Code, export.Fix = exposer.Warns, "CW-MCS-NOT-IMPORTED", "kubectl describe serviceexport -n "+x.service.Namespace+" "+x.service.Name
		export.Text += ", " + words
	}
	hops := []exposer.TraceHop{export}
	pods, _, err := endpointsOf(ctx, x.kube, x.service.Namespace, x.service.Name)
	if err != nil {
		return nil, err
	}
	if pods == 0 {
		verdict := exposer.Broken
		if x.any() { // whose Pods may come and go
			verdict = exposer.Warns
		}
		hops[0] = hop(name, verdict, export.Text+": no Pod behind it is ready", "CW-MCS-SERVICE", "look at its Pods: kubectl get pods -n "+x.service.Namespace)
	}
	age := x.deps.Now().Sub(live.GetCreationTimestamp().Time)
	for _, s := range x.sites() {
		have, err := readImport(ctx, s.kube, x.service)
		if err != nil {
			return nil, err
		}
		at := "import " + s.name
		switch lack := have.lacks(pods > 0); {
		case lack == "":
			hops = append(hops, hop(at, exposer.Good, have.text(), "", ""))
		case age < importBound:
			hops = append(hops, hop(at, exposer.Waits, lack+", yet: five minutes are normal for the first export", "CW-MCS-NOT-IMPORTED", "wait some minutes, then look again"))
		default:
			hops = append(hops, hop(at, exposer.Broken, lack, "CW-MCS-NOT-IMPORTED", "causeway explain CW-MCS-NOT-IMPORTED"))
		}
	}
	for _, i := range x.importers {
		if i.kube == nil {
			hops = append(hops, hop("import "+i.ref.Name, exposer.Unknown, "its API can't be reached from here", "CW-MCS-UNREACHED", x.byHand(i)))
		}
	}
	return hops, nil
}

// refusing are the conditions of an export by which Google says no.
func refusing(export *unstructured.Unstructured) string {
	conditions, _, _ := unstructured.NestedSlice(export.Object, "status", "conditions")
	var words []string
	for _, each := range conditions {
		c, _ := each.(map[string]any)
		kind, status := fmt.Sprint(c["type"]), fmt.Sprint(c["status"])
		if status == "False" && kind != "Conflict" || status == "True" && kind == "Conflict" {
			words = append(words, strings.TrimSpace(fmt.Sprintf("%s is %s: %s %s", kind, status, word(c["reason"]), word(c["message"]))))
		}
	}
	return strings.Join(words, "; ")
}

func word(value any) string {
	text, _ := value.(string)
	return text
}

// proxyHops are whom the proxy lets in.
func (x *exposure) proxyHops(ctx context.Context) ([]exposer.TraceHop, error) {
	if x.any() || x.host.spec.Name == "" {
		return nil, nil
	}
	one, err := x.guestHop(ctx)
	return []exposer.TraceHop{one}, err
}

// limitHops are the remarks, as they are now.
func (x *exposure) limitHops(ctx context.Context) ([]exposer.TraceHop, error) {
	if err := x.remark(ctx); err != nil {
		return nil, err
	}
	var hops []exposer.TraceHop
	for _, r := range x.remarks {
		if !r.always {
			hops = append(hops, exposer.TraceHop{Way: exposer.Limits, Name: r.name, Verdict: exposer.Warns, Text: r.text, Code: r.code, Fix: r.fix})
		}
	}
	return hops, nil
}

package psc

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"causeway/exposer"
	"causeway/internal/gcp"
)

// Remember implements exposer.Remembering. Where the cluster is gone, the record
// alone tells that GKE made the attachment for this exposure, and in which project
// the NAT subnet lies (with a Shared VPC, the host project).
func (x *exposure) Remember(record exposer.Record) {
	object := x.newObject().ID()
	for _, step := range record.Steps {
		if step.ID == object && step.State != exposer.Pending {
			x.recorded = true
		}
		if parts := strings.Split(step.ID, "/"); parts[0] == "nat-subnet" && len(parts) == 4 && x.cluster.Name == "" {
			x.netProject = parts[1]
		}
	}
}

// readGone finds what stands at Google of an exposure whose cluster is gone: what
// its service attachment, or one that GKE left behind, takes consumers' addresses
// from.
func (x *exposure) readGone(ctx context.Context) {
	attachments, err := x.google.ServiceAttachments(ctx, x.spec.Cluster.Project, x.region)
	if err != nil {
		x.deps.Note(fmt.Sprintf("whether GKE left a service attachment behind can't be seen: %v", err))
		return
	}
	for _, a := range attachments {
		own := a.Ref() == x.attachmentRef() && x.marked(a.Description)
		if !own && !x.madeOfObject(a.Description) {
			continue
		}
		if !own {
			x.orphans = append(x.orphans, a)
		}
		for _, ref := range a.NATSubnets {
			x.learnNAT(ctx, ref)
		}
	}
}

// learnNAT takes note of a NAT subnet that was found by its attachment.
func (x *exposure) learnNAT(ctx context.Context, ref gcp.Ref) {
	if ref.Name == x.spec.PSC.NATSubnet {
		x.netProject = ref.Project
		return
	}
	subnet, err := x.google.Subnetwork(ctx, ref.Project, ref.Region, ref.Name)
	if err == nil && x.marked(subnet.Description) && !slices.Contains(x.oldNAT, ref) {
		x.oldNAT = append(x.oldNAT, ref)
	}
}

// madeOfObject says whether a description is that which GKE's controller gives to the
// attachment that it makes of this exposure's object in this cluster (ingress-gce,
// pkg/utils/serviceattachment). The object's namespace is not known any more.
func (x *exposure) madeOfObject(description string) bool {
	var made struct {
		Resource string `json:"k8sResource"` // /namespaces/NS/serviceattachments/NAME
		Cluster  string `json:"k8sCluster"`  // /regions/L/clusters/C, or /zones/L/clusters/C
	}
	if json.Unmarshal([]byte(description), &made) != nil {
		return false
	}
	c, resource := x.spec.Cluster, strings.Split(made.Resource, "/")
	at := "/" + c.Location + "/clusters/" + c.Name
	return (made.Cluster == "/regions"+at || made.Cluster == "/zones"+at) &&
		len(resource) == 5 && resource[1] == "namespaces" && resource[3] == "serviceattachments" && resource[4] == x.newObject().Ref.Name
}

// orphan is the step of a service attachment that GKE made of the exposure's object,
// and left behind when it went with its cluster. It is deleted only where the record
// says that this exposure had that object.
type orphan struct {
	x    *exposure
	made gcp.ServiceAttachment
}

// ID implements exposer.Step.
func (o orphan) ID() string { return "service-attachment/" + o.made.Region + "/" + o.made.Name }

// Title implements exposer.Step.
func (o orphan) Title() string {
	return fmt.Sprintf("service attachment %s, which GKE made of object %s and left", o.made.Name, o.x.newObject().Ref.Name)
}

// Needs implements exposer.Step.
func (o orphan) Needs() []string { return o.x.natIDs() }

// Read implements exposer.Step.
func (o orphan) Read(context.Context) (exposer.Observed, error) {
	return exposer.Observed{Action: exposer.Keep, Exists: true, Ours: o.x.recorded}, nil
}

// Do implements exposer.Step: it is there for destroy alone.
func (o orphan) Do(context.Context, func(string)) error { return nil }

// byHand takes the attachment away.
func (o orphan) byHand() string {
	return fmt.Sprintf("gcloud compute service-attachments delete %s --region %s --project %s", o.made.Name, o.made.Region, o.made.Project)
}

// Undo implements exposer.Step.
func (o orphan) Undo(ctx context.Context, _ json.RawMessage, note func(string)) (exposer.Undone, error) {
	have, err := o.x.google.ServiceAttachment(ctx, o.made.Ref())
	switch {
	case err != nil:
		return exposer.Undone{}, err
	case have == nil:
		return exposer.Undone{Outcome: exposer.Absent}, nil
	case !o.x.recorded || !o.x.madeOfObject(have.Description):
		return exposer.Undone{Outcome: exposer.Left, Why: "no record here says that it was this exposure's; " + o.byHand() + " takes it away, and destroy afterwards the NAT subnet"}, nil
	}
	if n := len(have.Endpoints); n > 0 {
		note(closing(n))
	}
	return exposer.Undone{Outcome: exposer.Removed, Why: "GKE left it when the cluster went"}, o.x.google.DeleteServiceAttachment(ctx, o.made.Ref(), note)
}

// heldByOrphan says which attachment keeps a NAT subnet from being deleted; "" for
// none.
func (x *exposure) heldByOrphan(ref gcp.Ref) string {
	for _, made := range x.orphans {
		if !x.recorded && slices.Contains(made.NATSubnets, ref) {
			return "service attachment " + made.Name + " takes addresses from it; " + orphan{x, made}.byHand() + " comes first"
		}
	}
	return ""
}

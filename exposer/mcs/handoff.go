package mcs

import (
	"context"
	"fmt"

	"causeway/exposer"
)

// FarHalf implements exposer.FarHalf: no line is needed, but a client that is a Pod
// of the fleet.
func (x *exposure) FarHalf(context.Context) (exposer.Half, error) {
	ns := x.service.Namespace
	todo := []string{
		"A Pod in another cluster of the fleet of project " + x.fleet.Project.ID + ": the name resolves there, and nowhere else.",
		fmt.Sprintf("The namespace %s in that cluster, which is why the Service is imported there: `kubectl create namespace %s`\n"+
			"  where it is missing. Then `kubectl get serviceimports -n %s` shows the import, after some minutes.", ns, ns, ns),
		"The cluster's Pod range among those that the proxy lets in: " + x.letsInFact() + ".\n" +
			"  Whoever made the exposure runs causeway apply mcs again when a cluster joins the fleet.",
		"Outgoing traffic to the Pods of cluster " + x.spec.Cluster.Name + ", where a NetworkPolicy of yours keeps Pods in. Nothing that hides\n" +
			"  Pods' addresses on the way (IP masquerade agent): the fleet's firewall rules let in these alone.",
	}
	return exposer.Half{Todo: todo}, nil
}

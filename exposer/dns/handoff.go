package dns

import (
	"context"

	"causeway/exposer"
)

// FarHalf implements exposer.FarHalf: there is no line to configure, but a way to
// Google's APIs to have. The ranges and names are those of Google's guide on private
// Google access for on-premises hosts.
func (x *exposure) FarHalf(context.Context) (exposer.Half, error) {
	guard := "IAM"
	if !x.spec.ByGoogle() {
		guard = "the token"
	}
	todo := []string{
		"The name " + x.cluster.DNSEndpoint + " stands in public DNS: everybody can resolve it, and reach it.\n" +
			"  What guards it is " + guard + "; authorized networks do not count for it.",
		"Outgoing TCP 443 to it, over the internet or by a proxy that passes CONNECT. Or privately:\n" +
			"  let your DNS answer `gke.goog` names with the addresses of restricted.googleapis.com (199.36.153.4/30)\n" +
			"  or private.googleapis.com (199.36.153.8/30), and route that range into the VPN or Interconnect;\n" +
			"  the VPC's side announces it from its Cloud Router. Ask there which of the two it wants.",
		"No TLS inspection on the way: the certificate is a public one, and a proxy that opens TLS would read the token.",
		"No certificate-authority in the kubeconfig: the cluster's own CA did not sign this certificate.",
	}
	if x.spec.ByGoogle() {
		todo = append(todo,
			"An identity at Google that has container.clusters.connect on project "+x.spec.Cluster.Project+" (roles/container.viewer\n"+
				"  and roles/container.developer hold it), and rights in the cluster, by IAM or by a binding to its e-mail address.",
			x.pluginTodo())
	} else {
		todo = append(todo, "The token in the kubeconfig gets in from anywhere: keep it like a password.")
	}
	return exposer.Half{Todo: todo}, nil
}

func (x *exposure) pluginTodo() string {
	if x.spec.DNS.AuthPlugin == exposer.PluginGcloud {
		return "gcloud, signed in, and gke-gcloud-auth-plugin on the PATH."
	}
	return "causeway on the PATH, and Application Default Credentials: a service account's or a workload identity's file in\n" +
		"  GOOGLE_APPLICATION_CREDENTIALS, or `gcloud auth application-default login`. No gcloud is needed to use the file."
}

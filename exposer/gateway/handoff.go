package gateway

import (
	"context"

	"causeway/exposer"
)

// FarHalf implements exposer.FarHalf: there is no line to configure, but a way to
// Google's APIs to have. The ranges and names are those of Google's guide on private
// Google access for on-premises hosts.
func (x *exposure) FarHalf(context.Context) (exposer.Half, error) {
	project := x.fleet.Project.ID
	return exposer.Half{Todo: []string{
		"Outgoing TCP 443 to the server of the kubeconfig, a public name of Google's: over the internet or by a proxy that\n" +
			"  passes CONNECT. Or privately: let your DNS answer `googleapis.com` names with the addresses of\n" +
			"  restricted.googleapis.com (199.36.153.4/30) or private.googleapis.com (199.36.153.8/30), and route that range\n" +
			"  into the VPN or Interconnect; the VPC's side announces it from its Cloud Router. Ask there which of the two it wants.",
		"No TLS inspection on the way: the certificate is a public one, and a proxy that opens TLS would read the token.",
		"No certificate-authority in the kubeconfig: the cluster's own CA did not sign this certificate.",
		"An identity at Google that may use the gateway in project " + project + " (roles/gkehub.gatewayReader to read,\n" +
			"  gatewayEditor to write, gatewayAdmin to stream as well), and has rights in the cluster by its e-mail address.",
		"For exec, attach, cp and port-forward: kubectl 1.31 or later. The gateway passes WebSocket alone, ten streams at a\n" +
			"  time in the whole fleet, and ends each after 20 to 30 minutes by design: connect again then.",
		x.pluginTodo(),
	}}, nil
}

func (x *exposure) pluginTodo() string {
	if x.spec.Gateway.AuthPlugin == exposer.PluginGcloud {
		return "gcloud, signed in, and gke-gcloud-auth-plugin on the PATH."
	}
	return "causeway on the PATH, and Application Default Credentials: a service account's or a workload identity's file in\n" +
		"  GOOGLE_APPLICATION_CREDENTIALS, or `gcloud auth application-default login`. No gcloud is needed to use the file."
}

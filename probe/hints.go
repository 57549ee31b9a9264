package probe

// HintFor gives the one line to try next for a code; `causeway explain CODE` says
// more. scripts/verify.sh bears the same lines, which a test compares.
func HintFor(code string) string {
	for _, h := range hints() {
		if h[0] == code {
			return h[1]
		}
	}
	return ""
}

func hints() [][2]string {
	return [][2]string{
		{"CW-PROBE-KUBECONFIG", "write the kubeconfig again: causeway kubeconfig"},
		{"CW-PROBE-NOT-HTTPS", "use an https:// server; a token must not cross the network in the clear"},
		{"CW-PROBE-INSECURE", "remove insecure-skip-tls-verify and put the CA into the kubeconfig: causeway kubeconfig"},
		{"CW-PROBE-RESOLVE", "give this machine a DNS record or an /etc/hosts line for the name, or use a kubeconfig with the address"},
		{"CW-PROBE-PROXY", "add the address to NO_PROXY, or unset HTTPS_PROXY, unless the proxy is meant"},
		{"CW-PROBE-PROXY-REFUSED", "add the address to NO_PROXY: this proxy does not reach it"},
		{"CW-PROBE-REFUSED", "the machine answers but the port is closed: check address and port, and that the load balancer has ready Pods"},
		{"CW-PROBE-TIMEOUT", "packets are lost: check the route there, the route back, firewalls, and global access when the regions differ"},
		{"CW-PROBE-NO-ROUTE", "this network has no route to the address: check what the Cloud Router advertises and what the far side accepts"},
		{"CW-PROBE-CONNECT", "the network refused the connection: check address, port and local firewall"},
		{"CW-PROBE-NOT-TLS", "this port does not speak TLS: check the port; a plain HTTP service or a proxy listens there"},
		{"CW-PROBE-TLS-SAN", "the certificate does not bear this name: causeway certs rotate, or set tls-server-name to a name it bears"},
		{"CW-PROBE-TLS-EXPIRED", "renew it: causeway certs rotate; if the date looks right, set this machine's clock"},
		{"CW-PROBE-TLS-SOON", "renew it before it ends: causeway certs rotate"},
		{"CW-PROBE-TLS-CA", "the kubeconfig's CA did not sign this certificate: take the kubeconfig again, or look for a proxy that opens TLS"},
		{"CW-PROBE-TLS-PINNED", "take certificate-authority-data out of the kubeconfig, the server's certificate is a public one: causeway kubeconfig dns"},
		{"CW-PROBE-TLS-INSPECTED", "have the name excepted from TLS inspection on the way, or install the public roots (ca-certificates)"},
		{"CW-PROBE-TLS-TIMEOUT", "TCP connects and TLS hangs: usually the MTU of a tunnel; try ping with large packets, clamp the MSS"},
		{"CW-PROBE-TLS", "the TLS handshake broke off: check that the port is the exposure's and that TLS 1.2 or 1.3 is allowed on the way"},
		{"CW-PROBE-CLIENT-CERT", "the proxy wants a client certificate that the kubeconfig lacks or that has ended: causeway kubeconfig"},
		{"CW-PROBE-UPSTREAM", "the proxy lives but has no API server behind it: look at its log in the exposure's namespace"},
		{"CW-PROBE-NOT-KUBE", "something other than kube-apiserver answers at this address: check address, port and proxies on the way"},
		{"CW-PROBE-HTTP", "the connection was cut after TLS: look at the log of the proxy on the way"},
		{"CW-PROBE-UNAUTHORIZED", "the token is wrong or of another cluster: causeway kubeconfig issues a new one"},
		{"CW-PROBE-TOKEN-EXPIRED", "the token has ended: causeway kubeconfig issues a new one; --token renewing keeps it fresh"},
		{"CW-PROBE-TOKEN-SOON", "the token ends soon: causeway kubeconfig issues a new one; --token renewing keeps it fresh"},
		{"CW-PROBE-PLUGIN", "run the program named under users.exec of the kubeconfig by hand; it must be installed on this machine"},
		{"CW-DNS-CONNECT", "have a role granted that holds container.clusters.connect, such as roles/container.viewer"},
		{"CW-DNS-TOKENS", "let the DNS endpoint take tokens (--dns-tokens), or use a Google identity"},
		{"CW-KUBE-DNS-ENDPOINT", "external traffic may be off, or container.clusters.connect missing: causeway status dns tells which"},
		{"CW-GATEWAY-ROLE", "have roles/gkehub.gatewayReader (gatewayEditor to change things) granted on the fleet's project"},
		{"CW-GATEWAY-STREAM", "have roles/gkehub.gatewayAdmin granted on the fleet's project: of Google's roles it alone lets stream"},
		{"CW-GATEWAY-RBAC", "the user needs get and create on pods/exec, pods/attach and pods/portforward in the cluster"},
		{"CW-GATEWAY-FORBIDDEN", "the gateway let it pass; the user that the message names needs a binding in the cluster"},
		{"CW-GATEWAY-IMPERSONATE", "the Connect Agent may not act for this user: gcloud container fleet memberships generate-gateway-rbac"},
		{"CW-GATEWAY-NO-AGENT", "look at the Pods of the namespace gke-connect: the Connect Agent is not connected to Google"},
		{"CW-GATEWAY-AGENT", "the cluster's link to Google is broken: look at the log of the Connect Agent in gke-connect"},
		{"CW-GATEWAY-WEBSOCKET", "the cluster's side did not open the stream: look at the log of the Connect Agent in gke-connect"},
		{"CW-GATEWAY-STREAMS", "ten streams are open in the fleet, which is the most: end some, or ask for a larger quota"},
		{"CW-GATEWAY-CLIENT", "kubectl 1.32 or later says with -v 4 why the stream was refused; give that to causeway explain -"},
		{"CW-GATEWAY-VERSION", "streams through the gateway need a cluster of 1.30 or later, port-forward 1.31"},
		{"CW-GATEWAY-ADDRESS", "have the kubeconfig written anew: causeway kubeconfig gateway"},
		{"CW-GATEWAY-HEADER", "the names of the user's groups are too long together: take some out of gke-security-groups"},
		{"CW-FLEET-MEMBER", "the membership of the kubeconfig's address is gone: register the cluster, or take a fresh kubeconfig"},
		{"CW-GCP-CREDENTIALS", "Google does not take the access token: it lives one hour; sign in again, or give a fresh one"},
		{"CW-GCP-API-DISABLED", "turn the API that the message names on: gcloud services enable"},
		{"CW-PROBE-ANONYMOUS", "the API server sees no credential: a proxy that ends TLS drops client certificates; use a token, or --mode passthrough"},
		{"CW-PROBE-RIGHTS", "bind a role that has them: causeway kubeconfig --role"},
		{"CW-PROBE-FORBIDDEN", "the identity is known but may not do this: causeway kubeconfig --role"},
		{"CW-PROBE-LIST", "the API server did not give the list: try it with kubectl -v=6"},
		{"CW-PROBE-WATCH", "the watch was not opened: try kubectl get --watch -v=6"},
		{"CW-PROBE-WATCH-HELD", "the proxy holds back the headers of a quiet watch: nginx 1.22 does over HTTP/2; use a newer nginx or leave HTTP/2 off"},
		{"CW-PROBE-WATCH-BUFFERED", "the proxy buffers the answer: proxy_buffering off"},
		{"CW-PROBE-UPGRADE", "the proxy does not pass upgrades: it needs HTTP/1.1 upstream and the Upgrade and Connection headers"},
		{"CW-PROBE-EXEC-TARGET", "name a Pod and a container that run"},
		{"CW-PROBE-EXEC-BACKEND", "the API server does not reach the node's kubelet: not the proxy; check firewall and konnectivity"},
		{"CW-PROBE-EXEC", "the stream was cut: look at the proxy's timeouts and log"},
		{"CW-PROBE-BODY-LIMIT", "raise the proxy's limit above the API server's 3 MiB: client_max_body_size 0"},
		{"CW-PROBE-IDLE-CUT", "something on the way ends quiet connections: raise proxy_read_timeout and proxy_send_timeout, or the firewall's idle time"},
		{"CW-PROBE-IDLE-LOST", "a firewall or NAT forgot the quiet connection without a word: raise its idle time above the length of your watches"},
		{"CW-PROBE-INTERRUPTED", "run it again, with more time: --timeout"},
	}
}

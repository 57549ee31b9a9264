// Package templates owns the text that causeway hands to others: the nginx
// configuration and the Kubernetes manifests, and the far side's half of a VPN
// line (FarSide), embedded, one folder a method.
//
// It turns checked values into text and nothing else: no network, no files, no
// clock. Every value is validated before it is rendered, so that nothing that a
// user typed can end a string, a directive or a YAML line; and what is rendered
// is written as the API server gives it back, so that comparing the desired
// object with the live one shows no difference after an apply.
//
//	values := templates.ILB{Exposure: "prod", Namespace: "causeway-prod", Mode: templates.Terminate, ...}
//	manifests, err := values.Manifests()
//	for _, m := range manifests { apply(m.Object) }
//
// The far side's files name every pre-shared key by reference; none holds one.
//
// # What an image must hold
//
// The manifests run /usr/sbin/nginx as user 101 on a read-only root file system,
// with /tmp as the only place to write. Before it stops, /bin/sh and sleep let the load
// balancer turn away first. The official nginx images, Alpine and Debian alike,
// hold all of it. Mode passthrough needs the stream module: built in, or loaded
// by a file in /etc/nginx/modules-enabled, as Debian's packages do.
package templates

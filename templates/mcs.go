package templates

import (
	"fmt"
	"strconv"
)

// FleetService returns the Service on the proxy's Pods of the exposure by ilb named
// host that multi-cluster Services can export: of type ClusterIP, and with its target
// port as a number, because the health checks of MCS don't find one by name. It bears
// the marks of exposure, on port.
func FleetService(exposure, host, namespace, name string, port int) (Manifest, error) {
	access := Access{Exposure: exposure, Namespace: namespace, Role: "none"}
	if err := access.Validate(); err != nil {
		return Manifest{}, fmt.Errorf("render service %s: %w", name, err)
	}
	if !label.MatchString(host) || !label.MatchString(name) {
		return Manifest{}, fmt.Errorf("render service %q of exposure %q: one is no name", name, host)
	}
	if port < 1 || port > 65535 {
		return Manifest{}, fmt.Errorf("render service %s: port %s is none", name, strconv.Itoa(port))
	}
	return fromObject(map[string]any{
		"apiVersion": "v1", "kind": "Service", "metadata": access.meta(name, namespace),
		"spec": map[string]any{
			"type":     "ClusterIP",
			"selector": map[string]any{"app.kubernetes.io/name": ProxyName, LabelExposure: host},
			"ports":    []any{map[string]any{"name": "https", "port": int64(port), "protocol": "TCP", "targetPort": int64(TLSPort)}},
		},
	})
}

// ServiceExport returns the object by which a Service of the same name and namespace
// is exported to the fleet.
func ServiceExport(exposure, namespace, name string) (Manifest, error) {
	access := Access{Exposure: exposure, Namespace: namespace, Role: "none"}
	if err := access.Validate(); err != nil {
		return Manifest{}, fmt.Errorf("render export of service %s: %w", name, err)
	}
	return fromObject(map[string]any{"apiVersion": "net.gke.io/v1", "kind": "ServiceExport", "metadata": access.meta(name, namespace)})
}

package ilb

import (
	"context"
	"fmt"
	"strconv"

	"causeway/exposer"
	"causeway/internal/kube"
)

// ProbePods implements exposer.InCluster: a pod beside the proxy.
func (x *exposure) ProbePods(context.Context) ([]exposer.ProbePod, string, error) {
	return []exposer.ProbePod{{Kube: x.kube, Exposure: x.spec.Name, Namespace: x.spec.Namespace, Image: x.spec.ILB.Image, Args: x.probeArgs}}, "", nil
}

// probeArgs have the script ask the Service's ClusterIP instead of the load balancer's
// address: the pod's own address is none of the client networks, and kube-proxy drops
// what comes to the load balancer's address from elsewhere. The certificate is checked
// for the load balancer's address all the same.
func (x *exposure) probeArgs(ctx context.Context) ([]string, error) {
	service, err := x.kube.Get(ctx, x.proxyRef("Service"))
	if err != nil {
		return nil, err
	}
	ip, port, err := kube.ClusterIP(service)
	if err != nil {
		return nil, fmt.Errorf("probe from the cluster: Service %s: %w", proxyName, err)
	}
	name := x.addr.String()
	if x.spec.ILB.Mode == exposer.ModePassthrough {
		name = x.serverName
	}
	server := "https://" + ip.String()
	if port != 443 {
		server += ":" + strconv.Itoa(int(port))
	}
	return []string{"--server", server, "--tls-server-name", name}, nil
}

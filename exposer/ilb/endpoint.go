package ilb

import (
	"context"
	"net/netip"
	"strconv"

	"causeway/exposer"
)

// Endpoint implements exposer.Exposure: the load balancer's address, trusted by
// causeway's CA (terminate) or by the cluster's (passthrough).
func (x *exposure) Endpoint(context.Context) (exposer.Endpoint, error) {
	if !x.addr.IsValid() {
		return exposer.Endpoint{}, refusal("CW-RUN-ABSENT", "find endpoint: exposure %s does not stand: address %s is not reserved", x.spec.Name, x.spec.ILB.AddressName)
	}
	port := uint16(x.spec.ILB.Port)
	endpoint := exposer.Endpoint{Address: netip.AddrPortFrom(x.addr, port), URL: "https://" + x.addr.String()}
	if port != 443 {
		endpoint.URL += ":" + strconv.Itoa(int(port))
	}
	if x.spec.ILB.Mode == exposer.ModePassthrough {
		endpoint.CA, endpoint.TLSServerName = x.cluster.CA, x.serverName
		return endpoint, nil
	}
	endpoint.CA = x.caPEM
	if x.leaf != nil {
		endpoint.ServerCert = x.leaf.CertPEM
	}
	if x.client != nil {
		endpoint.ClientCert, endpoint.ClientKey = x.client.CertPEM, x.client.KeyPEM
	}
	return endpoint, nil
}

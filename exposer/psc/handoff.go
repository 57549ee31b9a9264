package psc

import (
	"context"
	"fmt"

	"sigs.k8s.io/yaml"

	"causeway/exposer"
)

// FarHalf implements exposer.FarHalf: what a consumer makes the other half of. The
// identity is in the kubeconfig of the same archive.
func (x *exposure) FarHalf(context.Context) (exposer.Half, error) {
	if !x.producing() {
		return exposer.Half{}, nil
	}
	name := x.balancer.TLSServerName
	if name == "" {
		name = x.balancer.Address.Addr().String()
	}
	if x.attachmentPath() == "" {
		return exposer.Half{}, refusal("CW-RUN-ABSENT", "hand over exposure %s: it has no service attachment yet; run causeway apply psc first", x.spec.Name)
	}
	published := exposer.Published{APIVersion: exposer.APIVersion, Kind: exposer.PublishedKind, Exposure: x.spec.Name, Cluster: x.spec.Cluster,
		Attachment: x.attachmentPath(), Region: x.region, Port: x.balancer.Address.Port(), ServerName: name, CA: string(x.balancer.CA), File: "kubeconfig"}
	text, err := yaml.Marshal(published)
	if err != nil {
		return exposer.Half{}, fmt.Errorf("write %s: %w", exposer.PublishedFile, err)
	}
	head := "# For `causeway apply psc --consume " + exposer.PublishedFile + " --consumer-project P --consumer-network N --consumer-subnet S`,\n" +
		"# or for any tool that makes a Private Service Connect endpoint to the attachment.\n"
	return exposer.Half{Top: []exposer.HalfFile{{Name: exposer.PublishedFile, About: "what the consumer's endpoint leads to", Content: []byte(head + string(text))}}}, nil
}

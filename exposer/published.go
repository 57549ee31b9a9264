package exposer

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"

	"sigs.k8s.io/yaml"

	"causeway/kubeconfig"
)

// PublishedFile is the name of the file in a handoff by which a consumer makes the
// other half.
const PublishedFile = "psc.yaml"

// Published is what a producer tells a consumer: no secret is in it.
type Published struct {
	APIVersion string     `json:"apiVersion"`
	Kind       string     `json:"kind"` // PublishedService
	Exposure   string     `json:"exposure"`
	Cluster    ClusterRef `json:"cluster"`
	Attachment string     `json:"attachment"` // projects/P/regions/R/serviceAttachments/S
	Region     string     `json:"region"`
	Port       uint16     `json:"port"`
	ServerName string     `json:"serverName"` // that the certificate bears, to be asked for in TLS
	CA         string     `json:"ca"`         // PEM
	File       string     `json:"kubeconfig"` // beside this one, with the identity

	config []byte // that file
}

// PublishedKind stands at the head of the file.
const PublishedKind = "PublishedService"

// ReadPublished reads a producer's file, and the kubeconfig beside it, whose
// identity the consumer's kubeconfig takes over.
func ReadPublished(path string) (Published, error) {
	var p Published
	text, err := os.ReadFile(path)
	if err != nil {
		return p, &SpecError{Problems: []FieldProblem{{Field: "psc.consume", Text: "can't be read: " + err.Error()}}}
	}
	if err := yaml.UnmarshalStrict(text, &p); err != nil || p.Kind != PublishedKind || p.Attachment == "" || p.Region == "" {
		return p, &SpecError{Problems: []FieldProblem{{Field: "psc.consume", Text: fmt.Sprintf("%s is no %s of a producer's handoff", path, PublishedFile)}}}
	}
	beside := filepath.Join(filepath.Dir(path), p.File)
	if p.config, err = kubeconfig.Read(beside); err != nil {
		return p, &SpecError{Problems: []FieldProblem{{Field: "psc.consume", code: "CW-PSC-HANDED",
			Text: fmt.Sprintf("has no good kubeconfig beside it, from which the identity comes: %v", err)}}}
	}
	return p, nil
}

// Endpoint is what every endpoint of the published service has in common.
func (p Published) Endpoint() Endpoint {
	return Endpoint{Address: netip.AddrPortFrom(netip.IPv4Unspecified(), p.Port), CA: []byte(p.CA), TLSServerName: p.ServerName}
}

// Kubeconfig is the producer's, whose identity the consumer goes on with.
func (p Published) Kubeconfig() []byte { return p.config }

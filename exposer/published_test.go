package exposer

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"causeway/internal/explain"
)

const goodPublished = `apiVersion: causeway.dev/v1
kind: PublishedService
exposure: half
cluster: {project: lab-project, location: europe-west3, name: private-cluster}
attachment: projects/lab-project/regions/europe-west3/serviceAttachments/causeway-half
region: europe-west3
port: 8443
serverName: 10.156.0.3
ca: PEM
kubeconfig: kubeconfig
`

func TestWhatAProducerHandsOver(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text, config string // the config is not written where ""
		code, want   string // of the error; both "" where it is read
	}{
		"all well":                    {text: goodPublished, config: "apiVersion: v1\nkind: Config\n"},
		"another file":                {text: "apiVersion: causeway.dev/v1\nkind: Exposure\n", config: "x", code: "CW-SPEC-INVALID", want: "is no psc.yaml of a producer's handoff"},
		"no YAML":                     {text: "}{", config: "x", code: "CW-SPEC-INVALID", want: "is no psc.yaml"},
		"a field that nobody knows":   {text: goodPublished + "token: abc\n", config: "x", code: "CW-SPEC-INVALID", want: "is no psc.yaml"},
		"one without its attachment":  {text: strings.Replace(goodPublished, "attachment:", "# ", 1), config: "x", code: "CW-SPEC-INVALID", want: "is no psc.yaml"},
		"without the kubeconfig":      {text: goodPublished, code: "CW-PSC-HANDED", want: "has no good kubeconfig beside it"},
		"none, and nothing to be had": {code: "CW-SPEC-INVALID", want: "can't be read"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			at := filepath.Join(dir, PublishedFile)
			for file, text := range map[string]string{at: c.text, filepath.Join(dir, "kubeconfig"): c.config} {
				if text == "" {
					continue
				}
				if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			got, err := ReadPublished(at)
			if c.want != "" {
				if err == nil || explain.CodeOf(err) != c.code || !strings.Contains(err.Error(), c.want) {
					t.Errorf("%v (%s), want %s with %q", err, explain.CodeOf(err), c.code, c.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			endpoint := got.Endpoint()
			if endpoint.Address.Port() != 8443 || endpoint.TLSServerName != "10.156.0.3" || string(endpoint.CA) != "PEM" || string(got.Kubeconfig()) != c.config {
				t.Errorf("read %+v, endpoint %+v, config %q", got, endpoint, got.Kubeconfig())
			}
		})
	}
}

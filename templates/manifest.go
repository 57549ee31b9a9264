package templates

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/template"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

//go:embed ilb/*.tmpl
var files embed.FS

// Marks that every object of an exposure carries. An object without them is not
// causeway's, and is neither changed nor removed.
const (
	LabelManagedBy = "app.kubernetes.io/managed-by"
	LabelExposure  = "causeway.dev/exposure"
	ManagedBy      = "causeway"
)

// LabelProbe marks the pod that probes from inside the cluster; the proxy's
// NetworkPolicy lets it in. Its value is ProbeValue.
const (
	LabelProbe = "causeway.dev/probe"
	ProbeValue = "true"
)

// LabelClient marks what belongs to a further identity of an exposure (another
// role, on request): apply knows nothing of it, destroy removes it by the marks.
// Its value is the ServiceAccount's name.
const LabelClient = "causeway.dev/client"

// Names of the objects in the exposure's namespace.
const (
	ProxyName       = "causeway-proxy"        // Service, Deployment, ConfigMap, PodDisruptionBudget, NetworkPolicy, ServiceAccount
	TLSSecretName   = "causeway-tls"          // the server's certificate and key, the client CA with mtls
	CASecretName    = "causeway-ca"           // the CA that signs them
	ClientName      = "causeway-client"       // the far side's ServiceAccount
	TokenSecretName = "causeway-client-token" // its long-lived token, where asked for
	RenewerName     = "causeway-client-renew" // Role and RoleBinding: may renew its own token
)

// Manifest is one Kubernetes object, as data and as text.
type Manifest struct {
	ID     string // "deployment/causeway-proxy": kind in lower case, name
	Object *unstructured.Unstructured
	YAML   []byte // as rendered, with its comments; holds secrets where Object does
}

// Redacted returns the YAML with the values of a Secret replaced by their hash,
// for a plan or a screen. Other kinds come back as they are.
func (m Manifest) Redacted() []byte {
	if m.Object.GetKind() != "Secret" {
		return m.YAML
	}
	object := m.Object.DeepCopy()
	data, _, err := unstructured.NestedStringMap(object.Object, "data")
	if err != nil {
		return []byte("# " + m.ID + ": not shown\n")
	}
	for key, value := range data {
		decoded, err := base64.StdEncoding.DecodeString(value)
		if err != nil {
			decoded = []byte(value)
		}
		sum := sha256.Sum256(decoded)
		data[key] = "(secret, sha256:" + hex.EncodeToString(sum[:6]) + ")"
	}
	if len(data) > 0 {
		if err := unstructured.SetNestedStringMap(object.Object, data, "data"); err != nil {
			return []byte("# " + m.ID + ": not shown\n")
		}
	}
	text, err := yaml.Marshal(object.Object)
	if err != nil {
		return []byte("# " + m.ID + ": not shown\n")
	}
	return text
}

// Hash returns the hex SHA-256 of a set of named contents, whatever their order:
// what the pod template carries so that pods are replaced when the configuration
// or the certificate changes.
func Hash(contents map[string][]byte) string {
	sum := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(contents)) {
		fmt.Fprintf(sum, "%d:%s%d:", len(name), name, len(contents[name]))
		sum.Write(contents[name])
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// render executes one embedded template. Strings reach YAML through `quote` and
// `indent`, and nginx through values that validation has narrowed.
func render(name string, values any) ([]byte, error) {
	functions := template.FuncMap{"quote": quote, "indent": indent, "directive": directive, "seconds": func(n int) string { return fmt.Sprintf("%ds", n) }}
	parsed, err := template.New(name).Funcs(functions).Option("missingkey=error").ParseFS(files, "ilb/*.tmpl")
	if err != nil {
		return nil, fmt.Errorf("parse template %s: %w", name, err)
	}
	var out bytes.Buffer
	if err := parsed.Execute(&out, values); err != nil {
		return nil, fmt.Errorf("render template %s: %w", name, err)
	}
	return out.Bytes(), nil
}

// quote writes a string as a JSON string, which is a YAML double-quoted one too.
func quote(value string) (string, error) {
	text, err := json.Marshal(value)
	return string(text), err
}

// indent writes text as the body of a YAML literal block, indented by that many
// spaces, without trailing space on empty lines.
func indent(spaces int, text string) string {
	pad := strings.Repeat(" ", spaces)
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	for i, line := range lines {
		if line != "" {
			lines[i] = pad + line
		}
	}
	return strings.Join(lines, "\n")
}

// directive is the last gate before nginx: a value that could end a parameter or
// start a variable or comment is refused even if validation let it through.
func directive(value string) (string, error) {
	if value == "" || strings.ContainsAny(value, " \t\r\n;{}\"'`$#\\") {
		return "", fmt.Errorf("value %q cannot stand in an nginx directive", value)
	}
	return value, nil
}

// decode reads a file of YAML documents into manifests.
func decode(text []byte) ([]Manifest, error) {
	var manifests []Manifest
	for part := range strings.SplitSeq("\n"+string(text), "\n---\n") {
		if strings.TrimSpace(part) == "" {
			continue
		}
		document := []byte(strings.TrimLeft(part, "\n"))
		if !bytes.HasSuffix(document, []byte("\n")) {
			document = append(document, '\n')
		}
		// Strict: a key that occurs twice is a mistake in a template.
		content, err := yaml.YAMLToJSONStrict(document)
		if err != nil {
			return nil, fmt.Errorf("read rendered manifest: %w", err)
		}
		object := &unstructured.Unstructured{}
		if err := object.UnmarshalJSON(content); err != nil {
			return nil, fmt.Errorf("read rendered manifest: %w", err)
		}
		manifests = append(manifests, Manifest{ID: id(object), Object: object, YAML: document})
	}
	return manifests, nil
}

// fromObject makes a manifest of an object that is built in Go.
func fromObject(content map[string]any) (Manifest, error) {
	object := &unstructured.Unstructured{Object: content}
	text, err := yaml.Marshal(content)
	if err != nil {
		return Manifest{}, fmt.Errorf("write manifest %s: %w", id(object), err)
	}
	return Manifest{ID: id(object), Object: object, YAML: text}, nil
}

func id(object *unstructured.Unstructured) string {
	return strings.ToLower(object.GetKind()) + "/" + object.GetName()
}

// labels are the marks of an exposure, for metadata.labels.
func labels(exposure string) map[string]any {
	return map[string]any{LabelManagedBy: ManagedBy, LabelExposure: exposure}
}

package templates

import "fmt"

// Namespace returns the namespace of an exposure, for methods that keep nothing
// but the client's account and the record there.
func Namespace(exposure, namespace string) (Manifest, error) {
	if err := (Access{Exposure: exposure, Namespace: namespace, Role: "none"}).Validate(); err != nil {
		return Manifest{}, fmt.Errorf("render namespace: %w", err)
	}
	text, err := render("namespace.yaml.tmpl", map[string]string{"Namespace": namespace, "Marks": markLines(exposure)})
	if err != nil {
		return Manifest{}, err
	}
	manifests, err := decode(text)
	if err != nil {
		return Manifest{}, err
	}
	return manifests[0], nil
}

// markLines are the marks as lines of YAML.
func markLines(exposure string) string {
	return LabelManagedBy + ": " + ManagedBy + "\n" + fmt.Sprintf("%s: %q", LabelExposure, exposure)
}

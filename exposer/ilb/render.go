package ilb

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"

	"causeway/exposer"
	"causeway/templates"
)

// Render implements exposer.Renderer: the address's call as Google's API takes
// it, and every manifest. What is made at apply (keys, an address that Google
// picks) is named in its place.
func (x *exposure) Render(ctx context.Context) ([]exposer.Rendered, error) {
	if _, err := x.address().Read(ctx); err != nil {
		return nil, err
	}
	rendered, err := x.renderCalls()
	if err != nil {
		return nil, err
	}
	hub, err := exposer.Rehearse(ctx, x.hubSteps())
	if err != nil {
		return nil, err
	}
	rendered = append(rendered, hub...)
	values := x.values()
	values.TLSHash = x.tlsHash()
	if x.addr.IsValid() {
		values.Address = x.addr
	}
	note := ""
	if !x.addr.IsValid() {
		note = "# the address is the one that Google picks; 0.0.0.0 stands for it here\n"
	}
	if x.spec.ILB.Mode == exposer.ModeTerminate && values.TLSHash == "" {
		values.TLSHash = templates.Hash(nil) // of a certificate that is still to be issued
	}
	manifests, err := values.Manifests()
	if err != nil {
		return nil, err
	}
	for _, m := range manifests {
		text := string(m.YAML)
		if m.Object.GetKind() == "Service" {
			text = note + text
		}
		rendered = append(rendered, exposer.Rendered{ID: m.ID, Kind: "manifest", Text: text})
	}
	for _, step := range x.access {
		object, ok := step.(*exposer.Object)
		if !ok {
			continue
		}
		text, err := object.YAML()
		if err != nil {
			return nil, err
		}
		rendered = append(rendered, exposer.Rendered{ID: step.ID(), Kind: "manifest", Text: text})
	}
	return append(rendered, x.renderSecrets()...), nil
}

// renderSecrets names the Secrets without their values.
func (x *exposure) renderSecrets() []exposer.Rendered {
	if x.spec.ILB.Mode != exposer.ModeTerminate {
		return nil
	}
	secret := func(name, kind, keys string) exposer.Rendered {
		return exposer.Rendered{ID: "secret/" + name, Kind: "manifest", Text: fmt.Sprintf(
			"apiVersion: v1\nkind: Secret\ntype: %s\nmetadata:\n  name: %s\n  namespace: %s\n# values are made at apply and never shown: %s\n", kind, name, x.spec.Namespace, keys)}
	}
	out := []exposer.Rendered{secret(templates.CASecretName, "Opaque", "ca.crt, ca.key, ca-bundle.crt"),
		secret(templates.TLSSecretName, "kubernetes.io/tls", "tls.crt, tls.key")}
	if x.spec.ILB.ClientAuth == "mtls" {
		out = append(out, secret(clientTLSName, "kubernetes.io/tls", "tls.crt, tls.key"))
	}
	return out
}

func (x *exposure) renderCalls() ([]exposer.Rendered, error) {
	base := fmt.Sprintf("/compute/v1/projects/%s/regions/%s/addresses", x.spec.Cluster.Project, x.region)
	step := x.address()
	body := map[string]any{
		"name": step.name, "description": step.description(), "addressType": "INTERNAL", "purpose": "GCE_ENDPOINT",
		"subnetwork": fmt.Sprintf("projects/%s/regions/%s/subnetworks/%s", x.cluster.Subnetwork.Project, x.region, x.spec.ILB.Subnet),
	}
	if want, err := netip.ParseAddr(x.spec.ILB.Address); err == nil {
		body["address"] = want.String()
	}
	insert, err := json.MarshalIndent(body, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("render address: %w", err)
	}
	labels, err := json.MarshalIndent(map[string]any{"labels": step.labels(), "labelFingerprint": "(as read)"}, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("render labels: %w", err)
	}
	return []exposer.Rendered{
		{ID: step.ID(), Kind: "call", Text: "POST " + base + "\n" + string(insert) + "\n"},
		{ID: step.ID(), Kind: "call", Text: "POST " + base + "/" + step.name + "/setLabels\n" + string(labels) + "\n"},
	}, nil
}

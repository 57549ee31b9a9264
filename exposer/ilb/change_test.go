package ilb

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"causeway/exposer"
	"causeway/exposer/conformance"
)

// TestWhatChangesWithTheSpec applies one spec, then another, and looks at what the
// second plan does; then nothing is left to do, and destroy leaves nothing.
func TestWhatChangesWithTheSpec(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		from, to func(*exposer.Spec)
		want     []string // of the plan, NAME stands for the exposure's
		gone     []string // parts of objects that must not be there afterwards
	}{
		"the client networks: the Service and the NetworkPolicy alone": {
			to:   func(s *exposer.Spec) { s.FarSide.CIDRs = []string{"172.31.0.0/16", "172.20.0.0/16"} },
			want: []string{"change networkpolicy/causeway-proxy", "change service/causeway-proxy"},
		},
		"another role": {
			to:   func(s *exposer.Spec) { s.Access.Role = "edit" },
			want: []string{"change clusterrolebinding/causeway-NAME-client"},
		},
		"from a role of causeway's own": {
			from: func(s *exposer.Spec) { s.Access.Role = "node-reader" },
			to:   func(s *exposer.Spec) { s.Access.Role = "view" },
			want: []string{"change clusterrolebinding/causeway-NAME-client"},
		},
		"from the whole cluster to one namespace: the wide binding goes": {
			to:   func(s *exposer.Spec) { s.Access.Namespaces = []string{"default"} },
			want: []string{"change leftover/clusterrolebinding//causeway-NAME-client", "create rolebinding/default/causeway-NAME-client"},
			gone: []string{"clusterrolebindings//causeway-NAME-client"},
		},
		"from two namespaces to one": {
			from: func(s *exposer.Spec) { s.Access.Namespaces = []string{"default", "kube-public"} },
			to:   func(s *exposer.Spec) { s.Access.Namespaces = []string{"default"} },
			want: []string{"change leftover/rolebinding/kube-public/causeway-NAME-client"},
			gone: []string{"rolebindings/kube-public/"},
		},
		"from terminate to passthrough: the certificates go": {
			from: func(s *exposer.Spec) { s.ILB.ClientAuth = "mtls" },
			to:   func(s *exposer.Spec) { s.ILB.ClientAuth, s.ILB.Mode = "none", exposer.ModePassthrough },
			want: []string{"change configmap/causeway-proxy", "change deployment/causeway-proxy",
				"change leftover/secret/causeway-NAME/causeway-ca", "change leftover/secret/causeway-NAME/causeway-client-tls", "change leftover/secret/causeway-NAME/causeway-tls"},
			gone: []string{"secrets/"},
		},
		"from passthrough to terminate": {
			from: func(s *exposer.Spec) { s.ILB.Mode = exposer.ModePassthrough },
			to:   func(s *exposer.Spec) { s.ILB.Mode = exposer.ModeTerminate },
			want: []string{"change configmap/causeway-proxy", "change deployment/causeway-proxy", "create secret/causeway-ca", "create secret/causeway-tls"},
		},
		"mtls no more": {
			from: func(s *exposer.Spec) { s.ILB.ClientAuth = "mtls" },
			to:   func(s *exposer.Spec) { s.ILB.ClientAuth = "none" },
			want: []string{"change configmap/causeway-proxy", "change deployment/causeway-proxy", "change leftover/secret/causeway-NAME/causeway-client-tls",
				"change secret/causeway-ca", "change secret/causeway-tls"},
			gone: []string{"secrets/causeway-NAME/causeway-client-tls"},
		},
		"a token without end no more: it is revoked": {
			from: func(s *exposer.Spec) { s.Access.Token = exposer.TokenSecret },
			to:   func(s *exposer.Spec) { s.Access.Token = exposer.TokenRenewing },
			want: []string{"change leftover/secret/causeway-NAME/causeway-client-token", "create role/causeway-client-renew", "create rolebinding/causeway-client-renew"},
			gone: []string{"secrets/causeway-NAME/causeway-client-token"},
		},
		"a renewing token no more": {
			from: func(s *exposer.Spec) { s.Access.Token = exposer.TokenRenewing },
			to:   func(s *exposer.Spec) { s.Access.Token = exposer.TokenBound },
			want: []string{"change leftover/rolebinding/causeway-NAME/causeway-client-renew"},
			gone: []string{"rolebindings/causeway-NAME/"},
		},
		"the port": {
			to:   func(s *exposer.Spec) { s.ILB.Port = 6443 },
			want: []string{"change service/causeway-proxy"},
		},
		"a name in the certificate": {
			to:   func(s *exposer.Spec) { s.ILB.DNSNames = []string{"k8s.example.com"} },
			want: []string{"change deployment/causeway-proxy", "change secret/causeway-tls"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := world(t, conformance.Options{}, func(s *exposer.Spec) {
				if c.from != nil {
					c.from(s)
				}
			})
			before := w.State()
			apply(t, w)
			c.to(&w.Spec)
			plan := apply(t, w)
			var got []string
			for _, line := range todo(plan) {
				got = append(got, strings.ReplaceAll(line, w.Spec.Name, "NAME"))
			}
			slices.Sort(c.want)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("plan (-want +got):\n%s", diff)
			}
			left, err := w.Objects(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, part := range c.gone {
				part = strings.ReplaceAll(part, "NAME", w.Spec.Name)
				if i := slices.IndexFunc(left, func(object string) bool { return strings.Contains(object, part) }); i >= 0 {
					t.Errorf("%s is still there", left[i])
				}
			}
			unchanged(t, w)
			destroy(t, w)
			w.Gone(t, before)
		})
	}
}

// A colleague who has neither the record nor the spec of before: the mark alone
// finds what is to go.
func TestDestroyFindsWhatAnotherSpecMade(t *testing.T) {
	t.Parallel()
	w := world(t, conformance.Options{}, func(s *exposer.Spec) {
		s.Access.Role, s.Access.Token, s.ILB.ClientAuth = "node-reader", exposer.TokenSecret, "mtls"
	})
	before := w.State()
	apply(t, w)
	w.Dir = t.TempDir()
	if err := objects(t, w).Resource(configMaps).Namespace(w.Spec.Namespace).Delete(t.Context(), "causeway-record", deleteNow); err != nil {
		t.Fatal(err)
	}
	w.Spec.Access, w.Spec.ILB.ClientAuth = exposer.Spec{Method: "ilb"}.WithDefaults().Access, "none"
	items := destroy(t, w)
	for _, id := range []string{"leftover/clusterrole//causeway-" + w.Spec.Name + "-node-reader", "leftover/secret/" + w.Spec.Namespace + "/causeway-client-token"} {
		if items[id].Outcome != exposer.Removed && items[id].Outcome != exposer.Absent {
			t.Errorf("%s: %+v", id, items[id])
		}
	}
	w.Gone(t, before)
}

func TestTheNamespaceMoves(t *testing.T) {
	t.Parallel()
	w := world(t, conformance.Options{NoController: true})
	before := w.State()
	w.Balance(t, w.Spec.Namespace, 0)
	apply(t, w)
	old := w.Spec.Namespace
	w.Spec.Namespace += "-new"
	// The address is still the old namespace's Service's.
	_, err := w.Apply(t.Context(), Method{})
	wantError[*exposer.PreconditionError](t, err, "CW-NET-ADDRESS-TAKEN", "in use by")
	if get(t, w, namespaces, "", w.Spec.Namespace) != nil {
		t.Error("a namespace was made all the same")
	}
	destroy(t, w) // with the new namespace in the spec: the mark finds the old one
	w.Spec.Namespace = old
	w.Gone(t, before)
}

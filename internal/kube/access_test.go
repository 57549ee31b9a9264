package kube

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"causeway/internal/kubetest"
)

func TestRightsAreReviewed(t *testing.T) {
	r := newRig(t, Env{})
	plain, err := New(r.server.ConfigFor(kubetest.PlainToken), Env{})
	if err != nil {
		t.Fatal(err)
	}
	r.create(`{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: some, namespace: NAMESPACE},
 rules: [{apiGroups: [apps], resources: [deployments], verbs: [create]}, {apiGroups: [""], resources: [serviceaccounts/token], resourceNames: [far], verbs: [create]}]}`)
	r.create(`{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: some, namespace: NAMESPACE},
 roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: some}, subjects: [{kind: User, apiGroup: rbac.authorization.k8s.io, name: plain@example.com}]}`)
	rights := []Access{
		{Verb: "create", Group: "apps", Resource: "deployments", Namespace: r.ns},
		{Verb: "delete", Group: "apps", Resource: "deployments", Namespace: r.ns},
		{Verb: "create", Resource: "serviceaccounts", Subresource: "token", Name: "far", Namespace: r.ns},
		{Verb: "create", Resource: "serviceaccounts", Subresource: "token", Name: "near", Namespace: r.ns},
		{Verb: "create", Resource: "namespaces"},
	}
	// More than are asked at a time.
	many := append(append(append([]Access{}, rights...), rights...), rights...)
	var decisions []Decision
	r.until("the authorizer knowing the binding", func() bool {
		decisions, err = plain.CanI(context.Background(), many)
		return err == nil && decisions[0].Allowed
	})
	var allowed []bool
	for i, decision := range decisions {
		if decision.Access != many[i] {
			t.Fatalf("decision %d is about %s, want %s", i, decision.Access, many[i])
		}
		allowed = append(allowed, decision.Allowed)
	}
	pattern := []bool{true, false, true, false, false}
	if diff := cmp.Diff(append(append(append([]bool{}, pattern...), pattern...), pattern...), allowed); diff != "" {
		t.Errorf("allowed (-want +got):\n%s", diff)
	}
	missing, err := plain.Missing(context.Background(), rights)
	if diff := cmp.Diff([]Access{rights[1], rights[3], rights[4]}, missing); diff != "" || err != nil {
		t.Errorf("missing (-want +got): %v\n%s", err, diff)
	}
	if missing, err := r.client.Missing(context.Background(), rights); err != nil || len(missing) > 0 {
		t.Errorf("an admin lacks %v, %v", missing, err)
	}
	for i, want := range pattern { // an admin may ask about others
		if seen, err := r.client.Can(context.Background(), "plain@example.com", rights[i]); err != nil || seen.Allowed != want {
			t.Errorf("plain@example.com may %s: %v %v", rights[i], seen.Allowed, err)
		}
	}
	if seen, err := r.client.Can(context.Background(), "nobody@example.com", rights[0]); err != nil || seen.Allowed {
		t.Errorf("somebody without a binding: %v %v", seen.Allowed, err)
	}
}

func TestAccessReadsAsKubectlTakesIt(t *testing.T) {
	for want, access := range map[string]Access{
		"create deployments.apps in ns":          {Verb: "create", Group: "apps", Resource: "deployments", Namespace: "ns"},
		"create serviceaccounts/token far in ns": {Verb: "create", Resource: "serviceaccounts", Subresource: "token", Name: "far", Namespace: "ns"},
		"list nodes":                             {Verb: "list", Resource: "nodes"},
	} {
		if got := access.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestReviewThatFails(t *testing.T) {
	r := newRig(t, Env{})
	nobody, err := New(r.server.ConfigFor("bad"), Env{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = nobody.CanI(context.Background(), []Access{{Verb: "get", Resource: "pods"}})
	wantError(t, err, "CW-KUBE-UNAUTHORIZED", "review right to get pods")
}

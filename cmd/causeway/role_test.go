package main

import (
	"encoding/base64"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"causeway/exposer"
	"causeway/kubeconfig"
)

// account is whose token the kubeconfig holds.
func (p *place) account(file, context string) string {
	p.Helper()
	have, err := kubeconfig.Inspect([]byte(p.read(file)), context)
	if err != nil {
		p.Fatal(err)
	}
	return have.Account
}

// TestAKubeconfigForAnotherRole: further identities have rights of their own, and
// go with the exposure.
func TestAKubeconfigForAnotherRole(t *testing.T) {
	p := stand(t, "roles")
	before := p.world.State()
	p.apply()
	asked := p.on("kubeconfig", "ilb", "--role", "edit")
	got := p.shows("kubeconfig-role", 0, asked...)
	p.says(got.err, "ServiceAccount causeway-client-edit in causeway-roles")
	if account := p.account("causeway-roles-edit.kubeconfig", "causeway-roles-edit"); account != "causeway-roles/causeway-client-edit" {
		t.Errorf("the token is %s's", account)
	}
	if account := p.account("causeway-roles.kubeconfig", "causeway-roles"); account != "causeway-roles/causeway-client" {
		t.Errorf("the first kubeconfig is %s's now", account)
	}
	if again := p.runs(0, asked...); strings.Contains(again.err, "start ") {
		t.Errorf("made twice:\n%s", again.err)
	}
	p.runs(0, p.on("kubeconfig", "ilb", "--role", "node-reader")...)
	p.runs(0, p.on("kubeconfig", "ilb", "--role", "edit", "--role-namespace", "default", "--kubeconfig-out", "narrow")...)
	p.says(p.runs(0, p.on("kubeconfig", "ilb", "--role", "cluster-admin")...).err, "can do everything in this cluster")
	p.runs(0, p.on("kubeconfig", "ilb", "--role", "view", "--kubeconfig-out", "same")...)
	if account := p.account("same", "causeway-roles"); account != "causeway-roles/causeway-client" {
		t.Errorf("the exposure's own role got the account %s", account)
	}
	p.says(p.runs(exitPrecondition, p.on("kubeconfig", "ilb", "--role", "nobody")...).err, "ClusterRole nobody does not exist", "CW-KUBE-ROLE")
	p.runs(exitUsage, p.on("kubeconfig", "ilb", "--role", "edit", "--token-ttl", "soon")...)

	p.objects("clusterrolebindings//causeway-roles-client-edit", "rolebindings/default/causeway-roles-client-edit-in-default",
		"serviceaccounts/causeway-roles/causeway-client-edit-in-default", "clusterroles//causeway-roles-client-node-reader")
	p.says(p.runs(0, p.on("apply", "ilb", "--client-cidr", "172.31.0.0/16", "--from", "cluster", "--yes")...).out, "nothing to change")
	p.says(p.runs(0, p.on("destroy", "ilb", "--yes")...).out, "causeway-roles-client-edit")
	if left, err := p.world.Objects(t.Context()); err != nil || len(left) > 0 {
		t.Errorf("left in the cluster: %v %v", left, err)
	}
	if p.world.State() != before {
		t.Error("Google's side is not as before")
	}
}

func (p *place) objects(want ...string) {
	p.Helper()
	have, err := p.world.Objects(p.Context())
	if err != nil {
		p.Fatal(err)
	}
	for _, one := range want {
		if !slices.Contains(have, one) {
			p.Errorf("%s is not there: %v", one, have)
		}
	}
}

// TestRenewing: the exec plugin that a renewing kubeconfig names answers with a
// token, the same as long as that is fresh, and prints it nowhere but on stdout.
func TestRenewing(t *testing.T) {
	p := stand(t, "renewing")
	p.apply("--token", "renewing", "--token-ttl", "1h")
	text := p.read("causeway-renewing.kubeconfig")
	first := regexp.MustCompile(`eyJ[A-Za-z0-9._-]+`).FindString(text)
	if first == "" {
		t.Fatalf("no token in the plugin's environment:\n%.600s", strings.ReplaceAll(text, "LS0t", ""))
	}
	p.says(text, "- credential\n", "- --service-account\n", "- causeway-client\n", "client.authentication.k8s.io/v1")
	info, err := json.Marshal(map[string]any{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "spec": map[string]any{"cluster": map[string]any{
		"server": p.world.Server.URL, "certificate-authority-data": base64.StdEncoding.EncodeToString(p.world.Server.CA)}}})
	if err != nil {
		t.Fatal(err)
	}
	p.env[exposer.TokenVariable], p.env["KUBERNETES_EXEC_INFO"], p.allowed = first, string(info), []string{first}
	answer := p.runs(0, "credential", "--namespace", "causeway-renewing", "--token-ttl", "1h")
	var told struct{ Status struct{ Token string } }
	if err := json.Unmarshal([]byte(answer.out), &told); err != nil || told.Status.Token != first || answer.err != "" {
		t.Errorf("%v %s", err, answer.err)
	}
	p.env["KUBERNETES_EXEC_INFO"] = ""
	p.says(p.runs(exitFailed, "credential").err, "causeway explain CW-TOKEN-PLUGIN")
	p.runs(0, p.on("destroy", "ilb", "--yes")...)
}

// TestModesAndTokens: what the summary says where the defaults do not hold.
func TestModesAndTokens(t *testing.T) {
	p := stand(t, "passed")
	got := p.apply("--mode", "passthrough", "--token", "secret", "--port", "8443")
	p.says(got.out, "endpoint     https://10.156.0.3:8443", "server name  kubernetes.default.svc", "token        does not end: it is as good as a password")
	p.says(p.runs(exitFailed, p.on("certs", "show", "ilb")...).err, "mode passthrough has no certificate of causeway's", "CW-TLS-PASSTHROUGH")
	p.says(p.runs(0, p.on("kubeconfig", "ilb")...).out, "token        does not end")
	p.runs(0, p.on("destroy", "ilb", "--yes")...)
}

// TestTerminal: on a terminal steps are drawn and coloured, unless NO_COLOR says no.
func TestTerminal(t *testing.T) {
	p := stand(t, "terminal")
	p.tty = true
	got := p.apply()
	p.says(got.err, "\x1b[32m✓\x1b[0m", "\x1b[32mcreate\x1b[0m", "\x1b[J")
	if strings.Contains(got.out, "\x1b") {
		t.Errorf("stdout is no terminal, and has colours: %q", got.out)
	}
	p.env["NO_COLOR"] = "1"
	if got := p.runs(0, p.on("destroy", "ilb", "--yes")...); strings.Contains(got.err, "\x1b[32m") {
		t.Errorf("colours in spite of NO_COLOR: %q", got.err)
	}
}

// TestEndingTokenNeedsSomebody: status with the second half of a token's life begun.
func TestEndingTokenNeedsSomebody(t *testing.T) {
	p := stand(t, "ending")
	p.apply()
	p.later = 13 * time.Hour
	got := p.runs(exitPrecondition, p.on("status", "ilb")...)
	p.says(got.out, "LOOK    token", "[CW-TOKEN-ENDS]", "ok      certificate")
	p.says(got.err, "causeway explain CW-TOKEN-ENDS")
	p.later = 0
	p.says(p.runs(exitPrecondition, p.on("status", "ilb", "--warn-days", "400")...).out, "[CW-TLS-ENDS]")
	p.runs(0, p.on("destroy", "ilb", "--yes")...)
}

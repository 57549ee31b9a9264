package kubeconfig

import (
	"errors"
	"strings"
	"testing"
)

func TestRetargetKeepsTrustAndIdentity(t *testing.T) {
	t.Parallel()
	ca, _ := selfSigned(t, "ca")
	from := build(t, Params{Context: "producer", Server: "https://10.156.0.26", CA: ca, Token: "a-token", Namespace: "shop", TLSServerName: "kubernetes"})
	to, err := Retarget(from, "consumer", "https://10.0.0.9:8443", "10.156.0.26")
	if err != nil {
		t.Fatal(err)
	}
	before, err := Inspect(from, "")
	if err != nil {
		t.Fatal(err)
	}
	after, err := Inspect(to, "consumer")
	if err != nil {
		t.Fatal(err)
	}
	if after.Server != "https://10.0.0.9:8443" || after.TLSServerName != "10.156.0.26" || string(after.CA) != string(before.CA) || after.Namespace != "shop" {
		t.Errorf("retargeted: %+v", after)
	}
	if !strings.Contains(string(to), "a-token") || strings.Contains(string(to), "producer") {
		t.Errorf("the identity is lost, or the old name is left:\n%s", to)
	}
	for name, bad := range map[string][3]string{
		"no YAML":         {"{", "https://x", "CW-CFG-PARSE"},
		"no context":      {"apiVersion: v1\nkind: Config\n", "https://x", "CW-CFG-NO-CONTEXT"},
		"plain http":      {string(from), "http://x", "CW-CFG-PARAMS"},
		"a lost user":     {strings.Replace(string(from), "users:\n- name: producer", "users:\n- name: other", 1), "https://x", "CW-CFG-PARSE"},
		"nothing at all":  {"", "https://x", "CW-CFG-NO-CONTEXT"},
		"no server":       {string(from), "", "CW-CFG-PARAMS"},
		"a URL of no use": {string(from), "https://", "CW-CFG-PARAMS"},
	} {
		_, err := Retarget([]byte(bad[0]), "c", bad[1], "")
		var known *Error
		if !errors.As(err, &known) || known.Code() != bad[2] {
			t.Errorf("%s: %v, want %s", name, err, bad[2])
		}
	}
}

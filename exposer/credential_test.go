package exposer_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"causeway/exposer"
	"causeway/exposer/conformance"
	"causeway/internal/explain"
	"causeway/internal/kube"
	"causeway/kubeconfig"
)

// plugin is a renewing kubeconfig's exec entry.
type plugin struct {
	Command string
	Args    []string
	Env     []struct{ Name, Value string }
}

// readPlugin takes it out of a kubeconfig's bytes.
func readPlugin(t testing.TB, made exposer.Made) plugin {
	t.Helper()
	var file struct {
		Users []struct{ User struct{ Exec plugin } }
	}
	if err := yaml.Unmarshal(made.Bytes, &file); err != nil {
		t.Fatal(err)
	}
	return file.Users[0].User.Exec
}

// renewal is what cmd makes of the plugin's arguments and environment, and a
// counter of the connections that it opens.
func renewal(t testing.TB, w *conformance.World, p plugin) (r exposer.Renewal, connected *int) {
	t.Helper()
	info, err := json.Marshal(map[string]any{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "spec": map[string]any{
		"interactive": false, "cluster": map[string]any{"server": w.Server.URL, "certificate-authority-data": base64.StdEncoding.EncodeToString(w.Server.CA)}}})
	if err != nil {
		t.Fatal(err)
	}
	connected = new(int)
	r = exposer.Renewal{ExecInfo: string(info), Namespace: w.Spec.Namespace, Account: exposer.ClientAccount, TTL: time.Hour, Dir: t.TempDir(), Now: time.Now,
		Connect: func(b kube.Bearer) (*kube.Client, error) { *connected++; return kube.FromBearer(b, kube.Env{}) }}
	for _, env := range p.Env {
		if env.Name == exposer.TokenVariable {
			r.First = env.Value
		}
	}
	return r, connected
}

// answered runs the plugin and reads its answer.
func answered(t testing.TB, r exposer.Renewal) (token string, again time.Time) {
	t.Helper()
	out, err := r.Credential(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var answer struct {
		APIVersion, Kind string
		Status           struct {
			Token               string
			ExpirationTimestamp time.Time
		}
	}
	if err := json.Unmarshal(out, &answer); err != nil || answer.Kind != "ExecCredential" || answer.APIVersion != "client.authentication.k8s.io/v1" {
		t.Fatalf("%v: %s", err, answer.Kind)
	}
	return answer.Status.Token, answer.Status.ExpirationTimestamp
}

func TestRenewingKubeconfig(t *testing.T) {
	t.Parallel()
	w, j := standing(t, renewing, func(s *exposer.Spec) { s.Access.TokenTTL = "10m" })
	_, made, err := j.KubeconfigStanding(t.Context(), w.Spec)
	if err != nil {
		t.Fatal(err)
	}
	p := readPlugin(t, made)
	if p.Command != "/usr/bin/causeway" || !strings.Contains(strings.Join(p.Args, " "), "credential --namespace "+w.Spec.Namespace+" --service-account causeway-client --token-ttl 10m0s") {
		t.Errorf("the plugin: %s %v", p.Command, p.Args)
	}
	if strings.Contains(strings.Join(p.Args, " "), "eyJ") {
		t.Error("a token stands in the plugin's arguments")
	}
	r, connected := renewal(t, w, p)
	first, again := answered(t, r)
	claims, ok := kubeconfig.ParseToken(first)
	if !ok || first != r.First || *connected != 0 {
		t.Fatalf("a fresh token was renewed (%d connections)", *connected)
	}
	if half := claims.Issued.Add(claims.Expires.Sub(claims.Issued) / 2); !again.Equal(half.UTC().Truncate(time.Second)) {
		t.Errorf("clients call again at %s, half of its life ends at %s", again, half)
	}
	if left, err := filepath.Glob(filepath.Join(r.Dir, "*")); err != nil || len(left) > 0 {
		t.Errorf("a fresh token was kept: %v %v", left, err)
	}

	r.Now = func() time.Time { return claims.Issued.Add(6 * time.Minute) } // past half of it
	second, _ := answered(t, r)
	renewed, ok := kubeconfig.ParseToken(second)
	if !ok || second == first || *connected != 1 || renewed.Expires.Sub(renewed.Issued) != time.Hour {
		t.Fatalf("past half of its life: renewed %v, %d connections, lives %s", second != first, *connected, renewed.Expires.Sub(renewed.Issued))
	}
	private(t, r.Dir)
	if third, _ := answered(t, r); third != second || *connected != 1 {
		t.Errorf("the renewed token is not used again (%d connections)", *connected)
	}

	r.Now = func() time.Time { return claims.Expires.Add(10 * time.Minute) } // the first has ended
	if token, _ := answered(t, r); token != second {
		t.Error("the renewed token does not outlive the first")
	}
	r.Now = func() time.Time { return renewed.Expires.Add(time.Minute) }
	ownTokenAlone(t, w, second)
	remake(t, w) // as far as the cluster goes the token is good yet: now it is not
	for accepted(w, second) && t.Context().Err() == nil {
		pause(t)
	}
	_, err = r.Credential(t.Context())
	wantCode(t, err, "CW-TOKEN-ENDED")
	if strings.Contains(err.Error(), "eyJ") {
		t.Error("the error shows a token")
	}
}

// private fails the test unless what lies below dir is the owner's alone.
func private(t testing.TB, dir string) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(filepath.Join(dir, "tokens"), func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := os.Stat(path)
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s can be read by others: %s", path, info.Mode())
		}
		if err == nil && !info.IsDir() {
			files++
		}
		return err
	})
	if err != nil || files != 1 {
		t.Errorf("%d kept tokens: %v", files, err)
	}
}

// ownTokenAlone fails the test unless the identity may ask for tokens of itself
// and of nobody else.
func ownTokenAlone(t testing.TB, w *conformance.World, token string) {
	t.Helper()
	client, err := kube.FromBearer(kube.Bearer{Server: w.Server.URL, CA: w.Server.CA, Token: token}, kube.Env{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Token(t.Context(), w.Spec.Namespace, exposer.ClientAccount, 10*time.Minute); err != nil {
		t.Errorf("its own token: %v", err)
	}
	for namespace, account := range map[string]string{w.Spec.Namespace: "causeway-proxy", "kube-system": "default", "default": "default"} {
		if _, err := client.Token(t.Context(), namespace, account, 10*time.Minute); explain.CodeOf(err) != "CW-KUBE-FORBIDDEN" {
			t.Errorf("the token of %s/%s: %v, want a refusal", namespace, account, err)
		}
	}
}

func TestARenewalThatFails(t *testing.T) {
	t.Parallel()
	w, j := standing(t, renewing, func(s *exposer.Spec) { s.Access.TokenTTL = "10m" })
	_, made, err := j.KubeconfigStanding(t.Context(), w.Spec)
	if err != nil {
		t.Fatal(err)
	}
	r, _ := renewal(t, w, readPlugin(t, made))
	claims, _ := kubeconfig.ParseToken(r.First)
	r.Connect = func(kube.Bearer) (*kube.Client, error) { return nil, errors.New("no way") }
	for minute, left := range map[int]time.Duration{6: time.Minute, 9: time.Minute} {
		r.Now = func() time.Time { return claims.Issued.Add(time.Duration(minute) * time.Minute) }
		token, again := answered(t, r)
		if token != r.First || again.Sub(r.Now()) > left {
			t.Errorf("after %d minutes: the old token %v, called again in %s", minute, token == r.First, again.Sub(r.Now()))
		}
	}
	r.Now = func() time.Time { return claims.Issued.Add(11 * time.Minute) }
	_, err = r.Credential(context.Background())
	wantCode(t, err, "CW-TOKEN-ENDED")
}

func TestThePluginCalledWrongly(t *testing.T) {
	t.Parallel()
	info := `{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","spec":{"cluster":{"server":"https://10.0.0.1"}}}`
	for name, c := range map[string]struct{ info, first string }{
		"by hand":                            {},
		"with something that is no JSON":     {info: "{"},
		"without the cluster":                {info: `{"apiVersion":"client.authentication.k8s.io/v1","spec":{}}`},
		"without a token":                    {info: info},
		"with something that is not a token": {info: info, first: "hello"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := exposer.Renewal{ExecInfo: c.info, First: c.first, Dir: t.TempDir(), Now: time.Now}
			_, err := r.Credential(t.Context())
			wantCode(t, err, "CW-TOKEN-PLUGIN")
		})
	}
}

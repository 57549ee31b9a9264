package gcp

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"causeway/internal/gcptest"
)

func write(t *testing.T, file, text string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func lookup(all map[string]string) func(string) string {
	return func(name string) string { return all[name] }
}

func TestWhereTheProjectComesFrom(t *testing.T) {
	home := t.TempDir()
	gcloud := filepath.Join(home, ".config", "gcloud")
	write(t, filepath.Join(gcloud, "configurations", "config_default"), "[core]\naccount = me@example.com\nproject = from-default\n")
	write(t, filepath.Join(gcloud, "configurations", "config_work"), "# mine\n[compute]\nregion = x\n[core]\nproject=from-work\n")
	for sentence, test := range map[string]struct {
		env    map[string]string
		active string
		want   string
	}{
		"CLOUDSDK_CORE_PROJECT first":     {map[string]string{"CLOUDSDK_CORE_PROJECT": "a", "GOOGLE_CLOUD_PROJECT": "b", "HOME": home}, "", "a"},
		"then GOOGLE_CLOUD_PROJECT":       {map[string]string{"GOOGLE_CLOUD_PROJECT": "b", "HOME": home}, "", "b"},
		"then the default configuration":  {map[string]string{"HOME": home}, "", "from-default"},
		"or the active one":               {map[string]string{"HOME": home}, "work\n", "from-work"},
		"or the one that is named":        {map[string]string{"HOME": home, "CLOUDSDK_ACTIVE_CONFIG_NAME": "work"}, "", "from-work"},
		"or one that lies elsewhere":      {map[string]string{"CLOUDSDK_CONFIG": gcloud}, "", "from-default"},
		"or none, as it does not exist":   {map[string]string{"HOME": home, "CLOUDSDK_ACTIVE_CONFIG_NAME": "absent"}, "", ""},
		"or none, as there is no home":    {nil, "", ""},
		"no way out of the configuration": {map[string]string{"HOME": home, "CLOUDSDK_ACTIVE_CONFIG_NAME": "../../../etc/passwd"}, "", ""},
	} {
		t.Run(sentence, func(t *testing.T) {
			active := filepath.Join(gcloud, "active_config")
			if test.active != "" {
				write(t, active, test.active)
				defer os.Remove(active)
			}
			if got := DefaultProject(lookup(test.env)); got != test.want {
				t.Errorf("project %q, want %q", got, test.want)
			}
		})
	}
}

func TestWhereEndpointsComeFrom(t *testing.T) {
	home := t.TempDir()
	token := write(t, filepath.Join(home, "token"), "abc\n")
	write(t, filepath.Join(home, "configurations", "config_default"),
		"[api_endpoint_overrides]\ncompute = http://file/compute/v1/\ncontainer = http://file/\n[auth]\naccess_token_file = "+token+"\n")
	config, err := ConfigFromEnv(t.Context(), lookup(map[string]string{
		"CLOUDSDK_CONFIG": home, "CLOUDSDK_API_ENDPOINT_OVERRIDES_CONTAINER": "http://env/", "CLOUDSDK_API_ENDPOINT_OVERRIDES_SERVICEUSAGE": "http://usage/",
		"CLOUDSDK_API_ENDPOINT_OVERRIDES_DNS": "http://names/dns/v1/", "GOOGLE_CLOUD_QUOTA_PROJECT": "payer",
	}), Options{UserAgent: "causeway/1"})
	if err != nil {
		t.Fatal(err)
	}
	want := Endpoints{Compute: "http://file/compute/v1/", Container: "http://env/", ServiceUsage: "http://usage/", DNS: "http://names/dns/v1/"}
	if diff := cmp.Diff(want, config.Endpoints); diff != "" {
		t.Error(diff)
	}
	got, err := config.TokenSource.Token()
	if err != nil || got.AccessToken != "abc" || config.QuotaProject != "payer" || config.UserAgent != "causeway/1" {
		t.Errorf("%+v, %+v, %v", got, config, err)
	}
}

func TestAccessTokenFiles(t *testing.T) {
	home := t.TempDir()
	for sentence, test := range map[string]struct{ text, part string }{
		"empty":                {"\n", "must hold a bare access token"},
		"two words":            {"Bearer abc", "must hold a bare access token"},
		"JSON":                 {`{"access_token":"SECRET"}`, "must hold a bare access token"},
		"not there":            {"", "no such file"},
		"good":                 {"ya29.abc\n", ""},
		"good, without an end": {"ya29.abc", ""},
	} {
		t.Run(sentence, func(t *testing.T) {
			file := filepath.Join(home, sentence)
			if sentence != "not there" {
				write(t, file, test.text)
			}
			_, err := ConfigFromEnv(t.Context(), lookup(nil), Options{AccessTokenFile: file})
			if test.part == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			expect(t, err, "CW-GCP-CREDENTIALS", test.part)
			if strings.Contains(err.Error(), "SECRET") {
				t.Errorf("the error tells the token: %v", err)
			}
		})
	}
}

// TestATokenFileThatIsRefreshed: the file is read for each call, so a fresh token
// counts at once.
func TestATokenFileThatIsRefreshed(t *testing.T) {
	google := gcptest.Serve(t, gcptest.Options{}, "lab")
	file := write(t, filepath.Join(t.TempDir(), "token"), "old")
	config, err := ConfigFromEnv(t.Context(), environment(google, t.TempDir(), nil), Options{AccessTokenFile: file})
	if err != nil {
		t.Fatal(err)
	}
	cloud, err := New(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	_, err = cloud.Project(t.Context(), project)
	expect(t, err, "CW-GCP-CREDENTIALS", "--access-token-file")
	if err := google.WriteToken(file); err != nil {
		t.Fatal(err)
	}
	if _, err := cloud.Project(t.Context(), project); err != nil {
		t.Error(err)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	_, err = cloud.Project(t.Context(), project)
	expect(t, err, "CW-GCP-CREDENTIALS", "read access token file")
}

func TestCredentialsFiles(t *testing.T) {
	home := t.TempDir()
	user := `{"type":"authorized_user","client_id":"c","client_secret":"SECRET","refresh_token":"r","quota_project_id":"payer"}`
	adc := filepath.Join(home, ".config", "gcloud", "application_default_credentials.json")
	never := func(context.Context) bool { return false }
	_, err := ConfigFromEnv(t.Context(), lookup(map[string]string{"HOME": home}), Options{OnGCE: never})
	expect(t, err, "CW-GCP-CREDENTIALS", "find Google credentials: none are set up (gcloud auth application-default login")
	config, err := ConfigFromEnv(t.Context(), lookup(map[string]string{"HOME": home}), Options{OnGCE: func(context.Context) bool { return true }})
	if err != nil || config.TokenSource == nil {
		t.Errorf("on a machine of Google's: %v", err)
	}
	write(t, adc, user)
	config, err = ConfigFromEnv(t.Context(), lookup(map[string]string{"HOME": home}), Options{OnGCE: never})
	if err != nil || config.QuotaProject != "payer" || config.TokenSource == nil {
		t.Errorf("%+v, %v", config, err)
	}
	config, err = ConfigFromEnv(t.Context(), lookup(map[string]string{"HOME": home, "GOOGLE_CLOUD_QUOTA_PROJECT": "other"}), Options{OnGCE: never})
	if err != nil || config.QuotaProject != "other" {
		t.Errorf("%+v, %v", config, err)
	}
	for sentence, text := range map[string]string{"not JSON": "SECRET", "no type": `{"client_secret":"SECRET"}`} {
		file := write(t, filepath.Join(home, sentence), text)
		_, err = ConfigFromEnv(t.Context(), lookup(map[string]string{"GOOGLE_APPLICATION_CREDENTIALS": file}), Options{OnGCE: never})
		expect(t, err, "CW-GCP-CREDENTIALS", "read credentials file")
		if strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%s: the error tells a secret: %v", sentence, err)
		}
	}
	_, err = ConfigFromEnv(t.Context(), lookup(map[string]string{"GOOGLE_APPLICATION_CREDENTIALS": filepath.Join(home, "absent")}), Options{OnGCE: never})
	expect(t, err, "CW-GCP-CREDENTIALS", "no such file")
}

func TestImpersonation(t *testing.T) {
	now := time.Now()
	google := gcptest.Serve(t, gcptest.Options{Now: func() time.Time { return now }}, "lab")
	token := filepath.Join(t.TempDir(), "token")
	if err := google.WriteToken(token); err != nil {
		t.Fatal(err)
	}
	become := func(account string) (*Cloud, error) {
		config, err := ConfigFromEnv(t.Context(), environment(google, t.TempDir(), nil), Options{AccessTokenFile: token, Impersonate: account})
		if err != nil {
			return nil, err
		}
		return New(t.Context(), config)
	}
	cloud, err := become("delegate@lab-project.iam.gserviceaccount.com, network@lab-project.iam.gserviceaccount.com")
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := cloud.Project(t.Context(), project); err != nil {
			t.Fatal(err)
		}
	}
	var generated []gcptest.Request
	for _, request := range google.Requests() {
		if request.Method == "iamcredentials.projects.serviceAccounts.generateAccessToken" {
			generated = append(generated, request)
		}
	}
	if len(generated) != 1 || !strings.Contains(generated[0].Body, "projects/-/serviceAccounts/delegate@") || !strings.Contains(generated[0].Path, "/network@") {
		t.Errorf("calls for a token: %+v", generated)
	}
	google.Deny("iam.serviceAccounts.getAccessToken")
	cloud, err = become("network@lab-project.iam.gserviceaccount.com")
	if err != nil {
		t.Fatal(err)
	}
	_, err = cloud.Project(t.Context(), project)
	expect(t, err, "CW-GCP-PERMISSION", "impersonate service account network@lab-project.iam.gserviceaccount.com")
	expect(t, err, "CW-GCP-PERMISSION", "missing permission iam.serviceAccounts.getAccessToken")
}

package gcp

import (
	"bufio"
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
)

// Options are the flags that say how to reach Google; empty ones leave it to the
// environment and to gcloud's active configuration.
type Options struct {
	AccessTokenFile string // a bare access token, read anew for each call
	Impersonate     string // service account, or a chain "delegate,...,account"
	UserAgent       string
	// OnGCE says whether a metadata server is there to ask for credentials; the
	// machine is asked, for at most 2 s, when nil.
	OnGCE func(context.Context) bool
}

// ConfigFromEnv makes the Config that gcloud would work with: endpoint overrides,
// access token file and impersonation from the flags, the environment
// (CLOUDSDK_...) or gcloud's active configuration, in this order; else Application
// Default Credentials. It fails with CW-GCP-CREDENTIALS when there are none.
func ConfigFromEnv(ctx context.Context, getenv func(string) string, options Options) (Config, error) {
	settings := readSettings(getenv)
	config := Config{UserAgent: options.UserAgent, Endpoints: Endpoints{
		Compute:         settings.get("api_endpoint_overrides", "compute"),
		Container:       settings.get("api_endpoint_overrides", "container"),
		DNS:             settings.get("api_endpoint_overrides", "dns"),
		ResourceManager: settings.get("api_endpoint_overrides", "cloudresourcemanager"),
		ServiceUsage:    settings.get("api_endpoint_overrides", "serviceusage"),
		IAM:             settings.get("api_endpoint_overrides", "iam"),
		IAMCredentials:  settings.get("api_endpoint_overrides", "iamcredentials"),
		GKEHub:          settings.get("api_endpoint_overrides", "gkehub"),
		ConnectGateway:  settings.get("api_endpoint_overrides", "connectgateway"),
	}}
	if options.AccessTokenFile == "" {
		options.AccessTokenFile = settings.get("auth", "access_token_file")
	}
	if options.Impersonate == "" {
		options.Impersonate = settings.get("auth", "impersonate_service_account")
	}
	found, err := findCredentials(ctx, getenv, options)
	if err != nil {
		return Config{}, &Error{Verb: "find", Resource: "Google credentials", Message: err.Error(), Cause: err, code: codeCredentials}
	}
	config.TokenSource = found.source
	config.QuotaProject = first(getenv("GOOGLE_CLOUD_QUOTA_PROJECT"), found.quotaProject)
	if options.Impersonate != "" {
		config.TokenSource, err = impersonate(ctx, config, options)
		config.QuotaProject = getenv("GOOGLE_CLOUD_QUOTA_PROJECT") // the account's own, not the user's
	}
	return config, err
}

// DefaultProject is the project that gcloud would take: CLOUDSDK_CORE_PROJECT,
// GOOGLE_CLOUD_PROJECT, then the active configuration; "" when none is set.
func DefaultProject(getenv func(string) string) string {
	return first(getenv("CLOUDSDK_CORE_PROJECT"), getenv("GOOGLE_CLOUD_PROJECT"), readSettings(getenv).get("core", "project"))
}

// settings are gcloud's properties: from the environment, else from the file of
// the active configuration, by "section/name".
type settings struct {
	getenv func(string) string
	file   map[string]string
}

// readSettings reads the active configuration as gcloud finds it; a file that is
// not there or not readable has no settings, as for a machine without gcloud.
func readSettings(getenv func(string) string) settings {
	s := settings{getenv: getenv, file: map[string]string{}}
	directory := gcloudDirectory(getenv)
	if directory == "" {
		return s
	}
	name := getenv("CLOUDSDK_ACTIVE_CONFIG_NAME")
	if name == "" {
		active, err := os.ReadFile(filepath.Join(directory, "active_config"))
		name = first(strings.TrimSpace(string(active)), "default")
		if err != nil {
			name = "default"
		}
	}
	text, err := os.ReadFile(filepath.Join(directory, "configurations", "config_"+filepath.Base(name)))
	if err == nil {
		s.file = parseINI(text)
	}
	return s
}

// gcloudDirectory is where gcloud keeps its configuration; "" when no home is known.
func gcloudDirectory(getenv func(string) string) string {
	if directory := getenv("CLOUDSDK_CONFIG"); directory != "" {
		return directory
	}
	if home := getenv("HOME"); home != "" {
		return filepath.Join(home, ".config", "gcloud")
	}
	return ""
}

func (s settings) get(section, name string) string {
	return first(s.getenv("CLOUDSDK_"+strings.ToUpper(section+"_"+name)), s.file[section+"/"+name])
}

// parseINI reads `[section]` and `name = value`, the form of gcloud's files.
func parseINI(text []byte) map[string]string {
	out := map[string]string{}
	section := ""
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		line := strings.TrimSpace(lines.Text())
		if strings.HasPrefix(line, "[") && strings.HasSuffix(line, "]") {
			section = strings.TrimSpace(line[1 : len(line)-1])
			continue
		}
		if name, value, ok := strings.Cut(line, "="); ok && !strings.HasPrefix(line, "#") && !strings.HasPrefix(line, ";") {
			out[section+"/"+strings.TrimSpace(name)] = strings.TrimSpace(value)
		}
	}
	return out
}

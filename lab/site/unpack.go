package site

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	"k8s.io/client-go/tools/clientcmd"
)

// Unpacked is a kubeconfig's content for curl: files in a person's home.
type Unpacked struct {
	URL    string   // of the API server, by the name that its certificate bears
	Curl   []string // arguments that make curl verify, and find that name
	Header string   // file with the Authorization header, for -H @file
	Client []string // arguments for the client certificate, when there is one
	Token  string
}

// Unpack writes CA, token and client certificate of the current context into
// w's home.
func Unpack(w Who, kubeconfig []byte) (Unpacked, error) {
	config, err := clientcmd.RESTConfigFromKubeConfig(kubeconfig)
	if err != nil {
		return Unpacked{}, fmt.Errorf("read kubeconfig: %w", err)
	}
	u := Unpacked{URL: config.Host, Curl: []string{"--cacert", "ca.crt"}, Header: "authorization", Token: config.BearerToken}
	if config.ServerName != "" {
		server, err := url.Parse(config.Host)
		if err != nil {
			return Unpacked{}, fmt.Errorf("read kubeconfig: %w", err)
		}
		port := server.Port()
		if port == "" {
			port = "443"
		}
		u.URL = "https://" + config.ServerName + ":" + port
		u.Curl = append(u.Curl, "--resolve", config.ServerName+":"+port+":"+server.Hostname())
	}
	files := map[string][]byte{"ca.crt": config.CAData, u.Header: []byte("Authorization: Bearer " + config.BearerToken + "\n")}
	if len(config.CertData) > 0 {
		u.Client = []string{"--cert", "client.crt", "--key", "client.key"}
		files["client.crt"], files["client.key"] = config.CertData, config.KeyData
	}
	var errs []error
	for name, content := range files {
		errs = append(errs, os.WriteFile(filepath.Join(w.Home, name), content, 0o600))
	}
	return u, errors.Join(errs...)
}

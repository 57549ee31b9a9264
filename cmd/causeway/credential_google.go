package main

import (
	"context"
	"fmt"
	"time"

	"causeway/exposer"
	"causeway/internal/gcp"
)

// googleTokenWait bounds the call for a token: kubectl waits for it each time.
const googleTokenWait = 30 * time.Second

// googleCredential prints a Google access token as Kubernetes clients want it, and
// needs no gcloud. The token is written to stdout alone, and kept nowhere.
func (a *app) googleCredential(ctx context.Context, options gcp.Options) error {
	ctx, cancel := context.WithTimeoutCause(ctx, googleTokenWait, &timeoutError{googleTokenWait.String()})
	defer cancel()
	options.UserAgent = "causeway/" + version
	config, err := gcp.ConfigFromEnv(ctx, a.getenv, options)
	if err != nil {
		return err
	}
	token, expires, err := config.AccessToken()
	if err != nil {
		return err
	}
	answer, err := exposer.GoogleCredential(a.getenv("KUBERNETES_EXEC_INFO"), token, expires, a.now())
	if err != nil {
		return err
	}
	fmt.Fprintln(a.out, string(answer))
	return nil
}

// googleIdentity says where the identity comes from that the kubeconfig does not hold.
func googleIdentity(plugin string) string {
	return "that of whoever uses the file, as Google knows him, by " + plugin + "; the file holds no secret"
}

// kubeconfigAnswer is the answer of the verb kubeconfig for programs.
func kubeconfigAnswer(path string, made exposer.Made) map[string]any {
	if made.Plugin != "" {
		return map[string]any{"kubeconfig": path, "context": made.Context, "plugin": made.Plugin}
	}
	return map[string]any{"kubeconfig": path, "context": made.Context, "tokenExpires": made.Expires}
}

package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"causeway/exposer"
	"causeway/internal/gcp"
	"causeway/internal/kube"
)

// credentialCommand is the exec plugin of kubeconfigs that hold no token for good:
// renewing ones, and with --google those of Google identities.
func (a *app) credentialCommand() *cobra.Command {
	r := exposer.Renewal{Now: a.now, Dir: exposer.StateDir(a.getenv), First: a.getenv(exposer.TokenVariable), ExecInfo: a.getenv("KUBERNETES_EXEC_INFO"),
		Connect: func(b kube.Bearer) (*kube.Client, error) { return kube.FromBearer(b, kube.Env{Now: a.now}) }}
	var google bool
	var options gcp.Options
	cmd := &cobra.Command{
		Use: "credential", Short: "exec plugin of a kubeconfig; Kubernetes clients call it", Hidden: true, Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if google {
				return a.googleCredential(cmd.Context(), options)
			}
			answer, err := r.Credential(cmd.Context())
			if err != nil {
				return err
			}
			fmt.Fprintln(a.out, string(answer))
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&r.Namespace, "namespace", "", "namespace of the ServiceAccount")
	f.StringVar(&r.Account, "service-account", exposer.ClientAccount, "its name")
	f.DurationVar(&r.TTL, "token-ttl", 24*time.Hour, "life to ask for")
	f.BoolVar(&google, "google", false, "give a Google access token instead: of Application Default Credentials")
	f.StringVar(&options.Impersonate, "impersonate-service-account", "", "with --google: the service account to act as")
	f.StringVar(&options.AccessTokenFile, "access-token-file", "", "with --google: a file with the token")
	return cmd
}

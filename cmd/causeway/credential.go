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
		Cert: a.getenv(exposer.ClientCertVariable), Key: a.getenv(exposer.ClientKeyVariable),
		Connect: func(b kube.Bearer) (*kube.Client, error) { return kube.FromBearer(b, kube.Env{Now: a.now}) }}
	var google bool
	var options gcp.Options
	cmd := &cobra.Command{
		Use: "credential", Short: "exec plugin of a kubeconfig; Kubernetes clients call it", Hidden: true, Args: noArguments,
		Long: `Gives a Kubernetes client the token that its kubeconfig does not hold: that of the
exposure's ServiceAccount, renewed (--token renewing), or with --google one of the
user's own Google identity. The kubeconfig names it; nobody types it.`,
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
	f.StringVar(&r.Namespace, "namespace", "", "`NAMESPACE` of the ServiceAccount")
	f.StringVar(&r.Account, "service-account", exposer.ClientAccount, "`NAME` of the ServiceAccount")
	f.DurationVar(&r.TTL, "token-ttl", 24*time.Hour, "`TIME` that the token lives, to ask for")
	f.BoolVar(&google, "google", false, "give a Google access token instead: of Application Default Credentials")
	f.StringVar(&options.Impersonate, "impersonate-service-account", "", "with --google: service `ACCOUNT` to act as")
	f.StringVar(&options.AccessTokenFile, "access-token-file", "", "with --google: `FILE` with the token")
	return cmd
}

package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"causeway/exposer"
	"causeway/internal/kube"
)

// credentialCommand is the exec plugin of renewing kubeconfigs.
func (a *app) credentialCommand() *cobra.Command {
	r := exposer.Renewal{Now: a.now, Dir: exposer.StateDir(a.getenv), First: a.getenv(exposer.TokenVariable), ExecInfo: a.getenv("KUBERNETES_EXEC_INFO"),
		Connect: func(b kube.Bearer) (*kube.Client, error) { return kube.FromBearer(b, kube.Env{Now: a.now}) }}
	cmd := &cobra.Command{
		Use: "credential", Short: "exec plugin of a renewing kubeconfig; Kubernetes clients call it", Hidden: true, Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
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
	return cmd
}

package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"
)

func (a *app) kubeconfigCommand() *cobra.Command {
	c := &common{}
	cmd := &cobra.Command{
		Use: "kubeconfig METHOD", Short: "write a kubeconfig of a standing exposure again, with a new token",
		Example: "  causeway kubeconfig ilb --project P --location L --cluster C --token-ttl 8h",
		Args:    cobra.MaximumNArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return a.writeKubeconfig(cmd, c, args) },
	}
	c.clusterFlags(cmd)
	c.fileFlags(cmd)
	outputFlag(cmd, &c.output)
	cmd.Flags().StringVar(&c.spec.Access.TokenTTL, "token-ttl", "", "life to ask for, such as 24h; the cluster may give less")
	return cmd
}

func (a *app) writeKubeconfig(cmd *cobra.Command, c *common, args []string) error {
	s, err := a.openRecorded(cmd, c, args)
	if err != nil {
		return err
	}
	defer s.cancel()
	_, made, err := s.job.KubeconfigStanding(s.ctx, s.spec)
	if err != nil {
		return err
	}
	if err := s.job.File.Write(made); err != nil {
		return err
	}
	if c.output != "table" {
		return a.writeData(c.output, map[string]any{"kubeconfig": s.job.File.Path, "context": made.Context, "tokenExpires": made.Expires})
	}
	fmt.Fprintf(a.out, "kubeconfig  %s, context %s\n", s.job.File.Path, made.Context)
	if !made.Expires.IsZero() {
		fmt.Fprintf(a.out, "token       ends %s (in %s)\n", made.Expires.UTC().Format(time.RFC3339), made.Expires.Sub(a.now()).Round(time.Minute))
	}
	if made.Capped {
		s.story("the cluster gave the token a shorter life than was asked for [CW-TOKEN-CAPPED]")
	}
	fmt.Fprintf(a.out, "\nnext: causeway verify --kubeconfig %s\n", s.job.File.Path)
	return nil
}

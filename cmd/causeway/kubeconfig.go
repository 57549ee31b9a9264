package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"causeway/exposer"
)

func (a *app) kubeconfigCommand() *cobra.Command {
	c := &common{}
	cmd := &cobra.Command{
		Use: "kubeconfig METHOD", Short: "write a kubeconfig of a standing exposure again, or for another role",
		Long: `Writes a kubeconfig with a new token for an exposure that stands. With --role it is
for another identity, with these rights alone: a ServiceAccount of its own
(causeway-client-ROLE) and its binding, which destroy removes with the rest.`,
		Example: "  causeway kubeconfig ilb --project P --location L --cluster C --token-ttl 8h\n" +
			"  causeway kubeconfig ilb --project P --location L --cluster C --role edit --role-namespace shop",
		Args: atMostMethod,
		RunE: func(cmd *cobra.Command, args []string) error { return a.writeKubeconfig(cmd, c, args) },
	}
	c.exposureFlags(cmd)
	c.accessFlags(cmd, true)
	c.fileFlags(cmd)
	outputFlag(cmd, &c.output)
	c.runFlags(cmd, nil)
	return cmd
}

func (a *app) writeKubeconfig(cmd *cobra.Command, c *common, args []string) error {
	s, err := a.openRecorded(cmd, c, args)
	if err != nil {
		return err
	}
	defer s.cancel()
	access := c.spec.Access
	if access.Role == "cluster-admin" {
		s.story("the kubeconfig will be cluster-admin: whoever has it can do everything in this cluster")
	}
	_, made, err := s.job.KubeconfigFor(s.ctx, s.spec, exposer.Identity{Role: access.Role, Namespaces: access.Namespaces, TokenTTL: access.TokenTTL})
	if err != nil {
		return err
	}
	if made.Further != "" && c.kubeconfig == "" && !c.merge {
		s.job.File.Path = "causeway-" + s.spec.Name + made.Further + ".kubeconfig" // beside the first one
	}
	s.job.File.Context = made.Context
	if err := s.job.File.Write(made); err != nil {
		return err
	}
	if made.Capped {
		s.story("the cluster gave the token a shorter life than was asked for [CW-TOKEN-CAPPED]")
	}
	if c.output != "table" {
		return a.writeData(c.output, kubeconfigAnswer(s.job.File.Path, made))
	}
	fmt.Fprintf(a.out, "kubeconfig   %s, context %s\n", s.job.File.Path, made.Context)
	switch {
	case made.Plugin != "":
		fmt.Fprintf(a.out, "identity     %s\n", googleIdentity(made.Plugin))
	case made.Expires.IsZero():
		fmt.Fprintln(a.out, "token        does not end: it is as good as a password, keep it so")
	default:
		fmt.Fprintf(a.out, "token        ends %s\n", a.moment(made.Expires))
	}
	fmt.Fprintf(a.out, "\non the far side:\n  causeway verify %s\n", s.fileFlags(made.Context))
	return nil
}

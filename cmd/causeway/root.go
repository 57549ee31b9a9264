package main

import (
	"context"
	"errors"
	"io"
	"net"
	"time"

	"github.com/spf13/cobra"

	"causeway/exposer"
)

// app is everything a verb gets from outside.
type app struct {
	args     []string // as typed, the verb first
	in       io.Reader
	out, err io.Writer
	outTTY   bool // stdout is a terminal: tables may have colours
	tty, ask bool // stderr is one; stdin is one, so that questions make sense
	getenv   func(string) string
	now      func() time.Time
	rand     io.Reader
	methods  []exposer.Method
	dial     func(ctx context.Context, network, address string) (net.Conn, error) // tries a way to an endpoint; net's own where nil
}

// methodsHelp says what each method does.
const methodsHelp = `METHOD is one of
  ilb      nginx in the cluster behind an internal load balancer with a reserved
           address of the cluster's VPC
  route    the control plane's own address, by BGP and the VPC peering: nothing runs
           in the cluster; --vpn makes the line too
  psc      an exposure by ilb, published to other networks, projects or
           organisations by Private Service Connect: no routes between them
  dns      the cluster's DNS endpoint: a public name, where IAM says who gets in;
           needs no line, and opens no network
  gateway  Connect Gateway: Google's front end knows the cluster by its fleet, IAM
           says who gets in; needs no line, and opens no network
  mcs      nginx of an exposure by ilb, or any Service, exported to the other clusters
           of a fleet by multi-cluster Services: no far side outside Google Cloud
`

const rootLong = `causeway makes the API server of a private GKE cluster reachable, privately,
from a third-party cloud or an on-premises network. It plans before it acts,
proves the way hop by hop, can be run again, and can undo what it did.

` + methodsHelp + `
causeway detect says which of them can work for a cluster. ilb needs a line between
the two networks that is there (VPN or Interconnect); route uses one, or makes one
with --vpn; psc and mcs stand on an exposure by ilb.

Answers go to stdout, the story to stderr. Exit codes: 0 done, 1 failed, 2 bad
flags or spec, 3 the plan has changes (with --exit-code), 4 it can't work here or
a precondition is missing, 5 the probe failed, 130 interrupted. For the tab key:
causeway completion bash|zsh|fish|powershell.`

const rootExamples = `  causeway detect --project P --location L --cluster C --client-cidr 172.31.0.0/16
  causeway plan ilb --project P --location L --cluster C --client-cidr 172.31.0.0/16
  causeway apply ilb --project P --location L --cluster C --client-cidr 172.31.0.0/16
  causeway apply route --project P --location L --cluster C --client-cidr 172.31.0.0/16
  causeway apply dns --project P --location L --cluster C --open-dns-endpoint
  causeway apply gateway --project P --location L --cluster C --register \
    --member user:you@example.com
  causeway verify --kubeconfig causeway-C.kubeconfig
  causeway status ilb --project P --location L --cluster C
  causeway destroy ilb --project P --location L --cluster C`

// run parses the arguments, runs the verb and turns its error into an exit code.
func (a *app) run(ctx context.Context, args []string) int {
	a.args = args
	root := a.root()
	root.SetArgs(append([]string{}, args...)) // nil would mean os.Args
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.err)
	cmd, err := root.ExecuteContextC(ctx)
	var status *exitStatus
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &status):
		return status.code
	}
	a.explainError(err, cmd.CommandPath())
	return exitCode(ctx, err)
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use: "causeway", Short: "make a private GKE cluster's API server reachable, privately", Long: rootLong, Example: rootExamples,
		SilenceErrors: true, SilenceUsage: true, Args: a.verbFirst, RunE: showHelp,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true}, SuggestionsMinimumDistance: 2,
	}
	root.SetFlagErrorFunc(flagError)
	root.SetUsageFunc(usage)
	root.PersistentFlags().BoolP("help", "h", false, "show this help")
	for _, part := range []struct {
		title string
		verbs []*cobra.Command
	}{
		{"Make and undo", []*cobra.Command{a.planCommand(), a.renderCommand(), a.applyCommand(), a.destroyCommand()}},
		{"Look and understand", []*cobra.Command{a.detectCommand(), a.verifyCommand(), a.statusCommand(), a.gatewayCommand(), a.mcsCommand(), a.explainCommand(), a.versionCommand()}},
		{"Hand out", []*cobra.Command{a.kubeconfigCommand(), a.certsCommand(), a.handoffCommand()}},
	} {
		root.AddGroup(&cobra.Group{ID: part.title, Title: part.title})
		for _, verb := range part.verbs {
			verb.GroupID = part.title
			root.AddCommand(verb)
		}
	}
	root.AddCommand(a.credentialCommand())
	a.completeArguments(root)
	return root
}

// showHelp is what a command that only holds others does by itself.
func showHelp(cmd *cobra.Command, _ []string) error { return cmd.Help() }

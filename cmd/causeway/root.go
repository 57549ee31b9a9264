package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"causeway/exposer"
	"causeway/internal/explain"
	"causeway/probe"
)

// app is everything a verb gets from outside.
type app struct {
	in       io.Reader
	out, err io.Writer
	tty, ask bool // stderr is a terminal; stdin is one, so that questions make sense
	getenv   func(string) string
	now      func() time.Time
	rand     io.Reader
	methods  []exposer.Method
}

// Exit codes, the same for every verb (docs/design.md has the table).
const (
	exitDone         = 0
	exitFailed       = 1
	exitUsage        = 2
	exitChanges      = 3
	exitPrecondition = 4
	exitProbe        = 5
	exitInterrupted  = 130
)

const rootLong = `causeway makes the API server of a private GKE cluster reachable, privately,
from a third-party cloud or an on-premises network. It plans before it acts,
proves the way hop by hop, can be run again, and can undo what it did.

  causeway plan ilb    --project P --location L --cluster C --client-cidr 172.31.0.0/16
  causeway apply ilb   (the same flags, or -f exposure.yaml)
  causeway verify      --kubeconfig causeway-C.kubeconfig
  causeway destroy ilb --project P --location L --cluster C

causeway does not build the line between the two networks: the far side must
already have a route to the cluster's VPC (VPN or Interconnect) for the method ilb.

Answers go to stdout, the story to stderr.
Exit codes: 0 done, 1 failed, 2 bad flags or spec, 3 the plan has changes
(--exit-code), 4 it can't work here or a precondition is missing, 5 the probe
failed, 130 interrupted.`

// run parses the arguments, runs the verb and turns its error into an exit code.
func (a *app) run(ctx context.Context, args []string) int {
	root := a.root()
	root.SetArgs(args)
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.err)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitDone
	}
	var status *exitStatus
	if errors.As(err, &status) && status.quiet {
		return status.code
	}
	a.explainError(err)
	return exitCode(ctx, err)
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use: "causeway", Short: "make a private GKE cluster's API server reachable, privately", Long: rootLong,
		SilenceErrors: true, SilenceUsage: true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return &usageError{text: err.Error(), cmd: cmd.CommandPath()}
	})
	root.AddCommand(a.planCommand(), a.applyCommand(), a.verifyCommand(), a.statusCommand(), a.destroyCommand(),
		a.kubeconfigCommand(), a.certsCommand(), a.handoffCommand(), a.renderCommand(), a.explainCommand(),
		a.versionCommand(), a.credentialCommand())
	return root
}

// explainError writes an error as what happened, its code and the next command.
func (a *app) explainError(err error) {
	fmt.Fprintln(a.err, "causeway: "+strings.ReplaceAll(err.Error(), "\n", "\n  "))
	if code := explain.CodeOf(err); code != "" {
		if entry, ok := explain.Lookup(code); ok {
			fmt.Fprintf(a.err, "  %s: %s\n", code, entry.Title)
		}
		fmt.Fprintf(a.err, "  next: causeway explain %s\n", code)
	}
}

// exitStatus ends a verb with a code; quiet says that everything was told already.
type exitStatus struct {
	code  int
	quiet bool
	err   error
}

func (e *exitStatus) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit status %d", e.code)
	}
	return e.err.Error()
}
func (e *exitStatus) Unwrap() error { return e.err }

// usageError is a mistake on the command line.
type usageError struct{ text, cmd string }

func (e *usageError) Error() string { return e.text + " (see " + e.cmd + " --help)" }

// exitCode is the house's table.
func exitCode(ctx context.Context, err error) int {
	var (
		status      *exitStatus
		usage       *usageError
		spec        *exposer.SpecError
		missing     *exposer.PreconditionError
		hop         *probe.Error
		interrupted *exposer.Interrupted
	)
	switch {
	case errors.As(err, &status):
		return status.code
	case errors.As(err, &interrupted), errors.Is(context.Cause(ctx), context.Canceled):
		return exitInterrupted
	case errors.As(err, &usage), errors.As(err, &spec), isCobraUsage(err):
		return exitUsage
	case errors.As(err, &missing):
		return exitPrecondition
	case errors.As(err, &hop):
		return exitProbe
	}
	return exitFailed
}

// isCobraUsage knows cobra's own complaints, which have no type.
func isCobraUsage(err error) bool {
	for _, text := range []string{"unknown command", "unknown flag", "accepts ", "requires at least", "required flag", "invalid argument"} {
		if strings.HasPrefix(err.Error(), text) {
			return true
		}
	}
	return false
}

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"causeway/exposer"
	"causeway/probe"
)

// verifyFlags are what the probe can be told beyond its defaults.
type verifyFlags struct {
	exec      string
	largeBody bool
	idle      time.Duration
	rights    []string
	namespace string
}

func (a *app) verifyCommand() *cobra.Command {
	c, v := &common{}, &verifyFlags{}
	cmd := &cobra.Command{
		Use: "verify [METHOD]", Short: "probe the way to the API server, hop by hop",
		Long: `Probes with a kubeconfig: resolve, connect, TLS, HTTP, identity, rights, list,
watch; on request exec over both transports, a large body and a long idle.
Exit code 5 names the hop that fails.

On the far side a kubeconfig is all it takes: --kubeconfig FILE, or KUBECONFIG.
With METHOD and the cluster's flags it takes the kubeconfig that apply wrote, or
a new one in memory, and can also probe from a pod in the cluster.`,
		Example: "  causeway verify --kubeconfig causeway-C.kubeconfig\n" +
			"  causeway verify --kubeconfig causeway-C.kubeconfig --exec shop/web-0 --idle 5m\n" +
			"  causeway verify ilb --project P --location L --cluster C --from cluster",
		Args: atMostMethod,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 || c.file != "" {
				return a.verifyExposure(cmd, c, v, args)
			}
			return a.verifyFile(cmd, c, v)
		},
	}
	group(cmd, aboutProbe, func(f *flagSet) {
		f.StringVar(&v.exec, "exec", "", "`POD` to run true in, over WebSocket and over SPDY, as NAMESPACE/POD[/CONTAINER]")
		f.BoolVar(&v.largeBody, "large-body", false, "send a body of 2.5 MiB (as a dry run: nothing is made)")
		f.DurationVar(&v.idle, "idle", 0, "hold a quiet watch for `TIME`, such as 5m, to find what cuts idle connections")
		f.StringSliceVar(&v.rights, "right", nil, "`RIGHT` that must be allowed, as VERB:RESOURCE[.GROUP][/SUB][:NAMESPACE], such as get:pods/log:shop; may be repeated")
		f.StringVar(&v.namespace, "list-namespace", "", "`NAMESPACE` to list pods in, where the rights do not reach over the whole cluster")
	})
	fromFlag(cmd, c)
	c.exposureFlags(cmd)
	group(cmd, aboutFile, func(f *flagSet) {
		f.StringVar(&c.kubeconfig, "kubeconfig-out", "", "with METHOD: the `FILE` that apply wrote (default: causeway-NAME.kubeconfig in this directory)")
	})
	outputFlag(cmd, &c.output)
	c.runFlags(cmd, nil)
	cmd.Flags().Lookup("kubeconfig").Usage = "`FILE` to probe with (default: KUBECONFIG); with METHOD: where to find --context"
	cmd.Flags().Lookup("context").Usage = "kubeconfig `CONTEXT` to probe (default: the file's current one); with METHOD: for --via context"
	return cmd
}

// verifyFile is the far side's form: a kubeconfig is all there is.
func (a *app) verifyFile(cmd *cobra.Command, c *common, v *verifyFlags) error {
	path := c.spec.Reach.Kubeconfig
	if path == "" {
		path, _, _ = strings.Cut(a.getenv("KUBECONFIG"), string(filepath.ListSeparator))
	}
	if path == "" {
		return &usageError{text: "--kubeconfig FILE is missing (or METHOD with the cluster's flags)", cmd: cmd.CommandPath()}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return &usageError{text: "read kubeconfig: " + err.Error(), cmd: cmd.CommandPath()}
	}
	options, err := a.probeOptions(cmd, v)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(cmd.Context(), c.timeout, &timeoutError{c.timeout.String()})
	defer cancel()
	report, err := probe.Run(ctx, probe.Target{Kubeconfig: text, Context: c.spec.Reach.Context, Path: path}, options, nil)
	return a.showReport(c, report, err)
}

func (a *app) verifyExposure(cmd *cobra.Command, c *common, v *verifyFlags, args []string) error {
	if err := checkFrom(cmd, c.from); err != nil {
		return err
	}
	s, err := a.openRecorded(cmd, c, args)
	if err != nil {
		return err
	}
	defer s.cancel()
	s.job.Hop = nil
	if s.job.Probe, err = a.probeOptions(cmd, v); err != nil {
		return err
	}
	trace, report, err := s.job.VerifyStanding(s.ctx, s.spec)
	if trace == nil {
		return a.showReport(c, report, err)
	}
	if c.output != "table" {
		return a.showBoth(c, *trace, report, err)
	}
	showTrace(a.out, *trace, a.colourOut())
	fmt.Fprintln(a.out)
	return a.showReport(c, report, err)
}

func (a *app) probeOptions(cmd *cobra.Command, v *verifyFlags) (probe.Options, error) {
	options := probe.Options{Now: a.now, Getenv: a.getenv, LargeBody: v.largeBody, Idle: v.idle, Namespace: v.namespace,
		MinDaysLeft: 14, MinTokenLeft: time.Hour}
	if v.exec != "" {
		parts := strings.Split(v.exec, "/")
		if len(parts) < 2 || len(parts) > 3 {
			return options, &usageError{text: fmt.Sprintf("--exec must be NAMESPACE/POD[/CONTAINER], not %q", v.exec), cmd: cmd.CommandPath()}
		}
		options.Exec = &probe.ExecTarget{Namespace: parts[0], Pod: parts[1]}
		if len(parts) == 3 {
			options.Exec.Container = parts[2]
		}
	}
	for _, text := range v.rights {
		right, err := parseRight(text)
		if err != nil {
			return options, &usageError{text: err.Error(), cmd: cmd.CommandPath()}
		}
		options.Rights = append(options.Rights, right)
	}
	return options, nil
}

// parseRight reads VERB:RESOURCE[.GROUP][/SUB][:NAMESPACE].
func parseRight(text string) (probe.Right, error) {
	parts := strings.Split(text, ":")
	if len(parts) < 2 || len(parts) > 3 || parts[0] == "" || parts[1] == "" {
		return probe.Right{}, fmt.Errorf("--right must be VERB:RESOURCE[.GROUP][/SUB][:NAMESPACE], not %q", text)
	}
	resource, sub, _ := strings.Cut(parts[1], "/")
	resource, group, _ := strings.Cut(resource, ".")
	right := probe.Right{Verb: parts[0], Resource: resource, Group: group, Subresource: sub}
	if len(parts) == 3 {
		right.Namespace = parts[2]
	}
	return right, nil
}

// showBoth is the answer for programs where the cloud told of the way too.
func (a *app) showBoth(c *common, trace exposer.Trace, report probe.Report, err error) error {
	answer := struct {
		Trace exposer.Trace   `json:"trace"`
		Probe json.RawMessage `json:"probe,omitempty"`
	}{Trace: trace}
	if len(report.Results) > 0 {
		text, failed := probe.JSON(report)
		if failed != nil {
			return failed
		}
		answer.Probe = text
	}
	if failed := a.writeData(c.output, answer); failed != nil {
		return failed
	}
	return err
}

// showReport writes the report to stdout; err is the run's own.
func (a *app) showReport(c *common, report probe.Report, err error) error {
	if len(report.Results) == 0 {
		return err
	}
	switch c.output {
	case "table":
		if shown := probe.Table(a.out, report); shown != nil {
			return shown
		}
	default:
		text, shown := probe.JSON(report)
		if shown != nil {
			return shown
		}
		if shown := a.writeJSONAs(c.output, text); shown != nil {
			return shown
		}
	}
	return err
}

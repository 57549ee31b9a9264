package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/user"
	"path/filepath"

	"github.com/spf13/cobra"

	"causeway/exposer"
	"causeway/internal/gcp"
	"causeway/internal/kube"
	"causeway/internal/ui"
	"causeway/probe"
	"causeway/scripts"
)

// session is one verb's run on one exposure: the job with everything handed in,
// and a context that ends at --timeout.
type session struct {
	app    *app
	flags  *common
	spec   exposer.Spec
	job    exposer.Job
	ctx    context.Context
	cancel func()

	progress *ui.Progress
}

// open makes the session of a verb from its method argument, file and flags.
func (a *app) open(cmd *cobra.Command, c *common, args []string) (*session, error) {
	method := ""
	if len(args) > 0 {
		method = args[0]
	}
	spec, chosen, err := a.resolve(cmd, c, method)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(cmd.Context(), c.timeout, &timeoutError{c.timeout.String()})
	s := &session{app: a, flags: c, spec: spec, ctx: ctx,
		progress: ui.NewProgress(a.err, a.tty, a.now).Colour(a.colourErr())}
	untold := context.AfterFunc(cmd.Context(), func() {
		s.story("interrupted: ends what is under way; Ctrl-C once more stops at once")
	})
	s.cancel = func() { untold(); cancel() }
	google, config, err := s.google(c.tokenFile, c.impersonate)
	if err != nil {
		s.cancel()
		return nil, err
	}
	consumer := google
	if c.consumerAs != "" || c.consumerFile != "" {
		if consumer, _, err = s.google(c.consumerFile, c.consumerAs); err != nil {
			s.cancel()
			return nil, err
		}
	}
	name, host := a.whoami()
	s.job = exposer.Job{
		Method: chosen, Progress: s.progress, By: name + "@" + host, Command: a.self(), From: c.from, Script: scripts.VerifySh(),
		Google: exposer.GoogleClient{Impersonate: c.impersonate, TokenFile: c.tokenFile},
		Story:  s.story, File: a.outputFile(c, spec), Hop: s.hop, Probe: probe.Options{Now: a.now, Getenv: a.getenv, MinDaysLeft: 14},
		Deps: s.deps(google, consumer, config),
		Records: func(x exposer.Exposure) exposer.Records {
			return exposer.RecordsOf(exposer.FileRecords{Dir: exposer.StateDir(a.getenv)}, x)
		},
	}
	return s, nil
}

// deps are what methods get from outside.
func (s *session) deps(google, consumer *gcp.Cloud, config gcp.Config) exposer.Deps {
	a := s.app
	name, host := a.whoami()
	return exposer.Deps{Google: google, Consumer: consumer, Now: a.now, Rand: a.rand, Note: s.story, Getenv: a.getenv, Dial: a.dial, Open: s.other,
		Siblings: exposer.FileRecords{Dir: exposer.StateDir(a.getenv)}.Siblings,
		HandOver: exposer.FileRecords{Dir: exposer.StateDir(a.getenv)}.HandOver,
		Connect: func(ctx context.Context, o kube.ConnectOptions) (*kube.Client, error) {
			o.Tokens, o.Env = config.TokenSource, kube.Env{Now: a.now, Rand: a.rand, Note: s.story,
				Holder: kube.HolderName(name, host, os.Getpid()), Ended: kube.EndedHere(host)}
			if o.Kubeconfig == "" {
				o.Kubeconfig = a.getenv("KUBECONFIG")
			}
			if home := a.getenv("HOME"); o.Kubeconfig == "" && home != "" {
				o.Kubeconfig = filepath.Join(home, ".kube", "config")
			}
			return kube.Connect(ctx, o)
		}}
}

// google opens the door to Google as somebody.
func (s *session) google(tokenFile, impersonate string) (*gcp.Cloud, gcp.Config, error) {
	a := s.app
	config, err := gcp.ConfigFromEnv(s.ctx, a.getenv, gcp.Options{UserAgent: "causeway/" + version, AccessTokenFile: tokenFile, Impersonate: impersonate})
	if err != nil {
		return nil, config, err
	}
	if s.flags.verbose {
		config.HTTPClient = &http.Client{Transport: teller{http.DefaultTransport, s.story, a.now}}
	}
	google, err := gcp.New(s.ctx, config)
	return google, config, err
}

// other opens another exposure of the cluster, for one that stands on it.
func (s *session) other(ctx context.Context, spec exposer.Spec, leaving bool) (exposer.Exposure, error) {
	deps := s.job.Deps
	deps.Leaving, deps.Note = leaving, func(string) {} // told of the one that stands on it
	for _, method := range s.app.methods {
		if method.Name() == spec.Method {
			return method.Open(ctx, spec, deps)
		}
	}
	return nil, fmt.Errorf("open exposure %s: this causeway has no method %s", spec.Name, spec.Method)
}

// timeoutError is the end of --timeout.
type timeoutError struct{ after string }

func (e *timeoutError) Error() string {
	return "not done within " + e.after + "; --timeout gives more"
}
func (e *timeoutError) Code() string { return "CW-RUN-TIMEOUT" }

// story writes a line of the story to stderr, above the lines that are alive.
func (s *session) story(text string) { s.progress.Line(text) }

// hop shows a hop of the probe as it ends.
func (s *session) hop(r probe.Result) {
	s.story(probe.Line(r))
}

// again is a verb's command line for this exposure.
func (s *session) again(verb string) string { return "causeway " + verb + " " + s.named() }

// named are the arguments that name the exposure.
func (s *session) named() string {
	spec := s.spec
	line := fmt.Sprintf("%s --project %s --location %s --cluster %s", spec.Method, spec.Cluster.Project, spec.Cluster.Location, spec.Cluster.Name)
	if spec.Name != spec.Cluster.Name {
		line += " --name " + spec.Name
	}
	return line
}

// whoami is who runs this, and where.
func (a *app) whoami() (name, host string) {
	name = a.getenv("USER")
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return name, host
}

// self is this program's path, for the exec plugin's entry in a kubeconfig.
func (a *app) self() string {
	if path, err := os.Executable(); err == nil {
		return path
	}
	return "causeway"
}

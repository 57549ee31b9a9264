// Command lab brings up a real private cluster with its networks on this
// machine, and takes it away.
//
//	go run . up       bring it up; prints how to point causeway, kubectl and gcloud at it
//	                  --line fleet: with a second cluster; --line vpn: packets follow the
//	                  emulator; --line hub: by a hub VPC
//	go run . status   how it is
//	go run . far DIR  the far side's half, from the folder line/ that causeway handed
//	                  over; far alone tells how it does, far down takes it away
//	go run . down     take it away, and prove that the machine is as it was
//	go run . demo     causeway's main job in it, from nothing to nothing
//	                  --route: the routed way; --small: without networks and a node
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"causeway/lab/daemon"
	"causeway/lab/demo"
	"causeway/lab/life"
	"causeway/lab/place"
	"causeway/lab/topology"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

const usage = `usage: lab up [--line static|fleet|vpn|hub] | down | status | far [DIR|down] | demo [--small|--route]
`

// request is what the arguments ask for.
type request struct {
	verb         string
	line         topology.Line
	small, route bool
	folder       string // for the verb far
}

// parse reads the verb and its one flag.
func parse(args []string) (r request, ok bool) {
	if len(args) == 0 {
		return r, false
	}
	r.verb = args[0]
	switch {
	case len(args) == 1:
		return r, true
	case len(args) == 2 && r.verb == "far":
		r.folder = args[1]
		return r, r.folder != ""
	case len(args) == 2 && r.verb == "demo":
		r.small, r.route = args[1] == "--small", args[1] == "--route"
		return r, r.small || r.route
	case len(args) == 3 && r.verb == "up" && args[1] == "--line":
		var err error
		r.line, err = topology.ParseLine(args[2])
		return r, err == nil
	}
	return r, false
}

func run(args []string, stdout, stderr io.Writer) int {
	if exit, inner := daemon.Inner(args, stderr); inner {
		return exit
	}
	p, err := place.Find(os.Getenv, os.Geteuid())
	if err != nil {
		fmt.Fprintln(stderr, "lab:", err)
		return 1
	}
	asked, ok := parse(args)
	if !ok {
		fmt.Fprint(stderr, usage)
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	lab := life.Lab{Place: p, Out: stderr, Line: asked.line}
	switch asked.verb {
	case "up":
		state, err := lab.Up(ctx)
		if err != nil {
			return report(err, stderr)
		}
		pointers(stdout, p, state)
		return 0
	case "down":
		return report(lab.Down(ctx), stderr)
	case "demo":
		return report(demo.Demo{Place: p, Root: "..", Out: stdout, Getenv: os.Getenv, Small: asked.small, Route: asked.route}.Run(ctx), stderr)
	case "far":
		return report(farSide(ctx, lab, asked.folder, stdout), stderr)
	case "status":
		return status(lab, stdout, stderr)
	}
	fmt.Fprint(stderr, usage)
	return 2
}

func report(err error, stderr io.Writer) int {
	switch {
	case err == nil:
		return 0
	case errors.Is(err, context.Canceled):
		fmt.Fprintln(stderr, "lab: interrupted:", err)
		return 130
	}
	fmt.Fprintln(stderr, "lab:", err)
	return 1
}

// pointers tells how to use the lab.
func pointers(w io.Writer, p place.Place, state daemon.State) {
	fmt.Fprintf(w, "\n# to point causeway, kubectl and gcloud at the lab: . %s\n", p.Env())
	for _, v := range state.Env {
		fmt.Fprintf(w, "export %s=%s\n", v.Name, v.Value)
	}
	fmt.Fprintf(w, `
# the far side:             nsenter --net=/var/run/netns/%s   (%s; outside the client CIDRs: %s)
# the cluster's VPC:        nsenter --net=/var/run/netns/%s   (subnet %s)
# kubectl:                  %s
# images in the node:       %s, %s
# logs:                     %s
`, topology.Far, topology.FarHost, topology.Stranger, topology.VPC, topology.SubnetCIDR, p.Bin("kubectl"), state.NginxImage, state.ToolsImage, p.Log("*"))
	if config, err := daemon.ReadConfig(p); err == nil {
		consumers(w, p, config.Line.Consumers())
	}
}

// consumers tells where those of a published service are, and what they are told.
func consumers(w io.Writer, p place.Place, list []topology.Consumer) {
	for _, c := range list {
		fmt.Fprintf(w, "# consumer %-16s nsenter --net=/var/run/netns/%s   (%s/%s, subnet %s; %s, as the cluster's VPC)\n", strings.TrimPrefix(c.Namespace, topology.Prefix)+":", c.Namespace, c.Project, c.Network, c.Subnet, c.CIDR)
	}
	if len(list) > 0 {
		fmt.Fprintf(w, "# names, for /etc/hosts:    %s\n# roots, for SSL_CERT_FILE: %s\n", p.Hosts("NAMESPACE"), p.Roots())
	}
}

func status(lab life.Lab, stdout, stderr io.Writer) int {
	state, err := lab.Status()
	if errors.Is(err, fs.ErrNotExist) {
		fmt.Fprintln(stdout, "There is no lab.")
		return 1
	}
	if err != nil {
		return report(err, stderr)
	}
	fmt.Fprintln(stdout, "phase:", state.Phase)
	if state.Error != "" {
		fmt.Fprintln(stdout, "error:", state.Error)
	}
	for _, c := range state.Components {
		fmt.Fprintf(stdout, "  %-25s restarts %d  %s\n", c.Name, c.Restarts, c.Error)
	}
	for _, note := range state.Notes {
		fmt.Fprintln(stdout, " ", note)
	}
	if state.Phase != daemon.Ready {
		return 1
	}
	pointers(stdout, lab.Place, state)
	return 0
}

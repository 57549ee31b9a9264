package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"causeway/exposer"
	"causeway/exposer/fleet"
	"causeway/internal/gcp"
	"causeway/internal/ui"
)

func (a *app) gatewayCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "gateway", Short: "list a fleet's clusters, and how Connect Gateway reaches each",
		Long: `What Connect Gateway knows clusters by is their membership in a fleet. To make a
cluster reachable through it: causeway apply gateway.`,
		Args: knownCommand, RunE: showHelp}
	cmd.AddCommand(a.membershipsCommand())
	return cmd
}

const membershipsLong = `Lists the memberships of a project's fleet in all locations: where each is recorded,
which cluster it leads to, its external ID, its kind and state, and how the gateway
reaches it: a GKE cluster without any agent, every other by the Connect Agent in it.

With --cluster and --location only the membership of that cluster is shown, which is
found by the link in it and never by its name: names repeat over locations, and say
nothing of the cluster. Exit code 4 where the cluster has none.

Locations that do not answer are told on stderr, and in the answer with -o: what they
have is not in the list.`

func (a *app) membershipsCommand() *cobra.Command {
	c := &common{}
	cmd := &cobra.Command{
		Use: "memberships", Short: "list the fleet's clusters: location, kind, state, and the way to each", Long: membershipsLong,
		Example: "  causeway gateway memberships --project P\n" +
			"  causeway gateway memberships --project P --location L --cluster C\n" +
			"  causeway gateway memberships --project P -o json",
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.memberships(cmd, c) },
	}
	group(cmd, "Which fleet", func(f *flagSet) {
		f.StringVar(&c.spec.Cluster.Project, "project", "", "Google `PROJECT` that hosts the fleet, or of the cluster (default: CLOUDSDK_CORE_PROJECT, GOOGLE_CLOUD_PROJECT, gcloud's active configuration)")
		f.StringVar(&c.spec.Cluster.Location, "location", "", "`LOCATION` of the cluster: a region or a zone")
		f.StringVar(&c.spec.Cluster.Name, "cluster", "", "`NAME` of the cluster: show its membership alone")
		f.StringVar(&c.fleet.project, "fleet-project", "", "`PROJECT` that hosts the fleet, where it is not that of the cluster (default: what the cluster says)")
	})
	outputFlag(cmd, &c.output)
	group(cmd, aboutReach, c.googleFlags)
	group(cmd, aboutRun, c.endFlags)
	return cmd
}

// fleetList is the answer of gateway memberships.
type fleetList struct {
	Project     string        `json:"project"`
	Number      int64         `json:"number"`
	Memberships []fleetMember `json:"memberships"`
	Unreachable []string      `json:"unreachable,omitempty"` // locations that did not answer
	Off         bool          `json:"off,omitempty"`         // GKE Hub's API is off: there is no fleet
}

// fleetMember is one membership, as a network engineer asks for it.
type fleetMember struct {
	Name       string `json:"name"`
	Location   string `json:"location"`
	Kind       string `json:"kind"`
	State      string `json:"state"`
	Cluster    string `json:"cluster,omitempty"` // path of the GKE cluster
	ExternalID string `json:"externalID,omitempty"`
	Version    string `json:"version,omitempty"`
	Agent      bool   `json:"agent"`           // it takes the Connect Agent in the cluster
	URL        string `json:"url,omitempty"`   // of the gateway, for a kubeconfig
	Needs      string `json:"needs,omitempty"` // what keeps it from being reached
}

func (a *app) memberships(cmd *cobra.Command, c *common) error {
	ref := c.spec.Cluster
	ref.Project = cmp.Or(ref.Project, gcp.DefaultProject(a.getenv))
	if err := a.checkFleet(cmd, ref, c.fleet.project); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(cmd.Context(), c.timeout, &timeoutError{c.timeout.String()})
	defer cancel()
	s := &session{app: a, flags: c, ctx: ctx, progress: ui.NewProgress(a.err, a.tty, a.now).Colour(a.colourErr())}
	google, _, err := s.google(c.tokenFile, c.impersonate)
	if err != nil {
		return err
	}
	f, err := readFleet(ctx, google, ref, c.fleet.project)
	if err != nil {
		return err
	}
	list := listFleet(f, ref.Name != "")
	if c.output != "table" {
		err = a.writeData(c.output, list)
	} else {
		a.showMemberships(list)
	}
	if err != nil {
		return err
	}
	if len(list.Unreachable) > 0 {
		fmt.Fprintf(a.err, "not in the list is what the fleet has in %s: no answer from there [CW-FLEET-UNREACHABLE]\n", strings.Join(list.Unreachable, ", "))
	}
	if ref.Name != "" && f.Member == nil {
		return &exposer.PreconditionError{Verb: "find the membership of cluster " + ref.Name, Problems: f.Problems(false, "")}
	}
	return nil
}

// checkFleet looks at what names the fleet, or the cluster in it.
func (a *app) checkFleet(cmd *cobra.Command, ref exposer.ClusterRef, fleetProject string) error {
	switch {
	case ref.Name != "" || ref.Location != "":
		return exposer.ValidateTarget(ref, exposer.FarSide{})
	case ref.Project == "" && fleetProject == "":
		return &usageError{text: "--project is missing: which project hosts the fleet?", cmd: cmd.CommandPath()}
	}
	return nil
}

// readFleet reads the fleet of a cluster, or that of a project alone.
func readFleet(ctx context.Context, google *gcp.Cloud, ref exposer.ClusterRef, project string) (*fleet.Fleet, error) {
	if ref.Name == "" {
		return fleet.Read(ctx, google, gcp.Cluster{Project: cmp.Or(project, ref.Project)}, "")
	}
	cluster, err := google.Cluster(ctx, ref.Project, ref.Location, ref.Name)
	if err != nil {
		return nil, err
	}
	return fleet.Read(ctx, google, cluster, project)
}

// listFleet makes the answer of a fleet; alone says that only its cluster is asked for.
func listFleet(f *fleet.Fleet, alone bool) fleetList {
	list := fleetList{Project: f.Project.ID, Number: f.Project.Number, Memberships: []fleetMember{}, Unreachable: f.Unreachable, Off: f.Off}
	for _, m := range f.Members {
		if alone && (f.Member == nil || m.Name != f.Member.Name) {
			continue
		}
		list.Memberships = append(list.Memberships, fleetMember{Name: m.ID, Location: m.Location, Kind: m.Kind, State: m.State, Cluster: m.Cluster,
			ExternalID: m.ExternalID, Version: m.KubernetesVersion, Agent: fleet.ByAgent(m), URL: f.URL(m), Needs: fleet.Needs(m)})
	}
	return list
}

func (a *app) showMemberships(list fleetList) {
	off := ""
	if list.Off {
		off = ": GKE Hub's API is off, so there is no fleet"
	}
	fmt.Fprintf(a.out, "fleet of project %s (%d), %s%s\n", list.Project, list.Number, plural(len(list.Memberships), "membership"), off)
	if len(list.Memberships) == 0 {
		return
	}
	rows := make([][]string, len(list.Memberships))
	for i, m := range list.Memberships {
		way := "GKE's own, no agent"
		if m.Agent {
			way = "Connect Agent in the cluster"
		}
		if m.Needs != "" {
			way = m.Needs
		}
		rows[i] = []string{m.Name, m.Location, m.Kind, strings.TrimSpace(m.State + "\n" + m.Version),
			joinLines(strings.TrimPrefix(m.Cluster, "projects/"), m.ExternalID), way}
	}
	fmt.Fprintln(a.out)
	ui.Grid(a.out, []string{"membership", "location", "kind", "state", "cluster, external ID", "the gateway's way"}, rows, []int{0, 0, 0, 0, 0, 28}, a.colourOut())
}

// joinLines puts the texts that are not empty on lines of their own.
func joinLines(texts ...string) string {
	var lines []string
	for _, text := range texts {
		if text != "" {
			lines = append(lines, text)
		}
	}
	return strings.Join(lines, "\n")
}

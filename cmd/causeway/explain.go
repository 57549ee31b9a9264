package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"causeway/exposer"
	"causeway/exposer/gateway"
	"causeway/internal/explain"
	"causeway/internal/ui"
)

const explainLong = `Prints the catalogue's entry of a code that causeway printed (CW-...), or the list
of all codes.

With - it reads an error's text from stdin, of any program: output of kubectl (-v 4
and -v 10 too) and gcloud, answers of Google in JSON, the log of the Connect Agent. It
says which line is known, why it happens, and what to do, with the names that the text
has filled in. Tokens that stand in a log are not printed back. With --cluster it also
looks up, at Google and in the cluster, what the text leaves open: is a role missing,
does the agent run, is a right missing. That only reads.

Exit code 1 where nothing of the text is known.`

func (a *app) explainCommand() *cobra.Command {
	c := &common{}
	cmd := &cobra.Command{
		Use: "explain [CODE | -]", Short: "say what a code or an error's text means, why it happens and what to do", Long: explainLong,
		Example: "  causeway explain CW-NET-OVERLAP\n" +
			"  causeway explain\n" +
			"  kubectl exec -v 4 POD -- true 2>&1 | causeway explain -\n" +
			"  causeway explain - --project P --location L --cluster C < error.txt",
		Args: oneCode,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case len(args) == 0:
				return a.explainAll(c.output)
			case args[0] == "-":
				return a.explainText(cmd, c)
			}
			return a.explainCode(cmd, args[0], c.output)
		},
	}
	group(cmd, aboutCluster, c.clusterFlags)
	outputFlag(cmd, &c.output)
	c.runFlags(cmd, nil)
	return cmd
}

func (a *app) explainCode(cmd *cobra.Command, code, output string) error {
	entry, ok := explain.Lookup(code)
	switch {
	case !ok && strings.ContainsAny(code, "./\\ "):
		return &hinted{&usageError{text: fmt.Sprintf("explain takes a code, or - for a text on stdin, not %q", code), cmd: cmd.CommandPath()}, []next{{"causeway explain - < FILE", "what a file's text means"}}}
	case !ok:
		return &hinted{&usageError{text: fmt.Sprintf("there is no code %q", code), cmd: cmd.CommandPath()}, append(nearCodes(code), next{"causeway explain", "all codes"})}
	case output != "table":
		return a.writeData(output, entry)
	}
	fmt.Fprintf(a.out, "%s: %s\n\nWhat\n%s\n\nWhy\n%s\n\nFix\n%s\n", entry.Code, entry.Title,
		indent(entry.What), indent(entry.Why), indent(entry.Fix))
	return nil
}

// nearCodes are the codes that differ from what was typed by two letters at most.
func nearCodes(code string) []next {
	var near []next
	entries, _ := explain.All() // whoever lists them all hears of its error
	for _, entry := range entries {
		if distance(strings.ToUpper(code), entry.Code) <= 2 {
			near = append(near, next{"causeway explain " + entry.Code, entry.Title})
		}
	}
	return near
}

func (a *app) explainAll(output string) error {
	entries, err := explain.All()
	if err != nil {
		return err
	}
	if output != "table" {
		return a.writeData(output, entries)
	}
	for _, entry := range entries {
		fmt.Fprintf(a.out, "%-28s %s\n", entry.Code, entry.Title)
	}
	return nil
}

// explained is one finding as it is told: the catalogue's words with the text's
// evidence put in.
type explained struct {
	explain.Finding
	Title  string             `json:"title"`
	Why    string             `json:"why"`
	Looked []explain.Evidence `json:"looked,omitempty"` // what Google and the cluster say
	Fix    string             `json:"fix"`
}

// explainText tells what is known of the text on stdin.
func (a *app) explainText(cmd *cobra.Command, c *common) error {
	text, err := a.readText()
	if err != nil {
		return err
	}
	findings := explain.Recognise(text)
	if len(findings) == 0 {
		return &hinted{fmt.Errorf("recognise text: nothing in it is known; where it comes from a way to a cluster, gather more and try again"), whatToGather}
	}
	looked, err := a.lookUp(cmd, c, findings)
	if err != nil {
		return err
	}
	all := make([]explained, 0, len(findings))
	for _, f := range findings {
		entry, ok := explain.Lookup(f.Code)
		if !ok {
			return fmt.Errorf("explain %s: the catalogue lacks it", f.Code)
		}
		one := explained{Finding: f, Title: entry.Title, Why: entry.Why, Fix: entry.FixFor(known(f.Evidence, c.spec.Cluster))}
		for _, e := range looked {
			if e.Code == f.Code {
				one.Looked = append(one.Looked, e)
			}
		}
		all = append(all, one)
	}
	if c.output != "table" {
		return a.writeData(c.output, map[string]any{"findings": all})
	}
	for i, one := range all {
		if i > 0 {
			fmt.Fprintln(a.out)
		}
		showExplained(a.out, one)
	}
	return nil
}

// whatToGather is what tells more than a text in which nothing is known.
var whatToGather = []next{
	{"kubectl version", "kubectl 1.32 or later tells causes that older ones keep to themselves"},
	{"kubectl exec -v 4 POD -- true 2>&1 | causeway explain -", "of exec, attach, cp and port-forward"},
	{"kubectl get ns -v 10 2>&1 | causeway explain -", "of everything else"},
	{"causeway verify --kubeconfig FILE", "tries the way hop by hop"},
	{"causeway explain", "all codes"},
}

// maxText bounds what is read of an error's text: logs at -v 10 of some minutes.
const maxText = 10 << 20

func (a *app) readText() (string, error) {
	if a.ask {
		fmt.Fprintln(a.err, "Paste the error's text; Ctrl-D ends it.")
	}
	text, err := io.ReadAll(io.LimitReader(a.in, maxText+1))
	switch {
	case err != nil:
		return "", fmt.Errorf("read stdin: %w", err)
	case len(text) > maxText:
		return "", &hinted{fmt.Errorf("read stdin: more than %d MiB", maxText>>20), []next{{"tail -n 2000 FILE | causeway explain -", "the part in which the error is"}}}
	}
	return string(text), nil
}

// lookUp asks Google and the cluster, where flags name the cluster; what they leave
// out is taken from the text. Without any of them nothing is asked.
func (a *app) lookUp(cmd *cobra.Command, c *common, findings []explain.Finding) ([]explain.Evidence, error) {
	flags := cmd.Flags()
	if !flags.Changed("cluster") && !flags.Changed("location") {
		return nil, nil
	}
	for _, f := range findings {
		c.spec.Cluster = target(c.spec.Cluster, f.Evidence)
	}
	for name, value := range map[string]string{"project": c.spec.Cluster.Project, "location": c.spec.Cluster.Location, "cluster": c.spec.Cluster.Name} {
		if value != "" && !flags.Changed(name) {
			if err := flags.Set(name, value); err != nil {
				return nil, err
			}
		}
	}
	s, err := a.open(cmd, c, []string{"gateway"})
	if err != nil {
		return nil, err
	}
	defer s.cancel()
	c.spec.Cluster = s.spec.Cluster
	return gateway.Diagnose(s.ctx, s.spec, s.job.Deps, findings)
}

// target fills in what the text says about the cluster. A membership bears its
// cluster's name unless somebody chose another; projects are taken by ID alone.
func target(ref exposer.ClusterRef, evidence map[string]string) exposer.ClusterRef {
	if _, number := strconv.Atoi(evidence["project"]); ref.Project == "" && number != nil {
		ref.Project = evidence["project"]
	}
	if ref.Location == "" && evidence["location"] != "global" {
		ref.Location = evidence["location"]
	}
	for _, name := range []string{"cluster", "membership"} {
		if ref.Name == "" {
			ref.Name = evidence[name]
		}
	}
	return ref
}

// known is the evidence with what the flags say besides.
func known(evidence map[string]string, ref exposer.ClusterRef) map[string]string {
	all := map[string]string{"project": ref.Project, "location": ref.Location, "cluster": ref.Name}
	maps.Copy(all, evidence)
	return all
}

func showExplained(w io.Writer, one explained) {
	fmt.Fprintf(w, "%s: %s\n\nLine\n%s\n", one.Code, one.Title, indent(ui.Wrap(one.Line, wide-2)))
	if len(one.Evidence) > 0 {
		fmt.Fprintln(w, "\nThe text says")
		for _, name := range slices.Sorted(maps.Keys(one.Evidence)) {
			fmt.Fprintf(w, "  %-11s %s\n", name, one.Evidence[name])
		}
	}
	if len(one.Looked) > 0 {
		fmt.Fprintln(w, "\nLooked up")
		for _, e := range one.Looked {
			fmt.Fprintln(w, indent(ui.Wrap(e.Text, wide-2)))
			if e.Fix != "" {
				fmt.Fprintf(w, "    %s\n", e.Fix)
			}
		}
	}
	fmt.Fprintf(w, "\nWhy\n%s\n\nFix\n%s\n", indent(one.Why), indent(one.Fix))
}

func indent(text string) string { return "  " + strings.ReplaceAll(text, "\n", "\n  ") }

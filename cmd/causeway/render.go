package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"causeway/exposer"
)

func (a *app) renderCommand() *cobra.Command {
	c := &common{}
	cmd := &cobra.Command{
		Use: "render METHOD", Short: "print every manifest and Google call that apply would send; change nothing",
		Long: `Prints what apply would send, to read or to review: the calls to Google as
comments, the manifests as YAML. Secret values, and an address that Google is to
pick, are named in their place. Google and the cluster are only read.`,
		Example: "  causeway render ilb --project P --location L --cluster C --client-cidr 172.31.0.0/16 > review.yaml",
		Args:    atMostMethod,
		RunE:    func(cmd *cobra.Command, args []string) error { return a.render(cmd, c, args) },
	}
	c.exposureFlags(cmd)
	c.methodFlags(cmd)
	outputFlag(cmd, &c.output)
	cmd.Flags().Lookup("output").Usage = "`FORM` of the answer on stdout: table (manifests as they are), json or yaml (a list)"
	c.runFlags(cmd, nil)
	return cmd
}

func (a *app) render(cmd *cobra.Command, c *common, args []string) error {
	s, err := a.open(cmd, c, args)
	if err != nil {
		return err
	}
	defer s.cancel()
	exposure, err := s.job.Method.Open(s.ctx, s.spec, s.job.Deps)
	if err != nil {
		return err
	}
	renderer, ok := exposure.(exposer.Renderer)
	if !ok {
		return fmt.Errorf("render: the method %s can't", s.spec.Method)
	}
	rendered, err := renderer.Render(s.ctx)
	if err != nil {
		return err
	}
	if c.output != "table" {
		return a.writeData(c.output, rendered)
	}
	for _, one := range rendered {
		if one.Kind == "call" {
			fmt.Fprintf(a.out, "# Google: %s\n# %s\n", one.ID, commented(one.Text))
			continue
		}
		fmt.Fprintf(a.out, "---\n# %s\n%s", one.ID, one.Text)
	}
	return nil
}

// commented makes a call a YAML comment, so that the whole output stays YAML.
func commented(text string) string {
	return strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n# ")
}

package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"causeway/certs"
	"causeway/exposer"
	"causeway/internal/safefile"
	"causeway/scripts"
)

func (a *app) handoffCommand() *cobra.Command {
	c := &common{}
	var archive, passwordFile string
	options := exposer.HandoffOptions{Script: scripts.VerifySh()}
	cmd := &cobra.Command{
		Use: "handoff METHOD", Short: "write one archive for the far side's engineer",
		Long: `Writes a .tar.gz with the kubeconfig (a new token), the CA, PKCS#12 files where a
password is given, verify.sh, and a page with address, port, fingerprint, and
what to route and to open. By route with --vpn also the far side's half of the line,
for AWS, strongSwan, BIRD, FRR, Cisco and Junos; by psc also psc.yaml, from which the
consumer makes the endpoint.`,
		Example: "  causeway handoff ilb --project P --location L --cluster C --secrets encrypt --password-file pw\n" +
			"  causeway handoff route --project P --location L --cluster C --secrets omit",
		Args: atMostMethod,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := readPassword(cmd, passwordFile, &options); err != nil {
				return err
			}
			return a.handoff(cmd, c, args, archive, options)
		},
	}
	c.exposureFlags(cmd)
	group(cmd, "The archive", func(f *flagSet) {
		f.StringVar(&archive, "archive", "", "`FILE` to write (default: handoff-NAME.tar.gz in this directory)")
		f.StringVar(&options.Secrets, "secrets", exposer.SecretsInclude, "`WHAT` to do with the kubeconfig in it: include, encrypt (needs --password-file; openssl decrypts it) or omit")
		passwordFlags(f, &passwordFile, &options.Legacy, "PKCS#12 files and --secrets encrypt")
	})
	c.runFlags(cmd, nil)
	return cmd
}

func readPassword(cmd *cobra.Command, path string, o *exposer.HandoffOptions) error {
	switch o.Secrets {
	case exposer.SecretsInclude, exposer.SecretsEncrypt, exposer.SecretsOmit:
	default:
		return &usageError{text: fmt.Sprintf("--secrets must be include, encrypt or omit, not %q", o.Secrets), cmd: cmd.CommandPath()}
	}
	if path == "" {
		if o.Secrets == exposer.SecretsEncrypt {
			return &usageError{text: "--secrets encrypt needs --password-file", cmd: cmd.CommandPath()}
		}
		return nil
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return &usageError{text: "read --password-file: " + err.Error(), cmd: cmd.CommandPath()}
	}
	o.Password, err = certs.ParsePassword(content)
	return err
}

func (a *app) handoff(cmd *cobra.Command, c *common, args []string, archive string, options exposer.HandoffOptions) error {
	s, err := a.openRecorded(cmd, c, args)
	if err != nil {
		return err
	}
	defer s.cancel()
	if archive == "" {
		archive = "handoff-" + s.spec.Name + ".tar.gz"
	}
	var content bytes.Buffer
	if err := s.job.Handoff(s.ctx, s.spec, options, &content); err != nil {
		return err
	}
	if err := safefile.Write(archive, content.Bytes()); err != nil {
		return err
	}
	fmt.Fprintf(a.out, "wrote %s (%d bytes)\n", archive, content.Len())
	fmt.Fprintf(a.out, "\non the far side:\n  tar xzf %s && cd causeway-%s && less README.md\n", filepath.Base(archive), s.spec.Name)
	if options.Secrets == exposer.SecretsInclude && !s.spec.ByGoogle() {
		s.story("it holds a token in the clear: send it as you would send a password, or use --secrets encrypt")
	}
	return nil
}

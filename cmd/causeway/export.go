package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"causeway/certs"
	"causeway/exposer"
	"causeway/internal/safefile"
)

func (a *app) certsExportCommand() *cobra.Command {
	c := &common{}
	var dir, passwordFile string
	var legacy bool
	cmd := &cobra.Command{
		Use: "export METHOD", Short: "write the CA, and PKCS#12 files where a password is given", Args: atMostMethod,
		Long: `Writes ca.crt (PEM), and with --password-file truststore.p12 (the same trust for
Java and others) and, with --client-auth mtls, client.p12 (the client's
certificate and key).`,
		Example: "  causeway certs export ilb --project P --location L --cluster C --dir out --password-file pw",
		RunE: func(cmd *cobra.Command, args []string) error {
			o := exposer.HandoffOptions{Secrets: exposer.SecretsOmit, Legacy: legacy}
			if err := readPassword(cmd, passwordFile, &o); err != nil {
				return err
			}
			found, err := a.certificates(cmd, c, args)
			if err != nil {
				return err
			}
			return a.export(dir, found, o)
		},
	}
	c.exposureFlags(cmd)
	group(cmd, aboutTLS, func(f *flagSet) {
		f.StringVar(&dir, "dir", ".", "`DIRECTORY` to write to")
		passwordFlags(f, &passwordFile, &legacy, "the PKCS#12 files")
	})
	c.runFlags(cmd, nil)
	return cmd
}

// passwordFlags are the password's file and the ciphers of PKCS#12.
func passwordFlags(f *flagSet, file *string, legacy *bool, what string) {
	f.StringVar(file, "password-file", "", "`FILE` with the password (one line) for "+what)
	f.BoolVar(legacy, "legacy-ciphers", false, "PKCS#12 as tools from before 2020 read it (Java 8, Windows Server 2016)")
}

func (a *app) export(dir string, found exposer.Certificates, o exposer.HandoffOptions) error {
	env := certs.Env{Now: a.now, Rand: a.rand}
	files := map[string][]byte{"ca.crt": found.Bundle}
	var err error
	if o.Password != "" {
		if files["truststore.p12"], err = certs.EncodeTrustStore(env, found.Bundle, o.Password, o.Profile()); err != nil {
			return err
		}
	}
	if o.Password != "" && found.Client != nil {
		if files["client.p12"], err = certs.EncodeClientP12(env, *found.Client, found.Bundle, o.Password, o.Profile()); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("export certificates: %w", err)
	}
	for _, name := range []string{"ca.crt", "truststore.p12", "client.p12"} {
		if files[name] == nil {
			continue
		}
		path := filepath.Join(dir, name)
		if err := safefile.Write(path, files[name]); err != nil {
			return err
		}
		fmt.Fprintln(a.out, "wrote "+path)
	}
	if o.Password == "" {
		fmt.Fprintln(a.err, "no PKCS#12 files without --password-file")
	}
	return nil
}

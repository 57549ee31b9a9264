package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"causeway/certs"
	"causeway/exposer"
	"causeway/internal/safefile"
	"causeway/internal/ui"
)

func (a *app) certsCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "certs", Short: "show, rotate or export an exposure's certificates"}
	cmd.AddCommand(a.certsShowCommand(), a.certsRotateCommand(), a.certsExportCommand())
	return cmd
}

// certified opens an exposure that has certificates of its own.
func (s *session) certified() (exposer.Exposure, exposer.Certified, error) {
	exposure, _, err := s.job.Standing(s.ctx, s.spec)
	if err != nil {
		return nil, nil, err
	}
	with, ok := exposure.(exposer.Certified)
	if !ok {
		return nil, nil, fmt.Errorf("find certificates: the method %s has none of its own", s.spec.Method)
	}
	return exposure, with, nil
}

// shownCert is one line of certs show.
type shownCert struct {
	Role        string    `json:"role"`
	Subject     string    `json:"subject"`
	Names       []string  `json:"names,omitempty"`
	NotAfter    time.Time `json:"notAfter"`
	DaysLeft    int       `json:"daysLeft"`
	Fingerprint string    `json:"fingerprint"`
}

func (a *app) certsShowCommand() *cobra.Command {
	c := &common{}
	cmd := &cobra.Command{
		Use: "show METHOD", Short: "subjects, names, ends and fingerprints", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := a.openRecorded(cmd, c, args)
			if err != nil {
				return err
			}
			defer s.cancel()
			_, with, err := s.certified()
			if err != nil {
				return err
			}
			found, err := with.Certificates(s.ctx)
			if err != nil {
				return err
			}
			shown, err := a.shown(found)
			if err != nil {
				return err
			}
			if c.output != "table" {
				return a.writeData(c.output, shown)
			}
			rows := make([][]string, 0, len(shown))
			for _, one := range shown {
				rows = append(rows, []string{one.Role, one.Subject, fmt.Sprint(one.Names), fmt.Sprintf("%s (%d days)", one.NotAfter.Format(time.DateOnly), one.DaysLeft), one.Fingerprint})
			}
			ui.Table(a.out, []string{"role", "subject", "names", "ends", "fingerprint"}, rows, a.colour())
			return nil
		},
	}
	c.clusterFlags(cmd)
	outputFlag(cmd, &c.output)
	return cmd
}

func (a *app) shown(found exposer.Certificates) ([]shownCert, error) {
	var shown []shownCert
	bundle, err := certs.ParseBundle(found.Bundle)
	if err != nil {
		return nil, err
	}
	for _, cert := range bundle {
		shown = append(shown, shownCert{Role: "authority", Subject: cert.Subject.CommonName, NotAfter: cert.NotAfter.UTC(),
			DaysLeft: certs.DaysLeft(cert, a.now()), Fingerprint: certs.Fingerprint(cert)})
	}
	for role, pair := range map[string]*certs.Pair{"server": found.Server, "client": found.Client} {
		if pair == nil || pair.Leaf() == nil {
			continue
		}
		leaf := pair.Leaf()
		one := shownCert{Role: role, Subject: leaf.Subject.CommonName, Names: leaf.DNSNames, NotAfter: leaf.NotAfter.UTC(),
			DaysLeft: certs.DaysLeft(leaf, a.now()), Fingerprint: certs.Fingerprint(leaf)}
		for _, ip := range leaf.IPAddresses {
			one.Names = append(one.Names, ip.String())
		}
		shown = append(shown, one)
	}
	return shown, nil
}

func (a *app) certsRotateCommand() *cobra.Command {
	c := &common{}
	var ca bool
	cmd := &cobra.Command{
		Use: "rotate METHOD", Short: "issue the certificate anew; pods follow one by one",
		Long: `Issues the server's certificate anew under the same CA: kubeconfigs stay good.
With --ca the CA too: the old one signs the new one, so that old kubeconfigs go
on working, and kubeconfigs made from now on trust both.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := a.openRecorded(cmd, c, args)
			if err != nil {
				return err
			}
			defer s.cancel()
			_, with, err := s.certified()
			if err != nil {
				return err
			}
			if err := with.Rotate(s.ctx, ca, exposer.Run{Progress: s.job.Progress, Now: a.now}); err != nil {
				return err
			}
			fmt.Fprintln(a.out, "rotated; look at it with: causeway certs show "+clusterFlagsOf(s.spec))
			if ca {
				fmt.Fprintln(a.out, "give out new kubeconfigs:  causeway kubeconfig "+clusterFlagsOf(s.spec))
			}
			return nil
		},
	}
	c.clusterFlags(cmd)
	cmd.Flags().BoolVar(&ca, "ca", false, "the CA too")
	return cmd
}

func (a *app) certsExportCommand() *cobra.Command {
	c := &common{}
	var dir, passwordFile string
	var legacy bool
	cmd := &cobra.Command{
		Use: "export METHOD", Short: "write the CA, and PKCS#12 files where a password is given", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o := exposer.HandoffOptions{Secrets: exposer.SecretsOmit, Legacy: legacy}
			if err := readPassword(cmd, passwordFile, &o); err != nil {
				return err
			}
			s, err := a.openRecorded(cmd, c, args)
			if err != nil {
				return err
			}
			defer s.cancel()
			_, with, err := s.certified()
			if err != nil {
				return err
			}
			found, err := with.Certificates(s.ctx)
			if err != nil {
				return err
			}
			return a.export(dir, found, o)
		},
	}
	c.clusterFlags(cmd)
	f := cmd.Flags()
	f.StringVar(&dir, "dir", ".", "folder to write to")
	f.StringVar(&passwordFile, "password-file", "", "file with the password for the PKCS#12 files")
	f.BoolVar(&legacy, "legacy-ciphers", false, "PKCS#12 as tools from before 2020 read it")
	return cmd
}

func (a *app) export(dir string, found exposer.Certificates, o exposer.HandoffOptions) error {
	env := certs.Env{Now: a.now, Rand: a.rand}
	profile := certs.Modern
	if o.Legacy {
		profile = certs.Legacy
	}
	files := map[string][]byte{"ca.crt": found.Bundle}
	var err error
	if o.Password != "" {
		if files["truststore.p12"], err = certs.EncodeTrustStore(env, found.Bundle, o.Password, profile); err != nil {
			return err
		}
	}
	if o.Password != "" && found.Client != nil {
		if files["client.p12"], err = certs.EncodeClientP12(env, *found.Client, found.Bundle, o.Password, profile); err != nil {
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
	return nil
}

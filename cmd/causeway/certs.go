package main

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"causeway/certs"
	"causeway/exposer"
)

func (a *app) certsCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "certs", Short: "show, rotate or export an exposure's certificates",
		Long: `The certificates that causeway made for an exposure by ilb in mode terminate: the
authority (CA) that kubeconfigs trust, the server's, and with --client-auth mtls the
client's. The other methods have none of their own.`,
		Args: knownCommand, RunE: showHelp}
	cmd.AddCommand(a.certsShowCommand(), a.certsRotateCommand(), a.certsExportCommand())
	return cmd
}

// certified opens an exposure that has certificates of its own.
func (s *session) certified() (exposer.Certified, error) {
	exposure, _, err := s.job.Standing(s.ctx, s.spec)
	if err != nil {
		return nil, err
	}
	with, ok := exposure.(exposer.Certified)
	if !ok {
		return nil, fmt.Errorf("find certificates: the method %s has none of its own", s.spec.Method)
	}
	return with, nil
}

// shownCert is one certificate of certs show.
type shownCert struct {
	Role        string    `json:"role"` // authority, earlier authority, server, client
	Subject     string    `json:"subject"`
	Names       []string  `json:"names,omitempty"`
	NotBefore   time.Time `json:"notBefore"`
	NotAfter    time.Time `json:"notAfter"`
	DaysLeft    int       `json:"daysLeft"`
	Fingerprint string    `json:"fingerprint"`
}

func (a *app) certsShowCommand() *cobra.Command {
	c := &common{}
	cmd := &cobra.Command{
		Use: "show METHOD", Short: "show subjects, names, ends and fingerprints", Args: atMostMethod,
		Long: `Shows each certificate with its names, its life and its SHA-256 fingerprint, which
is what the far side compares before it trusts the CA.`,
		Example: "  causeway certs show ilb --project P --location L --cluster C",
		RunE: func(cmd *cobra.Command, args []string) error {
			found, err := a.certificates(cmd, c, args)
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
			a.showCerts(shown)
			return nil
		},
	}
	c.exposureFlags(cmd)
	outputFlag(cmd, &c.output)
	c.runFlags(cmd, nil)
	return cmd
}

// certificates reads those of an exposure that stands.
func (a *app) certificates(cmd *cobra.Command, c *common, args []string) (exposer.Certificates, error) {
	s, err := a.openRecorded(cmd, c, args)
	if err != nil {
		return exposer.Certificates{}, err
	}
	defer s.cancel()
	with, err := s.certified()
	if err != nil {
		return exposer.Certificates{}, err
	}
	return with.Certificates(s.ctx)
}

// showCerts writes a paragraph a certificate: a fingerprint is too long for a table.
func (a *app) showCerts(shown []shownCert) {
	for i, one := range shown {
		if i > 0 {
			fmt.Fprintln(a.out)
		}
		fmt.Fprintf(a.out, "%s: %s\n", one.Role, one.Subject)
		if len(one.Names) > 0 {
			fmt.Fprintf(a.out, "  names   %s\n", strings.Join(one.Names, ", "))
		}
		fmt.Fprintf(a.out, "  from    %s\n  ends    %s\n  %s\n", one.NotBefore.Format("2006-01-02 15:04")+" UTC", a.moment(one.NotAfter), one.Fingerprint)
	}
}

func (a *app) shown(found exposer.Certificates) ([]shownCert, error) {
	var shown []shownCert
	bundle, err := certs.ParseBundle(found.Bundle)
	if err != nil {
		return nil, err
	}
	var served *x509.Certificate
	if found.Server != nil {
		served = found.Server.Leaf()
	}
	for _, cert := range bundle {
		role := "authority"
		if served != nil && !bytes.Equal(served.AuthorityKeyId, cert.SubjectKeyId) {
			role = "earlier authority" // trusted as long as it lives; signs nothing new
		}
		shown = append(shown, a.one(role, cert))
	}
	for _, leaf := range []struct {
		role string
		pair *certs.Pair
	}{{"server", found.Server}, {"client", found.Client}} {
		if leaf.pair == nil || leaf.pair.Leaf() == nil {
			continue
		}
		shown = append(shown, a.one(leaf.role, leaf.pair.Leaf()))
	}
	return shown, nil
}

func (a *app) one(role string, cert *x509.Certificate) shownCert {
	one := shownCert{Role: role, Subject: cert.Subject.CommonName, Names: cert.DNSNames, NotBefore: cert.NotBefore.UTC(), NotAfter: cert.NotAfter.UTC(),
		DaysLeft: certs.DaysLeft(cert, a.now()), Fingerprint: certs.Fingerprint(cert)}
	for _, ip := range cert.IPAddresses {
		one.Names = append(one.Names, ip.String())
	}
	return one
}

func (a *app) certsRotateCommand() *cobra.Command {
	c := &common{}
	var ca bool
	cmd := &cobra.Command{
		Use: "rotate METHOD", Short: "issue the certificate anew; pods follow one by one",
		Long: `Issues the server's certificate anew under the same CA: kubeconfigs stay good.
With --ca the CA too: the old one signs the new one, so that old kubeconfigs go
on working as long as the old CA lives, and kubeconfigs made from now on trust
both. Pods are replaced one by one; connections are drained.`,
		Example: "  causeway certs rotate ilb --project P --location L --cluster C\n" +
			"  causeway certs rotate ilb --project P --location L --cluster C --ca",
		Args: atMostMethod,
		RunE: func(cmd *cobra.Command, args []string) error { return a.rotate(cmd, c, args, ca) },
	}
	c.exposureFlags(cmd)
	group(cmd, aboutTLS, func(f *flagSet) { f.BoolVar(&ca, "ca", false, "the CA too") })
	c.runFlags(cmd, nil)
	return cmd
}

func (a *app) rotate(cmd *cobra.Command, c *common, args []string, ca bool) error {
	s, err := a.openRecorded(cmd, c, args)
	if err != nil {
		return err
	}
	defer s.cancel()
	with, err := s.certified()
	if err != nil {
		return err
	}
	if err := with.Rotate(s.ctx, ca, exposer.Run{Progress: s.job.Progress, Now: a.now}); err != nil {
		return err
	}
	if !ca {
		fmt.Fprintln(a.out, "the certificate is new; kubeconfigs stay good")
		return nil
	}
	fmt.Fprintln(a.out, "the CA and the certificate are new; old kubeconfigs work as long as the old CA lives")
	fmt.Fprintf(a.out, "new kubeconfigs, which trust both:\n  %s\n", s.again("kubeconfig"))
	return nil
}

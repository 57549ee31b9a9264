package daemon

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"causeway/internal/gcptest"
	"causeway/lab/cluster"
	"causeway/lab/dataplane"
	"causeway/lab/pki"
	"causeway/lab/topology"
)

// systemRoots are the machine's own root certificates, where it has them: what trusts
// the lab's root shall trust the public ones too (Debian's and Ubuntu's path).
const systemRoots = "/etc/ssl/certs/ca-certificates.crt"

// startFronts serves the DNS endpoints of the line's clusters and Connect Gateway at
// Google's front end, and returns what public DNS says of them. On a line that moves there is none: its
// far side has no way to Google's APIs.
func (d *daemon) startFronts(google *gcptest.Server) (map[string]netip.Addr, error) {
	if d.config.Line.Moves() {
		return nil, nil
	}
	byHost, names := map[string]http.Handler{}, map[string]netip.Addr{}
	var hosts []string
	for _, name := range d.config.Line.Clusters() {
		path := fmt.Sprintf("projects/%s/locations/%s/clusters/%s", topology.Project, topology.Location, name)
		host := dnsEndpoint(google.Object(path))
		if host == "" {
			continue
		}
		front, err := gcptest.NewDNSFront(google, path, d.cluster.Server(), toAPI(d.cluster))
		if err != nil {
			return nil, fmt.Errorf("start the DNS endpoint of %s: %w", name, err)
		}
		byHost[host], names[host], hosts = front, topology.GoogleFront, append(hosts, host)
	}
	var err error
	if d.gateway, err = d.newGateway(google); err != nil {
		return nil, err
	}
	for _, host := range gatewayHosts() {
		byHost[host], names[host], hosts = d.gateway, topology.GoogleFront, append(hosts, host)
	}
	certificate, err := d.publicCertificate(hosts)
	if err != nil {
		return nil, err
	}
	l, err := d.spaces[topology.VPC].Listen("tcp", netip.AddrPortFrom(topology.GoogleFront, 443).String())
	if err != nil {
		return nil, fmt.Errorf("start the DNS endpoint: %w", err)
	}
	served := &http.Server{
		Handler: byName(byHost), ReadHeaderTimeout: 10 * time.Second,
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate}},
	}
	go func() {
		if err := served.ServeTLS(l, "", ""); !errors.Is(err, http.ErrServerClosed) {
			d.note("the DNS endpoint ended: " + err.Error())
		}
	}()
	d.closers = append(d.closers, func() { served.Close() })
	return names, nil
}

func dnsEndpoint(cluster map[string]any) string {
	endpoints, _ := cluster["controlPlaneEndpointsConfig"].(map[string]any)
	config, _ := endpoints["dnsEndpointConfig"].(map[string]any)
	host, _ := config["endpoint"].(string)
	return host
}

// byName picks the front end by the name that was called.
func byName(fronts map[string]http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, _ := strings.Cut(r.Host, ":")
		if front := fronts[host]; front != nil {
			front.ServeHTTP(w, r)
			return
		}
		http.Error(w, "The requested URL was not found on this server.", http.StatusNotFound)
	})
}

// toAPI is the way of Google's front ends to an API server.
func toAPI(c *cluster.Cluster) *http.Transport {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(c.CA())
	return &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots},
		DialContext:     func(ctx context.Context, _, _ string) (net.Conn, error) { return c.DialAPI(ctx) },
	}
}

// publicCertificate issues the front end's certificate, by a root that stands for the
// public CAs, and writes the bundle that clients trust.
func (d *daemon) publicCertificate(hosts []string) (tls.Certificate, error) {
	root, err := pki.Root(filepath.Join(d.place.Keys(), "public"), "lab-public-root")
	if err != nil {
		return tls.Certificate{}, err
	}
	if err := root.Issue("front", pkix.Name{CommonName: hosts[0]}, hosts, nil); err != nil {
		return tls.Certificate{}, err
	}
	system, _ := os.ReadFile(systemRoots) // a machine without them has the lab's alone
	if err := os.WriteFile(d.place.Roots(), bytes.Join([][]byte{system, root.PEM}, nil), 0o644); err != nil {
		return tls.Certificate{}, fmt.Errorf("write root certificates: %w", err)
	}
	return tls.LoadX509KeyPair(root.Path("front.crt"), root.Path("front.key"))
}

// startExchange has the endpoints of consumers carry packets, where there are any.
func (d *daemon) startExchange(google *gcptest.Server, names map[string]netip.Addr) error {
	if len(d.config.Line.Consumers()) == 0 {
		return nil
	}
	exchange := dataplane.NewExchange(dataplane.ExchangeOptions{
		Line: d.config.Line, Google: google, Spaces: d.spaces, Place: d.place, Names: names, Note: d.note,
	})
	if err := exchange.Start(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); exchange.Run(ctx) }()
	d.closers = append(d.closers, func() { cancel(); <-done })
	d.exchange = exchange
	return nil
}

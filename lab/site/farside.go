package site

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"causeway/internal/gcptest"
	"causeway/lab/dataplane"
	"causeway/lab/topology"
)

// sourceOption is the line of the handed-over bird.conf that its reader is to set:
// the source address of the machine's own traffic.
var sourceOption = regexp.MustCompile(`(?m)^([ \t]*)(#[ \t]*)?krt_prefsrc[ \t]*=[ \t]*[0-9.]+;`)

// SetSource sets that option, and nothing else.
func SetSource(birdConf string, source netip.Addr) (string, error) {
	if n := len(sourceOption.FindAllString(birdConf, -1)); n != 1 {
		return "", fmt.Errorf("set the source address in bird.conf: %d lines with krt_prefsrc, 1 wanted", n)
	}
	return sourceOption.ReplaceAllString(birdConf, "${1}krt_prefsrc = "+source.String()+";"), nil
}

// FarUp is the far side's engineer: takes bird.conf out of the folder that was
// handed over, sets its source address, and starts tunnels and router with the
// pre-shared keys that lie beside it (TUNNEL.psk).
func (s *Site) FarUp(ctx context.Context, dir string) error {
	text, keys, err := Handed(dir)
	if err != nil {
		return err
	}
	return s.FarUpWith(ctx, text, keys)
}

// Handed reads what was handed over for the far side's line: bird.conf, and the
// pre-shared keys by the tunnel's name.
func Handed(dir string) (birdConf string, keys map[string]string, err error) {
	text, err := os.ReadFile(filepath.Join(dir, "bird.conf"))
	if err != nil {
		return "", nil, fmt.Errorf("read what was handed over: %w", err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.psk"))
	if err != nil {
		return "", nil, fmt.Errorf("read what was handed over: %w", err)
	}
	keys = map[string]string{}
	for _, file := range files {
		key, err := os.ReadFile(file)
		if err != nil {
			return "", nil, fmt.Errorf("read what was handed over: %w", err)
		}
		keys[strings.TrimSuffix(filepath.Base(file), ".psk")] = string(key)
	}
	return string(text), keys, nil
}

// Receive is the far side's engineer, who got an archive of causeway handoff:
// unpacks it at home and puts its kubeconfig, if it holds one, where kubectl looks
// for it. It returns the folder of the line's files.
func (n Session) Receive(ctx context.Context, archive string) (string, error) {
	content, err := os.ReadFile(archive)
	if err != nil {
		return "", fmt.Errorf("receive the handoff: %w", err)
	}
	name := filepath.Base(archive)
	if err := os.WriteFile(filepath.Join(n.Who.Home, name), content, 0o600); err != nil {
		return "", fmt.Errorf("receive the handoff: %w", err)
	}
	if _, err := n.Do(ctx, "tar", "xzf", name); err != nil {
		return "", err
	}
	folder := "causeway-" + strings.TrimSuffix(strings.TrimPrefix(name, "handoff-"), ".tar.gz")
	if exists(filepath.Join(n.Who.Home, folder, "kubeconfig")) { // not with --secrets omit
		if _, err := n.Do(ctx, "cp", filepath.Join(folder, "kubeconfig"), ".kube/config"); err != nil {
			return "", err
		}
	}
	return filepath.Join(n.Who.Home, folder, "line"), nil
}

// FarUpWith is FarUp with the text of a bird.conf, and keys by the tunnel's name or
// by Google's outside address.
func (s *Site) FarUpWith(ctx context.Context, birdConf string, keys map[string]string) error {
	text, err := SetSource(birdConf, topology.FarHost)
	if err != nil {
		return fmt.Errorf("configure the far side: %w", err)
	}
	_, err = s.control(ctx, http.MethodPut, "far", dataplane.Far{Bird: text, Keys: keys})
	return err
}

// FarDown takes the far side's half away.
func (s *Site) FarDown(ctx context.Context) error {
	_, err := s.control(ctx, http.MethodDelete, "far", nil)
	return err
}

// FarState tells how the far side's sessions do, and which routes its kernel has.
func (s *Site) FarState(ctx context.Context) (dataplane.FarState, error) {
	var state dataplane.FarState
	text, err := s.control(ctx, http.MethodGet, "far", nil)
	if err != nil {
		return state, err
	}
	return state, json.Unmarshal(text, &state)
}

// FarRoutes are the routes of the far side's kernel ("192.168.50.0/28 via
// 169.254.8.1 src 172.31.23.209").
func (s *Site) FarRoutes(ctx context.Context) ([]string, error) {
	state, err := s.FarState(ctx)
	return state.Routes, err
}

// Fabric is what the emulator's configuration means for packets, without keys.
func (s *Site) Fabric(ctx context.Context) (gcptest.Fabric, error) {
	var f gcptest.Fabric
	text, err := s.control(ctx, http.MethodGet, "fabric", nil)
	if err != nil {
		return f, err
	}
	return f, json.Unmarshal(text, &f)
}

// Await asks again and again until check is content; what stands in the error.
func (s *Site) Await(ctx context.Context, what string, bound time.Duration, check func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	var last error
	for {
		err := check(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() == nil || last == nil {
			last = err // not the bound's own end
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: not within %s: %w", what, bound, last)
		case <-tick.C:
		}
	}
}

// AwaitSessions waits until as many BGP sessions of the Fabric are up.
func (s *Site) AwaitSessions(ctx context.Context, count int, bound time.Duration) error {
	return s.Await(ctx, fmt.Sprintf("%d BGP sessions", count), bound, func(ctx context.Context) error {
		f, err := s.Fabric(ctx)
		if err != nil {
			return err
		}
		up, told := 0, ""
		for _, one := range f.Sessions {
			if one.Up {
				up++
			}
			told += fmt.Sprintf("; %s is %s (%s)", one.Peer, one.State, one.Reason)
		}
		if up != count {
			return fmt.Errorf("%d are up%s", up, told)
		}
		return nil
	})
}

// The control plane's two addresses: over the peering, and in the VPC's own subnet.
var (
	ByPeering = netip.AddrPortFrom(topology.MasterIP, topology.MasterPort)
	ByPSC     = netip.AddrPortFrom(topology.PSCEndpoint, topology.MasterPort)
)

// askBound is how long one request may take: packets are lost, or are there at once.
const askBound = 800 * time.Millisecond

// Ask sends a request from the far side to an address of the API server, with TLS
// that the cluster's CA must vouch for, and wants an answer.
func (s *Site) Ask(ctx context.Context, to netip.AddrPort) error {
	ctx, cancel := context.WithTimeout(ctx, askBound)
	defer cancel()
	ca, err := os.ReadFile(filepath.Join(s.Place.Keys(), "ca.crt"))
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true, // each request is a way of its own
		TLSClientConfig:   &tls.Config{RootCAs: roots},
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			return s.far.Dial(ctx, network, address)
		},
	}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+to.String()+"/readyz", nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("get https://%s/readyz: %s", to, resp.Status)
	}
	return nil
}

// AwaitAnswer waits until the address answers the far side.
func (s *Site) AwaitAnswer(ctx context.Context, to netip.AddrPort, bound time.Duration) error {
	return s.Await(ctx, fmt.Sprintf("%s to answer the far side", to), bound, func(ctx context.Context) error { return s.Ask(ctx, to) })
}

// silence is how long nothing may be answered for it to count as silence: longer
// than a session takes to come back by itself.
const silence = 1500 * time.Millisecond

// AwaitSilence waits until the address answers the far side no more, for a while.
func (s *Site) AwaitSilence(ctx context.Context, to netip.AddrPort, bound time.Duration) error {
	return s.Await(ctx, fmt.Sprintf("%s not to answer the far side", to), bound, func(ctx context.Context) error {
		for began := time.Now(); time.Since(began) < silence; {
			if s.Ask(ctx, to) == nil {
				return errors.New("it answers")
			}
			select {
			case <-ctx.Done():
				return ctx.Err() // a request that the bound cut short proves nothing
			case <-time.After(100 * time.Millisecond):
			}
		}
		return nil
	})
}

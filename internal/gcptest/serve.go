package gcptest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Start listens on addr ("127.0.0.1:0" for any free port) and returns the base
// URL. The caller ends it with Close.
func (s *Server) Start(addr string) (string, error) {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return "", fmt.Errorf("listen for the emulator: %w", err)
	}
	s.base = "http://" + listener.Addr().String()
	s.http = &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	go s.http.Serve(listener) // ends with http.ErrServerClosed on Close
	return s.base, nil
}

// URL is where the emulator listens, "" before Start.
func (s *Server) URL() string { return s.base }

// Close ends the listener and waits up to 2 s for calls that are under way.
func (s *Server) Close() error {
	if s.http == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if err := s.http.Shutdown(ctx); errors.Is(err, context.DeadlineExceeded) {
		return s.http.Close()
	} else if err != nil {
		return fmt.Errorf("stop the emulator: %w", err)
	}
	return nil
}

// Env returns the variables that point gcloud and causeway at the emulator. The
// access token file is not among them: see WriteToken.
func (s *Server) Env() map[string]string { return Env(s.base) }

// Env is Server.Env for an emulator at base, say in another network namespace.
func Env(base string) map[string]string {
	const prefix = "CLOUDSDK_API_ENDPOINT_OVERRIDES_"
	return map[string]string{
		prefix + "COMPUTE":              base + "/compute/v1/",
		prefix + "DNS":                  base + "/dns/v1/",
		prefix + "CONTAINER":            base + "/container/",
		prefix + "CLOUDRESOURCEMANAGER": base + "/cloudresourcemanager/",
		prefix + "SERVICEUSAGE":         base + "/serviceusage/",
		prefix + "IAM":                  base + "/iam/",
		prefix + "IAMCREDENTIALS":       base + "/iamcredentials/",
		prefix + "GKEHUB":               base + "/gkehub/",
		prefix + "CONNECTGATEWAY":       base + "/connectgateway/",
	}
}

// WriteToken writes the first token that the emulator takes into a file for
// CLOUDSDK_AUTH_ACCESS_TOKEN_FILE, mode 0600.
func (s *Server) WriteToken(file string) error {
	if err := os.WriteFile(file, []byte(s.options.Tokens[0]), 0o600); err != nil {
		return fmt.Errorf("write access token file: %w", err)
	}
	return nil
}

// TB is what Serve needs of a test.
type TB interface {
	Helper()
	Cleanup(func())
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// Serve starts an emulator on loopback for a test, filled from the named seeds
// (files in testdata/gcptest, without .yaml). At the end of the test it fails it
// for each violation of Google's discovery documents that is left.
func Serve(t TB, options Options, seeds ...string) *Server {
	t.Helper()
	s, err := New(options)
	if err != nil {
		t.Fatalf("start emulator: %v", err)
	}
	for _, name := range seeds {
		file, err := SeedFile(name)
		if err != nil {
			t.Fatalf("%v", err)
		}
		seed, err := ReadSeed(file)
		if err != nil {
			t.Fatalf("%v", err)
		}
		if err := s.Fill(seed); err != nil {
			t.Fatalf("%v", err)
		}
	}
	if _, err := s.Start("127.0.0.1:0"); err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("%v", err)
		}
		for _, violation := range s.TakeViolations() {
			t.Errorf("against Google's discovery documents: %s", violation)
		}
	})
	return s
}

// SeedFile finds testdata/gcptest/NAME.yaml in the working directory or above it.
func SeedFile(name string) (string, error) {
	directory, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find seed %s: %w", name, err)
	}
	for {
		file := filepath.Join(directory, "testdata", "gcptest", name+".yaml")
		if _, err := os.Stat(file); err == nil {
			return file, nil
		}
		parent := filepath.Dir(directory)
		if parent == directory {
			return "", fmt.Errorf("find seed %s: no testdata/gcptest/%s.yaml here or above", name, strings.TrimSpace(name))
		}
		directory = parent
	}
}

package kube

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/rest"
)

// late is the end of --timeout, as cmd makes it.
type late struct{}

func (late) Error() string { return "not done within 30m0s; --timeout gives more" }
func (late) Code() string  { return "CW-RUN-TIMEOUT" }

// TestTheEndOfTheRunIsNotTheClustersSilence: a request that hangs when the whole
// command's time is over ends by that, over HTTP/1.1 and over HTTP/2 alike: who reads
// it must not look for a broken line.
func TestTheEndOfTheRunIsNotTheClustersSilence(t *testing.T) {
	namespace := Ref{Version: "v1", Kind: "Namespace", Name: "n"}
	for protocol, two := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		over := make(chan struct{})
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-over }))
		server.EnableHTTP2 = two
		server.StartTLS()
		t.Cleanup(func() { close(over); server.Close() })
		for verb, do := range map[string]func(context.Context, *Client) error{
			"get":  func(ctx context.Context, c *Client) error { _, err := c.Get(ctx, namespace); return err },
			"list": func(ctx context.Context, c *Client) error { _, err := c.List(ctx, namespace, ""); return err },
			"raw":  func(ctx context.Context, c *Client) error { _, _, err := c.raw(ctx, "/version", ""); return err },
			"token": func(ctx context.Context, c *Client) error {
				_, err := c.Token(ctx, "n", "a", time.Hour)
				return err
			},
			"lock": func(ctx context.Context, c *Client) error { _, err := c.Lock(ctx, "n", "l"); return err },
		} {
			t.Run(verb+" over "+protocol, func(t *testing.T) {
				config := &rest.Config{Host: server.URL, TLSClientConfig: rest.TLSClientConfig{Insecure: true}}
				if !two {
					config.NextProtos = []string{"http/1.1"}
				}
				client, err := New(config, Env{})
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithTimeoutCause(t.Context(), 100*time.Millisecond, late{})
				defer cancel()
				err = do(ctx, client)
				var known *Error
				if !errors.As(err, &known) || known.Code() != "CW-RUN-TIMEOUT" || !strings.HasSuffix(err.Error(), late{}.Error()) {
					t.Errorf("%v (%+v)", err, known)
				}
			})
		}
	}
}

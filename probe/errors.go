package probe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"time"
)

// connectFailure tells the ways a TCP connection can fail apart.
func connectFailure(err error, to string) Result {
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return fail("CW-PROBE-REFUSED", err, "%s refused the connection", to)
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return fail("CW-PROBE-NO-ROUTE", err, "no route to %s", to)
	case timedOut(err), errors.Is(err, syscall.ETIMEDOUT):
		return fail("CW-PROBE-TIMEOUT", err, "%s did not answer in time", to)
	}
	return fail("CW-PROBE-CONNECT", err, "%s: %v", to, rootCause(err))
}

// requestFailure judges an HTTP request that got no answer after TLS was once good.
func requestFailure(err error, code, what string) Result {
	text := err.Error()
	switch {
	case strings.Contains(text, "getting credentials:"):
		// client-go ran the exec plugin; its words say which program and why.
		_, reason, _ := strings.Cut(text, "getting credentials:")
		return fail("CW-PROBE-PLUGIN", err, "the kubeconfig's credential program failed: %s", clip(strings.TrimSpace(reason), 300))
	case strings.Contains(text, "certificate required"), strings.Contains(text, "bad certificate"),
		strings.Contains(text, "tls: unknown certificate"), strings.Contains(text, "tls: expired certificate"):
		// With TLS 1.3 the server judges the client's certificate after the handshake.
		return fail("CW-PROBE-CLIENT-CERT", err, "%s: %v", what, rootCause(err))
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return connectFailure(err, what)
	case timedOut(err):
		return fail("CW-PROBE-TIMEOUT", err, "%s: no answer in time", what)
	case cut(err):
		return fail(code, err, "%s: the connection was cut (%v)", what, rootCause(err))
	}
	return fail(code, err, "%s: %v", what, rootCause(err))
}

func timedOut(err error) bool {
	var network net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) ||
		errors.As(err, &network) && network.Timeout()
}

func cut(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// rootCause strips what url.Error and net.OpError put in front: the hop says it.
func rootCause(err error) error {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return err
		}
		err = next
	}
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// roughly writes a duration as people say it: "47 h", "12 days".
func roughly(d time.Duration) string {
	switch {
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 72*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}

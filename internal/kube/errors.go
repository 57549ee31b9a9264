package kube

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
	"strings"
	"syscall"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Error is a failure of something asked of the cluster. It reads
// "verb resource: cause"; Code names the known cause, when it is one.
type Error struct {
	Verb     string // "apply"
	Resource string // "Deployment causeway-prod/causeway-proxy"
	HTTP     int    // status of the answer; 0: none came
	Cause    error
	code     string
}

// Error implements error.
func (e *Error) Error() string { return e.Verb + " " + e.Resource + ": " + e.Cause.Error() }

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Code is the catalogue's code, or "".
func (e *Error) Code() string { return e.code }

// fail makes an error of a known cause.
func fail(code, verb, resource, format string, args ...any) *Error {
	return &Error{Verb: verb, Resource: resource, code: code, Cause: fmt.Errorf(format, args...)}
}

// wrap classifies what client-go returned. What is an *Error already stays one.
func wrap(verb, resource string, err error) error {
	if err == nil {
		return nil
	}
	var known *Error
	if errors.As(err, &known) {
		return err
	}
	if errors.Is(err, context.Canceled) {
		return &Error{Verb: verb, Resource: resource, Cause: interrupted{err}}
	}
	var ended *endedRun
	if errors.As(err, &ended) {
		err = ended // without the request's URL
	}
	e := &Error{Verb: verb, Resource: resource, Cause: plain(err), code: codeOf(err)}
	var status apierrors.APIStatus
	if errors.As(err, &status) {
		e.HTTP = int(status.Status().Code)
	}
	return e
}

// interrupted is a request that Ctrl-C ended, without the request's URL.
type interrupted struct{ err error }

func (interrupted) Error() string   { return "interrupted" }
func (i interrupted) Unwrap() error { return i.err }

// codeOf finds the known cause of an error of client-go or of the transport.
func codeOf(err error) string {
	var coder interface{ Code() string }
	if errors.As(err, &coder) {
		return coder.Code() // the credentials' source, say, knows better
	}
	if code := gatewayCode(err); code != "" {
		return code
	}
	text := err.Error()
	switch {
	case apierrors.IsUnauthorized(err):
		return "CW-KUBE-UNAUTHORIZED"
	case strings.Contains(text, "violates PodSecurity"):
		return "CW-KUBE-POD-SECURITY"
	case strings.Contains(text, "exceeded quota"):
		return "CW-KUBE-QUOTA"
	case strings.Contains(text, "admission webhook") || strings.Contains(text, "ValidatingAdmissionPolicy"):
		return "CW-KUBE-ADMISSION"
	case apierrors.HasStatusCause(err, "NamespaceTerminating"):
		return "CW-KUBE-TERMINATING"
	case apierrors.IsForbidden(err):
		return "CW-KUBE-FORBIDDEN"
	case apierrors.IsConflict(err):
		return "CW-KUBE-CONFLICT"
	case apierrors.IsInvalid(err) || apierrors.IsBadRequest(err) || strings.Contains(text, "failed to create typed patch object"):
		return "CW-KUBE-INVALID"
	case untrusted(err):
		return "CW-KUBE-UNTRUSTED"
	case overloaded(err):
		return "CW-KUBE-BUSY"
	case transient(err) || timedOut(err):
		return "CW-KUBE-UNREACHABLE"
	}
	return ""
}

// untrusted reports whether the server's certificate was refused.
func untrusted(err error) bool {
	var verification *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	return errors.As(err, &verification) || errors.As(err, &authority) || errors.As(err, &host) || errors.As(err, &invalid)
}

// timedOut reports whether the network, not the caller, gave up.
func timedOut(err error) bool {
	var network net.Error
	return errors.As(err, &network) && network.Timeout() && !errors.Is(err, context.Canceled)
}

// overloaded reports whether the server answered, but could not do its work now:
// it is busy, or its etcd or a front end before it is being replaced.
func overloaded(err error) bool {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return false
	}
	switch status.Status().Code {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	case http.StatusInternalServerError:
		return strings.Contains(status.Status().Message, "etcdserver:")
	}
	return false
}

// transient reports whether the same request may well succeed in a moment.
func transient(err error) bool {
	if untrusted(err) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	if overloaded(err) {
		return true
	}
	var op *net.OpError
	return errors.As(err, &op) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.ECONNREFUSED)
}

// plain shortens the API server's message to what a person needs.
func plain(err error) error {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return err
	}
	message := status.Status().Message
	if message == "" {
		message = string(status.Status().Reason)
	}
	if status.Status().Code == http.StatusUnauthorized {
		message = "the API server does not accept the credentials (401)"
	}
	return &answer{message, err}
}

// answer is a shorter text for an error that stays reachable by errors.As.
type answer struct {
	text string
	err  error
}

func (a *answer) Error() string { return a.text }
func (a *answer) Unwrap() error { return a.err }

// statusError makes client-go's error of an answer that was read by hand.
func statusError(code int, body []byte) error {
	var status metav1.Status
	if json.Unmarshal(body, &status) != nil || status.Kind != "Status" {
		status = metav1.Status{Message: fmt.Sprintf("HTTP %d: %s", code, firstLine(string(body)))}
	}
	status.Code = int32(code)
	if status.Reason == "" {
		switch code {
		case http.StatusUnauthorized:
			status.Reason = metav1.StatusReasonUnauthorized
		case http.StatusForbidden:
			status.Reason = metav1.StatusReasonForbidden
		}
	}
	return &apierrors.StatusError{ErrStatus: status}
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	if len(line) > 200 {
		line = line[:200] + "..."
	}
	return line
}

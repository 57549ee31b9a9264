package kube

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

func TestCodesOfErrors(t *testing.T) {
	secrets := schema.GroupResource{Resource: "secrets"}
	tests := map[string]struct {
		err  error
		code string
		http int
	}{
		"unauthorized":       {apierrors.NewUnauthorized("x"), "CW-KUBE-UNAUTHORIZED", 401},
		"forbidden":          {apierrors.NewForbidden(secrets, "s", errors.New("no")), "CW-KUBE-FORBIDDEN", 403},
		"pod security":       {apierrors.NewForbidden(secrets, "s", errors.New(`violates PodSecurity "restricted:latest"`)), "CW-KUBE-POD-SECURITY", 403},
		"a webhook":          {apierrors.NewForbidden(secrets, "s", errors.New(`admission webhook "x" denied the request`)), "CW-KUBE-ADMISSION", 403},
		"a policy":           {apierrors.NewForbidden(secrets, "s", errors.New(`ValidatingAdmissionPolicy 'x' denied request`)), "CW-KUBE-ADMISSION", 403},
		"too many requests":  {apierrors.NewTooManyRequests("x", 1), "CW-KUBE-BUSY", 429},
		"unavailable":        {apierrors.NewServiceUnavailable("x"), "CW-KUBE-BUSY", 503},
		"a gateway":          {statusError(502, []byte("<html>bad gateway</html>")), "CW-KUBE-BUSY", 502},
		"etcd's leader":      {apierrors.NewInternalError(errors.New("etcdserver: leader changed")), "CW-KUBE-BUSY", 500},
		"an internal error":  {apierrors.NewInternalError(errors.New("x")), "", 500},
		"a conflict":         {apierrors.NewConflict(secrets, "s", errors.New("x")), "CW-KUBE-CONFLICT", 409},
		"a bad request":      {apierrors.NewBadRequest("x"), "CW-KUBE-INVALID", 400},
		"connection refused": {&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, "CW-KUBE-UNREACHABLE", 0},
		"a broken answer":    {fmt.Errorf("read: %w", io.ErrUnexpectedEOF), "CW-KUBE-UNREACHABLE", 0},
		"interrupted":        {context.Canceled, "", 0},
		"something else":     {errors.New("x"), "", 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			err := wrap("get", "Secret ns/s", test.err)
			var known *Error
			if !errors.As(err, &known) || known.Code() != test.code || known.HTTP != test.http {
				t.Errorf("%#v, want code %q, HTTP %d", known, test.code, test.http)
			}
			if !errors.Is(err, test.err) && !strings.Contains(fmt.Sprintf("%T", test.err), "StatusError") {
				t.Error("the cause is lost")
			}
			if !strings.HasPrefix(err.Error(), "get Secret ns/s: ") {
				t.Errorf("it reads %q", err)
			}
			if again := wrap("list", "x", err); again.Error() != err.Error() {
				t.Errorf("wrapped twice: %q", again)
			}
		})
	}
	if wrap("get", "x", nil) != nil {
		t.Error("no error becomes one")
	}
}

func TestStatusOfAnAnswerThatIsNoStatus(t *testing.T) {
	err := statusError(403, []byte(strings.Repeat("x", 500)))
	if !apierrors.IsForbidden(err) || len(err.Error()) > 300 {
		t.Errorf("%v", err)
	}
	if err := statusError(401, []byte(`{"kind":"Status","message":"m"}`)); !apierrors.IsUnauthorized(err) || err.Error() != "m" {
		t.Errorf("%v", err)
	}
}

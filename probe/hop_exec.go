package probe

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/client-go/util/exec"
)

// execWebSocketHop runs a command as kubectl 1.30 and later does.
func execWebSocketHop(ctx context.Context, s *session) Result {
	return s.execOver(ctx, "WebSocket", func(config *rest.Config, u *url.URL) (remotecommand.Executor, error) {
		return remotecommand.NewWebSocketExecutor(config, http.MethodGet, u.String())
	})
}

// execSPDYHop runs a command as older kubectl does, and newer ones when WebSocket fails.
func execSPDYHop(ctx context.Context, s *session) Result {
	if s.options.Exec != nil && throughGateway(s.server) {
		return skip("Connect Gateway passes streams over WebSocket alone")
	}
	return s.execOver(ctx, "SPDY", func(config *rest.Config, u *url.URL) (remotecommand.Executor, error) {
		return remotecommand.NewSPDYExecutor(config, http.MethodPost, u)
	})
}

// gatewayPath is what the URLs of Connect Gateway have before the API server's own
// path (gcloud's kubeconfig.py).
var gatewayPath = regexp.MustCompile(`^/v1/projects/[^/]+/locations/[^/]+/(gkeMemberships|memberships)/[^/]+/?$`)

// throughGateway reports whether a server's URL leads through Connect Gateway.
func throughGateway(server *url.URL) bool { return gatewayPath.MatchString(server.Path) }

func (s *session) execOver(ctx context.Context, transport string, build func(*rest.Config, *url.URL) (remotecommand.Executor, error)) Result {
	if s.options.Exec == nil {
		return skip("not asked for")
	}
	target := *s.options.Exec
	executor, err := build(s.execConfig(), s.execURL(target))
	if err != nil {
		return fail("CW-PROBE-EXEC", err, "%v", err)
	}
	var output, errors lockedBuffer
	err = executor.StreamWithContext(ctx, remotecommand.StreamOptions{Stdout: &output, Stderr: &errors})
	where := target.Namespace + "/" + target.Pod
	if err == nil {
		detail := "ran " + command(target)[0] + " in " + where + " over " + transport
		if line := firstLine(output.bytes()); line != "" {
			detail += ": " + line
		}
		return pass("%s", detail)
	}
	return s.execRefused(ctx, execFailure(err, transport, where), err, s.execURL(target))
}

// execConfig differs from the session's in nothing but the ALPN list: an upgrade is
// HTTP/1.1 only.
func (s *session) execConfig() *rest.Config {
	config := rest.CopyConfig(s.config)
	config.NextProtos = []string{"http/1.1"}
	return config
}

func (s *session) execURL(target ExecTarget) *url.URL {
	u := s.server.JoinPath("api/v1/namespaces", target.Namespace, "pods", target.Pod, "exec")
	query := url.Values{"stdout": {"true"}, "stderr": {"true"}, "command": command(target)}
	if target.Container != "" {
		query.Set("container", target.Container)
	}
	u.RawQuery = query.Encode()
	return u
}

func command(target ExecTarget) []string {
	if len(target.Command) == 0 {
		return []string{"true"}
	}
	return target.Command
}

// execFailure judges by the words: client-go gives most of these errors no type, and
// quotes the answer's body in them.
func execFailure(err error, transport, where string) Result {
	page := strings.Contains(strings.ToLower(err.Error()), "<html")
	text := htmlOut(err.Error())
	lower := strings.ToLower(text)
	has := func(words ...string) bool {
		for _, word := range words {
			if strings.Contains(lower, word) {
				return true
			}
		}
		return false
	}
	var exit exec.CodeExitError
	switch {
	case errors.As(err, &exit):
		return pass("over %s; the command itself ended with %d", transport, exit.Code)
	case has("executable file not found", "error executing command in container"):
		return pass("over %s; the container does not have the command", transport)
	case has("forbidden") && !page:
		return fail("CW-PROBE-FORBIDDEN", err, "exec in %s: %s", where, clip(text, 300))
	case has("error dialing backend", "kubelet"):
		return fail("CW-PROBE-EXEC-BACKEND", err, "exec in %s: %s", where, clip(text, 300))
	case has("not found", "container not", "is not valid for pod", "does not have a host assigned") && !page:
		return fail("CW-PROBE-EXEC-TARGET", err, "exec in %s: %s", where, clip(text, 300))
	case has("unable to upgrade", "bad handshake", "upgrade request required", "missing upgrade"):
		return fail("CW-PROBE-UPGRADE", err, "the %s upgrade did not arrive: %s", transport, clip(text, 300))
	case timedOut(err):
		return fail("CW-PROBE-EXEC", err, "exec in %s over %s: no end in time", where, transport)
	}
	return fail("CW-PROBE-EXEC", err, "exec in %s over %s: %s", where, transport, clip(text, 300))
}

// htmlOut puts a page's title in the place of the page.
func htmlOut(text string) string {
	start := strings.Index(strings.ToLower(text), "<html")
	if start < 0 {
		return text
	}
	if title := htmlTitle([]byte(text[start:])); title != "" {
		return text[:start] + "a page titled \"" + title + "\""
	}
	return text[:start] + "an HTML page"
}

// lockedBuffer keeps the first 4 KiB of a stream. client-go's copiers may still
// write when the hop's time has run out.
type lockedBuffer struct {
	sync.Mutex
	kept []byte
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.Lock()
	defer b.Unlock()
	if room := 4096 - len(b.kept); room > 0 {
		b.kept = append(b.kept, p[:min(room, len(p))]...)
	}
	return len(p), nil
}

func (b *lockedBuffer) bytes() []byte {
	b.Lock()
	defer b.Unlock()
	return append([]byte(nil), b.kept...)
}

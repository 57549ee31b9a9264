package site

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"causeway/lab/topology"
)

// Session is a person at work: each command is shown as typed, then what it
// prints. The demo writes it to the terminal, the tests nowhere.
type Session struct {
	*Site
	Who Who
	Out io.Writer
}

// Session makes w's session; a nil out shows nothing.
func (s *Site) Session(w Who, out io.Writer) Session {
	if out == nil {
		out = io.Discard
	}
	return Session{Site: s, Who: w, Out: out}
}

// prompt shows a command as typed, with the variables before it.
func (n Session) prompt(env []string, args []string) {
	fmt.Fprintf(n.Out, "\n%s$ %s\n", n.Who.Name, strings.Join(append(append([]string{}, env...), Line(args)), " "))
}

// Do runs a command that must end with exit code 0.
func (n Session) Do(ctx context.Context, args ...string) (Result, error) {
	return n.DoWith(ctx, nil, 0, args...)
}

// DoWith runs a command with variables before it that must end with the code.
func (n Session) DoWith(ctx context.Context, env []string, code int, args ...string) (Result, error) {
	n.prompt(env, args)
	r := n.RunTo(ctx, n.Who.With(env...), n.Out, "", args...)
	if ctx.Err() != nil {
		return r, context.Cause(ctx)
	}
	return r, r.Want(code)
}

// Says is Do with a text that must be printed.
func (n Session) Says(ctx context.Context, text string, args ...string) error {
	r, err := n.Do(ctx, args...)
	if err == nil && !strings.Contains(r.Stdout, text) {
		err = fmt.Errorf("%s: no %q in what it printed:\n%s", r.Line, text, r.Text())
	}
	return err
}

// follow starts a command that goes on, shown as typed.
func (n Session) follow(ctx context.Context, args ...string) (*Stream, error) {
	n.prompt(nil, args)
	return n.Follow(ctx, n.Who, func(line string) { fmt.Fprintln(n.Out, line) }, args...)
}

// Nodes lists the nodes.
func (n Session) Nodes(ctx context.Context) error {
	return n.Says(ctx, topology.NodeName, "kubectl", "get", "nodes")
}

// promptly is how soon an event must arrive: nothing may hold it back. A busy
// machine with two cores needs most of it.
const promptly = 5 * time.Second

// Apply makes an object, changes it and takes it away again.
func (n Session) Apply(ctx context.Context) error {
	name := "sign-of-" + filepath.Base(n.Who.Home)
	for _, says := range []string{"open", "closed"} {
		text := fmt.Sprintf(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":%q,"namespace":%q},"data":{"sign":%q}}`, name, Shop, says)
		if err := os.WriteFile(filepath.Join(n.Who.Home, "sign.json"), []byte(text), 0o600); err != nil {
			return err
		}
		if err := n.Says(ctx, map[string]string{"open": "created", "closed": "configured"}[says], "kubectl", "apply", "-f", "sign.json"); err != nil {
			return err
		}
	}
	return n.Says(ctx, "deleted", "kubectl", "delete", "-f", "sign.json")
}

// Watch follows the shop's pods while the provider's staff makes one, and sees
// it come and become running; the first event within promptly.
func (n Session) Watch(ctx context.Context) error {
	name := "order-for-" + filepath.Base(n.Who.Home) // several may watch at a time
	watch, err := n.follow(ctx, "kubectl", "-n", Shop, "get", "pods", "--watch")
	if err != nil {
		return err
	}
	defer watch.Stop()
	if _, err := watch.Await(ctx, 0, promptly, Web); err != nil {
		return err
	}
	made := time.Now()
	if err := n.RunTo(ctx, n.Provider(), io.Discard, Pod(name, n.State.ToolsImage, "trap 'exit 0' TERM; sleep 300 & wait"), "kubectl", "create", "-f", "-").Want(0); err != nil {
		return err
	}
	first, err := watch.Await(ctx, 0, promptly, name)
	if err != nil {
		return err
	}
	if _, err := watch.Await(ctx, 0, 30*time.Second, name, "Running"); err != nil {
		return err
	}
	fmt.Fprintf(n.Out, "# the new pod was seen %s after it was asked for\n", first.At.Sub(made).Round(time.Millisecond))
	return n.Run(ctx, n.Provider(), "kubectl", "-n", Shop, "delete", "pod", name, "--timeout=30s").Want(0)
}

// WatchConfigMaps follows the ConfigMaps while one is made: the watch of a lab
// without a node.
func (n Session) WatchConfigMaps(ctx context.Context) error {
	watch, err := n.follow(ctx, "kubectl", "-n", "default", "get", "configmaps", "--watch")
	if err != nil {
		return err
	}
	defer watch.Stop()
	if _, err := watch.Await(ctx, 0, promptly, "kube-root-ca.crt"); err != nil {
		return err
	}
	name, made := "order-for-"+filepath.Base(n.Who.Home), time.Now()
	admin := n.Provider()
	if err := n.Run(ctx, admin, "kubectl", "-n", "default", "create", "configmap", name).Want(0); err != nil {
		return err
	}
	first, err := watch.Await(ctx, 0, promptly, name)
	if err != nil {
		return err
	}
	fmt.Fprintf(n.Out, "# the new object was seen %s after it was asked for\n", first.At.Sub(made).Round(time.Millisecond))
	return n.Run(ctx, admin, "kubectl", "-n", "default", "delete", "configmap", name).Want(0)
}

// Exec runs a command in the pod, over WebSocket or over SPDY; a second, unseen
// run proves that it really was that one, because kubectl falls back silently.
func (n Session) Exec(ctx context.Context, webSocket bool) error {
	env := []string{fmt.Sprintf("KUBECTL_REMOTE_COMMAND_WEBSOCKETS=%t", webSocket)}
	r, err := n.DoWith(ctx, env, 0, "kubectl", "-n", Shop, "exec", Web, "--", "cat", "/etc/hostname")
	if err != nil {
		return err
	}
	if strings.TrimSpace(r.Stdout) != Web {
		return fmt.Errorf("%s: printed %q, not %q", r.Line, r.Stdout, Web)
	}
	// GET starts a WebSocket, POST is SPDY's.
	verb := map[bool]string{true: `verb="GET"`, false: `verb="POST"`}[webSocket]
	proof := n.RunTo(ctx, n.Who.With(env...), io.Discard, "some input\n", "kubectl", "-n", Shop, "exec", "-i", "-v=6", Web, "--", "cat")
	if err := proof.Want(0); err != nil {
		return err
	}
	if proof.Stdout != "some input\n" {
		return fmt.Errorf("%s: stdin came back as %q", proof.Line, proof.Stdout)
	}
	for line := range strings.Lines(proof.Stderr) {
		if strings.Contains(line, "/exec?") && strings.Contains(line, verb) && strings.Contains(line, "101 Switching Protocols") {
			return nil
		}
	}
	return fmt.Errorf("%s %s: no exec call with %s that switched protocols:\n%s", env[0], proof.Line, verb, proof.Stderr)
}

// Logs follows the log and sees its lines come one by one, as they are written:
// one a second.
func (n Session) Logs(ctx context.Context) error {
	logs, err := n.follow(ctx, "kubectl", "-n", Shop, "logs", "--follow", "--tail=1", Web)
	if err != nil {
		return err
	}
	defer logs.Stop()
	var came []Came
	for i := range 3 {
		line, err := logs.Await(ctx, i, promptly, "order")
		if err != nil {
			return err
		}
		came = append(came, line)
	}
	if spread := came[2].At.Sub(came[0].At); spread < 700*time.Millisecond {
		return fmt.Errorf("%s: lines that were written a second apart came within %s: they were held back", logs.Line, spread)
	}
	return nil
}

// PortForward forwards a port of the pod and makes a request through it.
func (n Session) PortForward(ctx context.Context) error {
	forward, err := n.follow(ctx, "kubectl", "-n", Shop, "port-forward", "pod/"+Web, ":"+WebPort)
	if err != nil {
		return err
	}
	defer forward.Stop()
	const begin = "Forwarding from 127.0.0.1:"
	line, err := forward.Await(ctx, 0, 10*time.Second, begin)
	if err != nil {
		return err
	}
	port, _, _ := strings.Cut(strings.TrimPrefix(line.Text, begin), " ")
	return n.Says(ctx, WebSays, "curl", "-sS", "--max-time", "10", "http://127.0.0.1:"+port+"/")
}

// Copy copies a file of 4 MiB there and back and compares.
func (n Session) Copy(ctx context.Context) error {
	there, back := filepath.Join(n.Who.Home, "there.bin"), filepath.Join(n.Who.Home, "back.bin")
	content := make([]byte, 4<<20)
	if _, err := rand.Read(content); err != nil {
		return err
	}
	if err := os.WriteFile(there, content, 0o600); err != nil {
		return err
	}
	if _, err := n.Do(ctx, "kubectl", "-n", Shop, "cp", "there.bin", Web+":/tmp/there.bin"); err != nil {
		return err
	}
	if _, err := n.Do(ctx, "kubectl", "-n", Shop, "cp", "--retries=3", Web+":/tmp/there.bin", "back.bin"); err != nil {
		return err
	}
	got, err := os.ReadFile(back)
	if err != nil {
		return fmt.Errorf("copy back: %w", err)
	}
	if !bytes.Equal(got, content) {
		return fmt.Errorf("copy: %d bytes came back of %d, or others", len(got), len(content))
	}
	_, err = n.Do(ctx, "cmp", "there.bin", "back.bin")
	return err
}

// EveryVerb is what a person does with a cluster.
func (n Session) EveryVerb(ctx context.Context) error {
	for _, verb := range []func(context.Context) error{
		n.Nodes, n.Apply, n.Watch,
		func(ctx context.Context) error { return n.Exec(ctx, true) },
		func(ctx context.Context) error { return n.Exec(ctx, false) },
		n.Logs, n.PortForward, n.Copy,
	} {
		if err := verb(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Anonymous asks without a token and must get 401.
func (n Session) Anonymous(ctx context.Context, curl ...string) error {
	args := append([]string{"curl", "-sS", "--max-time", "10", "-o", "/dev/null", "-w", `%{http_code}\n`}, curl...)
	r, err := n.Do(ctx, args...)
	if err == nil && strings.TrimSpace(r.Stdout) != "401" {
		err = fmt.Errorf("%s: answered %q, not 401", r.Line, strings.TrimSpace(r.Stdout))
	}
	return err
}

// Stranger asks from an address outside the client networks, and must not even
// get a TCP connection.
func (n Session) Stranger(ctx context.Context, curl ...string) error {
	args := append([]string{"curl", "-sS", "--max-time", "3", "--interface", topology.Stranger.String()}, curl...)
	n.prompt(nil, args)
	r := n.RunTo(ctx, n.Who, n.Out, "", args...)
	if r.Err == nil && r.Stdout == "" && (r.Code == curlNoConnection || r.Code == curlTimeout) {
		return nil
	}
	return fmt.Errorf("%s: exit %d, answered %q; there should have been no connection", r.Line, r.Code, r.Text())
}

// curl's exit codes: man curl, EXIT CODES.
const (
	curlNoConnection = 7
	curlTimeout      = 28
)

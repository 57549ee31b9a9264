package pods

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// pod is what is read of one.
type pod struct {
	Metadata struct {
		Namespace         string `json:"namespace"`
		Name              string `json:"name"`
		UID               string `json:"uid"`
		DeletionTimestamp string `json:"deletionTimestamp"`
	} `json:"metadata"`
	Spec struct {
		SchedulerName         string      `json:"schedulerName"`
		NodeName              string      `json:"nodeName"`
		ActiveDeadlineSeconds int         `json:"activeDeadlineSeconds"`
		Containers            []container `json:"containers"`
		Volumes               []volume    `json:"volumes"`
	} `json:"spec"`
	Status struct {
		Phase string `json:"phase"`
	} `json:"status"`
}

type container struct {
	Name         string   `json:"name"`
	Image        string   `json:"image"`
	Command      []string `json:"command"`
	Args         []string `json:"args"`
	VolumeMounts []struct {
		Name      string `json:"name"`
		MountPath string `json:"mountPath"`
	} `json:"volumeMounts"`
}

type volume struct {
	Name   string `json:"name"`
	Secret *struct {
		SecretName string `json:"secretName"`
	} `json:"secret"`
}

func (p pod) path() string {
	return "/api/v1/namespaces/" + p.Metadata.Namespace + "/pods/" + p.Metadata.Name
}

// forever bounds a Pod that has no bound of its own.
const forever = time.Hour

// run binds a Pod, runs its first container's command, and tells its end.
func (r *Runner) run(ctx context.Context, p pod, one *running) error {
	if p.Spec.NodeName == "" {
		bind := map[string]any{"apiVersion": "v1", "kind": "Binding", "metadata": map[string]any{"name": p.Metadata.Name},
			"target": map[string]any{"apiVersion": "v1", "kind": "Node", "name": r.o.Node}}
		if err := r.ask(ctx, http.MethodPost, p.path()+"/binding", "application/json", bind, nil); err != nil {
			return err
		}
	}
	if err := r.mount(ctx, p); err != nil {
		return errors.Join(err, r.status(ctx, p, "Pending", map[string]any{"waiting": map[string]any{"reason": "CreateContainerConfigError", "message": err.Error()}}))
	}
	if err := r.status(ctx, p, "Running", map[string]any{"running": map[string]any{"startedAt": time.Now().UTC().Format(time.RFC3339)}}); err != nil {
		return err
	}
	exit, err := r.execute(ctx, p, &one.log)
	if ctx.Err() != nil { // deleted: nobody asks how it ended
		return nil
	}
	phase, reason := "Succeeded", "Completed"
	if err != nil || exit != 0 {
		phase, reason = "Failed", "Error"
	}
	return errors.Join(err, r.status(ctx, p, phase, map[string]any{"terminated": map[string]any{"exitCode": exit, "reason": reason}}))
}

// mount writes the Secrets that a Pod mounts to files, a directory a volume.
func (r *Runner) mount(ctx context.Context, p pod) error {
	for _, v := range p.Spec.Volumes {
		dir := filepath.Join(r.dir(p), v.Name)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
		if v.Secret == nil {
			continue
		}
		var secret struct {
			Data map[string][]byte `json:"data"`
		}
		if err := r.ask(ctx, http.MethodGet, "/api/v1/namespaces/"+p.Metadata.Namespace+"/secrets/"+v.Secret.SecretName, "", nil, &secret); err != nil {
			return err
		}
		for name, content := range secret.Data {
			if err := os.WriteFile(filepath.Join(dir, filepath.Base(name)), content, 0o600); err != nil {
				return err
			}
		}
	}
	return nil
}

// execute runs the command, with its files where they lie on this machine.
func (r *Runner) execute(ctx context.Context, p pod, out *log) (exit int, err error) {
	bound := forever
	if s := p.Spec.ActiveDeadlineSeconds; s > 0 {
		bound = time.Duration(s) * time.Second
	}
	ctx, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	args, tmp := p.command(r.dir(p))
	if len(args) == 0 {
		return 1, fmt.Errorf("run Pod %s: it names no command, and there is no image to know one", p.Metadata.Name)
	}
	flags := &syscall.SysProcAttr{Setpgid: true}
	if r.o.Resolv != "" {
		args = append([]string{"/bin/sh", "-c", `mount --bind "$0" /etc/resolv.conf && exec "$@"`, r.o.Resolv}, args...)
		flags.Unshareflags = syscall.CLONE_NEWNS // Go makes its mounts private with this flag
	}
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = r.dir(p), out, out, flags
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/", "LANG=C.UTF-8", "TMPDIR=" + tmp, "HOSTNAME=" + p.Metadata.Name}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	start := cmd.Start
	if r.o.Space != nil {
		start = func() error { return r.o.Space.Start(cmd) }
	}
	if err := start(); err != nil {
		return 1, fmt.Errorf("run Pod %s: %w", p.Metadata.Name, err)
	}
	err = cmd.Wait()
	var ended *exec.ExitError
	if errors.As(err, &ended) {
		return max(ended.ExitCode(), 1), nil
	}
	return 0, err
}

// command is what the first container runs, its volumes being below dir; tmp is where
// /tmp is mounted from.
func (p pod) command(dir string) (args []string, tmp string) {
	c := p.Spec.Containers[0]
	tmp = dir
	for _, arg := range append(append([]string(nil), c.Command...), c.Args...) {
		for _, m := range c.VolumeMounts {
			if rest, ok := strings.CutPrefix(arg, path.Clean(m.MountPath)+"/"); ok {
				arg = filepath.Join(dir, m.Name, rest)
				break
			}
		}
		args = append(args, arg)
	}
	for _, m := range c.VolumeMounts {
		if m.MountPath == "/tmp" {
			tmp = filepath.Join(dir, m.Name)
		}
	}
	return args, tmp
}

// status tells a Pod's phase, and the state of its first container.
func (r *Runner) status(ctx context.Context, p pod, phase string, state map[string]any) error {
	c := p.Spec.Containers[0]
	return r.ask(ctx, http.MethodPatch, p.path()+"/status", "application/merge-patch+json", map[string]any{
		"metadata": map[string]any{"uid": p.Metadata.UID},
		"status": map[string]any{"phase": phase,
			"conditions":        []any{map[string]any{"type": "PodScheduled", "status": "True"}},
			"containerStatuses": []any{map[string]any{"name": c.Name, "image": c.Image, "imageID": "", "ready": false, "restartCount": 0, "state": state}}},
	}, nil)
}

// ask asks the API; what is not there any more is no error of a change.
func (r *Runner) ask(ctx context.Context, verb, at, kind string, body, into any) error {
	var sent io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return err
		}
		sent = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, verb, r.url+at, sent)
	if err != nil {
		return err
	}
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	resp, err := r.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return err
	case resp.StatusCode == http.StatusNotFound && verb != http.MethodGet:
		return nil
	case resp.StatusCode >= 300:
		return fmt.Errorf("%s %s: %s: %.300s", verb, at, resp.Status, text)
	case into == nil:
		return nil
	}
	return json.Unmarshal(text, into)
}

// log is what a process printed.
type log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *log) bytes() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes.Clone(l.text.Bytes())
}

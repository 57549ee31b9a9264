package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"k8s.io/client-go/rest"
)

const namespace = "bench"

// api sends one request of the set-up to the API server directly.
func (b *bed) api(ctx context.Context, method, path string, body any) ([]byte, error) {
	client, err := rest.HTTPClientFor(b.server.Config)
	if err != nil {
		return nil, fmt.Errorf("make client: %w", err)
	}
	defer client.CloseIdleConnections()
	text, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, method, b.server.URL+path, bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode >= 300 {
		err = fmt.Errorf("%s %s: %s: %s", method, path, response.Status, answer)
	}
	return answer, err
}

func configMap(name string, size int) map[string]any {
	return map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": name},
		"data": map[string]any{"content": string(bytes.Repeat([]byte("x"), size))},
	}
}

// fill makes the namespace and, in it, a list of about 5 MB: 50 ConfigMaps of 100 KB.
func (b *bed) fill(ctx context.Context) error {
	body := map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": namespace}}
	if _, err := b.api(ctx, "POST", "/api/v1/namespaces", body); err != nil {
		return err
	}
	for i := range 50 {
		if _, err := b.api(ctx, "POST", "/api/v1/namespaces/"+namespace+"/configmaps", configMap(fmt.Sprintf("big-%02d", i), 100_000)); err != nil {
			return err
		}
	}
	return nil
}

// prepare makes what is read, and who reads it: a ServiceAccount that may read,
// with a bound token, as the far side has it. It returns the token once it is
// honoured.
func (b *bed) prepare(ctx context.Context) (string, error) {
	if err := b.fill(ctx); err != nil {
		return "", err
	}
	accounts := "/api/v1/namespaces/" + namespace + "/serviceaccounts"
	steps := []struct {
		path string
		body map[string]any
	}{
		{accounts, map[string]any{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": map[string]any{"name": "reader"}}},
		// Not the role view: its rules come from a controller, and none runs here.
		{"/apis/rbac.authorization.k8s.io/v1/clusterroles", map[string]any{
			"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": map[string]any{"name": "bench-reader"},
			"rules": []any{map[string]any{"apiGroups": []any{""}, "resources": []any{"*"}, "verbs": []any{"get", "list", "watch"}}},
		}},
		{"/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", map[string]any{
			"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": map[string]any{"name": "bench-reader"},
			"roleRef":  map[string]any{"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "bench-reader"},
			"subjects": []any{map[string]any{"kind": "ServiceAccount", "name": "reader", "namespace": namespace}},
		}},
	}
	for _, step := range steps {
		if _, err := b.api(ctx, "POST", step.path, step.body); err != nil {
			return "", err
		}
	}
	answer, err := b.api(ctx, "POST", accounts+"/reader/token", map[string]any{
		"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": map[string]any{"expirationSeconds": 7200},
	})
	if err != nil {
		return "", err
	}
	var granted struct{ Status struct{ Token string } }
	if err := json.Unmarshal(answer, &granted); err != nil {
		return "", fmt.Errorf("read token: %w", err)
	}
	token := granted.Status.Token
	return token, b.waitAllowed(ctx, get("/api/v1/namespaces", token))
}

// waitAllowed polls until the API server has taken note of the new rights.
func (b *bed) waitAllowed(ctx context.Context, request []byte) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for {
		c, err := dial(ctx, b.ways[0])
		if err == nil {
			_, err = c.do(request)
			_ = c.Close() // the answer is read
		}
		if err == nil || ctx.Err() != nil {
			return err
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// lists reads the big list some times over one connection and returns the median
// time and its size.
func lists(ctx context.Context, w way, request []byte, times int) (time.Duration, int64, error) {
	c, err := dial(ctx, w)
	if err != nil {
		return 0, 0, err
	}
	defer c.Close()
	var took []time.Duration
	var size int64
	for range times {
		began := time.Now()
		if size, err = c.do(request); err != nil {
			return 0, 0, fmt.Errorf("list through %s: %w", w.name, err)
		}
		took = append(took, time.Since(began))
	}
	return median(took), size, nil
}

// watching is what many watches at once gave.
type watching struct {
	way                 string
	watches, arrived    int
	before, with        int64         // the proxy's memory in bytes
	headers, first, all time.Duration // slowest response headers; first and last event after the change
}

// watchMany opens watches on which nothing happens, each on a connection of its
// own, then makes one change and counts who is told of it.
func (b *bed) watchMany(ctx context.Context, w way, token string, count int) (watching, error) {
	result := watching{way: w.name, watches: count}
	var err error
	if result.before, err = w.memory(); err != nil {
		return result, err
	}
	request := get("/api/v1/namespaces/"+namespace+"/serviceaccounts?watch=1&resourceVersion=0&timeoutSeconds=300&fieldSelector=metadata.name%3Dnobody", token)
	conns, slowest, err := openWatches(ctx, w, request, count)
	defer closeAll(conns)
	if err != nil {
		return result, fmt.Errorf("watch through %s: %w", w.name, err)
	}
	result.headers = slowest
	if result.with, err = w.memory(); err != nil {
		return result, err
	}
	account := map[string]any{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": map[string]any{"name": "nobody"}}
	began := time.Now()
	var told []time.Duration
	done := make(chan struct{})
	var errAll error
	go func() {
		defer close(done)
		told, errAll = each(conns, func(_ int, c *conn) ([]time.Duration, error) {
			if err := c.tls.SetReadDeadline(began.Add(30 * time.Second)); err != nil {
				return nil, err
			}
			if _, err := c.event(); err != nil {
				return nil, err
			}
			return []time.Duration{time.Since(began)}, nil
		})
	}()
	if _, err := b.api(ctx, "POST", "/api/v1/namespaces/"+namespace+"/serviceaccounts", account); err != nil {
		return result, err
	}
	<-done
	result.arrived = len(told)
	if len(told) > 0 {
		result.first, result.all = told[0], told[0]
		for _, t := range told {
			result.first, result.all = min(result.first, t), max(result.all, t)
		}
	}
	_, err = b.api(ctx, "DELETE", "/api/v1/namespaces/"+namespace+"/serviceaccounts/nobody", nil)
	return result, errors.Join(errAll, err)
}

// openWatches opens them, 20 at a time, and waits for each one's response headers.
func openWatches(ctx context.Context, w way, request []byte, count int) ([]*conn, time.Duration, error) {
	var (
		group   sync.WaitGroup
		lock    sync.Mutex
		conns   []*conn
		slowest time.Duration
		errAll  error
	)
	slots := make(chan struct{}, 20)
	for range count {
		slots <- struct{}{}
		group.Go(func() {
			defer func() { <-slots }()
			c, err := dial(ctx, w)
			if err == nil {
				sent := time.Now()
				err = errors.Join(c.tls.SetReadDeadline(sent.Add(20*time.Second)), c.send(request))
				if err == nil {
					_, err = c.head()
				}
				lock.Lock()
				defer lock.Unlock()
				conns, slowest = append(conns, c), max(slowest, time.Since(sent))
			} else {
				lock.Lock()
				defer lock.Unlock()
			}
			errAll = errors.Join(errAll, err)
		})
	}
	group.Wait()
	return conns, slowest, errAll
}

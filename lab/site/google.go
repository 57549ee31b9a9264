package site

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"causeway/lab/topology"
)

// operationBound is how long an operation of the emulator may take.
const operationBound = 30 * time.Second

// GoogleCall sends one call to Google's APIs as a person with curl would, behind
// causeway's back, and waits until the operation that it starts has ended. path is
// below the API's version: "compute/v1/projects/...", or "container/v1/projects/...".
// A nil body sends none. The answer is the API's own, before the operation's end.
func (s *Site) GoogleCall(ctx context.Context, verb, path string, body any) (map[string]any, error) {
	ctx, cancel := context.WithTimeout(ctx, operationBound)
	defer cancel()
	answer, err := s.googleOnce(ctx, verb, path, body)
	if err != nil || verb == http.MethodGet {
		return answer, err
	}
	at, err := operationPath(path, answer)
	if err != nil {
		return answer, fmt.Errorf("call %s %s: %w", verb, path, err)
	}
	for {
		operation, err := s.googleOnce(ctx, http.MethodGet, at, nil)
		if err != nil {
			return answer, fmt.Errorf("call %s %s: wait for its operation: %w", verb, path, err)
		}
		if operation["status"] == "DONE" {
			if operation["error"] != nil {
				text, _ := json.Marshal(operation["error"]) // came from JSON
				return answer, fmt.Errorf("call %s %s: the operation failed: %s", verb, path, text)
			}
			return answer, nil
		}
		select {
		case <-ctx.Done():
			return answer, fmt.Errorf("call %s %s: wait for its operation: %w", verb, path, ctx.Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// operationPath is where the operation lies that an answer tells of.
func operationPath(path string, answer map[string]any) (string, error) {
	name, _ := answer["name"].(string)
	if strings.HasPrefix(path, "container/") {
		return fmt.Sprintf("container/v1/projects/%s/locations/%s/operations/%s", topology.Project, topology.Location, name), nil
	}
	link, _ := answer["selfLink"].(string)
	_, rest, ok := strings.Cut(link, "/compute/")
	if !ok || !strings.Contains(rest, "/operations/") {
		return "", fmt.Errorf("the answer is no operation: %v", answer)
	}
	return "compute/" + rest, nil
}

func (s *Site) googleOnce(ctx context.Context, verb, path string, body any) (map[string]any, error) {
	base, err := s.base()
	if err != nil {
		return nil, err
	}
	var text []byte
	if body != nil {
		if text, err = json.Marshal(body); err != nil {
			return nil, err
		}
	}
	req, err := http.NewRequestWithContext(ctx, verb, base+"/"+path, bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	token, err := s.token()
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("call %s %s: %w", verb, path, err)
	}
	defer resp.Body.Close()
	read, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("call %s %s: %w", verb, path, err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("call %s %s: %s: %.500s", verb, path, resp.Status, read)
	}
	var answer map[string]any
	if err := json.Unmarshal(read, &answer); err != nil {
		return nil, fmt.Errorf("call %s %s: %w", verb, path, err)
	}
	return answer, nil
}

// token is the Google access token of the lab's user.
func (s *Site) token() (string, error) {
	for _, v := range s.State.Env {
		if v.Name == "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE" {
			text, err := os.ReadFile(v.Value)
			return strings.TrimSpace(string(text)), err
		}
	}
	return "", fmt.Errorf("find the access token: the lab's state does not say where it is")
}

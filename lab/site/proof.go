package site

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"causeway/internal/gcptest"
	"causeway/lab/daemon"
)

// Picture is cloud and cluster at one moment, to be compared with another.
type Picture struct {
	Cloud   string   // the emulator's state
	Cluster []string // an object a line, with uid and generation
}

// Take looks at cloud and cluster; at both clusters of a fleet.
func (s *Site) Take(ctx context.Context) (Picture, error) {
	cloud, err := s.control(ctx, http.MethodGet, "snapshot", nil)
	if err != nil {
		return Picture{}, err
	}
	cluster, err := s.listing(ctx, s.Provider())
	if err == nil && s.Fleet() {
		cluster, err = s.withFleet(ctx, cluster)
	}
	return Picture{Cloud: string(cloud), Cluster: cluster}, err
}

// Diff lists what differs: "+ line" came, "- line" went.
func (p Picture) Diff(after Picture) []string {
	var diffs []string
	diffs = append(diffs, compare("in the emulator's state: ", objects(p.Cloud), objects(after.Cloud))...)
	return append(diffs, compare("", p.Cluster, after.Cluster)...)
}

func compare(where string, before, after []string) []string {
	var diffs []string
	for _, line := range after {
		if !slices.Contains(before, line) {
			diffs = append(diffs, "+ "+where+line)
		}
	}
	for _, line := range before {
		if !slices.Contains(after, line) {
			diffs = append(diffs, "- "+where+line)
		}
	}
	return diffs
}

// objects takes the emulator's state apart: an object a line.
func objects(cloud string) []string {
	var state map[string]json.RawMessage
	if err := json.Unmarshal([]byte(cloud), &state); err != nil {
		return []string{cloud}
	}
	var lines []string
	for _, path := range slices.Sorted(maps.Keys(state)) {
		var small bytes.Buffer
		if err := json.Compact(&small, state[path]); err != nil {
			return []string{cloud}
		}
		lines = append(lines, path+" "+small.String())
	}
	return lines
}

// fleeting are kinds that come and go by themselves.
var fleeting = []string{"events", "events.events.k8s.io", "componentstatuses", "endpoints"}

// listing lists every object of an admin's cluster of every kind that can be listed.
func (s *Site) listing(ctx context.Context, admin Who) ([]string, error) {
	kinds := s.Run(ctx, admin, "kubectl", "api-resources", "--verbs=list", "-o", "name")
	if err := kinds.Want(0); err != nil {
		return nil, err
	}
	names := slices.DeleteFunc(strings.Fields(kinds.Stdout), func(name string) bool { return slices.Contains(fleeting, name) })
	got := s.Run(ctx, admin, "kubectl", "get", strings.Join(names, ","), "--all-namespaces", "--ignore-not-found", "-o",
		`jsonpath={range .items[*]}{.kind} {.metadata.namespace}/{.metadata.name} {.metadata.uid} {.metadata.generation}{"\n"}{end}`)
	if err := got.Want(0); err != nil {
		return nil, err
	}
	lines := slices.DeleteFunc(strings.Split(strings.TrimSpace(got.Stdout), "\n"), func(line string) bool {
		return strings.HasPrefix(line, "Lease kube-") // heartbeats of node and control plane
	})
	slices.Sort(lines)
	return lines, nil
}

// Mentions lists what of cloud and cluster contains the text.
func (p Picture) Mentions(text string) []string {
	found := slices.DeleteFunc(slices.Clone(p.Cluster), func(line string) bool { return !strings.Contains(line, text) })
	if strings.Contains(p.Cloud, text) {
		found = append(found, "the emulator's state: "+p.Cloud)
	}
	return found
}

// base is the emulator's address on this machine.
func (s *Site) base() (string, error) {
	for _, v := range s.State.Env {
		if v.Name == "CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE" {
			return strings.TrimSuffix(v.Value, "/compute/v1/"), nil
		}
	}
	return "", fmt.Errorf("find the emulator: the lab's state does not say where it is")
}

func (s *Site) control(ctx context.Context, verb, what string, body any) ([]byte, error) {
	base, err := s.base()
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, verb, base+daemon.ControlPath+what, bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask the emulator for its %s: %w", what, err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("ask the emulator for its %s: %w", what, err)
	}
	if resp.StatusCode/100 != 2 {
		return nil, fmt.Errorf("ask the emulator for its %s: %s: %s", what, resp.Status, answer)
	}
	return answer, nil
}

// Inject makes trouble at a call to Google; ClearFaults ends it.
func (s *Site) Inject(ctx context.Context, f gcptest.Fault) error {
	_, err := s.control(ctx, http.MethodPost, "faults", f)
	return err
}

// ClearFaults takes all trouble away.
func (s *Site) ClearFaults(ctx context.Context) error {
	_, err := s.control(ctx, http.MethodDelete, "faults", nil)
	return err
}

// Deny has IAM deny a permission to everybody, and Allow gives it back.
func (s *Site) Deny(ctx context.Context, permission string) error {
	_, err := s.control(ctx, http.MethodPut, "denied/"+permission, nil)
	return err
}

// Allow gives a denied permission back.
func (s *Site) Allow(ctx context.Context, permission string) error {
	_, err := s.control(ctx, http.MethodDelete, "denied/"+permission, nil)
	return err
}

// Endpoints tells the connections of Private Service Connect and what they mean for
// packets.
func (s *Site) Endpoints(ctx context.Context) (daemon.Endpoints, error) {
	var e daemon.Endpoints
	text, err := s.control(ctx, http.MethodGet, "endpoints", nil)
	if err != nil {
		return e, err
	}
	return e, json.Unmarshal(text, &e)
}

// Call is one request of the operator to the cluster, from its audit log.
type Call struct {
	Verb      string    `json:"verb"`
	URI       string    `json:"requestURI"`
	SourceIPs []string  `json:"sourceIPs"`
	Agent     string    `json:"userAgent"`
	Began     time.Time `json:"requestReceivedTimestamp"`
	User      struct {
		Username string `json:"username"`
	} `json:"user"`
	ResponseStatus struct {
		Code int `json:"code"`
	} `json:"responseStatus"`
}

// Write says whether the call was made to change something: reviews and tokens
// are created, but nothing is stored for them.
func (c Call) Write() bool {
	switch c.Verb {
	case "get", "list", "watch":
		return false
	}
	return !strings.Contains(c.URI, "reviews") && !strings.Contains(c.URI, "/token")
}

// Watermark is the audit log's length, for Calls.
func (s *Site) Watermark() (int64, error) {
	info, err := os.Stat(s.Place.Audit())
	if err != nil {
		return 0, fmt.Errorf("read the audit log: %w", err)
	}
	return info.Size(), nil
}

// Calls are the requests of a user to the cluster since the watermark.
func (s *Site) Calls(since int64, user string) ([]Call, error) {
	f, err := os.Open(s.Place.Audit())
	if err != nil {
		return nil, fmt.Errorf("read the audit log: %w", err)
	}
	defer f.Close()
	if _, err := f.Seek(since, io.SeekStart); err != nil {
		return nil, fmt.Errorf("read the audit log: %w", err)
	}
	var calls []Call
	scanner := bufio.NewScanner(f)
	scanner.Buffer(nil, 4<<20)
	for scanner.Scan() {
		var c Call
		if err := json.Unmarshal(scanner.Bytes(), &c); err != nil {
			return nil, fmt.Errorf("read the audit log: %w", err)
		}
		if c.User.Username == user {
			calls = append(calls, c)
		}
	}
	return calls, scanner.Err()
}

// Google is what went to Google's APIs since the last ResetGoogle.
func (s *Site) Google(ctx context.Context) (daemon.Requests, error) {
	var log daemon.Requests
	text, err := s.control(ctx, http.MethodGet, "requests", nil)
	if err != nil {
		return log, err
	}
	return log, json.Unmarshal(text, &log)
}

// ResetGoogle empties the log of calls.
func (s *Site) ResetGoogle(ctx context.Context) error {
	_, err := s.control(ctx, http.MethodDelete, "requests", nil)
	return err
}

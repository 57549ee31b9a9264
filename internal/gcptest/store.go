package gcptest

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// computeLink is the prefix of every selfLink, whatever the endpoint that was asked.
const computeLink = "https://www.googleapis.com/compute/v1/"

// link makes the selfLink of a path.
func link(path string) string { return computeLink + path }

// relative takes the path out of a full, partial or relative link, or returns ""
// when there is none. project completes "regions/r/..." and "global/...".
func relative(reference, project string) string {
	if at := strings.Index(reference, "projects/"); at >= 0 {
		return reference[at:]
	}
	if strings.HasPrefix(reference, "regions/") || strings.HasPrefix(reference, "global/") {
		return "projects/" + project + "/" + reference
	}
	return ""
}

// stamp gives a new object what the server sets.
func (s *Server) stamp(kind, at string, body object) {
	s.serial++
	body["kind"] = kind
	body["id"] = strconv.FormatUint(4_000_000_000_000_000_000+s.serial, 10)
	body["name"] = path.Base(at)
	body["selfLink"] = link(at)
	body["creationTimestamp"] = s.options.Now().UTC().Format("2006-01-02T15:04:05.000-07:00")
}

// fingerprint is base64 of a hash in the alphabet for URLs, as Google's are; gcloud
// decodes and encodes them anew, so another alphabet would not come back.
func fingerprint(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(text)
	return base64.URLEncoding.EncodeToString(sum[:8])
}

// list returns the paths directly below a collection, sorted.
func (s *Server) list(collection string) []string {
	var out []string
	for at := range s.objects {
		if path.Dir(at) == collection {
			out = append(out, at)
		}
	}
	slices.Sort(out)
	return out
}

// clone copies an object deeply.
func clone(o object) object {
	text, err := json.Marshal(o)
	if err != nil {
		return nil
	}
	var out object
	if err := json.Unmarshal(text, &out); err != nil {
		return nil
	}
	return out
}

// text reads a field that is a string.
func text(o object, field string) string {
	value, _ := o[field].(string)
	return value
}

// Object returns a copy of what lies at a path ("projects/p/regions/r/addresses/a"),
// or nil.
func (s *Server) Object(at string) map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle()
	if found, ok := s.objects[at]; ok {
		return clone(found)
	}
	return nil
}

// Change edits what lies at a path behind the APIs' back, as a colleague might.
// It fails when nothing lies there.
func (s *Server) Change(at string, edit func(map[string]any)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	found, ok := s.objects[at]
	if !ok {
		return fmt.Errorf("change %s: nothing is there", at)
	}
	edit(found)
	s.touch()
	return nil
}

// Remove takes what lies at a path away behind the APIs' back.
func (s *Server) Remove(at string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.objects, at)
	s.touch()
}

// SetClusterCA puts the certificate of the cluster's CA (PEM) where clusters.get
// tells it, and its endpoints when they are not empty.
func (s *Server) SetClusterCA(project, location, cluster string, pem []byte) error {
	at := "projects/" + project + "/locations/" + location + "/clusters/" + cluster
	return s.Change(at, func(o map[string]any) {
		auth, _ := o["masterAuth"].(object)
		if auth == nil {
			auth = object{}
		}
		auth["clusterCaCertificate"] = base64.StdEncoding.EncodeToString(pem)
		o["masterAuth"] = auth
	})
}

// Snapshot returns the whole state but the operations as canonical JSON, to be
// compared with another: "as before" means equal bytes.
func (s *Server) Snapshot() []byte { return s.snapshot(nil) }

// SnapshotWithout is Snapshot without some fields of each object; with Volatile it
// compares two states that were reached by different ways.
func (s *Server) SnapshotWithout(fields ...string) []byte { return s.snapshot(fields) }

// Volatile lists the fields that differ between two equal objects made at
// different times.
func Volatile() []string {
	return []string{"id", "creationTimestamp", "createTime", "updateTime", "uniqueId"}
}

func (s *Server) snapshot(without []string) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle()
	state := map[string]object{}
	for at, o := range s.objects {
		kept := maps.Clone(o)
		if strings.HasSuffix(at, "/iamPolicy") { // which changes with each write, also of what was there
			delete(kept, "etag")
		}
		for _, field := range without {
			delete(kept, field)
		}
		state[at] = kept
	}
	out, err := json.MarshalIndent(state, "", "  ") // sorts the keys of maps
	if err != nil {
		return nil // objects come from JSON, so they go to JSON
	}
	return append(out, '\n')
}

// projectObject finds a project by id or number.
func (s *Server) projectObject(name string) object {
	if found, ok := s.objects["projects/"+name]; ok {
		return found
	}
	for at, o := range s.objects {
		if strings.Count(at, "/") == 1 && text(o, "projectNumber") == name {
			return o
		}
	}
	return nil
}

func timestamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

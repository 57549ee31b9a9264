package exposer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"causeway/internal/kube"
)

// Siblings lists the specs of the other exposures of a spec's cluster that are
// known: by the records on this machine, and by those in the cluster where that can
// be asked (cluster may be nil). What may not be listed is not known.
func (f FileRecords) Siblings(ctx context.Context, cluster *kube.Client, spec Spec) ([]Spec, error) {
	others, err := f.others(spec)
	if err != nil || cluster == nil {
		return others, err
	}
	records, err := shared(ctx, cluster)
	if err != nil {
		return nil, err
	}
	for _, record := range records {
		if record.Spec.Cluster != spec.Cluster || record.Spec.Name == spec.Name {
			continue
		}
		if !slices.ContainsFunc(others, func(s Spec) bool { return s.Name == record.Spec.Name }) {
			others = append(others, record.Spec)
		}
	}
	return others, nil
}

// others are the specs of the other exposures of the same cluster whose records lie
// on this machine. One that can't be read is an error: it may say that something is
// still needed.
func (f FileRecords) others(spec Spec) ([]Spec, error) {
	c := spec.Cluster
	names, err := filepath.Glob(filepath.Join(f.Dir, fmt.Sprintf("%s_%s_%s_*.json", c.Project, c.Location, c.Name)))
	if err != nil {
		return nil, fmt.Errorf("list records: %w", err)
	}
	var others []Spec
	for _, name := range names {
		if name == f.path(spec) {
			continue
		}
		record, err := f.readAt(name)
		if err != nil {
			return nil, err
		}
		if record.Version != 0 {
			others = append(others, record.Spec)
		}
	}
	return others, nil
}

// readAt reads a record's file; the zero Record where it is gone, as one is that was
// destroyed just now.
func (f FileRecords) readAt(name string) (Record, error) {
	var record Record
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return record, nil
	}
	if err != nil {
		return record, fmt.Errorf("read record: %w", err)
	}
	if err := json.Unmarshal(text, &record); err != nil {
		return record, &RunError{Code_: "CW-RUN-RECORD", Text: "read record " + name, Err: err}
	}
	return record, nil
}

// Estate is what an exposure that goes leaves to another one: the old value of a
// setting that the other one still needs.
type Estate struct {
	Step  string          // the setting's ID, the same in both
	Old   json.RawMessage // its value from before the first of them
	Needs func(Spec) bool // who needs it
	At    time.Time       // when it is left
}

// HandOver writes an old value into the record of another exposure, whose destroy
// then restores it, and names the heir; "" where no record can take it. Records are
// looked for on this machine (of exposures of any cluster), and in the cluster where
// that can be asked. One that has an old value of its own knows more already, and one
// whose last apply has not ended may be written by another just now: it is passed by.
func (f FileRecords) HandOver(ctx context.Context, cluster *kube.Client, spec Spec, estate Estate) (heir string, err error) {
	copies, err := f.copies(ctx, cluster, spec)
	if err != nil {
		return "", err
	}
	slices.SortStableFunc(copies, func(a, b recordCopy) int { return strings.Compare(a.record.Spec.Name, b.record.Spec.Name) })
	var chosen *Spec
	for _, c := range copies {
		at := slices.IndexFunc(c.record.Steps, func(s StepRecord) bool { return s.ID == estate.Step })
		other := c.record.Spec
		if at < 0 || !estate.Needs(other) || chosen != nil && (chosen.Name != other.Name || chosen.Cluster != other.Cluster) {
			continue
		}
		if c.record.Steps[at].Old == nil {
			if c.record.Finished == nil {
				continue
			}
			c.record.Steps[at].Old, c.record.Steps[at].At = estate.Old, estate.At
			if err := c.save(c.record); err != nil {
				return "", err
			}
		}
		chosen = &other
	}
	if chosen == nil {
		return "", nil
	}
	return chosen.Name, nil
}

// recordCopy is one copy of another exposure's record, and how to write it again.
type recordCopy struct {
	record Record
	save   func(Record) error
}

// copies are the records of all other exposures, each where it lies: a record may
// have two copies, here and in the cluster.
func (f FileRecords) copies(ctx context.Context, cluster *kube.Client, spec Spec) ([]recordCopy, error) {
	names, err := filepath.Glob(filepath.Join(f.Dir, "*.json"))
	if err != nil {
		return nil, fmt.Errorf("list records: %w", err)
	}
	var all []recordCopy
	for _, name := range names {
		record, err := f.readAt(name)
		if err != nil {
			return nil, err
		}
		if record.Version != 0 && name != f.path(spec) {
			all = append(all, recordCopy{record, func(r Record) error { return f.Save(ctx, r, false) }})
		}
	}
	if cluster == nil {
		return all, nil
	}
	found, err := shared(ctx, cluster)
	for _, record := range found {
		if record.Spec.Cluster == spec.Cluster && record.Spec.Name != spec.Name {
			all = append(all, recordCopy{record, func(r Record) error { return sharedRecords{cluster: cluster}.share(ctx, r) }})
		}
	}
	return all, err
}

// shared are the records in a cluster, as far as they may be listed and can be read.
func shared(ctx context.Context, cluster *kube.Client) ([]Record, error) {
	objects, err := cluster.List(ctx, kube.Ref{Version: "v1", Kind: "ConfigMap"}, ManagedByLabel+"=causeway")
	if codeOf(err) == "CW-KUBE-FORBIDDEN" {
		return nil, nil
	}
	var records []Record
	for i := range objects {
		text, _, _ := unstructured.NestedString(objects[i].Object, "data", "record.json")
		var record Record
		if objects[i].GetName() == recordName && json.Unmarshal([]byte(text), &record) == nil {
			records = append(records, record)
		}
	}
	return records, err
}

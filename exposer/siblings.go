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
	records, err := cluster.List(ctx, kube.Ref{Version: "v1", Kind: "ConfigMap"}, ManagedByLabel+"=causeway")
	if codeOf(err) == "CW-KUBE-FORBIDDEN" {
		return others, nil
	}
	if err != nil {
		return nil, err
	}
	for i := range records {
		text, _, _ := unstructured.NestedString(records[i].Object, "data", "record.json")
		var record Record
		if records[i].GetName() != recordName || json.Unmarshal([]byte(text), &record) != nil || record.Spec.Cluster != spec.Cluster || record.Spec.Name == spec.Name {
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
		text, err := os.ReadFile(name)
		if errors.Is(err, fs.ErrNotExist) { // destroyed just now
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read record: %w", err)
		}
		var record Record
		if err := json.Unmarshal(text, &record); err != nil {
			return nil, &RunError{Code_: "CW-RUN-RECORD", Text: "read record " + name, Err: err}
		}
		others = append(others, record.Spec)
	}
	return others, nil
}

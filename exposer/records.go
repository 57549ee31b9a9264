package exposer

import (
	"context"
	"encoding/json"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"causeway/internal/kube"
)

// recordName is the ConfigMap with the record beside the workload.
const recordName = "causeway-record"

// RecordsOf keeps an exposure's record on this machine and, where there is a
// cluster, in a ConfigMap in the exposure's namespace, so that a colleague can
// undo too. The newer of the two counts.
func RecordsOf(local FileRecords, exposure Exposure) Records {
	return sharedRecords{local: local, cluster: exposure.Cluster()}
}

type sharedRecords struct {
	local   FileRecords
	cluster *kube.Client
}

func (r sharedRecords) ref(spec Spec) kube.Ref {
	return kube.Ref{Version: "v1", Kind: "ConfigMap", Namespace: spec.Namespace, Name: recordName}
}

// shared reads the ConfigMap; nil where there is none, or one of somebody else's
// in a namespace that was there before.
func (r sharedRecords) shared(ctx context.Context, spec Spec) (*unstructured.Unstructured, error) {
	live, err := r.cluster.Get(ctx, r.ref(spec))
	if err != nil || live == nil || live.GetLabels()[ManagedByLabel] != "causeway" || live.GetLabels()[ExposureLabel] != spec.Name {
		return nil, err
	}
	return live, nil
}

// Load implements Records.
func (r sharedRecords) Load(ctx context.Context, spec Spec) (Record, error) {
	mine, err := r.local.Load(ctx, spec)
	if err != nil || r.cluster == nil {
		return mine, err
	}
	live, err := r.shared(ctx, spec)
	if err != nil || live == nil {
		return mine, err
	}
	theirs, err := parseRecord(live, spec.Namespace)
	if err != nil {
		return mine, err
	}
	if mine.Version == 0 || theirs.changed().After(mine.changed()) {
		return theirs, nil
	}
	return mine, nil
}

// RecordOf reads the record of another exposure of the cluster, from beside its
// workload in its default namespace; the zero Record where there is none.
func RecordOf(ctx context.Context, cluster *kube.Client, exposure string) (Record, error) {
	records := sharedRecords{cluster: cluster}
	spec := Spec{Name: exposure, Namespace: "causeway-" + exposure}
	live, err := records.shared(ctx, spec)
	if err != nil || live == nil {
		return Record{}, err
	}
	return parseRecord(live, spec.Namespace)
}

// parseRecord reads the ConfigMap.
func parseRecord(live *unstructured.Unstructured, namespace string) (Record, error) {
	var record Record
	text, _, err := unstructured.NestedString(live.Object, "data", "record.json")
	if err != nil {
		return record, fmt.Errorf("read record: %w", err)
	}
	if err := json.Unmarshal([]byte(text), &record); err != nil {
		return record, &RunError{Code_: "CW-RUN-RECORD", Text: fmt.Sprintf("read record from ConfigMap %s/%s", namespace, recordName), Err: err}
	}
	return record, nil
}

// Save implements Records.
func (r sharedRecords) Save(ctx context.Context, record Record, durable bool) error {
	if err := r.local.Save(ctx, record, durable); err != nil || !durable || r.cluster == nil {
		return err
	}
	return r.share(ctx, record)
}

// share writes the ConfigMap.
func (r sharedRecords) share(ctx context.Context, record Record) error {
	text, err := json.Marshal(record)
	if err != nil {
		return fmt.Errorf("write record: %w", err)
	}
	object := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap",
		"metadata": map[string]any{"name": recordName, "namespace": record.Spec.Namespace,
			"labels": map[string]any{ManagedByLabel: "causeway", ExposureLabel: record.Spec.Name}},
		"data": map[string]any{"record.json": string(text)},
	}}
	return r.cluster.Apply(ctx, object)
}

// Forget implements Records. The ConfigMap goes first: while the file is there,
// a destroy that was cut off can be repeated from here.
func (r sharedRecords) Forget(ctx context.Context, spec Spec) error {
	if r.cluster != nil {
		live, err := r.shared(ctx, spec)
		if err != nil {
			return err
		}
		if live != nil {
			if err := r.cluster.Delete(ctx, live); err != nil {
				return err
			}
		}
	}
	return r.local.Forget(ctx, spec)
}

package gcptest

import (
	"context"
	"encoding/json"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

// The place of Google's importer in a cluster.
const (
	importerNamespace = "gke-mcs"
	importerAccount   = "gke-mcs-importer"
	importerPod       = "gke-mcs-importer-6b7f9c5d8-x2x4k"
	importerLabel     = "k8s-app"
)

func podsResource() schema.GroupVersionResource {
	return schema.GroupVersionResource{Version: "v1", Resource: "pods"}
}

// equip gives a member's cluster what comes with the feature: the kinds, and the
// importer's Pod, whose state tells whether it may do its work.
func (i *Importer) equip(ctx context.Context, m *member, view memberView) {
	if !m.served {
		if err := InstallCRDs(ctx, m.config, ServiceExportKind, ServiceImportKind); err != nil {
			return // tried again at the next pass
		}
		m.served = true
	}
	pods, known := m.mirrors["pods"].all()
	if !known {
		return
	}
	pod := pods[importerNamespace+"/"+importerPod]
	if pod == nil && !i.addPod(ctx, m) {
		return
	}
	wanted, err := json.Marshal(object{"status": importerStatus(view.imports)})
	if err != nil {
		return
	}
	last := m.wrote["importer"]
	if pod != nil && last.want == string(wanted) {
		return
	}
	_, err = m.client.Resource(podsResource()).Namespace(importerNamespace).Patch(ctx, importerPod, types.MergePatchType, wanted,
		metav1.PatchOptions{FieldManager: importerManager}, "status")
	if err == nil {
		m.wrote["importer"] = written{want: string(wanted)}
	}
}

// addPod makes the Pod. No scheduler takes it, so nobody but the stand-in says what
// its state is.
func (i *Importer) addPod(ctx context.Context, m *member) bool {
	for _, one := range []struct {
		resource schema.GroupVersionResource
		body     object
	}{
		{schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}, object{"apiVersion": "v1", "kind": "Namespace", "metadata": object{"name": importerNamespace}}},
		{schema.GroupVersionResource{Version: "v1", Resource: "serviceaccounts"}, object{"apiVersion": "v1", "kind": "ServiceAccount",
			"metadata": object{"name": importerAccount, "namespace": importerNamespace}}},
		{podsResource(), object{"apiVersion": "v1", "kind": "Pod",
			"metadata": object{"name": importerPod, "namespace": importerNamespace, "labels": object{importerLabel: importerAccount}},
			"spec": object{"serviceAccountName": importerAccount, "automountServiceAccountToken": false, "schedulerName": importerAccount,
				"containers": []any{object{"name": importerAccount, "image": "gke.gcr.io/gke-mcs-importer"}}}}},
	} {
		o := &unstructured.Unstructured{Object: one.body}
		_, err := m.client.Resource(one.resource).Namespace(o.GetNamespace()).Create(ctx, o, metav1.CreateOptions{})
		if err != nil && !apierrors.IsAlreadyExists(err) {
			return false
		}
	}
	return true
}

// importerStatus is the state of the importer's Pod: running, or failing again and
// again. Its last words are the stand-in's: Google's are not known.
func importerStatus(lacks string) object {
	container := object{"name": importerAccount, "image": "gke.gcr.io/gke-mcs-importer", "imageID": "", "ready": true, "restartCount": 0, "state": object{"running": object{}}}
	ready := "True"
	if lacks != "" {
		ready = "False"
		container["ready"], container["restartCount"] = false, 7
		container["state"] = object{"waiting": object{"reason": "CrashLoopBackOff", "message": "back-off 5m0s restarting failed container=" + importerAccount}}
		container["lastState"] = object{"terminated": object{"exitCode": 1, "reason": "Error", "message": "permission denied: " + lacks}}
	}
	return object{"phase": "Running", "conditions": []any{object{"type": "Ready", "status": ready}}, "containerStatuses": []any{container}}
}

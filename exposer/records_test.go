package exposer_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"causeway/exposer"
	"causeway/exposer/ilb"
)

func TestFileRecords(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "state")
	records := exposer.FileRecords{Dir: dir}
	spec := exposer.Spec{Name: "prod", Cluster: exposer.ClusterRef{Project: "p", Location: "l", Name: "c"}}
	if got, err := records.Load(t.Context(), spec); err != nil || got.Version != 0 {
		t.Errorf("no record: %+v %v", got, err)
	}
	want := exposer.Record{Version: 1, Spec: spec, By: "net@host", Started: time.Unix(1_700_000_000, 0).UTC(),
		Steps: []exposer.StepRecord{{ID: "export", State: exposer.Done, At: time.Unix(1_700_000_001, 0).UTC(), Old: []byte(`"false"`)}}}
	if err := records.Save(t.Context(), want, true); err != nil {
		t.Fatal(err)
	}
	got, err := records.Load(t.Context(), spec)
	if diff := cmp.Diff(want.Spec, got.Spec); err != nil || diff != "" || string(got.Old("export")) != `"false"` || got.Old("else") != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	other := spec
	other.Cluster.Location = "elsewhere"
	if got, err := records.Load(t.Context(), other); err != nil || got.Version != 0 {
		t.Errorf("the record of another cluster was read: %v", err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%v %v", files, err)
	}
	if info, err := os.Stat(files[0]); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	if err := os.WriteFile(files[0], []byte(`{"version": 1, "spe`), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = records.Load(t.Context(), spec)
	wantCode(t, err, "CW-RUN-RECORD")
	if !strings.Contains(err.Error(), files[0]) {
		t.Errorf("the error does not name the file: %v", err)
	}
	for range 2 { // forgetting twice is no error
		if err := records.Forget(t.Context(), spec); err != nil {
			t.Error(err)
		}
	}
}

func TestStateDir(t *testing.T) {
	t.Parallel()
	for want, env := range map[string]map[string]string{
		"/x/causeway":                     {"XDG_STATE_HOME": "/x", "HOME": "/home/net"},
		"/home/net/.local/state/causeway": {"HOME": "/home/net"},
		"/home/b/.local/state/causeway":   {"XDG_STATE_HOME": "relative", "HOME": "/home/b"},
	} {
		if got := exposer.StateDir(func(name string) string { return env[name] }); got != want {
			t.Errorf("%v: %s, want %s", env, got, want)
		}
	}
}

// A colleague on another machine finds the record beside the workload: what was
// applied counts, whatever he leaves out.
func TestAColleagueFindsTheRecord(t *testing.T) {
	t.Parallel()
	w, _ := standing(t, func(s *exposer.Spec) { s.ILB.ClientAuth, s.ILB.Port, s.Access.Role = "mtls", 6443, "node-reader" })
	applied := w.Spec
	w.Dir = t.TempDir()
	w.Spec.ILB, w.Spec.Access, w.Spec.FarSide = nil, exposer.Access{}, exposer.FarSide{}
	w.Spec = w.Spec.WithDefaults()
	exposure, record, err := job(t, w).Standing(t.Context(), w.Spec)
	if err != nil {
		t.Fatal(err)
	}
	if record.By != "net@host" || record.Finished == nil {
		t.Errorf("record: %+v", record)
	}
	got := exposure.Spec()
	got.ILB.Subnet, applied.ILB.Subnet = "", "" // filled in by the cluster
	if diff := cmp.Diff(applied.ILB, got.ILB); diff != "" {
		t.Errorf("what was applied (-want +got):\n%s", diff)
	}
	if got.Access.Role != "node-reader" || len(got.FarSide.CIDRs) != 1 {
		t.Errorf("what was applied: %+v", got)
	}
	if _, err := w.Destroy(t.Context(), ilb.Method{}); err != nil {
		t.Fatal(err)
	}
	if left, err := w.Objects(t.Context()); err != nil || len(left) > 0 {
		t.Errorf("left: %v %v", left, err)
	}
}

// A record that does not parse stops apply and destroy before they change
// anything: it may hold the only copy of an old value.
func TestABrokenRecordStopsEverything(t *testing.T) {
	t.Parallel()
	w, _ := standing(t)
	files, err := filepath.Glob(filepath.Join(w.Dir, "state", "*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%v %v", files, err)
	}
	if err := os.WriteFile(files[0], []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	before := w.State()
	w.Spec.Access.Role = "edit"
	_, err = w.Apply(t.Context(), ilb.Method{})
	wantCode(t, err, "CW-RUN-RECORD")
	_, err = w.Destroy(t.Context(), ilb.Method{})
	wantCode(t, err, "CW-RUN-RECORD")
	if w.State() != before {
		t.Error("something was changed")
	}
	if err := os.Remove(files[0]); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Destroy(t.Context(), ilb.Method{}); err != nil { // the cluster has the other copy
		t.Fatal(err)
	}
}

func TestStatusShowsDriftAndAnUnfinishedApply(t *testing.T) {
	t.Parallel()
	w, j := standing(t)
	status, err := j.Status(t.Context(), w.Spec, time.Hour)
	if err != nil || !status.OK() || len(status.Facts) == 0 {
		t.Fatalf("a sound exposure: %+v %v", status, err)
	}
	records := exposer.FileRecords{Dir: filepath.Join(w.Dir, "state")}
	record, err := records.Load(t.Context(), w.Spec)
	if err != nil {
		t.Fatal(err)
	}
	record.Finished, record.Started = nil, record.Started.Add(time.Minute)
	if err := records.Save(t.Context(), record, true); err != nil {
		t.Fatal(err)
	}
	remake(t, w)
	status, err = j.Status(t.Context(), w.Spec, time.Hour)
	if err != nil || status.OK() {
		t.Fatalf("%+v %v", status, err)
	}
	if len(status.Drift) != 1 || status.Drift[0].ID != "serviceaccount/causeway-client" {
		t.Errorf("drift: %+v", status.Drift)
	}
	if check := status.Checks[0]; check.OK || check.Code != "CW-RUN-UNFINISHED" || !strings.Contains(check.Value, "net@host") {
		t.Errorf("the last apply: %+v", check)
	}
}

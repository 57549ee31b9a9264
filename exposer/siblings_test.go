package exposer_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"causeway/exposer"
	"causeway/internal/explain"
)

// TestHandOver: which record an old value goes to, when its setting has to stay.
func TestHandOver(t *testing.T) {
	t.Parallel()
	at := time.Unix(1_700_000_000, 0).UTC()
	old := json.RawMessage("false")
	const step = "peering/default/p"
	record := func(cluster, name string, edit ...func(*exposer.Record)) exposer.Record {
		r := exposer.Record{Version: 1, By: "net@host", Started: at, Finished: &at,
			Spec:  exposer.Spec{Name: name, Method: "route", Cluster: exposer.ClusterRef{Project: "p", Location: "l", Name: cluster}},
			Steps: []exposer.StepRecord{{ID: step, State: exposer.Kept, At: at}, {ID: "else", State: exposer.Done, At: at}}}
		for _, change := range edit {
			change(&r)
		}
		return r
	}
	running := func(r *exposer.Record) { r.Finished = nil }
	knows := func(r *exposer.Record) { r.Steps[0].Old = json.RawMessage(`"its own"`) }
	without := func(r *exposer.Record) { r.Steps = r.Steps[1:] }
	for name, c := range map[string]struct {
		others []exposer.Record
		heir   string
		holds  string // what the heir's record then says
	}{
		"nobody else":                      {nil, "", ""},
		"one that has the setting":         {[]exposer.Record{record("c", "b")}, "b", string(old)},
		"one of another cluster":           {[]exposer.Record{record("d", "b")}, "b", string(old)},
		"the first by name":                {[]exposer.Record{record("c", "z"), record("c", "b")}, "b", string(old)},
		"one without the setting":          {[]exposer.Record{record("c", "b", without)}, "", ""},
		"one that does not need it":        {[]exposer.Record{record("c", "unneeded")}, "", ""},
		"one that is being applied":        {[]exposer.Record{record("c", "b", running), record("c", "z")}, "z", string(old)},
		"one that has an old value":        {[]exposer.Record{record("c", "b", knows)}, "b", `"its own"`},
		"one that has one, though it runs": {[]exposer.Record{record("c", "b", knows, running)}, "b", `"its own"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			records := exposer.FileRecords{Dir: filepath.Join(t.TempDir(), "state")}
			own := record("c", "own", knows)
			for _, r := range append(c.others, own) {
				if err := records.Save(t.Context(), r, true); err != nil {
					t.Fatal(err)
				}
			}
			for range 2 { // a destroy that was cut off does it again
				heir, err := records.HandOver(t.Context(), nil, own.Spec, exposer.Estate{Step: step, Old: old, At: time.Now(),
					Needs: func(s exposer.Spec) bool { return s.Name != "unneeded" }})
				if err != nil || heir != c.heir {
					t.Fatalf("handed to %q, want %q: %v", heir, c.heir, err)
				}
			}
			for _, r := range c.others {
				now, err := records.Load(t.Context(), r.Spec)
				want := string(r.Old(step))
				if r.Spec.Name == c.heir {
					want = c.holds
				}
				if err != nil || string(now.Old(step)) != want || now.Old("else") != nil || now.By != r.By {
					t.Errorf("the record of %s: %+v %v", r.Spec.Name, now, err)
				}
			}
		})
	}
	t.Run("a record that can't be read may be the heir's", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "p_l_c_b.json"), []byte("{"), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := exposer.FileRecords{Dir: dir}.HandOver(t.Context(), nil, record("c", "own").Spec, exposer.Estate{Step: step, Old: old, At: time.Now(), Needs: func(exposer.Spec) bool { return true }})
		if explain.CodeOf(err) != "CW-RUN-RECORD" {
			t.Errorf("%v", err)
		}
	})
}

// TestHandOverReachesBothCopies: the record beside the workload takes the old value
// too, so that a colleague's destroy restores it.
func TestHandOverReachesBothCopies(t *testing.T) {
	t.Parallel()
	w, j := standing(t)
	x, record, err := j.Standing(t.Context(), w.Spec)
	if err != nil {
		t.Fatal(err)
	}
	leaving := w.Spec
	leaving.Name = w.Spec.Name + "-other"
	old := json.RawMessage(`"old"`)
	mine := exposer.FileRecords{Dir: filepath.Join(w.Dir, "state")}
	elsewhere := exposer.FileRecords{Dir: filepath.Join(t.TempDir(), "state")}
	for i, from := range []exposer.FileRecords{elsewhere, mine} {
		name, step := []string{"a colleague's machine", "this one"}[i], record.Steps[i].ID
		heir, err := from.HandOver(t.Context(), x.Cluster(), leaving, exposer.Estate{Step: step, Old: old, At: time.Now(),
			Needs: func(s exposer.Spec) bool { return s.Name == w.Spec.Name }})
		if err != nil || heir != w.Spec.Name {
			t.Fatalf("from %s: handed to %q: %v", name, heir, err)
		}
		for where, records := range map[string]exposer.FileRecords{"here": mine, "elsewhere": elsewhere} {
			now, err := exposer.RecordsOf(records, x).Load(t.Context(), w.Spec)
			if err != nil || string(now.Old(step)) != string(old) {
				t.Errorf("from %s: the record that is read %s: %s %v", name, where, now.Old(step), err)
			}
		}
	}
	if files, err := filepath.Glob(filepath.Join(elsewhere.Dir, "*")); err != nil || len(files) > 0 {
		t.Errorf("the colleague's machine has records of what it did not apply: %v %v", files, err)
	}
}

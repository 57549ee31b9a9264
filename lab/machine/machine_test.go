package machine

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"causeway/lab/place"
	"causeway/lab/topology"
)

func TestDiffTellsWhatCameAndWhatWent(t *testing.T) {
	before := Snapshot{"mounts": {"/a", "/b", "/b"}, "links": {"lo"}}
	for name, c := range map[string]struct {
		after Snapshot
		want  []string
	}{
		"nothing changed, in another order": {Snapshot{"mounts": {"/b", "/a", "/b"}, "links": {"lo"}}, nil},
		"one came":                          {Snapshot{"mounts": {"/b", "/a", "/b", "/c"}, "links": {"lo"}}, []string{"mounts: + /c"}},
		"one of two equal ones went":        {Snapshot{"mounts": {"/a", "/b"}, "links": {"lo"}}, []string{"mounts: - /b"}},
		"a kind is empty now":               {Snapshot{"mounts": {"/a", "/b", "/b"}}, []string{"links: - lo"}},
	} {
		if diff := cmp.Diff(c.want, before.Diff(c.after)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestTwoSnapshotsInARowAreEqual(t *testing.T) {
	if diff := Take().Diff(Take()); len(diff) > 0 {
		t.Errorf("differs: %v", diff)
	}
}

// A fresh machine is told everything at once, with a cure for each.
func TestCheckTellsEverythingAtOnce(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if got := wanted(topology.LineStatic); len(got) != len(programs) {
		t.Errorf("a line that does not move asks for %v", got)
	}
	for _, line := range []topology.Line{topology.LineVPN, topology.LineHub} {
		if got := wanted(line); !slices.Contains(got, [2]string{"bird", "bird2"}) {
			t.Errorf("the line %s asks for %v, without bird", line, got)
		}
	}
	_, problems := Check(place.Place{Cache: t.TempDir()}, topology.LineVPN)
	text := problems.Error()
	for _, want := range []string{"containerd: install the package containerd", "kubelet: run scripts/build-kubernetes.sh", "things are missing"} {
		if !strings.Contains(text, want) {
			t.Errorf("problems lack %q:\n%s", want, text)
		}
	}
}

package exposer

import "testing"

func TestGraphRefusesWhatCantBeOrdered(t *testing.T) {
	t.Parallel()
	for name, steps := range map[string][]Step{
		"two of one ID": {&toy{id: "a"}, &toy{id: "a"}},
		"needs nobody":  {&toy{id: "a", needs: []string{"b"}}},
		"a circle":      {&toy{id: "a", needs: []string{"b"}}, &toy{id: "b", needs: []string{"a"}}},
		"needs itself":  {&toy{id: "a", needs: []string{"a"}}},
	} {
		if _, err := newGraph(steps); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

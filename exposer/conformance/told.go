package conformance

import (
	"slices"
	"strings"
	"testing"

	"causeway/exposer"
	"causeway/internal/explain"
)

// WantCode fails the test unless err has the code, which has to have an entry, and
// says each text.
func WantCode(t testing.TB, err error, code string, texts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want %s", code)
	}
	if got := explain.CodeOf(err); got != code {
		t.Errorf("code %q, want %q: %v", got, code, err)
	}
	if _, ok := explain.Lookup(code); !ok {
		t.Errorf("code %s has no entry", code)
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("the error does not say %q: %v", text, err)
		}
	}
}

// Todo lists what a plan does: "change service/causeway-proxy".
func Todo(plan exposer.Plan) []string {
	var all []string
	for _, item := range plan.Items {
		if item.Action != exposer.Keep {
			all = append(all, string(item.Action)+" "+item.ID)
		}
	}
	slices.Sort(all)
	return all
}

// TodoKinds is Todo without the names: "change service".
func TodoKinds(plan exposer.Plan) []string {
	all := Todo(plan)
	for i, one := range all {
		all[i], _, _ = strings.Cut(one, "/")
	}
	slices.Sort(all)
	return all
}

// Hops are those of an exposure's trace, "NAME VERDICT CODE" each. A code has to have
// an entry, and a broken hop a code and a cure.
func Hops(t testing.TB, x exposer.Traced) []string {
	t.Helper()
	way, err := x.Trace(t.Context())
	if err != nil {
		t.Fatalf("trace: %v", err)
	}
	var all []string
	for _, h := range way.Hops {
		all = append(all, strings.TrimSpace(h.Name+" "+string(h.Verdict)+" "+h.Code))
		if h.Verdict == exposer.Broken && (h.Code == "" || h.Fix == "") {
			t.Errorf("a broken hop without a code or a cure: %+v", h)
		}
		if _, known := explain.Lookup(h.Code); h.Code != "" && !known {
			t.Errorf("code %s has no entry", h.Code)
		}
	}
	return all
}

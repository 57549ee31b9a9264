package ilb

import (
	"testing"
	"time"

	"causeway/exposer/conformance"
)

// TestApplyTakesAsLongAsItsLongestChain gives each of Google's operations a time
// and holds the whole apply, plan and preflight included, to 1.15 times the longest
// chain of those that depend on each other: the address is reserved, then bears
// its mark (nothing may stand on an address that nobody can tell whose it is),
// then the load balancer comes.
//
// It runs before the tests that run at the same time; on a machine that others
// keep busy the best of three counts.
func TestApplyTakesAsLongAsItsLongestChain(t *testing.T) {
	const operation, balancer = 2 * time.Second, 4 * time.Second
	const chain = operation + operation + balancer
	allowed := time.Duration(float64(chain) * 1.15)
	var took time.Duration
	for attempt := range 3 {
		w := world(t, conformance.Options{OperationTime: operation, NoController: true})
		w.Spec.Name += string(rune('a' + attempt))
		w.Spec.Namespace, w.Spec.ILB.AddressName = "causeway-"+w.Spec.Name, "causeway-"+w.Spec.Name
		w.Balance(t, w.Spec.Namespace, balancer)
		began := time.Now()
		apply(t, w)
		took = time.Since(began)
		t.Logf("apply took %s, its longest chain %s: %.2f", took.Round(time.Millisecond), chain, float64(took)/float64(chain))
		if took < chain {
			t.Fatal("shorter than the chain: the operations' times do not count")
		}
		if took <= allowed {
			return
		}
	}
	t.Errorf("apply took %s, want at most %s (1.15 of the longest chain)", took, allowed)
}

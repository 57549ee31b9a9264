package ilb

import (
	"slices"
	"testing"
	"time"

	"causeway/exposer"
	"causeway/exposer/conformance"
)

// TestACAThatItselfEndsSoon: a leaf can't outlive its CA, so that one which has
// less than a month for that reason alone is not issued anew by each apply.
func TestACAThatItselfEndsSoon(t *testing.T) {
	t.Parallel()
	ca := authority(t, time.Now, 20*24*time.Hour)
	cert, private := ca.PEM()
	paths := files(t, cert, private)
	w := world(t, conformance.Options{}, func(s *exposer.Spec) {
		s.ILB.TLS = exposer.TLS{CACert: paths[0], CAKey: paths[1]}
	})
	before := w.State()
	apply(t, w)
	trusted(t, w, ca.Trust(), "who trusts the company's CA")
	first := served(t, w)
	unchanged(t, w)
	w.Now = at(15)
	unchanged(t, w)
	if string(first.CertPEM) != string(served(t, w).CertPEM) {
		t.Error("the certificate is another one")
	}
	w.Now = time.Now
	destroy(t, w)
	w.Gone(t, before)
}

// TestCausewaysOwnCAInItsLastMonth: apply goes on working until the CA has ended,
// and status says what to do meanwhile.
func TestCausewaysOwnCAInItsLastMonth(t *testing.T) {
	t.Parallel()
	w := world(t, conformance.Options{}, func(s *exposer.Spec) { s.ILB.ClientAuth = "mtls" })
	before := w.State()
	apply(t, w)
	old := key(t, w, "causeway-ca", "ca-bundle.crt")
	w.Now = at(3650 - 20)
	apply(t, w)
	unchanged(t, w)
	trusted(t, w, old, "an old client in the CA's last month")
	job, err := w.Job(Method{})
	if err != nil {
		t.Fatal(err)
	}
	checks := func() []exposer.Check {
		t.Helper()
		status, err := job.Status(t.Context(), w.Spec, 30*24*time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		return slices.DeleteFunc(status.Checks, func(c exposer.Check) bool { return c.Name != "certificate authority" })
	}
	if c := checks(); len(c) != 1 || c[0].OK || c[0].Code != "CW-TLS-ENDS" {
		t.Errorf("the CA's last month is not told: %+v", c)
	}
	if err := rotate(t, w, true); err != nil {
		t.Fatal(err)
	}
	trusted(t, w, old, "an old client after the rotation")
	if c := checks(); len(c) != 2 || !c[0].OK || c[1].OK {
		t.Errorf("the new CA is good, the old one about to end: %+v", c)
	}
	w.Now = at(3650 + 10) // the rotation was the cure: what it replaced is no trouble any more
	if job, err = w.Job(Method{}); err != nil {
		t.Fatal(err)
	}
	if c := checks(); len(c) != 1 || !c[0].OK {
		t.Errorf("after the old CA's end: %+v", c)
	}
	apply(t, w) // the CA of those who may come in ended too: it is made anew with what it signs
	unchanged(t, w)
	w.Now = time.Now
	destroy(t, w)
	w.Gone(t, before)
}

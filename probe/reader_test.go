package probe

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestAReaderAsksForNothing: the reviews are POSTs, which Connect Gateway lets no reader
// send. What he may is tried then.
func TestAReaderAsksForNothing(t *testing.T) {
	t.Parallel()
	refusal := google("Permission 'gkehub.gateway.post' denied on resource '//gkehub.googleapis.com/projects/123'")
	for sentence, c := range map[string]struct {
		listed, watched Status
		server          http.HandlerFunc // of the collection that is listed
		namespace       string
		says            string // in the rights
	}{
		"who may list": {Pass, Pass, nil, "", "namespaces"},
		"who may not": {Skip, Skip, func(w http.ResponseWriter, _ *http.Request) {
			statusAnswer(w, 403, "Forbidden", `namespaces is forbidden: User "alice@example.com" cannot list resource "namespaces"`)
		}, "", "namespaces"},
		"who named a namespace": {Pass, Pass, nil, "shop", "pods in shop"},
		"whose list fails": {Fail, Fail, func(w http.ResponseWriter, _ *http.Request) {
			statusAnswer(w, 500, "InternalError", "no")
		}, "", "namespaces"},
	} {
		t.Run(sentence, func(t *testing.T) {
			t.Parallel()
			front := byGateway("/apis/auth", 403, "application/json", refusal)
			front.options = nil
			f, kubeconfig := front.start(t)
			if c.server != nil {
				f.over["/api/v1/namespaces"] = c.server
			}
			report, err := Run(t.Context(), Target{Kubeconfig: kubeconfig}, Options{HopTimeout: 5 * time.Second, Namespace: c.namespace}, nil)
			if (err != nil) != (c.listed == Fail) {
				t.Error(err)
			}
			for hop, want := range map[string]Status{HopIdentity: Skip, HopRights: Skip, HopList: c.listed, HopWatch: c.watched} {
				if got := report.Hop(hop); got.Status != want {
					t.Errorf("%s: %s %s, want %s", hop, got.Status, got.Detail, want)
				}
			}
			if got := report.Hop(HopRights).Detail; !strings.Contains(got, mayPost) || !strings.HasSuffix(got, "may list "+c.says+" is tried") {
				t.Errorf("rights: %s", got)
			}
			checkNoSecret(t, f, describe(report))
		})
	}
}

package resolver

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
)

func TestNamesComeAndGoWithTheImports(t *testing.T) {
	names := map[string][]netip.Addr{
		"api.shop.svc.clusterset.local":              {netip.MustParseAddr("10.41.0.7")},
		"db.shop.svc.clusterset.local":               {netip.MustParseAddr("10.36.0.4"), netip.MustParseAddr("10.36.0.5")},
		"db-0.home.db.shop.svc.clusterset.local":     {netip.MustParseAddr("10.36.0.4")},
		"api.shop.svc.clusterset.local.example.test": {netip.MustParseAddr("192.0.2.1")},
	}
	for sentence, c := range map[string]struct {
		name  string
		kind  uint16
		code  int
		wants []string
	}{
		"a Service":                             {"api.shop.svc.clusterset.local.", dns.TypeA, dns.RcodeSuccess, []string{"10.41.0.7"}},
		"in other letters":                      {"API.shop.svc.ClusterSet.local.", dns.TypeA, dns.RcodeSuccess, []string{"10.41.0.7"}},
		"a headless one, with all its Pods":     {"db.shop.svc.clusterset.local.", dns.TypeA, dns.RcodeSuccess, []string{"10.36.0.4", "10.36.0.5"}},
		"one of its Pods":                       {"db-0.home.db.shop.svc.clusterset.local.", dns.TypeA, dns.RcodeSuccess, []string{"10.36.0.4"}},
		"no IPv6, but the name is there":        {"api.shop.svc.clusterset.local.", dns.TypeAAAA, dns.RcodeSuccess, nil},
		"what others lie below is there":        {"shop.svc.clusterset.local.", dns.TypeA, dns.RcodeSuccess, nil},
		"a Service that nobody exports":         {"web.shop.svc.clusterset.local.", dns.TypeA, dns.RcodeNameError, nil},
		"a name that a search list makes of it": {"api.shop.svc.clusterset.local.svc.cluster.local.", dns.TypeA, dns.RcodeNameError, nil},
		"the zone of another":                   {"api.shop.svc.clusterset.local.example.test.", dns.TypeA, dns.RcodeNameError, nil},
	} {
		got := Answer(new(dns.Msg).SetQuestion(c.name, c.kind), names)
		var addresses []string
		for _, one := range got.Answer {
			addresses = append(addresses, one.(*dns.A).A.String())
		}
		if got.Rcode != c.code {
			t.Errorf("%s: answered %s, want %s", sentence, dns.RcodeToString[got.Rcode], dns.RcodeToString[c.code])
		}
		if diff := cmp.Diff(c.wants, addresses); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", sentence, diff)
		}
	}
	if got := Answer(new(dns.Msg).SetQuestion("api.shop.svc.clusterset.local.", dns.TypeA), nil); got.Rcode != dns.RcodeNameError {
		t.Errorf("withdrawn: answered %s", dns.RcodeToString[got.Rcode])
	}
	if got := Answer(new(dns.Msg), names); got.Rcode != dns.RcodeFormatError {
		t.Errorf("without a question: answered %s", dns.RcodeToString[got.Rcode])
	}
}

// Nothing of it is served by a socket here: the lab's tests do that.
func TestAnAnswerThatIsTooLongForUDPSaysSo(t *testing.T) {
	names := map[string][]netip.Addr{}
	at := netip.MustParseAddr("10.36.0.1")
	for range 250 { // Pods behind one headless Service, as many as Google supports
		names["db.shop.svc.clusterset.local"] = append(names["db.shop.svc.clusterset.local"], at)
		at = at.Next()
	}
	asked := new(dns.Msg).SetQuestion("db.shop.svc.clusterset.local.", dns.TypeA)
	got := Answer(asked, names)
	if got.Truncate(sizeOf(asked)); !got.Truncated || got.Len() > dns.MinMsgSize {
		t.Errorf("%d bytes, truncated %t", got.Len(), got.Truncated)
	}
	asked.SetEdns0(8192, false)
	if got = Answer(asked, names); len(got.Answer) != 250 || got.Len() > sizeOf(asked) {
		t.Errorf("%d addresses in %d bytes for a client that takes %d", len(got.Answer), got.Len(), sizeOf(asked))
	}
}

package route

import (
	"net/netip"
	"strings"
	"testing"

	"causeway/exposer"
)

// TestEveryStatusOfATunnelIsTold goes through what Google's document lists, and
// one that it does not.
func TestEveryStatusOfATunnelIsTold(t *testing.T) {
	t.Parallel()
	for status, c := range map[string]struct {
		verdict exposer.Verdict
		own     exposer.Verdict // where causeway made the line
		code    string
	}{
		"ESTABLISHED":              {exposer.Good, exposer.Good, ""},
		"ALLOCATING_RESOURCES":     {exposer.Waits, exposer.Waits, ""},
		"PROVISIONING":             {exposer.Waits, exposer.Waits, ""},
		"WAITING_FOR_FULL_CONFIG":  {exposer.Waits, exposer.Waits, ""},
		"FIRST_HANDSHAKE":          {exposer.Waits, exposer.Waits, ""},
		"NO_INCOMING_PACKETS":      {exposer.Broken, exposer.Waits, "CW-VPN-SILENT"},
		"NETWORK_ERROR":            {exposer.Broken, exposer.Waits, "CW-VPN-SILENT"},
		"AUTHORIZATION_ERROR":      {exposer.Broken, exposer.Broken, "CW-VPN-AUTH"},
		"NEGOTIATION_FAILURE":      {exposer.Broken, exposer.Broken, "CW-VPN-NEGOTIATION"},
		"PEER_IDENTITY_MISMATCH":   {exposer.Broken, exposer.Broken, "CW-VPN-NEGOTIATION"},
		"TS_NARROWING_NOT_ALLOWED": {exposer.Broken, exposer.Broken, "CW-VPN-NEGOTIATION"},
		"REJECTED":                 {exposer.Broken, exposer.Broken, "CW-VPN-STATE"},
		"FAILED":                   {exposer.Broken, exposer.Broken, "CW-VPN-STATE"},
		"STOPPED":                  {exposer.Broken, exposer.Broken, "CW-VPN-STATE"},
		"DEPROVISIONING":           {exposer.Broken, exposer.Broken, "CW-VPN-STATE"},
		"BRAND_NEW":                {exposer.Broken, exposer.Broken, "CW-VPN-STATE"},
		"":                         {exposer.Broken, exposer.Broken, "CW-VPN-STATE"},
	} {
		for own, want := range map[bool]exposer.Verdict{false: c.verdict, true: c.own} {
			v := goodView()
			v.own = own
			for i := range v.tunnels {
				v.tunnels[i].Status, v.tunnels[i].Detail = status, "Google's own sentence"
			}
			h := v.line()[0]
			if h.Verdict != want || h.Code != c.code {
				t.Errorf("%q, own %t: %s %q, want %s %q", status, own, h.Verdict, h.Code, want, c.code)
			}
			if c.code != "" && !strings.Contains(h.Text, "Google's own sentence") || h.Verdict != exposer.Good && h.Fix == "" {
				t.Errorf("%q is told without Google's sentence or without a cure: %+v", status, h)
			}
		}
	}
}

func TestHeldInParts(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		network string
		ranges  []string
		want    bool
	}{
		"by none":            {"10.0.0.0/8", nil, false},
		"by itself":          {"10.0.0.0/8", []string{"10.0.0.0/8"}, true},
		"by a wider one":     {"10.1.0.0/16", []string{"10.0.0.0/8"}, true},
		"by halves":          {"10.0.0.0/8", []string{"10.0.0.0/9", "10.128.0.0/9"}, true},
		"by one half":        {"10.0.0.0/8", []string{"10.128.0.0/9"}, false},
		"by uneven parts":    {"10.0.0.0/24", []string{"10.0.0.0/25", "10.0.0.128/26", "10.0.0.192/27", "10.0.0.224/27"}, true},
		"but for an address": {"10.0.0.0/30", []string{"10.0.0.0/31", "10.0.0.2/32"}, false},
		"address by address": {"10.0.0.0/30", []string{"10.0.0.0/31", "10.0.0.2/32", "10.0.0.3/32"}, true},
		"one address":        {"10.0.0.1/32", []string{"10.0.0.0/32"}, false},
	} {
		var ranges []netip.Prefix
		for _, text := range c.ranges {
			ranges = append(ranges, cidr(text))
		}
		if got := held(cidr(c.network), ranges); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

// TestTheTraceAsChecksOfAStatus: what waits is told as such, and is no good sign.
func TestTheTraceAsChecksOfAStatus(t *testing.T) {
	t.Parallel()
	w := world(t, "route", labSpec(), own)
	apply(t, w)
	job, err := w.Job(Method{})
	if err != nil {
		t.Fatal(err)
	}
	status, err := job.Status(t.Context(), w.Spec, 0)
	if err != nil {
		t.Fatal(err)
	}
	waits := 0
	for _, check := range status.Checks {
		if strings.HasPrefix(check.Value, "waits: ") {
			waits++
			if check.OK {
				t.Errorf("what waits is told as good: %+v", check)
			}
		}
	}
	if waits < 8 { // four tunnels and four sessions
		t.Errorf("%d checks wait", waits)
	}
}

// TestATraceWithoutRightsGoesOn refuses what only the trace reads.
func TestATraceWithoutRightsGoesOn(t *testing.T) {
	t.Parallel()
	w := world(t, "route-line", labSpec())
	apply(t, w)
	for _, permission := range []string{"compute.vpnTunnels.list", "compute.interconnectAttachments.list", "compute.routes.list", "compute.networks.listPeeringRoutes"} {
		w.Google.Deny(permission)
	}
	way := trace(t, w)
	if way.Err() != nil || way.Of(exposer.Forward) != exposer.Unknown || way.Of(exposer.Return) != exposer.Unknown {
		t.Errorf("forward %s, return %s, %v", way.Of(exposer.Forward), way.Of(exposer.Return), way.Err())
	}
}

package exposer

import (
	"net/netip"
	"strings"
	"testing"

	"causeway/templates"
)

// TestWhatTheSpecLetsThroughIsRendered: a value that a later step would refuse is
// told before anything is changed, and what is told to be good is taken.
func TestWhatTheSpecLetsThroughIsRendered(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		edit func(*ILB)
		want string // "": good
	}{
		"as many replicas as there may be": {func(o *ILB) { o.Replicas = 50 }, ""},
		"more":                             {func(o *ILB) { o.Replicas = 51 }, "ilb.replicas must be 1 to 50, not 51"},
		"an image with an underscore":      {func(o *ILB) { o.Image = "europe-docker.pkg.dev/shop/base_images/nginx:1.28_hardened" }, ""},
		"a name":                           {func(o *ILB) { o.DNSNames = []string{"k8s.shop.example"} }, ""},
		"a wildcard":                       {func(o *ILB) { o.DNSNames = []string{"*.shop.example"} }, ""},
		"a wildcard of a whole domain":     {func(o *ILB) { o.DNSNames = []string{"*.example"} }, "two labels behind the wildcard"},
		"an address for a name":            {func(o *ILB) { o.DNSNames = []string{"10.0.0.9"} }, `ilb.dnsNames[0] must be a DNS name, "10.0.0.9" is an IP address`},
		"an address of IPv6":               {func(o *ILB) { o.DNSNames = []string{"fd00::1"} }, "is an IP address"},
		"a name in capitals":               {func(o *ILB) { o.DNSNames = []string{"K8S.shop.example"} }, "must be a DNS name"},
		"a name that is too long":          {func(o *ILB) { o.DNSNames = []string{strings.Repeat("a.", 127) + "a"} }, "253"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := (&ILB{}).withDefaults("prod")
			c.edit(&o)
			v := &validator{}
			v.ilb(o, "prod")
			err := v.err()
			if c.want != "" {
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("%v, want %q", err, c.want)
				}
				return
			}
			if err != nil {
				t.Error(err)
			}
			rendered := templates.ILB{Exposure: "prod", Namespace: "causeway-prod", Mode: o.Mode, Image: o.Image, Replicas: o.Replicas, Port: o.Port,
				Upstream: netip.MustParseAddrPort("10.0.0.1:443"), Address: netip.IPv4Unspecified(), AddressName: o.AddressName}.Validate()
			for _, field := range []string{"image", "replicas", "port"} {
				if rendered != nil && strings.Contains(rendered.Error(), field+":") {
					t.Errorf("the templates refuse it: %v", rendered)
				}
			}
		})
	}
}

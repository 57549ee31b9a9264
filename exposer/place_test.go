package exposer

import "testing"

func TestTheBestServerNameIsOneThatTheCertificateBears(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		names []string
		want  string
	}{
		"the usual ones":         {[]string{"10.0.0.1", "kubernetes", "kubernetes.default.svc"}, "kubernetes.default.svc"},
		"only the short one":     {[]string{"kubernetes", "10.0.0.1"}, "kubernetes"},
		"another name":           {[]string{"10.0.0.1", "*.example.com", "api.example.com"}, "api.example.com"},
		"addresses only":         {[]string{"10.0.0.1", "192.168.50.2"}, ""},
		"wildcards only":         {[]string{"*.example.com"}, ""},
		"nothing":                {nil, ""},
		"IPv6 addresses as well": {[]string{"::1", "fd00::1"}, ""},
	} {
		if got := BestServerName(c.names); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

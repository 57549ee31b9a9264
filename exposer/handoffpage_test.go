package exposer

import (
	"net/netip"
	"strings"
	"testing"
)

// TestThePageNamesTheFilesThatAreThere: a line whose far side is not known yet has a
// table alone.
func TestThePageNamesTheFilesThatAreThere(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		files      []HalfFile
		says, lies string
	}{
		"no file":       {nil, "let them in, and announce the clients above.", "line/"},
		"a table alone": {[]HalfFile{{Name: "table.md"}}, "what is needed back", "the other files"},
		"all of them":   {[]HalfFile{{Name: "table.md"}, {Name: "frr.conf"}}, "the other files of `line/`", "needed back"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			half := Half{Expect: []netip.Prefix{netip.MustParsePrefix("192.168.50.0/28")}, Files: c.files}
			page, err := Job{}.page(placed{spec: Spec{Name: "prod"}}, Endpoint{URL: "https://192.168.50.2"}, Made{}, half, nil, HandoffOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(page), c.says) || strings.Contains(string(page), c.lies) {
				t.Errorf("want %q and not %q:\n%s", c.says, c.lies, page)
			}
		})
	}
}

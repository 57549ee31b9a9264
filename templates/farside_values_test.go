package templates_test

import (
	"net/netip"
	"strings"
	"testing"

	"causeway/templates"
)

func TestFarSideValuesThatCannotWorkAreRefusedByField(t *testing.T) {
	other := func(change func(*templates.FarSide)) templates.FarSide {
		f := otherSide("198.51.100.21", "198.51.100.22")
		change(&f)
		return f
	}
	aws := func(change func(*templates.FarSide)) templates.FarSide {
		f := awsSide(true)
		change(&f)
		return f
	}
	link := func(f *templates.FarSide, i int, text string) {
		prefix := netip.MustParsePrefix(text)
		first := prefix.Masked().Addr().Next()
		f.Tunnels[i].Link, f.Tunnels[i].PeerIP, f.Tunnels[i].GoogleIP = prefix, first, first.Next()
	}
	for name, test := range map[string]struct {
		side templates.FarSide
		want string
	}{
		"no exposure":                          {other(func(f *templates.FarSide) { f.Exposure = "" }), "exposure:"},
		"an exposure of 41 characters":         {other(func(f *templates.FarSide) { f.Exposure = strings.Repeat("a", 41) }), "exposure:"},
		"another kind of peer":                 {other(func(f *templates.FarSide) { f.Peer = "azure" }), "peer:"},
		"Google's ASN is public":               {other(func(f *templates.FarSide) { f.GoogleASN = 15169 }), "cloud router's ASN:"},
		"Google's ASN is 65535":                {other(func(f *templates.FarSide) { f.GoogleASN = 65535 }), "cloud router's ASN:"},
		"Google's ASN is the last one":         {other(func(f *templates.FarSide) { f.GoogleASN = 4294967295 }), "cloud router's ASN:"},
		"no ASN of the peer's":                 {other(func(f *templates.FarSide) { f.PeerASN = 0 }), "peer's ASN:"},
		"AS_TRANS":                             {other(func(f *templates.FarSide) { f.PeerASN = 23456 }), "peer's ASN:"},
		"one ASN for both":                     {other(func(f *templates.FarSide) { f.PeerASN = f.GoogleASN }), "peer's ASN:"},
		"nothing to expect":                    {other(func(f *templates.FarSide) { f.Expect = nil }), "prefixes to expect:"},
		"nothing to announce":                  {other(func(f *templates.FarSide) { f.Announce = nil }), "prefixes to announce:"},
		"a prefix with host bits":              {other(func(f *templates.FarSide) { f.Announce = prefixes("10.9.0.1/16") }), "prefixes to announce:"},
		"an IPv6 prefix":                       {other(func(f *templates.FarSide) { f.Announce = prefixes("fd00::/64") }), "prefixes to announce:"},
		"a link-local prefix":                  {other(func(f *templates.FarSide) { f.Announce = prefixes("169.254.0.0/24") }), "link-local"},
		"an empty prefix":                      {other(func(f *templates.FarSide) { f.Expect = make([]netip.Prefix, 1) }), "prefixes to expect:"},
		"a range of both sides":                {other(func(f *templates.FarSide) { f.Announce = f.Expect }), "comes from Google too"},
		"no endpoint":                          {other(func(f *templates.FarSide) { f.Endpoint = netip.AddrPort{} }), "endpoint:"},
		"an endpoint that nobody announces":    {other(func(f *templates.FarSide) { f.Endpoint = netip.MustParseAddrPort("10.1.1.1:443") }), "endpoint:"},
		"no tunnel":                            {other(func(f *templates.FarSide) { f.Tunnels = nil }), "tunnels:"},
		"five tunnels":                         {other(func(f *templates.FarSide) { f.Tunnels = make([]templates.FarTunnel, 5) }), "tunnels:"},
		"AWS with two":                         {aws(func(f *templates.FarSide) { f.Tunnels = f.Tunnels[:2] }), "tunnels:"},
		"a third interface":                    {other(func(f *templates.FarSide) { f.Tunnels[0].GoogleInterface = 2 }), "tunnel 0: gateway interface:"},
		"AWS's connection B at interface 0":    {aws(func(f *templates.FarSide) { f.Tunnels[2].GoogleInterface = 0 }), "tunnel 2: gateway interface:"},
		"no address of Google's":               {other(func(f *templates.FarSide) { f.Tunnels[1].GoogleAddress = netip.Addr{} }), "tunnel 1: gateway address:"},
		"two addresses for one interface":      {aws(func(f *templates.FarSide) { f.Tunnels[1].GoogleAddress = netip.MustParseAddr("203.0.113.99") }), "tunnel 1: gateway address:"},
		"an IPv6 peer":                         {other(func(f *templates.FarSide) { f.Tunnels[0].PeerAddress = netip.MustParseAddr("2001:db8::1") }), "tunnel 0: peer's address:"},
		"a peer that is loopback":              {other(func(f *templates.FarSide) { f.Tunnels[0].PeerAddress = netip.MustParseAddr("127.0.0.1") }), "tunnel 0: peer's address:"},
		"a peer that is Google":                {other(func(f *templates.FarSide) { f.Tunnels[0].PeerAddress = f.Tunnels[0].GoogleAddress }), "tunnel 0: peer's address:"},
		"one address known of two":             {other(func(f *templates.FarSide) { f.Tunnels[1].PeerAddress = netip.Addr{} }), "known for some"},
		"an address of AWS's twice":            {aws(func(f *templates.FarSide) { f.Tunnels[3].PeerAddress = f.Tunnels[0].PeerAddress }), "tunnel 3: peer's address:"},
		"one pair of addresses twice":          {other(func(f *templates.FarSide) { f.Tunnels[1] = farTunnel(1, 0, "198.51.100.21", 4, "google") }), "tunnel 1: peer's address:"},
		"a name twice":                         {other(func(f *templates.FarSide) { f.Tunnels[1].Name = f.Tunnels[0].Name }), "tunnel 1: name:"},
		"no link":                              {other(func(f *templates.FarSide) { f.Tunnels[0].Link = netip.Prefix{} }), "tunnel 0: link:"},
		"a /29":                                {other(func(f *templates.FarSide) { link(f, 0, "169.254.20.0/29") }), "tunnel 0: link:"},
		"a link with host bits":                {other(func(f *templates.FarSide) { link(f, 0, "169.254.20.1/30") }), "tunnel 0: link:"},
		"a link that is not link-local":        {other(func(f *templates.FarSide) { link(f, 0, "10.0.0.0/30") }), "tunnel 0: link:"},
		"a link around the metadata server":    {other(func(f *templates.FarSide) { link(f, 0, "169.254.169.252/30") }), "metadata"},
		"AWS's first reserved range":           {aws(func(f *templates.FarSide) { link(f, 1, "169.254.0.0/30") }), "reserved by AWS"},
		"AWS's sixth reserved range":           {aws(func(f *templates.FarSide) { link(f, 1, "169.254.5.0/30") }), "reserved by AWS"},
		"AWS's last reserved range":            {aws(func(f *templates.FarSide) { link(f, 1, "169.254.169.252/30") }), "metadata"},
		"a link twice":                         {aws(func(f *templates.FarSide) { link(f, 3, "169.254.20.0/30") }), "tunnel 3: link:"},
		"Google takes AWS's inside address":    {aws(func(f *templates.FarSide) { f.Tunnels[0] = farTunnel(0, 0, "198.51.100.21", 0, "google") }), "inside addresses:"},
		"both ends at one address":             {other(func(f *templates.FarSide) { f.Tunnels[0].PeerIP = f.Tunnels[0].GoogleIP }), "inside addresses:"},
		"an inside address outside the link":   {other(func(f *templates.FarSide) { f.Tunnels[0].PeerIP = netip.MustParseAddr("169.254.20.9") }), "inside addresses:"},
		"no reference to a key":                {other(func(f *templates.FarSide) { f.Tunnels[0].SecretName = "" }), "tunnel 0: key reference:"},
		"a path to a key":                      {other(func(f *templates.FarSide) { f.Tunnels[0].SecretName = "../../etc/passwd" }), "tunnel 0: key reference:"},
		"a hand-over that is a table's column": {other(func(f *templates.FarSide) { f.SecretBy = "a | b" }), "keys handed over:"},
	} {
		t.Run(name, func(t *testing.T) {
			files, err := test.side.Files()
			if err == nil || !strings.Contains(err.Error(), test.want) || files != nil {
				t.Errorf("error %v and %d files, want one about %q and none", err, len(files), test.want)
			}
		})
	}
}

func TestAKeyInThePlaceOfItsNameIsNotTold(t *testing.T) {
	f := otherSide("198.51.100.21")
	f.Tunnels[0].SecretName = "Tr0ub4dor&3 is the key"
	if err := f.Validate(); err == nil || strings.Contains(err.Error(), "Tr0ub4dor") {
		t.Errorf("error %v, want one without the value", err)
	}
}

func TestWhatLooksUnusualAndWorks(t *testing.T) {
	for name, change := range map[string]func(*templates.FarSide){
		"Google takes the second host":         func(f *templates.FarSide) { f.Tunnels[0] = farTunnel(0, 0, "198.51.100.21", 0, "peer") },
		"an ASN of four bytes":                 func(f *templates.FarSide) { f.GoogleASN, f.PeerASN = 4294967294, 4200000000 },
		"the far side announces the default":   func(f *templates.FarSide) { f.Announce = prefixes("0.0.0.0/0") },
		"a wide range that holds the API's":    func(f *templates.FarSide) { f.Announce = prefixes("172.16.0.0/12") },
		"a router behind NAT, by its own name": func(f *templates.FarSide) { f.Tunnels[0].PeerAddress = netip.MustParseAddr("10.0.0.5") },
		"one tunnel":                           func(f *templates.FarSide) { f.Tunnels = f.Tunnels[:1] },
	} {
		t.Run(name, func(t *testing.T) {
			f := otherSide("198.51.100.21", "198.51.100.22")
			change(&f)
			if _, err := f.Files(); err != nil {
				t.Error(err)
			}
		})
	}
	reserved := otherSide("198.51.100.21", "198.51.100.22")
	reserved.Tunnels[0].Link = netip.MustParsePrefix("169.254.0.0/30")
	reserved.Tunnels[0].GoogleIP, reserved.Tunnels[0].PeerIP = netip.MustParseAddr("169.254.0.1"), netip.MustParseAddr("169.254.0.2")
	if err := reserved.Validate(); err != nil {
		t.Errorf("169.254.0.0/30 is AWS's affair alone: %v", err)
	}
}

// hostile are values that end a string, a line, a comment or a directive in one
// of the languages that are rendered.
var hostile = []string{
	`a"b`, `a'b`, "a`id`b", `a$(id)b`, `a${IFS}b`, "a\nb", "a\rb", "a\x00b", `a\b`, `a;b`, `a#b`, `a}b`, `a{b`, `a|b`, `a&b`, `a b`,
	`a>b`, `a*b`, `a!b`, "a\tb", "a\u2028b", `%{a}`, `{{.}}`, `-rf`, `../a`, `a/b`, "é",
}

func TestHostileNamesAreRefusedEverywhere(t *testing.T) {
	for _, value := range hostile {
		for field, change := range map[string]func(*templates.FarSide){
			"exposure":      func(f *templates.FarSide) { f.Exposure = value },
			"peer":          func(f *templates.FarSide) { f.Peer = value },
			"name":          func(f *templates.FarSide) { f.Tunnels[1].Name = value },
			"key reference": func(f *templates.FarSide) { f.Tunnels[1].SecretName = value },
		} {
			f := otherSide("198.51.100.21")
			change(&f)
			if files, err := f.Files(); err == nil || files != nil {
				t.Errorf("%s %q is taken", field, value)
			}
		}
	}
}

// FuzzFarSide holds that whatever passes the rules renders, and that no name
// brings a line, a quote or a bracket into a file that a plain name does not.
func FuzzFarSide(f *testing.F) {
	for _, value := range append(hostile, "prod", "causeway-prod-0.psk", "CAUSEWAY_PSK_0", "a.b", "0", "_", "a--b", strings.Repeat("a", 40)) {
		f.Add(value, value, value, value)
	}
	plain := shapes(f, otherSide("198.51.100.21"))
	f.Fuzz(func(t *testing.T, exposure, name, secret, by string) {
		side := otherSide("198.51.100.21")
		side.Exposure, side.Tunnels[0].Name, side.Tunnels[0].SecretName, side.SecretBy = exposure, name, secret, by
		if side.Validate() != nil {
			return
		}
		for file, shape := range shapes(t, side) {
			want := plain[file]
			if file == "swanctl.conf" && strings.ToUpper(secret) == secret {
				continue // a variable's name renders other commands
			}
			if file == "table.md" {
				shape, want = strings.Trim(shape, "."), strings.Trim(want, ".")
				shape, want = strings.NewReplacer("(", "", ")", "", ";", "").Replace(shape), strings.NewReplacer("(", "", ")", "", ";", "").Replace(want)
			}
			if shape != want {
				t.Errorf("%s has another shape with exposure %q, name %q, reference %q, %q", file, exposure, name, secret, by)
			}
		}
	})
}

// shapes are what is left of each file without letters, digits and what names are made of.
func shapes(t testing.TB, side templates.FarSide) map[string]string {
	files := farFiles(t, side)
	for file, text := range files {
		files[file] = strings.Map(func(r rune) rune {
			if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-._ ,:/", r) {
				return -1
			}
			return r
		}, text)
	}
	return files
}

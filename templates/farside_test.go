package templates_test

import (
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"causeway/templates"

	"github.com/google/go-cmp/cmp"
)

func prefixes(texts ...string) (out []netip.Prefix) {
	for _, text := range texts {
		out = append(out, netip.MustParsePrefix(text))
	}
	return out
}

// farTunnel has the addresses of link n; first is who takes its first host.
func farTunnel(i, google int, peer string, n byte, first string) templates.FarTunnel {
	link := netip.PrefixFrom(netip.AddrFrom4([4]byte{169, 254, 20, n}), 30)
	one := link.Addr().Next()
	tunnel := templates.FarTunnel{
		Name: fmt.Sprintf("causeway-prod-%d", i), GoogleInterface: google,
		GoogleAddress: netip.AddrFrom4([4]byte{203, 0, 113, byte(10 + google)}),
		Link:          link, GoogleIP: one, PeerIP: one.Next(), SecretName: fmt.Sprintf("causeway-prod-%d.psk", i),
	}
	if first == "peer" {
		tunnel.GoogleIP, tunnel.PeerIP = tunnel.PeerIP, tunnel.GoogleIP
	}
	if peer != "" {
		tunnel.PeerAddress = netip.MustParseAddr(peer)
	}
	return tunnel
}

// awsSide is AWS's, with its four addresses when they are known.
func awsSide(known bool) templates.FarSide {
	f := templates.FarSide{
		Exposure: "prod", Peer: templates.PeerAWS, GoogleASN: 64514, PeerASN: 64512,
		Expect: prefixes("10.128.0.0/20", "172.16.0.32/28"), Announce: prefixes("172.31.0.0/16"),
		Endpoint: netip.MustParseAddrPort("172.16.0.34:443"), SecretBy: "in a folder of files",
	}
	for i := range 4 {
		peer := ""
		if known {
			peer = fmt.Sprintf("198.51.100.%d", 21+i)
		}
		f.Tunnels = append(f.Tunnels, farTunnel(i, i/2, peer, byte(4*i), "peer"))
	}
	return f
}

// otherSide is somebody's own router, with one outside address or two.
func otherSide(peers ...string) templates.FarSide {
	f := templates.FarSide{
		Exposure: "prod", Peer: templates.PeerOther, GoogleASN: 64514, PeerASN: 65010,
		Expect: prefixes("172.16.0.32/28"), Announce: prefixes("10.9.0.0/16", "10.8.0.0/24"),
		Endpoint: netip.MustParseAddrPort("172.16.0.34:443"),
	}
	for i := range 2 {
		f.Tunnels = append(f.Tunnels, farTunnel(i, i, peers[i%len(peers)], byte(4*i), "google"))
	}
	return f
}

// farSides are the four shapes that exist, by the folder of their goldens.
func farSides() map[string]templates.FarSide {
	return map[string]templates.FarSide{
		"aws": awsSide(true), "aws-early": awsSide(false),
		"other-2": otherSide("198.51.100.21", "198.51.100.22"), "other-1": otherSide("198.51.100.21"),
	}
}

func farFiles(t testing.TB, f templates.FarSide) map[string]string {
	t.Helper()
	files, err := f.Files()
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{}
	for _, file := range files {
		if file.About == "" {
			t.Errorf("%s does not say what it is for", file.Name)
		}
		texts[file.Name] = string(file.Content)
	}
	return texts
}

func TestFarSideGoldens(t *testing.T) {
	for name, f := range farSides() {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join("../testdata/route", name)
			files := farFiles(t, f)
			if *update {
				if err := os.MkdirAll(dir, 0o755); err != nil {
					t.Fatal(err)
				}
				for file, text := range files {
					if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
						t.Fatal(err)
					}
				}
			}
			entries, err := os.ReadDir(dir)
			if err != nil {
				t.Fatal(err)
			}
			want := map[string]string{}
			for _, entry := range entries {
				text, err := os.ReadFile(filepath.Join(dir, entry.Name()))
				if err != nil {
					t.Fatal(err)
				}
				want[entry.Name()] = string(text)
			}
			if diff := cmp.Diff(want, files); diff != "" {
				t.Errorf("the files differ (run with -update after a wanted change), -want +got:\n%s", diff)
			}
		})
	}
}

func TestWhichFilesThereAre(t *testing.T) {
	early := otherSide("198.51.100.21")
	for i := range early.Tunnels {
		early.Tunnels[i].PeerAddress = netip.Addr{}
	}
	routers := []string{"bird.conf", "cisco-ios-xe.txt", "frr.conf", "junos.txt", "swanctl.conf", "table.md"}
	for name, test := range map[string]struct {
		side templates.FarSide
		want []string
	}{
		"AWS, addresses known":     {awsSide(true), append([]string{"aws-cli.sh", "aws.tf"}, routers...)},
		"AWS, addresses not known": {awsSide(false), []string{"aws-cli.sh", "aws.tf", "table.md"}},
		"two addresses":            {otherSide("198.51.100.21", "198.51.100.22"), routers},
		"one address":              {otherSide("198.51.100.21"), routers},
		"none known yet":           {early, []string{"table.md"}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, slices.Sorted(maps.Keys(farFiles(t, test.side)))); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
	table := farFiles(t, early)["table.md"]
	for _, want := range []string{"What is needed back", "route.vpn.peerAddresses", "and so are\nleft out"} {
		if !strings.Contains(table, want) {
			t.Errorf("before the addresses are known the table does not say %q", want)
		}
	}
	if strings.Contains(table, "Which file") || strings.Contains(table, "|---|---|\n\n") {
		t.Errorf("there is one file, and a table of files:\n%s", table)
	}
	if table := farFiles(t, awsSide(false))["table.md"]; !strings.Contains(table, "peerAddresses: [A1, A2, B1, B2]") {
		t.Error("AWS's table does not say which four addresses to bring back, and in which order")
	}
}

// TestEveryFileBearsItsValues reads each file for what it must name.
func TestEveryFileBearsItsValues(t *testing.T) {
	for name, f := range farSides() {
		t.Run(name, func(t *testing.T) {
			for file, text := range farFiles(t, f) {
				var want []string
				for i, tunnel := range f.Tunnels {
					secret, link, peer := tunnel.SecretName, tunnel.Link.String(), tunnel.PeerAddress.String()
					switch file {
					case "aws-cli.sh", "aws.tf":
						want = append(want, secret, link, tunnel.GoogleAddress.String(), fmt.Sprint(f.GoogleASN))
					case "bird.conf", "frr.conf":
						want = append(want, tunnel.Name, tunnel.GoogleIP.String(), tunnel.PeerIP.String(), fmt.Sprint(f.GoogleASN), fmt.Sprint(f.PeerASN))
					case "swanctl.conf":
						want = append(want, tunnel.Name, secret, peer, tunnel.GoogleAddress.String(), templates.FarInterface(i))
					default:
						want = append(want, tunnel.Name, secret, tunnel.GoogleIP.String(), tunnel.PeerIP.String(), tunnel.GoogleAddress.String(), fmt.Sprint(f.GoogleASN), fmt.Sprint(f.PeerASN))
						if f.Known() {
							want = append(want, peer)
						}
					}
				}
				switch file {
				case "bird.conf", "frr.conf", "junos.txt", "table.md":
					for _, prefix := range append(slices.Clone(f.Expect), f.Announce...) {
						want = append(want, prefix.String())
					}
				}
				for _, one := range want {
					if !strings.Contains(text, one) {
						t.Errorf("%s does not name %s", file, one)
					}
				}
			}
		})
	}
}

func TestTheOrderOfPrefixesIsNoChange(t *testing.T) {
	f := otherSide("198.51.100.21")
	turned := otherSide("198.51.100.21")
	slices.Reverse(turned.Announce)
	turned.Announce = append(turned.Announce, turned.Announce[0])
	if diff := cmp.Diff(farFiles(t, f), farFiles(t, turned)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestFilesReadWell(t *testing.T) {
	for name, f := range farSides() {
		t.Run(name, func(t *testing.T) {
			for file, text := range farFiles(t, f) {
				if !strings.HasSuffix(text, "\n") || strings.HasSuffix(text, "\n\n") {
					t.Errorf("%s does not end in one line break", file)
				}
				for what, pattern := range map[string]string{
					"a trace of the template":    `<no value>|\{\{|%!`,
					"space at a line's end":      `(?m)[ \t]+$`,
					"three line breaks in a row": `\n\n\n`,
					"an invalid address":         `invalid (IP|Prefix)`,
				} {
					if found := regexp.MustCompile(pattern).FindString(text); found != "" {
						t.Errorf("%s holds %s: %q", file, what, found)
					}
				}
			}
		})
	}
}

package small

import (
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"causeway/internal/gcptest"
)

// Every golden configuration must lie wholly on this machine after the move.
func TestRelocateLeavesNothingOfTheContainer(t *testing.T) {
	files, err := filepath.Glob("../../testdata/ilb/*.conf")
	if err != nil || len(files) == 0 {
		t.Fatalf("find the golden configurations: %v, %v", files, err)
	}
	listen, health := netip.MustParseAddrPort("127.20.0.2:8443"), netip.MustParseAddrPort("127.0.0.1:4711")
	service, api := netip.MustParseAddrPort("10.40.0.1:443"), netip.MustParseAddrPort("127.0.0.1:6443")
	path := regexp.MustCompile(`\s(/[a-z][^\s;"]*)`)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		moved := relocate(string(text), "/elsewhere", listen, health, service, api)
		for _, want := range []string{"listen 127.20.0.2:8443", "listen 127.0.0.1:4711;", " 127.0.0.1:6443;", "include /elsewhere/modules/"} {
			if !strings.Contains(moved, want) {
				t.Errorf("%s: no %q", file, want)
			}
		}
		if strings.Contains(moved, "10.40.0.1") {
			t.Errorf("%s: still goes to the cluster's Service", file)
		}
		for line := range strings.Lines(moved) {
			if line = strings.TrimSpace(line); strings.HasPrefix(line, "#") || strings.HasPrefix(line, "location") || strings.HasPrefix(line, "if ") || strings.HasPrefix(line, "~") {
				continue
			}
			for _, found := range path.FindAllStringSubmatch(line, -1) {
				if !strings.HasPrefix(found[1], "/elsewhere/") {
					t.Errorf("%s: %q still names %s", file, line, found[1])
				}
			}
		}
	}
}

func TestMovePutsSubnetAndControlPlaneOnLoopback(t *testing.T) {
	file, err := gcptest.SeedFile("lab")
	if err != nil {
		t.Fatal(err)
	}
	seed, err := gcptest.ReadSeed(file)
	if err != nil {
		t.Fatal(err)
	}
	move(&seed, netip.MustParseAddrPort("127.0.0.1:6443"))
	google, err := gcptest.New(gcptest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := google.Fill(seed); err != nil {
		t.Fatal(err)
	}
	snapshot := string(google.Snapshot())
	for _, want := range []string{`"127.20.0.0/16"`, `"endpoint":"127.0.0.1:6443"`, `"privateEndpoint":"127.0.0.1:6443"`} {
		if !strings.Contains(strings.ReplaceAll(snapshot, `": "`, `":"`), want) {
			t.Errorf("the emulator's state has no %s", want)
		}
	}
	if strings.Contains(snapshot, "192.168.50.2\"") || strings.Contains(snapshot, "10.156.") {
		t.Error("the emulator's state still has addresses of the whole lab")
	}
}

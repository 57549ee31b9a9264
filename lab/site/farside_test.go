package site

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"causeway/templates"
)

// handedOver is the bird.conf that causeway renders.
func handedOver(t *testing.T) string {
	t.Helper()
	addr, prefix := netip.MustParseAddr, netip.MustParsePrefix
	files, err := templates.FarSide{
		Exposure: "x", Peer: templates.PeerOther, GoogleASN: 64514, PeerASN: 65010,
		Tunnels: []templates.FarTunnel{{
			Name: "causeway-x-0", GoogleAddress: addr("35.242.0.1"), PeerAddress: addr("198.51.100.1"), Link: prefix("169.254.8.0/30"),
			GoogleIP: addr("169.254.8.1"), PeerIP: addr("169.254.8.2"), SecretName: "causeway-x-0.psk",
		}},
		Expect: []netip.Prefix{prefix("192.168.50.0/28")}, Announce: []netip.Prefix{prefix("172.31.0.0/16")}, Endpoint: netip.MustParseAddrPort("192.168.50.2:443"),
	}.Files()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if f.Name == "bird.conf" {
			return string(f.Content)
		}
	}
	t.Fatal("no bird.conf is rendered")
	return ""
}

// The far side's engineer sets one line of what was handed over.
func TestSetSourceSetsOneLine(t *testing.T) {
	source := netip.MustParseAddr("172.31.23.209")
	before := handedOver(t)
	after, err := SetSource(before, source)
	if err != nil {
		t.Fatal(err)
	}
	old, now := strings.Split(before, "\n"), strings.Split(after, "\n")
	var changed []string
	for i := range old {
		if old[i] != now[i] {
			changed = append(changed, strings.TrimSpace(now[i]))
		}
	}
	if len(old) != len(now) || len(changed) != 1 || changed[0] != "krt_prefsrc = 172.31.23.209;" {
		t.Errorf("changed %q of\n%s", changed, before)
	}
	if again, err := SetSource(after, source); err != nil || again != after {
		t.Errorf("set a second time: %v", err)
	}
	for name, text := range map[string]string{"without the option": "router id 1.2.3.4;", "with two": before + before} {
		if _, err := SetSource(text, source); err == nil {
			t.Errorf("%s: it is set", name)
		}
	}
}

func TestAwaitTellsWhatItWaitedForAndWhy(t *testing.T) {
	s := here(t)
	err := s.Await(t.Context(), "the moon", 250*time.Millisecond, func(context.Context) error { return errors.New("it is day") })
	if err == nil || !strings.Contains(err.Error(), "wait for the moon: not within 250ms: it is day") {
		t.Errorf("got %v", err)
	}
	asked := 0
	err = s.Await(t.Context(), "the third time", time.Minute, func(context.Context) error {
		if asked++; asked < 3 {
			return errors.New("not yet")
		}
		return nil
	})
	if err != nil || asked != 3 {
		t.Errorf("asked %d times: %v", asked, err)
	}
}

func TestWhereAnOperationLies(t *testing.T) {
	for name, c := range map[string]struct {
		path   string
		answer map[string]any
		want   string
	}{
		"of compute": {
			"compute/v1/projects/p/global/networks/n", map[string]any{"selfLink": "https://www.googleapis.com/compute/v1/projects/p/global/operations/o", "name": "o"},
			"compute/v1/projects/p/global/operations/o",
		},
		"of a cluster": {
			"container/v1/projects/lab-project/locations/europe-west3/clusters/c", map[string]any{"name": "operation-1"},
			"container/v1/projects/lab-project/locations/europe-west3/operations/operation-1",
		},
		"an answer that is none": {"compute/v1/projects/p/global/networks/n", map[string]any{"selfLink": "https://www.googleapis.com/compute/v1/projects/p/global/networks/n"}, ""},
	} {
		got, err := operationPath(c.path, c.answer)
		if got != c.want || (err != nil) != (c.want == "") {
			t.Errorf("%s: %q, %v, want %q", name, got, err, c.want)
		}
	}
}

func TestAPictureTellsWhichObjectDiffers(t *testing.T) {
	before := Picture{Cloud: `{"a": {"x": 1}, "b": {"y": 2}}`, Cluster: []string{"Pod x"}}
	after := Picture{Cloud: `{"a": {"x": 1}, "b": {"y": 3}, "c": {}}`, Cluster: []string{"Pod x", "Pod z"}}
	want := []string{
		`+ in the emulator's state: b {"y":3}`, `+ in the emulator's state: c {}`,
		`- in the emulator's state: b {"y":2}`, "+ Pod z",
	}
	if got := before.Diff(after); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
	if got := before.Diff(before); len(got) > 0 {
		t.Errorf("nothing changed: %v", got)
	}
}

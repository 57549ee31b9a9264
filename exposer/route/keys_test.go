package route

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"causeway/exposer"
	"causeway/internal/gcp"
)

func keyTunnel(i int) tunnel {
	return tunnel{index: i, ref: gcp.Ref{Name: "causeway-x-" + string(rune('0'+i))}}
}

func TestWhereKeysComeFrom(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	one, two := file("one", "first.key.12\r\n"), file("two", "second.key.3\n")
	empty, lines, umlaut := file("empty", "\n"), file("lines", "first.key\nsecond.key"), file("umlaut", "schlüssel.12")
	aws := file("aws", "with blanks here")
	env := map[string]string{"PSK": "env.key.1234", "PSK_1": "env.key.own.1"}
	for name, c := range map[string]struct {
		from  exposer.Secrets
		peer  string
		index int
		key   string
		where string
		bad   string // part of the error
	}{
		"one file for all":                         {from: exposer.Secrets{Files: []string{one}}, index: 3, key: "first.key.12", where: "from file " + one},
		"a file each":                              {from: exposer.Secrets{Files: []string{one, two}}, index: 1, key: "second.key.3", where: "from file " + two},
		"a file that is not there":                 {from: exposer.Secrets{Files: []string{dir + "/nowhere"}}, bad: "no such file"},
		"an empty file":                            {from: exposer.Secrets{Files: []string{empty}}, bad: "must be printable ASCII"},
		"a file of several lines":                  {from: exposer.Secrets{Files: []string{lines}}, bad: "on one line"},
		"a letter that Google does not take":       {from: exposer.Secrets{Files: []string{umlaut}}, bad: "must be printable ASCII"},
		"a blank, which Google takes":              {from: exposer.Secrets{Files: []string{aws}}, key: "with blanks here", where: "from file " + aws},
		"a blank, which AWS does not take":         {from: exposer.Secrets{Files: []string{aws}}, peer: exposer.PeerAWS, bad: "as AWS demands"},
		"the variable":                             {from: exposer.Secrets{Env: "PSK"}, key: "env.key.1234", where: "from the variable PSK"},
		"the tunnel's own variable":                {from: exposer.Secrets{Env: "PSK"}, index: 1, key: "env.key.own.1", where: "from the variable PSK_1"},
		"a variable that is not set":               {from: exposer.Secrets{Env: "NONE"}, bad: "the variable NONE is empty"},
		"a directory without the tunnel's file":    {from: exposer.Secrets{Directory: dir}, where: "causeway-x-0.psk in the directory of keys, made where it is missing"},
		"a directory that is not there":            {from: exposer.Secrets{Directory: dir + "/new"}, where: "causeway-x-0.psk in the directory of keys, made where it is missing"},
		"nothing is named":                         {bad: "no source of pre-shared keys is named"},
		"AWS takes no key that begins with a zero": {from: exposer.Secrets{Files: []string{file("zero", "0123456789")}}, peer: exposer.PeerAWS, bad: "the first no zero"},
		"AWS takes no key of seven letters":        {from: exposer.Secrets{Files: []string{file("short", "abcdefg")}}, peer: exposer.PeerAWS, bad: "8 to 64"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := keys{from: c.from, peer: c.peer, getenv: func(name string) string { return env[name] }}
			key, err := k.read(keyTunnel(c.index))
			if c.bad != "" {
				wantCode(t, err, "CW-VPN-KEY", c.bad, "causeway-x-")
				for _, secret := range []string{"first.key", "second.key", "schl", "with blanks", "0123456789", "abcdefg"} {
					if strings.Contains(err.Error(), secret) {
						t.Errorf("the error tells the key: %v", err)
					}
				}
				return
			}
			if err != nil || key != c.key {
				t.Errorf("key %q, %v, want %q", key, err, c.key)
			}
			if got := k.where(keyTunnel(c.index)); got != c.where {
				t.Errorf("told to be %q, want %q", got, c.where)
			}
		})
	}
}

func TestKeysAreMadeOnceAndKept(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "keys")
	// What is random is told: 20 bytes a key.
	k := keys{from: exposer.Secrets{Directory: dir}, peer: exposer.PeerAWS, random: strings.NewReader(strings.Repeat("\x00", 20) + strings.Repeat("\xff", 20))}
	first, err := k.take(keyTunnel(0))
	if err != nil || first != strings.Repeat("A", 32) || !awsKey.MatchString(first) || !googleKey.MatchString(first) {
		t.Fatalf("made %q %v", first, err)
	}
	if again, err := k.take(keyTunnel(0)); err != nil || again != first {
		t.Errorf("taken again: %q %v", again, err)
	}
	if second, err := k.take(keyTunnel(1)); err != nil || second == first {
		t.Errorf("the second tunnel's: %q %v", second, err)
	}
	for path, want := range map[string]os.FileMode{dir: 0o700 | os.ModeDir, dir + "/causeway-x-0.psk": 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode() != want {
			t.Errorf("%s: %v %v, want %v", path, info.Mode(), err, want)
		}
	}
	if _, err := k.take(keyTunnel(2)); err == nil || !strings.Contains(err.Error(), "make the pre-shared key of tunnel causeway-x-2") {
		t.Errorf("without randomness: %v", err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	k.from.Directory = filepath.Join(file, "below")
	_, err = k.take(keyTunnel(0))
	wantCode(t, err, "CW-VPN-KEY")
}

// TestKeysStandNowhereButInTheCallThatMakesATunnel runs the whole life of a line
// and looks at everything that it tells.
func TestKeysStandNowhereButInTheCallThatMakesATunnel(t *testing.T) {
	t.Parallel()
	const secret = "a.key_that.tests.share"
	w := world(t, "route", labSpec(), own)
	told := map[string]string{}
	plan := apply(t, w)
	text, err := json.Marshal(plan)
	if err != nil {
		t.Fatal(err)
	}
	told["the plan"] = string(text)
	x := open(t, w)
	way := trace(t, w)
	text, err = json.Marshal(map[string]any{"trace": way, "facts": x.Facts(), "spec": x.Spec(), "line": x.line.spec})
	if err != nil {
		t.Fatal(err)
	}
	told["trace, facts and spec"] = string(text)
	half, err := x.FarHalf(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range half.Files {
		told[file.Name] = string(file.Content)
	}
	if len(half.Keys) != 4 || strings.TrimSpace(string(half.Keys[0].Content)) != secret {
		t.Errorf("%d keys are handed over", len(half.Keys))
	}
	rendered, err := x.Render(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	text, err = json.Marshal(rendered)
	if err != nil {
		t.Fatal(err)
	}
	told["what would be sent"] = string(text)
	files, err := filepath.Glob(filepath.Join(w.Dir, "*", "*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no record: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		told[file] = string(text)
	}
	for what, text := range told {
		if strings.Contains(text, secret) {
			t.Errorf("%s tells the pre-shared key", what)
		}
	}
	for _, request := range w.Google.Requests() {
		if strings.Contains(request.Body+request.Path+request.Query, secret) != (request.Method == "compute.vpnTunnels.insert") {
			t.Errorf("the key and the call %s %s", request.Method, request.Path)
		}
	}
	if strings.Contains(w.State(), secret) {
		t.Error("Google tells the key back")
	}
}

package templates_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"causeway/templates"
)

// program finds what scripts/setup.sh installs; without it the test fails.
func program(t testing.TB, name string) string {
	t.Helper()
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	path := filepath.Join("/usr/sbin", name)
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%s is not installed: run scripts/setup.sh", name)
	}
	return path
}

// save writes one of the files into a folder of the test's.
func save(t testing.TB, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// withRouters runs a test for every shape whose addresses are known.
func withRouters(t *testing.T, test func(*testing.T, templates.FarSide)) {
	t.Helper()
	for name, side := range farSides() {
		if side.Known() {
			t.Run(name, func(t *testing.T) { test(t, side) })
		}
	}
	long := otherSide("198.51.100.21")
	long.Exposure, long.PeerASN = strings.Repeat("a", 40), 4200000000
	t.Run("a long name and a long ASN", func(t *testing.T) { test(t, long) })
}

func TestBIRDTakesItsConfiguration(t *testing.T) {
	bird := program(t, "bird")
	check := func(t *testing.T, text string) error {
		said, err := exec.Command(bird, "-p", "-c", save(t, "bird.conf", text)).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %s", err, said)
		}
		return nil
	}
	withRouters(t, func(t *testing.T, side templates.FarSide) {
		text := farFiles(t, side)["bird.conf"]
		if err := check(t, text); err != nil {
			t.Error(err)
		}
		source := strings.Replace(text, "# krt_prefsrc", "krt_prefsrc", 1)
		if err := check(t, source); err != nil || source == text {
			t.Errorf("with the optional source address: %v", err)
		}
		if err := check(t, strings.Replace(text, "hold time", "hold tide", 1)); err == nil {
			t.Error("bird takes anything")
		}
	})
}

func TestFRRTakesItsConfiguration(t *testing.T) {
	vtysh := program(t, "vtysh")
	check := func(t *testing.T, text string) error {
		said, err := exec.Command(vtysh, "-C", "-f", save(t, "frr.conf", text)).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %s", err, said)
		}
		return nil
	}
	withRouters(t, func(t *testing.T, side templates.FarSide) {
		text := farFiles(t, side)["frr.conf"]
		if err := check(t, text); err != nil {
			t.Error(err)
		}
		source := regexp.MustCompile(`(?m)^! ((route-map CW\S+-SOURCE| set src|exit$|ip protocol).*)`).ReplaceAllString(text, "$1")
		if err := check(t, source); err != nil || strings.Count(source, "SOURCE") != 2 || strings.Contains(source, "!  set") {
			t.Errorf("with the optional source address: %v\n%s", err, source)
		}
		if err := check(t, strings.Replace(text, "maximum-paths", "maximum-pats", 1)); err == nil {
			t.Error("vtysh takes anything")
		}
	})
}

// charon is strongSwan's daemon with nothing but its configuration interface, in
// a network namespace of its own, which has no interface up.
type charon struct {
	socket, conf, swanctl string
}

func startCharon(t *testing.T) charon {
	t.Helper()
	daemon, dir := program(t, "charon-systemd"), t.TempDir()
	c := charon{"unix://" + dir + "/vici", filepath.Join(dir, "strongswan.conf"), program(t, "swanctl")}
	conf := fmt.Sprintf(`charon-systemd {
	load = random nonce aes sha1 sha2 hmac kdf gmp socket-default kernel-netlink vici
	port = 0
	port_nat_t = 0
	threads = 8
	plugins { vici { socket = %s } }
	journal { default = -1 }
	filelog { stderr { default = 0 } }
}
swanctl { load = random nonce }
`, c.socket)
	if err := os.WriteFile(c.conf, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	ready, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "ready"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer ready.Close()
	var said bytes.Buffer
	command := exec.Command(daemon)
	command.Env = append(os.Environ(), "STRONGSWAN_CONF="+c.conf, "NOTIFY_SOCKET="+filepath.Join(dir, "ready"))
	command.Stdout, command.Stderr = &said, &said
	command.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if os.Getuid() != 0 {
		command.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		command.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
		command.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
	started, ended := make(chan error), make(chan error, 1)
	go func() {
		// The death signal comes when the thread that started it ends: this one waits.
		runtime.LockOSThread()
		err := command.Start()
		if started <- err; err == nil {
			ended <- command.Wait()
			ready.Close()
		}
	}()
	if err := <-started; err != nil {
		t.Fatalf("start charon: %v", err)
	}
	t.Cleanup(func() {
		command.Process.Signal(syscall.SIGTERM)
		if err := <-ended; err != nil {
			t.Errorf("charon ended: %v\n%s", err, said.String())
		}
	})
	ready.SetReadDeadline(time.Now().Add(20 * time.Second))
	message := make([]byte, 256)
	for {
		n, err := ready.Read(message)
		if err != nil {
			t.Fatalf("charon did not start: %v", err)
		}
		if strings.Contains(string(message[:n]), "READY=1") {
			return c
		}
	}
}

// load gives a file to charon, with its secrets in the files that it includes.
func (c charon) load(file string) (string, error) {
	command := exec.Command(c.swanctl, "--load-all", "--clear", "--noprompt", "--file", file, "--uri", c.socket)
	command.Env = append(os.Environ(), "STRONGSWAN_CONF="+c.conf)
	said, err := command.CombinedOutput()
	if err == nil && bytes.Contains(said, []byte("invalid config file")) {
		err = errors.New("the file cannot be read") // swanctl goes on with an empty one
	}
	return string(said), err
}

func (c charon) connections(t *testing.T) string {
	t.Helper()
	command := exec.Command(c.swanctl, "--list-conns", "--uri", c.socket)
	command.Env = append(os.Environ(), "STRONGSWAN_CONF="+c.conf)
	said, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(said)
}

func TestStrongSwanTakesItsConfiguration(t *testing.T) {
	daemon := startCharon(t)
	withRouters(t, func(t *testing.T, side templates.FarSide) {
		text := farFiles(t, side)["swanctl.conf"]
		file := save(t, "swanctl.conf", text)
		secrets := filepath.Join(filepath.Dir(file), "causeway-"+side.Exposure)
		if err := os.Mkdir(secrets, 0o700); err != nil {
			t.Fatal(err)
		}
		for i := range side.Tunnels {
			path := filepath.Join(secrets, templates.FarInterface(i)+".secret")
			if err := os.WriteFile(path, []byte("secret = 0sbm90IGEga2V5\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		said, err := daemon.load(file)
		if err != nil {
			t.Fatalf("%v: %s", err, said)
		}
		listed := daemon.connections(t)
		for i, tunnel := range side.Tunnels {
			name := "causeway-" + side.Exposure + "-" + templates.FarInterface(i)
			for _, want := range []string{"loaded connection '" + name + "'", "loaded ike secret 'ike-" + name + "'"} {
				if !strings.Contains(said, want) {
					t.Errorf("swanctl does not say %q:\n%s", want, said)
				}
			}
			want := fmt.Sprintf("%s: IKEv2, no reauthentication, rekeying every 36000s, dpd delay 20s\n  local:  %s\n  remote: %s\n", name, tunnel.PeerAddress, tunnel.GoogleAddress)
			if !strings.Contains(listed, want) {
				t.Errorf("charon does not list %q:\n%s", want, listed)
			}
		}
		for old, changed := range map[string]string{"if_id_in": "if_id", "aes256gcm16-modp2048": "aes257gcm16-modp2048", "connections {": "connections {{"} {
			if said, err := daemon.load(save(t, "swanctl.conf", strings.Replace(text, old, changed, 1))); err == nil {
				t.Errorf("with %q strongSwan takes anything: %s", changed, said)
			}
		}
	})
}

// TestTheKeysCommandsOfSwanctlConf runs what the file's head says for the keys.
func TestTheKeysCommandsOfSwanctlConf(t *testing.T) {
	keys := []string{`a "quoted" $(key) \ # }`, "pla1n.Key_\r\n"}
	files, variables := otherSide("198.51.100.21"), otherSide("198.51.100.21")
	for i := range variables.Tunnels {
		variables.Tunnels[i].SecretName = fmt.Sprintf("CAUSEWAY_PSK_%d", i)
	}
	for name, side := range map[string]templates.FarSide{"files": files, "variables": variables} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			command := exec.Command("sh", "-eu")
			command.Dir = dir
			command.Env = []string{"PATH=" + os.Getenv("PATH")}
			for i, key := range keys {
				if err := os.WriteFile(filepath.Join(dir, files.Tunnels[i].SecretName), []byte(key), 0o600); err != nil {
					t.Fatal(err)
				}
				command.Env = append(command.Env, fmt.Sprintf("CAUSEWAY_PSK_%d=%s", i, strings.TrimSpace(key)))
			}
			var script strings.Builder
			for line := range strings.Lines(farFiles(t, side)["swanctl.conf"]) {
				if rest, ok := strings.CutPrefix(line, "#      "); ok && (strings.HasPrefix(rest, "mkdir") || strings.HasPrefix(rest, "printf")) {
					script.WriteString(strings.ReplaceAll(rest, "/etc/swanctl/conf.d", dir))
				}
			}
			command.Stdin = strings.NewReader(script.String())
			if said, err := command.CombinedOutput(); err != nil {
				t.Fatalf("%v: %s\n%s", err, said, script.String())
			}
			for i, key := range keys {
				path := filepath.Join(dir, "causeway-prod", templates.FarInterface(i)+".secret")
				text, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				encoded, found := strings.CutPrefix(strings.TrimSuffix(string(text), "\n"), "secret = 0s")
				decoded, err := base64.StdEncoding.DecodeString(encoded)
				if err != nil || !found || string(decoded) != strings.TrimSpace(key) {
					t.Errorf("the file holds %q (%v), want the key %d", decoded, err, i)
				}
				if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
					t.Errorf("others can read %s", path)
				}
			}
		})
	}
}

func TestTheInterfaceCommandsOfSwanctlConf(t *testing.T) {
	withRouters(t, func(t *testing.T, side templates.FarSide) {
		var script strings.Builder
		ids := map[string]bool{}
		for line := range strings.Lines(farFiles(t, side)["swanctl.conf"]) {
			if rest, ok := strings.CutPrefix(line, "#      "); ok {
				script.WriteString(rest)
			}
			if found := regexp.MustCompile(`if_id_in = (\d+)`).FindStringSubmatch(line); found != nil {
				ids[found[1]] = true
			}
		}
		parse := exec.Command("sh", "-n")
		parse.Stdin = strings.NewReader(script.String())
		if said, err := parse.CombinedOutput(); err != nil {
			t.Errorf("the head's commands do not parse: %s", said)
		}
		for i, tunnel := range side.Tunnels {
			for _, want := range []string{
				fmt.Sprintf("ip link add %s type xfrm", templates.FarInterface(i)),
				fmt.Sprintf("ip address add %s/30 dev %s", tunnel.PeerIP, templates.FarInterface(i)),
			} {
				if !strings.Contains(script.String(), want) {
					t.Errorf("the head does not say %q", want)
				}
			}
		}
		if len(ids) != len(side.Tunnels) || ids["0"] {
			t.Errorf("if_ids %v, want one of its own for each tunnel, and none 0", ids)
		}
	})
}

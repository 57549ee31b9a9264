package templates_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"causeway/templates"

	"github.com/google/go-cmp/cmp"
)

// stubAWS records its arguments, one call a line, and the options that it is
// given by file; it answers what AWS would have said to the query.
const stubAWS = `#!/bin/sh
echo "$*" >>"$RECORD/calls"
case "$1 $2" in
"ec2 describe-vpn-gateways" | "ec2 describe-transit-gateways") echo "$ASN" ;;
"ec2 create-customer-gateway") case "$*" in *203.0.113.10*) echo cgw-a ;; *) echo cgw-b ;; esac ;;
"ec2 create-vpn-connection")
	case "$*" in *cgw-a*) which=a ;; *) which=b ;; esac
	while [ "$1" != --options ]; do shift; done
	file=${2#file://}
	cp "$file" "$RECORD/options-$which"
	stat -c %a "$file" >"$RECORD/mode-$which"
	dirname "$file" >"$RECORD/dir"
	echo vpn-$which ;;
"ec2 describe-vpn-connections")
	case "$*" in
	*169.254.20.0/30*) echo 198.51.100.21 ;;
	*169.254.20.4/30*) echo 198.51.100.22 ;;
	*169.254.20.8/30*) echo 198.51.100.23 ;;
	*169.254.20.12/30*) echo 198.51.100.24 ;;
	*causeway-prod-a*) echo "${THERE:-None}" ;;
	*) echo None ;;
	esac ;;
"ec2 describe-route-tables") case "$*" in *10.128.0.0/20*) echo tgw-0a ;; *) echo None ;; esac ;;
esac
`

// awsRun is one run of aws-cli.sh with a stub on its PATH.
type awsRun struct {
	stdout, stderr string
	err            error
	calls          []string
	record         string // folder
}

var awsKeys = []string{"k3y.of_A1", "k3y.of_A2", "k3y.of_B1", "k3y.of_B2"}

func runAWS(t *testing.T, script string, env ...string) awsRun {
	t.Helper()
	dir := t.TempDir()
	run := awsRun{record: t.TempDir()}
	for name, text := range map[string]string{"aws": stubAWS, "aws-cli.sh": script} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	keys := t.TempDir()
	for i, key := range awsKeys {
		if err := os.WriteFile(filepath.Join(keys, fmt.Sprintf("causeway-prod-%d.psk", i)), []byte(key+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	command := exec.Command("sh", filepath.Join(dir, "aws-cli.sh"))
	command.Env = append([]string{
		"PATH=" + dir + ":" + os.Getenv("PATH"), "RECORD=" + run.record, "ASN=64512", "KEYS=" + keys, "TMPDIR=" + t.TempDir(),
	}, env...)
	var stdout, stderr strings.Builder
	command.Stdout, command.Stderr = &stdout, &stderr
	run.err = command.Run()
	run.stdout, run.stderr = stdout.String(), stderr.String()
	calls, err := os.ReadFile(filepath.Join(run.record, "calls"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	run.calls = strings.Split(strings.TrimSpace(string(calls)), "\n")
	for i, key := range awsKeys {
		if strings.Contains(string(calls)+run.stdout+run.stderr, key) {
			t.Errorf("the key %d is in an argument or on the screen", i)
		}
	}
	if left, err := os.ReadFile(filepath.Join(run.record, "dir")); err == nil {
		if _, err := os.Stat(strings.TrimSpace(string(left))); !os.IsNotExist(err) {
			t.Errorf("the folder with the keys is left: %v", err)
		}
	}
	return run
}

func (r awsRun) called(parts ...string) bool {
	return slices.ContainsFunc(r.calls, func(call string) bool {
		return !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(call, part) })
	})
}

func TestTheAWSScriptParses(t *testing.T) {
	for name, side := range farSides() {
		script, is := farFiles(t, side)["aws-cli.sh"]
		if !is {
			continue
		}
		for _, shell := range []string{"sh", "bash"} {
			command := exec.Command(shell, "-n")
			command.Stdin = strings.NewReader(script)
			if said, err := command.CombinedOutput(); err != nil {
				t.Errorf("%s -n on %s: %v: %s", shell, name, err, said)
			}
		}
	}
}

func TestTheAWSScriptMakesTheLine(t *testing.T) {
	for name, test := range map[string]struct {
		env  []string
		want [][]string // calls, by what each must hold
	}{
		"on a virtual private gateway": {
			[]string{"VPN_GATEWAY=vgw-0a", "ROUTE_TABLES=rtb-1 rtb-2"},
			[][]string{
				{"create-vpn-connection", "cgw-a", "--vpn-gateway-id vgw-0a"}, {"create-vpn-connection", "cgw-b", "--vpn-gateway-id vgw-0a"},
				{"enable-vgw-route-propagation", "rtb-1", "vgw-0a"}, {"enable-vgw-route-propagation", "rtb-2"},
			},
		},
		"on a transit gateway": {
			[]string{"TRANSIT_GATEWAY=tgw-0a", "ROUTE_TABLES=rtb-1"},
			[][]string{
				{"create-vpn-connection", "cgw-a", "--transit-gateway-id tgw-0a"}, {"create-vpn-connection", "cgw-b", "--transit-gateway-id tgw-0a"},
				{"create-route", "rtb-1", "172.16.0.32/28", "tgw-0a"},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			run := runAWS(t, farFiles(t, awsSide(false))["aws-cli.sh"], test.env...)
			if run.err != nil {
				t.Fatalf("%v: %s", run.err, run.stderr)
			}
			if want := "A1 198.51.100.21\nA2 198.51.100.22\nB1 198.51.100.23\nB2 198.51.100.24\n"; run.stdout != want {
				t.Errorf("it prints %q, want %q", run.stdout, want)
			}
			want := append(test.want, []string{"create-customer-gateway", "--bgp-asn 64514", "203.0.113.10", "causeway-prod-a"},
				[]string{"create-customer-gateway", "--bgp-asn 64514", "203.0.113.11", "causeway-prod-b"}, []string{"wait vpn-connection-available", "vpn-a vpn-b"})
			for _, call := range want {
				if !run.called(call...) {
					t.Errorf("no call with %q among\n%s", call, strings.Join(run.calls, "\n"))
				}
			}
			if run.called("create-route", "10.128.0.0/20") {
				t.Error("a route that is there is made again")
			}
			for i, label := range []string{"a", "b"} {
				checkOptions(t, run, label, awsSide(false).Tunnels[2*i:2*i+2], awsKeys[2*i:2*i+2])
			}
		})
	}
}

// checkOptions holds the options of a connection to the links, the keys and the
// one transform set a phase.
func checkOptions(t *testing.T, run awsRun, label string, tunnels []templates.FarTunnel, keys []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(run.record, "options-"+label))
	if err != nil {
		t.Fatal(err)
	}
	if mode, err := os.ReadFile(filepath.Join(run.record, "mode-"+label)); err != nil || string(mode) != "600\n" {
		t.Errorf("the options' file has mode %q (%v)", mode, err)
	}
	one := func(value any) []any { return []any{map[string]any{"Value": value}} }
	var want []any
	for i, tunnel := range tunnels {
		want = append(want, map[string]any{
			"TunnelInsideCidr": tunnel.Link.String(), "PreSharedKey": keys[i], "IKEVersions": one("ikev2"),
			"Phase1EncryptionAlgorithms": one("AES256"), "Phase1IntegrityAlgorithms": one("SHA2-256"), "Phase1DHGroupNumbers": one(14.0),
			"Phase2EncryptionAlgorithms": one("AES256-GCM-16"), "Phase2IntegrityAlgorithms": one("SHA2-256"), "Phase2DHGroupNumbers": one(14.0),
			"Phase1LifetimeSeconds": 28800.0, "Phase2LifetimeSeconds": 3600.0, "StartupAction": "start", "DPDTimeoutAction": "restart",
		})
	}
	var got map[string]any
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatalf("the options are no JSON: %v", err)
	}
	if diff := cmp.Diff(map[string]any{"StaticRoutesOnly": false, "TunnelOptions": want}, got); diff != "" {
		t.Errorf("options of %s, -want +got:\n%s", label, diff)
	}
}

func TestTheAWSScriptTakesUpWhereItStopped(t *testing.T) {
	run := runAWS(t, farFiles(t, awsSide(true))["aws-cli.sh"], "VPN_GATEWAY=vgw-0a", "THERE=vpn-old")
	if run.err != nil || !strings.Contains(run.stderr, "vpn-old is there and stays") {
		t.Fatalf("%v: %s", run.err, run.stderr)
	}
	if run.called("create-vpn-connection", "cgw-a") || !run.called("create-vpn-connection", "cgw-b") || !run.called("wait", "vpn-old vpn-b") {
		t.Errorf("it must make B alone:\n%s", strings.Join(run.calls, "\n"))
	}
}

func TestTheAWSScriptRefusesBeforeItMakesAnything(t *testing.T) {
	script := farFiles(t, awsSide(false))["aws-cli.sh"]
	odd := func(key string) string {
		dir := t.TempDir()
		for i := range 4 {
			if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("causeway-prod-%d.psk", i)), []byte(key), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return "KEYS=" + dir
	}
	for name, test := range map[string]struct {
		env  []string
		want string
	}{
		"no gateway":                {nil, "set either"},
		"two gateways":              {[]string{"VPN_GATEWAY=vgw-1", "TRANSIT_GATEWAY=tgw-1"}, "set either"},
		"something else":            {[]string{"VPN_GATEWAY=tgw-1"}, "set either"},
		"a gateway with another AS": {[]string{"VPN_GATEWAY=vgw-1", "ASN=64999"}, "has AS 64999"},
		"no key":                    {[]string{"VPN_GATEWAY=vgw-1", "KEYS=/nowhere"}, "no key file /nowhere/causeway-prod-0.psk"},
		"a key with a space":        {[]string{"VPN_GATEWAY=vgw-1", odd("a key with spaces")}, "does not take the key"},
		"a key with a quote":        {[]string{"VPN_GATEWAY=vgw-1", odd(`ab"cdefghijk`)}, "does not take the key"},
		"a key that begins with 0":  {[]string{"VPN_GATEWAY=vgw-1", odd("0abcdefgh")}, "does not take the key"},
		"a key that is too short":   {[]string{"VPN_GATEWAY=vgw-1", odd("abcdefg")}, "8 to 64"},
		"a key that is too long":    {[]string{"VPN_GATEWAY=vgw-1", odd(strings.Repeat("a", 65))}, "8 to 64"},
	} {
		t.Run(name, func(t *testing.T) {
			run := runAWS(t, script, test.env...)
			if run.err == nil || !strings.Contains(run.stderr, test.want) {
				t.Errorf("%v: %q, want it to say %q", run.err, run.stderr, test.want)
			}
			if run.called("create-") {
				t.Errorf("it made something:\n%s", strings.Join(run.calls, "\n"))
			}
		})
	}
}

func TestTheAWSScriptTakesKeysFromVariables(t *testing.T) {
	side := awsSide(false)
	env := []string{"VPN_GATEWAY=vgw-0a"}
	for i := range side.Tunnels {
		side.Tunnels[i].SecretName = fmt.Sprintf("CAUSEWAY_PSK_%d", i)
		env = append(env, fmt.Sprintf("CAUSEWAY_PSK_%d=%s", i, awsKeys[i]))
	}
	script := farFiles(t, side)["aws-cli.sh"]
	run := runAWS(t, script, env...)
	if run.err != nil {
		t.Fatalf("%v: %s", run.err, run.stderr)
	}
	checkOptions(t, run, "a", side.Tunnels[:2], awsKeys[:2])
	checkOptions(t, run, "b", side.Tunnels[2:], awsKeys[2:])
	if run := runAWS(t, script, env[:4]...); run.err == nil || !strings.Contains(run.stderr, "CAUSEWAY_PSK_3 holds no key") {
		t.Errorf("without a key: %v: %s", run.err, run.stderr)
	}
}

func TestOneKeyForAllTunnels(t *testing.T) {
	side := awsSide(false)
	for i := range side.Tunnels {
		side.Tunnels[i].SecretName = "line.psk"
	}
	files := farFiles(t, side)
	if n := strings.Count(files["aws.tf"], `var.causeway_keys["line.psk"]`); n != 4 || !strings.Contains(files["aws.tf"], `for name in ["line.psk"] :`) {
		t.Errorf("aws.tf asks for the key %d times, want once for each tunnel and once in the rule", n)
	}
	if diff := cmp.Diff([]string{"aws-cli.sh", "aws.tf", "table.md"}, slices.Sorted(maps.Keys(files))); diff != "" {
		t.Error(diff)
	}
}

func TestALongASNGoesIntoAWSsOtherField(t *testing.T) {
	side := awsSide(false)
	for asn, want := range map[uint32][2]string{
		64514:      {"--bgp-asn 64514", "bgp_asn    = 64514"},
		4200000000: {"--bgp-asn-extended 4200000000", "bgp_asn_extended = 4200000000"},
	} {
		side.GoogleASN = asn
		files := farFiles(t, side)
		if !strings.Contains(files["aws-cli.sh"], want[0]) || !strings.Contains(files["aws.tf"], want[1]) {
			t.Errorf("AS %d is not given as %q", asn, want)
		}
	}
}

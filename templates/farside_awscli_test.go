package templates_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// fakeEC2 answers in EC2's query protocol as far as aws-cli.sh goes, so that the
// real AWS CLI reads the script's arguments, options file and queries.
type fakeEC2 struct {
	mu          sync.Mutex
	calls       []url.Values
	connections []url.Values // of CreateVpnConnection
}

func (e *fakeEC2) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := r.ParseForm(); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	e.calls = append(e.calls, r.Form)
	action, body := r.Form.Get("Action"), ""
	switch action {
	case "DescribeTransitGateways":
		body = "<transitGatewaySet><item><options><amazonSideAsn>64512</amazonSideAsn></options></item></transitGatewaySet>"
	case "CreateCustomerGateway":
		body = "<customerGateway><customerGatewayId>cgw-" + r.Form.Get("IpAddress") + "</customerGatewayId></customerGateway>"
	case "CreateVpnConnection":
		e.connections = append(e.connections, r.Form)
		body = fmt.Sprintf("<vpnConnection><vpnConnectionId>vpn-%d</vpnConnectionId></vpnConnection>", len(e.connections)-1)
	case "DescribeVpnConnections":
		body = "<vpnConnectionSet>" + e.describe(r.Form) + "</vpnConnectionSet>"
	case "DescribeRouteTables":
		body = "<routeTableSet><item><routeSet><item><destinationCidrBlock>10.128.0.0/20</destinationCidrBlock>" +
			"<transitGatewayId>tgw-0a</transitGatewayId></item></routeSet></item></routeTableSet>"
	case "CreateRoute":
		body = "<return>true</return>"
	default:
		http.Error(w, "<Response><Errors><Error><Code>InvalidAction</Code><Message>"+action+"</Message></Error></Errors></Response>", http.StatusBadRequest)
		return
	}
	fmt.Fprintf(w, `<%sResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">%s</%[1]sResponse>`, action, body)
}

// describe lists the connections by name or by id, with each connection's second
// tunnel first: nobody promised an order.
func (e *fakeEC2) describe(query url.Values) (out string) {
	for i, made := range e.connections {
		id := fmt.Sprintf("vpn-%d", i)
		name := made.Get("TagSpecification.1.Tag.1.Value")
		if query.Get("Filter.1.Value.1") != name && query.Get("VpnConnectionId.1") != id && query.Get("VpnConnectionId.2") != id {
			continue
		}
		out += "<item><vpnConnectionId>" + id + "</vpnConnectionId><state>available</state><options><tunnelOptionSet>"
		for _, tunnel := range []int{2, 1} {
			link := made.Get(fmt.Sprintf("Options.TunnelOptions.%d.TunnelInsideCidr", tunnel))
			out += fmt.Sprintf("<item><outsideIpAddress>198.51.100.%d</outsideIpAddress><tunnelInsideCidr>%s</tunnelInsideCidr></item>", 10*i+tunnel, link)
		}
		out += "</tunnelOptionSet></options></item>"
	}
	return out
}

func (e *fakeEC2) count(action string) (n int) {
	for _, call := range e.calls {
		if call.Get("Action") == action {
			n++
		}
	}
	return n
}

func TestTheRealAWSCLIRunsTheScript(t *testing.T) {
	t.Parallel() // its two dozen calls take half a second each
	if _, err := exec.LookPath("aws"); err != nil {
		notRun(t, "aws")
		return
	}
	ec2 := &fakeEC2{}
	server := httptest.NewServer(ec2)
	defer server.Close()
	side, dir := awsSide(false), t.TempDir()
	side.GoogleASN = 4200000000
	for i, key := range awsKeys {
		if err := os.WriteFile(filepath.Join(dir, side.Tunnels[i].SecretName), []byte(key), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run := func() string {
		command := exec.Command("sh", "-s")
		command.Stdin = strings.NewReader(farFiles(t, side)["aws-cli.sh"])
		command.Dir = dir
		command.Env = append(os.Environ(), "AWS_ENDPOINT_URL="+server.URL, "AWS_ACCESS_KEY_ID=x", "AWS_SECRET_ACCESS_KEY=x", "AWS_REGION=eu-central-1",
			"AWS_DEFAULT_REGION=eu-central-1", "AWS_EC2_METADATA_DISABLED=true", "AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null",
			"TRANSIT_GATEWAY=tgw-0a", "ROUTE_TABLES=rtb-1", "VPN_GATEWAY=", "KEYS=")
		var stderr strings.Builder
		command.Stderr = &stderr
		said, err := command.Output()
		if err != nil {
			t.Fatalf("%v: %s", err, stderr.String())
		}
		return string(said)
	}
	const want = "A1 198.51.100.1\nA2 198.51.100.2\nB1 198.51.100.11\nB2 198.51.100.12\n"
	for _, when := range []string{"first", "second"} {
		if got := run(); got != want {
			t.Errorf("the %s run prints %q, want %q", when, got, want)
		}
	}
	for action, n := range map[string]int{"CreateCustomerGateway": 2, "CreateVpnConnection": 2, "CreateRoute": 2} {
		if got := ec2.count(action); got != n {
			t.Errorf("%d calls of %s in two runs, want %d", got, action, n)
		}
	}
	for i, made := range ec2.connections {
		for j := range 2 {
			tunnel := side.Tunnels[2*i+j]
			prefix := fmt.Sprintf("Options.TunnelOptions.%d.", j+1)
			for field, value := range map[string]string{
				"TunnelInsideCidr": tunnel.Link.String(), "PreSharedKey": awsKeys[2*i+j], "StartupAction": "start",
				"IKEVersion.1.Value": "ikev2", "IKEVersion.2.Value": "", "Phase1DHGroupNumber.1.Value": "14",
				"Phase2EncryptionAlgorithm.1.Value": "AES256-GCM-16", "Phase2EncryptionAlgorithm.2.Value": "",
			} {
				if got := made.Get(prefix + field); got != value {
					t.Errorf("connection %d has %s%s %q, want %q", i, prefix, field, got, value)
				}
			}
		}
	}
}

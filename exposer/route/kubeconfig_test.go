package route

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"causeway/exposer"
	"causeway/internal/explain"
	"causeway/internal/kubetest"
	"causeway/kubeconfig"
	"causeway/probe"
)

// TestTheKubeconfigBearsThePrivateAddress is against the wrong address in the
// kubeconfig: a public one, or one whose name the certificate does not bear.
func TestTheKubeconfigBearsThePrivateAddress(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		edit   func(*exposer.Spec)
		public string // the cluster has it too
		server string
	}{
		"behind a peering":        {server: "https://192.168.50.2", public: "34.89.1.2"},
		"at an endpoint in a VPC": {edit: psc, server: "https://10.156.0.14"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			edit := func(*exposer.Spec) {}
			if c.edit != nil {
				edit = c.edit
			}
			w := world(t, "route-line", labSpec(), edit)
			if c.public != "" {
				change(t, w, clusterAt, func(cluster map[string]any) {
					cluster["endpoint"] = c.public
					cluster["privateClusterConfig"].(map[string]any)["publicEndpoint"] = c.public
					cluster["controlPlaneEndpointsConfig"].(map[string]any)["ipEndpointsConfig"].(map[string]any)["publicEndpoint"] = c.public
				})
			}
			apply(t, w)
			job, err := w.Job(Method{})
			if err != nil {
				t.Fatal(err)
			}
			_, made, err := job.KubeconfigStanding(t.Context(), w.Spec)
			if err != nil {
				t.Fatal(err)
			}
			seen, err := kubeconfig.Inspect(made.Bytes, made.Context)
			if err != nil {
				t.Fatal(err)
			}
			if seen.Server != c.server || c.public != "" && strings.Contains(string(made.Bytes), c.public) {
				t.Errorf("the kubeconfig leads to %s, want %s", seen.Server, c.server)
			}
			// The API server of the tests bears neither address, but this name.
			if seen.TLSServerName != "kubernetes.default.svc" || string(seen.CA) != string(w.Server.CA) {
				t.Errorf("asks for the name %q", seen.TLSServerName)
			}
		})
	}
}

func TestAnAddressThatTheCertificateBearsIsAskedForByItself(t *testing.T) {
	t.Parallel()
	w := world(t, "route-line", labSpec())
	address := netip.MustParseAddrPort(strings.TrimPrefix(w.Server.Config.Host, "https://"))
	// What is reached at that address is the tests' own API server.
	change(t, w, clusterAt, func(cluster map[string]any) {
		private := cluster["privateClusterConfig"].(map[string]any)
		private["privateEndpoint"], private["masterIpv4CidrBlock"] = address.Addr().String(), "127.0.0.0/28"
		cluster["controlPlaneEndpointsConfig"].(map[string]any)["ipEndpointsConfig"].(map[string]any)["privateEndpoint"] = address.Addr().String()
	})
	endpoint, err := open(t, w).Endpoint(t.Context())
	if err != nil || endpoint.TLSServerName != "" || endpoint.URL != "https://"+address.Addr().String() {
		t.Errorf("the endpoint is %+v %v", endpoint, err)
	}
}

// TestTCPConnectsAndTLSHangsBehindATunnelsMTU is the failure that no API of
// Google's tells of: the probe does, with the cause and the cure.
func TestTCPConnectsAndTLSHangsBehindATunnelsMTU(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and says nothing: large packets are lost
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	text, err := kubeconfig.Build(kubeconfig.Params{Context: "c", ClusterName: "c", UserName: "c", Server: "https://" + listener.Addr().String(),
		CA: kubetest.Start(t).CA, Token: "token", TLSServerName: "kubernetes.default.svc"})
	if err != nil {
		t.Fatal(err)
	}
	report, err := probe.Run(t.Context(), probe.Target{Kubeconfig: text, Context: "c"}, probe.Options{HopTimeout: 300 * time.Millisecond}, nil)
	wantCode(t, err, "CW-PROBE-TLS-TIMEOUT", "TCP connects, and the TLS handshake gets no answer")
	if connect := report.Hop(probe.HopConnect); connect == nil || connect.Status != probe.Pass {
		t.Errorf("the hop connect is %+v", connect)
	}
	entry, ok := explain.Lookup("CW-PROBE-TLS-TIMEOUT")
	if all := fmt.Sprint(entry, report); !ok || !strings.Contains(all, "MTU") || !strings.Contains(all, "MSS") {
		t.Errorf("neither MTU nor MSS is told as the cause: %v", entry)
	}
}

// TestAnAddressThatNothingAnswersOnIsNamed is the address without a path.
func TestAnAddressThatNothingAnswersOnIsNamed(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	text, err := kubeconfig.Build(kubeconfig.Params{Context: "c", ClusterName: "c", UserName: "c", Server: "https://" + address, CA: kubetest.Start(t).CA, Token: "token"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = probe.Run(t.Context(), probe.Target{Kubeconfig: text, Context: "c"}, probe.Options{HopTimeout: 300 * time.Millisecond}, nil)
	wantCode(t, err, "CW-PROBE-REFUSED", address)
	for code, says := range map[string]string{"CW-PROBE-NO-ROUTE": "announced", "CW-PROBE-TIMEOUT": "no way back"} {
		if entry, ok := explain.Lookup(code); !ok || !strings.Contains(fmt.Sprint(entry), says) {
			t.Errorf("%s does not tell of the route: %v", code, entry)
		}
	}
}

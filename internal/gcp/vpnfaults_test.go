package gcp

import (
	"io"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"causeway/internal/gcptest"
)

// TestALineInSpiteOfTrouble: each write of a line is cut off before and after its
// effect, and answered with 503; the line is made all the same, once, and goes.
func TestALineInSpiteOfTrouble(t *testing.T) {
	for _, method := range []string{"routers.insert", "vpnGateways.insert", "externalVpnGateways.insert", "vpnTunnels.insert", "routers.patch",
		"vpnTunnels.delete", "externalVpnGateways.delete", "vpnGateways.delete", "routers.delete", "globalOperations.wait", "routers.get"} {
		for what, fault := range map[string]gcptest.Fault{
			"is cut off":               {Nth: 1, CutOff: true},
			"loses its answer":         {Nth: 1, CutOff: true, AfterEffect: true},
			"is unavailable once":      {Nth: 1, Status: 503},
			"takes effect, then fails": {Nth: 1, Status: 500, AfterEffect: true},
		} {
			t.Run(method+" "+what, func(t *testing.T) {
				cloud, google := open(t, gcptest.Options{OperationTime: 2 * time.Millisecond}, "lab")
				before := string(google.Snapshot())
				fault.Match = `compute\.` + method
				google.Inject(fault)
				line(t, cloud, "demo", []netip.Addr{ip("203.0.113.10")}, [2]int{0, 0}, [2]int{1, 0})
				if router := edit(t, cloud, "demo", session("demo", 0)); len(router.Peers) != 1 || len(router.Interfaces) != 1 {
					t.Errorf("router %+v", router)
				}
				if all, err := cloud.NetworkTunnels(t.Context(), project); err != nil || len(all) != 2 {
					t.Errorf("%d tunnels, %v", len(all), err)
				}
				unmake(t, cloud, "demo", 2)
				if diff := cmp.Diff(before, string(google.Snapshot())); diff != "" {
					t.Errorf("something is left: %s", diff)
				}
			})
		}
	}
}

// TestTroubleOfALineIsNamed: what is missing, and of which call.
func TestTroubleOfALineIsNamed(t *testing.T) {
	for permission, do := range map[string]func(*Cloud) error{
		"compute.routers.create": func(c *Cloud) error {
			return c.CreateRouter(t.Context(), Router{Project: project, Region: area, Name: "x", Network: "default", ASN: 64512}, nil)
		},
		"compute.vpnGateways.create": func(c *Cloud) error {
			_, err := c.CreateVPNGateway(t.Context(), VPNGateway{Project: project, Region: area, Name: "x", Network: "default"}, nil)
			return err
		},
		"compute.externalVpnGateways.create": func(c *Cloud) error {
			return c.CreateExternalGateway(t.Context(), ExternalGateway{Project: project, Name: "x", Interfaces: []netip.Addr{ip("203.0.113.9")}}, nil)
		},
		"compute.vpnTunnels.create":       func(c *Cloud) error { return c.CreateTunnel(t.Context(), tunnel("demo", 1, [2]int{1, 0}), nil) },
		"compute.vpnGateways.use":         func(c *Cloud) error { return c.CreateTunnel(t.Context(), tunnel("demo", 1, [2]int{1, 0}), nil) },
		"compute.externalVpnGateways.use": func(c *Cloud) error { return c.CreateTunnel(t.Context(), tunnel("demo", 1, [2]int{1, 0}), nil) },
		"compute.routers.use":             func(c *Cloud) error { return c.CreateTunnel(t.Context(), tunnel("demo", 1, [2]int{1, 0}), nil) },
		"compute.routers.update": func(c *Cloud) error {
			_, err := c.EditRouter(t.Context(), ref("demo"), func(Router) (RouterEdit, error) { return session("demo", 0), nil }, nil)
			return err
		},
		"compute.routers.get": func(c *Cloud) error { _, err := c.RouterStatus(t.Context(), ref("demo")); return err },
		"compute.routers.list": func(c *Cloud) error {
			_, err := c.NetworkRouters(t.Context(), Ref{Project: project, Name: "default"})
			return err
		},
		"compute.vpnTunnels.list": func(c *Cloud) error { _, err := c.NetworkTunnels(t.Context(), project); return err },
		"compute.vpnTunnels.get":  func(c *Cloud) error { _, err := c.Tunnel(t.Context(), ref("demo-0")); return err },
		"compute.vpnGateways.get": func(c *Cloud) error { _, _, err := c.GatewayStatus(t.Context(), ref("demo")); return err },
		"compute.vpnTunnels.delete": func(c *Cloud) error {
			return c.DeleteTunnel(t.Context(), ref("demo-0"), nil)
		},
	} {
		t.Run(permission, func(t *testing.T) {
			cloud, google := open(t, gcptest.Options{}, "lab")
			line(t, cloud, "demo", []netip.Addr{ip("203.0.113.10")}, [2]int{0, 0})
			google.Deny(permission)
			expect(t, do(cloud), "CW-GCP-PERMISSION", "missing permission "+permission)
		})
	}
	for i, wrong := range []string{"not JSON", `{"items":{"regions/x":{"vpnTunnels":"none"}}}`, `{"items":{"regions/x":{"warning":{"code":"UNREACHABLE","message":"gone"}}}}`} {
		code := []string{"", "", "CW-GCP-UNAVAILABLE"}[i]
		cloud := answering(t, wrong)
		_, err := cloud.NetworkTunnels(t.Context(), project)
		expect(t, err, code, "list VPN tunnels of projects/lab-project")
	}
	_, err := answering(t, "not JSON").RouterStatus(t.Context(), ref("demo"))
	expect(t, err, "", "read status of router")
	_, err = answering(t, `{"bgp":7}`).EditRouter(t.Context(), ref("demo"), func(Router) (RouterEdit, error) { return RouterEdit{}, nil }, nil)
	expect(t, err, "", "read router projects/lab-project/regions/europe-west3/routers/demo: the answer makes no sense")
	_, err = answering(t, "[]").Tunnel(t.Context(), ref("demo-0"))
	expect(t, err, "", "read VPN tunnel")
}

// answering is a Cloud whose every call is answered with the same text.
func answering(t *testing.T, text string) *Cloud {
	t.Helper()
	base := roundTripper(func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(text)), Header: http.Header{}, Request: r}, nil
	})
	cloud, err := New(t.Context(), Config{HTTPClient: &http.Client{Transport: base}})
	if err != nil {
		t.Fatal(err)
	}
	return cloud
}

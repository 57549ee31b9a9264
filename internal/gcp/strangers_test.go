package gcp

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"causeway/internal/explain"
)

// stranger is a Cloud whose every call is answered by somebody else than Google, and
// where the calls went.
func stranger(t *testing.T, answer http.Response, text string) (*Cloud, *[]string) {
	t.Helper()
	var hosts []string
	base := roundTripper(func(r *http.Request) (*http.Response, error) {
		hosts = append(hosts, r.URL.Host)
		if answer.Header == nil {
			answer.Header = http.Header{}
		}
		out := answer
		out.Body, out.Request = io.NopCloser(strings.NewReader(text)), r
		return &out, nil
	})
	cloud, err := New(t.Context(), Config{HTTPClient: &http.Client{Transport: base}, TokenSource: oauth2.StaticTokenSource(&oauth2.Token{AccessToken: "secret"}),
		Retry: Retry{Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }}})
	if err != nil {
		t.Fatal(err)
	}
	return cloud, &hosts
}

// everyKindOfCall reads, lists, makes and deletes, by each of the ways in which this
// package calls.
func everyKindOfCall(cloud *Cloud) map[string]func(context.Context) error {
	network := Ref{Project: project, Name: "default"}
	return map[string]func(context.Context) error{
		"read a cluster":     func(ctx context.Context) error { _, err := cloud.Cluster(ctx, project, area, "c"); return err },
		"read an address":    func(ctx context.Context) error { _, err := cloud.Address(ctx, project, area, "a"); return err },
		"read a router":      func(ctx context.Context) error { _, err := cloud.Router(ctx, ref("r")); return err },
		"read a tunnel":      func(ctx context.Context) error { _, err := cloud.Tunnel(ctx, ref("t")); return err },
		"read an attachment": func(ctx context.Context) error { _, err := cloud.ServiceAttachment(ctx, ref("s")); return err },
		"read a zone":        func(ctx context.Context) error { _, err := cloud.PrivateZone(ctx, ref("z")); return err },
		"read a record":      func(ctx context.Context) error { _, err := cloud.Record(ctx, ref("z"), "a", ""); return err },
		"read a membership":  func(ctx context.Context) error { _, err := cloud.Membership(ctx, memberPath); return err },
		"read a feature":     func(ctx context.Context) error { _, err := cloud.Feature(ctx, project, MCSFeature); return err },
		"read a project":     func(ctx context.Context) error { _, err := cloud.Project(ctx, project); return err },
		"read a role":        func(ctx context.Context) error { _, err := cloud.RolePermissions(ctx, "roles/x"); return err },
		"read a policy":      func(ctx context.Context) error { _, err := cloud.Policy(ctx, project); return err },
		"list clusters":      func(ctx context.Context) error { _, _, err := cloud.Clusters(ctx, project, "-"); return err },
		"list addresses":     func(ctx context.Context) error { _, err := cloud.Addresses(ctx, project, area, ""); return err },
		"list routers":       func(ctx context.Context) error { _, err := cloud.NetworkRouters(ctx, network); return err },
		"list tunnels":       func(ctx context.Context) error { _, err := cloud.NetworkTunnels(ctx, project); return err },
		"list zones":         func(ctx context.Context) error { _, err := cloud.PrivateZones(ctx, project); return err },
		"list memberships":   func(ctx context.Context) error { _, _, err := cloud.Memberships(ctx, project); return err },
		"list what is off": func(ctx context.Context) error {
			_, err := cloud.MissingServices(ctx, project, []string{"x"})
			return err
		},
		"test permissions": func(ctx context.Context) error {
			_, err := cloud.TestPermissions(ctx, project, []string{"a.b.c", "d.e.f"})
			return err
		},
		"get gateway credentials": func(ctx context.Context) error {
			_, err := cloud.GatewayCredentials(ctx, memberPath, false, "")
			return err
		},
		"reserve an address": func(ctx context.Context) error { _, err := cloud.ReserveAddress(ctx, wanted(), nil); return err },
		"create a tunnel":    func(ctx context.Context) error { return cloud.CreateTunnel(ctx, tunnel("demo", 1, [2]int{1, 0}), nil) },
		"create a zone":      func(ctx context.Context) error { return cloud.CreatePrivateZone(ctx, zone()) },
		"create a record":    func(ctx context.Context) error { return cloud.SetRecord(ctx, zone().Ref(), record()) },
		"update a peering": func(ctx context.Context) error {
			return cloud.UpdatePeering(ctx, network, "peer", PeeringChange{Export: ptr(true)}, nil)
		},
		"edit a router": func(ctx context.Context) error {
			_, err := cloud.EditRouter(ctx, ref("r"), func(Router) (RouterEdit, error) { return RouterEdit{}, nil }, nil)
			return err
		},
		"grant a role":        func(ctx context.Context) error { return cloud.Grant(ctx, project, "roles/x", alice) },
		"enable a feature":    func(ctx context.Context) error { return cloud.CreateFeature(ctx, project, MCSFeature, nil, nil) },
		"release an address":  func(ctx context.Context) error { return cloud.ReleaseAddress(ctx, wanted(), nil) },
		"delete a tunnel":     func(ctx context.Context) error { return cloud.DeleteTunnel(ctx, ref("t"), nil) },
		"delete a zone":       func(ctx context.Context) error { return cloud.DeletePrivateZone(ctx, ref("z")) },
		"delete a membership": func(ctx context.Context) error { return cloud.DeleteMembership(ctx, memberPath, nil) },
		"disable a feature":   func(ctx context.Context) error { return cloud.DeleteFeature(ctx, project, MCSFeature, nil) },
		"disable an API":      func(ctx context.Context) error { return cloud.DisableService(ctx, project, "x.googleapis.com", nil) },
		"give global access":  func(ctx context.Context) error { return cloud.SetGlobalAccess(ctx, project, area, "c", true, nil) },
		"look for an address's user": func(ctx context.Context) error {
			_, err := cloud.AddressUser(ctx, project, area, netip.MustParseAddr("10.0.0.1"))
			return err
		},
	}
}

// TestAStrangerInGooglesPlace: a proxy's page, a portal that wants a sign-in, a server
// at a wrong endpoint override. What it says of a resource counts for nothing: above
// all its 404 must not pass for "there is none", or a destroy would forget what stands.
func TestAStrangerInGooglesPlace(t *testing.T) {
	page := http.Header{"Content-Type": {"text/html; charset=utf-8"}}
	for sentence, test := range map[string]struct {
		answer http.Response
		text   string
		says   string
	}{
		"a page at the wrong address":   {http.Response{StatusCode: 404, Header: page}, "<!DOCTYPE html><title>Error 404\n (Not Found)!!1</title>", `HTTP 404, "Error 404 (Not Found)!!1"`},
		"a web server's plain 404":      {http.Response{StatusCode: 404}, "404 page not found\n", `HTTP 404, "404 page not found"`},
		"a 404 with nothing in it":      {http.Response{StatusCode: 404}, "", "HTTP 404, an empty answer"},
		"a gateway that speaks JSON":    {http.Response{StatusCode: 404}, `{"message":"no route matched"}`, `HTTP 404, "{"message":"no route matched"}"`},
		"a proxy that forbids it":       {http.Response{StatusCode: 403, Header: page}, "<html><head><title>ERR_ACCESS_DENIED</title>", `HTTP 403, "ERR_ACCESS_DENIED"`},
		"a proxy's name for a mistake":  {http.Response{StatusCode: 400}, "<html>bad request</html>", "HTTP 400"},
		"a proxy that wants a password": {http.Response{StatusCode: 407}, "", "HTTP 407"},
		"a conflict of nobody's":        {http.Response{StatusCode: 409, Header: page}, "<html>", "HTTP 409"},
		"a portal's page as an answer":  {http.Response{StatusCode: 200, Header: page}, "<html><title>Sign in to the guest network</title>", `HTTP 200, "Sign in to the guest network"`},
		"a page without a type":         {http.Response{StatusCode: 200}, "\n <html><body>hello", "HTTP 200"},
		"a portal that sends elsewhere": {http.Response{StatusCode: 302, Header: http.Header{"Location": {"http://portal.example/login?back=x"}}}, "", "HTTP 302, which sends to http://portal.example"},
	} {
		t.Run(sentence, func(t *testing.T) {
			cloud, hosts := stranger(t, test.answer, test.text)
			for what, call := range everyKindOfCall(cloud) {
				err := call(t.Context())
				if err == nil {
					t.Errorf("%s: no error", what)
					continue
				}
				if code := explain.CodeOf(err); code != codeNotAPI || NotFound(err) || AlreadyExists(err) {
					t.Errorf("%s: code %q of %v", what, code, err)
				}
				if !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), "\n") {
					t.Errorf("%s: %q does not say %q in one line", what, err, test.says)
				}
			}
			for _, host := range *hosts {
				if !strings.HasSuffix(host, ".googleapis.com") {
					t.Fatalf("a call, with its token, went to %s", host)
				}
			}
			if _, ok := explain.Lookup(codeNotAPI); !ok {
				t.Errorf("the catalogue has no %s", codeNotAPI)
			}
		})
	}
}

// TestFaultsOfFrontEndsComeAsPages: those of Google's own pass, and each call that may
// be is made five times, no matter by which client: none repeats by itself as well.
func TestFaultsOfFrontEndsComeAsPages(t *testing.T) {
	for status, code := range map[int]string{500: codeUnavailable, 502: codeUnavailable, 503: codeUnavailable, 504: codeUnavailable, 429: codeQuota} {
		cloud, hosts := stranger(t, http.Response{StatusCode: status}, "<html><title>Error (Server Error)!!1</title>")
		for what, call := range everyKindOfCall(cloud) {
			*hosts = nil
			expect(t, call(t.Context()), code, http.StatusText(status))
			if len(*hosts) != 5 {
				t.Errorf("HTTP %d: %s: %d calls", status, what, len(*hosts))
			}
		}
	}
}

// TestAnAnswerOfNothing, or of half a document, is told as such by whoever reads it.
func TestAnAnswerOfNothing(t *testing.T) {
	for _, text := range []string{"", `{"name": "x", "status": "RES`, "null and void"} {
		cloud, _ := stranger(t, http.Response{StatusCode: 200}, text)
		for what, call := range everyKindOfCall(cloud) {
			if strings.HasPrefix(what, "delete a zone") || strings.HasPrefix(what, "create a zone") {
				continue // Cloud DNS has nothing to say of these
			}
			var e *Error
			if err := call(t.Context()); err == nil || !errors.As(err, &e) || strings.Contains(err.Error(), "cannot reach") || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s, answered %q: %v", what, text, err)
			}
		}
	}
}

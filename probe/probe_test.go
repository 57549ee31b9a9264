package probe

import (
	"context"
	"errors"
	"maps"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

func allCases() map[string]failing {
	all := map[string]failing{}
	for _, some := range []map[string]failing{connectCases(), tlsCases(), httpCases(), streamCases(), dnsCases()} {
		maps.Copy(all, some)
	}
	return all
}

// start brings a case's server up and gives its kubeconfig.
func (c failing) start(t *testing.T) (*fake, []byte) {
	t.Helper()
	f := newFake(t, func(f *fake) {
		f.over[execURL] = serveExec
		if c.server != nil {
			c.server(t, f)
		}
	}, c.certify)
	return f, f.kubeconfig(t, func(cluster *clientcmdapi.Cluster, user *clientcmdapi.AuthInfo) {
		if c.kubeconfig != nil {
			c.kubeconfig(f, cluster, user)
		}
	})
}

func TestEachFailureIsNamedAtItsHop(t *testing.T) {
	t.Parallel()
	for name, c := range allCases() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, kubeconfig := c.start(t)
			options := Options{HopTimeout: 5 * time.Second}
			if c.options != nil {
				c.options(f, &options)
			}
			observed := 0
			report, err := Run(t.Context(), Target{Kubeconfig: kubeconfig}, options, func(Result) { observed++ })
			var failure *Error
			if !errors.As(err, &failure) {
				t.Fatalf("Run = %v, want an *Error; %s", err, table(report))
			}
			if failure.Hop != c.hop || failure.Code() != c.code {
				t.Errorf("failed at %s with %s, want %s with %s; %s", failure.Hop, failure.Code(), c.hop, c.code, table(report))
			}
			if !strings.Contains(failure.Detail, c.says) {
				t.Errorf("detail %q does not say %q", failure.Detail, c.says)
			}
			if failure.Hint == "" || observed != len(HopNames()) {
				t.Errorf("hint %q, %d results observed", failure.Hint, observed)
			}
			checkRest(t, report)
			checkNoSecret(t, f, describe(report)+err.Error())
		})
	}
}

// checkRest wants each hop in its place and, after a failure that ends the way,
// nothing but skips that say so.
func checkRest(t *testing.T, report Report) {
	t.Helper()
	var names []string
	blocked := ""
	needed := map[string]bool{}
	for _, step := range steps() {
		needed[step.name] = step.needed
	}
	for _, r := range report.Results {
		names = append(names, r.Hop)
		if blocked != "" && (r.Status != Skip || r.Detail != "not tried: "+blocked+" failed") {
			t.Errorf("%s after a failed %s: %s %q", r.Hop, blocked, r.Status, r.Detail)
		}
		if r.Status == Fail && needed[r.Hop] && blocked == "" {
			blocked = r.Hop
		}
	}
	if diff := cmp.Diff(HopNames(), names); diff != "" {
		t.Errorf("hops (-want +got):\n%s", diff)
	}
}

func checkNoSecret(t *testing.T, f *fake, text string) {
	t.Helper()
	for _, secret := range []string{f.token, "other-secret-value", "hunter2", "c2lnbmF0dXJl"} {
		if strings.Contains(text, secret) {
			t.Errorf("the secret %q is in the output:\n%s", secret, text)
		}
	}
}

func table(report Report) string {
	var text strings.Builder
	_ = Table(&text, report)
	return text.String()
}

func describe(report Report) string {
	data, err := JSON(report)
	if err != nil {
		return err.Error()
	}
	return table(report) + string(data)
}

func TestAWorkingServerPassesEveryHop(t *testing.T) {
	t.Parallel()
	f, _ := failing{}.start(t)
	f.token = jwt(time.Now().Add(47*time.Hour + time.Minute))
	kubeconfig := f.kubeconfig(t, nil)
	options := Options{LargeBody: true, Idle: time.Second, WatchChange: true, Rights: []Right{{Verb: "get", Resource: "pods"}}}
	withExec(f, &options)
	report, err := Run(t.Context(), Target{Kubeconfig: kubeconfig}, options, nil)
	if err != nil {
		t.Fatalf("Run = %v; %s", err, table(report))
	}
	for _, r := range report.Results {
		if r.Status != Pass || r.Code != "" || r.Took < 0 {
			t.Errorf("%s: %s %s %q", r.Hop, r.Status, r.Code, r.Detail)
		}
	}
	checkNoSecret(t, f, describe(report))
	says := map[string]string{
		HopTLS: "TLS 1.3", HopHTTP: "v1.36.3 answers over HTTP/2.0", HopIdentity: "(in 47 h)", HopRights: "all 1",
		HopList: "namespaces: 2", HopWatch: "over h2, a live event after", HopExecWebSocket: "hello", HopExecSPDY: "hello",
		HopLargeBody: "2.5 MiB", HopIdle: "its end arrived",
	}
	for hop, want := range says {
		if r := report.Hop(hop); !strings.Contains(r.Detail, want) {
			t.Errorf("%s says %q, want %q in it", hop, r.Detail, want)
		}
	}
	facts := report.Hop(HopTLS).Facts
	if facts["days_left"] != "100" || facts["names"] != "127.0.0.1, kubernetes.default.svc" || facts["alpn"] != "h2" {
		t.Errorf("tls facts: %v", facts)
	}
	times := report.Times
	if times.Connect > times.AppConnect || times.AppConnect > times.StartTransfer || times.StartTransfer > times.Total || times.Total == 0 {
		t.Errorf("times are not in curl's order: %+v", times)
	}
}

func TestWarningsAreNoFailure(t *testing.T) {
	t.Parallel()
	f, _ := failing{}.start(t)
	f.token = jwt(time.Now().Add(time.Hour))
	f.denied["get nodes"] = true
	report, err := Run(t.Context(), Target{Kubeconfig: f.kubeconfig(t, nil)}, Options{
		MinDaysLeft: 101, MinTokenLeft: 2 * time.Hour, Rights: []Right{{Verb: "get", Resource: "nodes", Optional: true}},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for hop, code := range map[string]string{HopTLS: "CW-PROBE-TLS-SOON", HopIdentity: "CW-PROBE-TOKEN-SOON", HopRights: "CW-PROBE-RIGHTS"} {
		if r := report.Hop(hop); r.Status != Warn || r.Code != code {
			t.Errorf("%s: %s %s, want warn %s", hop, r.Status, r.Code, code)
		}
	}
}

func TestWithoutNamespacesThePodsOfTheNamespaceAreListed(t *testing.T) {
	t.Parallel()
	f, kubeconfig := failing{}.start(t)
	f.denied["list namespaces"] = true
	report, err := Run(t.Context(), Target{Kubeconfig: kubeconfig}, Options{}, nil)
	if err != nil || !strings.HasPrefix(report.Hop(HopList).Detail, "pods in shop: 2") {
		t.Errorf("Run = %v, list says %q", err, report.Hop(HopList).Detail)
	}
	f.denied["watch pods"] = true
	report, err = Run(t.Context(), Target{Kubeconfig: kubeconfig}, Options{Idle: time.Second}, nil)
	if err != nil {
		t.Error(err)
	}
	for _, hop := range []string{HopList, HopWatch, HopIdle} {
		if r := report.Hop(hop); r.Status != Skip || !strings.Contains(r.Detail, "neither namespaces nor pods in shop") {
			t.Errorf("%s: %s %q", hop, r.Status, r.Detail)
		}
	}
}

func TestATLSServerNameThatTheCertificateBearsIsEnough(t *testing.T) {
	t.Parallel()
	f, _ := failing{}.start(t)
	kubeconfig := f.kubeconfig(t, func(c *clientcmdapi.Cluster, _ *clientcmdapi.AuthInfo) {
		c.TLSServerName = "kubernetes.default.svc"
		c.Server = strings.Replace(c.Server, "127.0.0.1", "kube.example", 1)
	})
	lookup := func(_ context.Context, host string) ([]netip.Addr, error) {
		return []netip.Addr{netip.MustParseAddr("127.0.0.9"), netip.MustParseAddr("127.0.0.1")}, nil // the first refuses
	}
	report, err := Run(t.Context(), Target{Kubeconfig: kubeconfig}, Options{Lookup: lookup}, nil)
	if err != nil {
		t.Fatalf("Run = %v; %s", err, table(report))
	}
	if want := "--connect-to kubernetes.default.svc:"; !strings.Contains(report.Curl, want) {
		t.Errorf("curl line %q lacks %q", report.Curl, want)
	}
}

func TestACancelledRunSaysWhereItStopped(t *testing.T) {
	t.Parallel()
	f, _ := failing{}.start(t)
	ctx, cancel := context.WithCancel(t.Context())
	report, err := Run(ctx, Target{Kubeconfig: f.kubeconfig(t, nil)}, Options{}, func(r Result) {
		if r.Hop == HopHTTP {
			cancel()
		}
	})
	var failure *Error
	if !errors.As(err, &failure) || failure.Hop != HopIdentity || failure.Code() != "CW-PROBE-INTERRUPTED" || !errors.Is(err, context.Canceled) {
		t.Errorf("Run = %v; %s", err, table(report))
	}
}

func TestAKubeconfigThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	f, good := failing{}.start(t)
	noServer := f.kubeconfig(t, func(c *clientcmdapi.Cluster, _ *clientcmdapi.AuthInfo) { c.Server = "https://:443" })
	for name, c := range map[string]struct {
		data    []byte
		context string
		says    string
	}{
		"no YAML":                     {[]byte("token: secret-token-value\n  - x: ["), "", "not the YAML or JSON of one"},
		"a binary":                    {[]byte{0, 1, 2}, "", "not the YAML or JSON of one"},
		"nothing":                     {nil, "", "context"},
		"a context that is not there": {good, "nope", "nope"},
		"a server that is no URL":     {noServer, "", "is no URL"},
	} {
		t.Run(name, func(t *testing.T) {
			report, err := Run(t.Context(), Target{Kubeconfig: c.data, Context: c.context}, Options{}, nil)
			var failure *Error
			if !errors.As(err, &failure) || failure.Hop != "kubeconfig" || failure.Code() != "CW-PROBE-KUBECONFIG" {
				t.Fatalf("Run = %v", err)
			}
			if !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "secret-token-value") || len(report.Results) != 0 {
				t.Errorf("error %q, want %q in it and no secret; %d results", err, c.says, len(report.Results))
			}
		})
	}
}

func TestACredentialProgramThatIsMissing(t *testing.T) {
	t.Parallel()
	f, _ := failing{}.start(t)
	kubeconfig := f.kubeconfig(t, func(_ *clientcmdapi.Cluster, u *clientcmdapi.AuthInfo) {
		u.Token = ""
		u.Exec = &clientcmdapi.ExecConfig{
			APIVersion: "client.authentication.k8s.io/v1", Command: "/nonexistent/causeway", InteractiveMode: clientcmdapi.NeverExecInteractiveMode,
		}
	})
	_, err := Run(t.Context(), Target{Kubeconfig: kubeconfig}, Options{}, nil)
	var failure *Error
	if !errors.As(err, &failure) || failure.Hop != HopHTTP || failure.Code() != "CW-PROBE-PLUGIN" || !strings.Contains(failure.Detail, "/nonexistent/causeway") {
		t.Errorf("Run = %v", err)
	}
}

package probe

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// toy reports, one a way to end.
func toys() map[string]Report {
	base := Report{
		Tool: "causeway", From: "local", Server: "https://10.10.0.50", Context: "causeway-shop",
		Started: time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC),
		Curl:    `printf 'Authorization: Bearer %s' "$(cat token)" | curl -sS -o /dev/null -H @- --cacert ca.crt https://10.10.0.50/version`,
	}
	at := func(hop string, took time.Duration, r Result) Result {
		r.Hop, r.Took = hop, took
		return r
	}
	way := func(r ...Result) Report {
		report := base
		report.Results = append([]Result{
			at(HopResolve, 0, pass("10.10.0.50 is an address, no name to look up").fact("addresses", "10.10.0.50")),
			at(HopConnect, 12*time.Millisecond, pass("10.10.0.50:443, from 172.31.4.7").fact("local_address", "172.31.4.7")),
		}, r...)
		return report
	}
	works := way(
		at(HopTLS, 26300*time.Microsecond, pass("TLS 1.3, TLS_AES_128_GCM_SHA256, h2; certificate for 10.10.0.50, by CN=causeway-shop, ends 2027-11-21 09:00 UTC (365 days left)").fact("days_left", "365")),
		at(HopHTTP, 40*time.Millisecond, pass("kube-apiserver v1.36.3 answers over HTTP/2.0")),
		at(HopWatch, 30*time.Millisecond, pass("headers of a quiet watch on namespaces after 13 ms over http/1.1, 14 ms over h2")),
		at(HopExecSPDY, 0, skip("not asked for")),
	)
	works.Times = Times{0, 12 * time.Millisecond, 38 * time.Millisecond, 52 * time.Millisecond, 53 * time.Millisecond}
	warns := way(at(HopTLS, 26*time.Millisecond, warn("CW-PROBE-TLS-SOON", "TLS 1.3; ends 2026-11-28 09:00 UTC (7 days left)").fact("days_left", "7")))
	warns.Times, warns.From = works.Times, "cluster"
	fails := way(
		at(HopTLS, 31*time.Millisecond, fail("CW-PROBE-TLS-SAN", io.EOF, "the certificate is not for 10.10.0.50 but for 10.10.0.49, \"quoted\" \\ and é")),
		at(HopHTTP, 0, skip("not tried: tls failed")),
	)
	return map[string]Report{"works": works, "warns": warns, "fails": fails}
}

func TestTheRenderersWriteWhatTheGoldensSay(t *testing.T) {
	for name, report := range toys() {
		var text bytes.Buffer
		if err := Table(&text, report); err != nil {
			t.Fatal(err)
		}
		golden(t, name+".txt", text.Bytes())
		data, err := JSON(report)
		if err != nil {
			t.Fatal(err)
		}
		golden(t, name+".json", data)
	}
}

func TestAReportSurvivesItsJSON(t *testing.T) {
	for name, report := range toys() {
		data, err := JSON(report)
		if err != nil {
			t.Fatal(err)
		}
		log := append([]byte("{ warming up\r\nimage pulled\n"), data...)
		got, err := ParseScript(append(log, "done\n"...))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(report, got, cmpopts.IgnoreUnexported(Result{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestALogThatIsNoReport(t *testing.T) {
	for name, c := range map[string]struct{ log, says string }{
		"nothing":           {"", `its last line is ""`},
		"a missing curl":    {"verify.sh: curl is not installed\n", `"verify.sh: curl is not installed"`},
		"a cut report":      {`{"tool":"verify.sh","hops":[{"hop":"res`, "no report in it"},
		"another JSON":      {`{"kind":"Status"}`, "no report in it"},
		"an unknown hop":    {`{"hops":[{"hop":"dance","status":"pass"}]}`, `unknown hop "dance"`},
		"an unknown status": {`{"hops":[{"hop":"tls","status":"maybe"}]}`, `unknown status "maybe"`},
		"too much":          {strings.Repeat("x", maxScript+1), "more than it ever writes"},
	} {
		if _, err := ParseScript([]byte(c.log)); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: error %v, want %q in it", name, err, c.says)
		}
	}
}

func TestALogCannotWriteToTheTerminal(t *testing.T) {
	report, err := ParseScript([]byte(`{"hops":[{"hop":"tls","status":"fail","detail":"a\u001b[31mred\nline","code":"CW\u0007"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if text := table(report); strings.ContainsAny(text, "\x1b\x07") {
		t.Errorf("control characters came through: %q", text)
	}
}

func FuzzParseScript(f *testing.F) {
	for _, report := range toys() {
		data, err := JSON(report)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, log []byte) {
		report, err := ParseScript(log)
		if err != nil {
			return
		}
		if text := table(report); strings.ContainsRune(text, '\x1b') {
			t.Errorf("an escape came through: %q", text)
		}
	})
}

func TestTheErrorOfAReport(t *testing.T) {
	err := toys()["fails"].Err()
	var failure *Error
	if !errors.As(err, &failure) || failure.Code() != "CW-PROBE-TLS-SAN" || !errors.Is(err, io.EOF) {
		t.Errorf("Err = %v", err)
	}
	if want := "probe tls of https://10.10.0.50: the certificate is not for"; !strings.HasPrefix(err.Error(), want) {
		t.Errorf("error %q does not begin with %q", err, want)
	}
	if err := toys()["warns"].Err(); err != nil {
		t.Errorf("warnings give the error %v", err)
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestAWriterThatFails(t *testing.T) {
	if err := Table(brokenWriter{}, toys()["works"]); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("Table = %v", err)
	}
}

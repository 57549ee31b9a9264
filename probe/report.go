package probe

import (
	"fmt"
	"time"
)

// Status is how a hop ended.
type Status string

// The four ways a hop can end. Warn means: it works today, and something is wrong.
const (
	Pass Status = "pass"
	Fail Status = "fail"
	Warn Status = "warn"
	Skip Status = "skip"
)

// The names of the hops, the same in Go, in verify.sh and in the documentation.
const (
	HopResolve       = "resolve"
	HopConnect       = "connect"
	HopTLS           = "tls"
	HopHTTP          = "http"
	HopIdentity      = "identity"
	HopRights        = "rights"
	HopList          = "list"
	HopWatch         = "watch"
	HopExecWebSocket = "exec-websocket"
	HopExecSPDY      = "exec-spdy"
	HopLargeBody     = "large-body"
	HopIdle          = "idle"
)

// HopNames lists every hop in the order in which Run goes them.
func HopNames() []string {
	return []string{
		HopResolve, HopConnect, HopTLS, HopHTTP, HopIdentity, HopRights,
		HopList, HopWatch, HopExecWebSocket, HopExecSPDY, HopLargeBody, HopIdle,
	}
}

// Result is what one hop found.
type Result struct {
	Hop    string
	Status Status
	Took   time.Duration
	Detail string            // what was seen, one line, no secrets
	Code   string            // CW-PROBE-..., empty when nothing is wrong
	Hint   string            // what to do about Code, one line
	Facts  map[string]string // what a program may want: days_left, not_after, user, ...

	err error // the cause of a failure, where there is a Go error
}

// Times are cumulative from the start of one request, as `curl -w` shows them. A
// part that did not occur is 0 (no name to look up).
type Times struct {
	NameLookup    time.Duration
	Connect       time.Duration
	AppConnect    time.Duration // the TLS handshake is done
	StartTransfer time.Duration // the first byte of the answer is there
	Total         time.Duration
}

// after shifts times that were taken without the lookup of the name by its duration.
func (t Times) after(lookup time.Duration) Times {
	if t.Total == 0 {
		return t
	}
	return Times{lookup, t.Connect + lookup, t.AppConnect + lookup, t.StartTransfer + lookup, t.Total + lookup}
}

// Report is the outcome of a run.
type Report struct {
	Tool    string // "causeway" or "verify.sh"
	From    string // "local", "cluster" for a run inside the cluster, or "cluster NAME" inside another
	Server  string // the server URL of the kubeconfig
	Context string // the context that was probed
	Started time.Time
	Results []Result
	Times   Times  // of the http hop's request for /version
	Curl    string // the equal curl command line; the token stands in a file
}

// Failed returns the first hop that failed, or nil.
func (r Report) Failed() *Result {
	for i := range r.Results {
		if r.Results[i].Status == Fail {
			return &r.Results[i]
		}
	}
	return nil
}

// Hop returns the result of the named hop, or nil when the report has none.
func (r Report) Hop(name string) *Result {
	for i := range r.Results {
		if r.Results[i].Hop == name {
			return &r.Results[i]
		}
	}
	return nil
}

// Err is nil when no hop failed, else the *Error of the first that did.
func (r Report) Err() error {
	failed := r.Failed()
	if failed == nil {
		return nil
	}
	return &Error{Hop: failed.Hop, Server: r.Server, Detail: failed.Detail, Hint: failed.Hint, code: failed.Code, cause: failed.err}
}

// Error says at which hop the way to the API server ends, and why.
type Error struct {
	Hop    string // one of HopNames, or "kubeconfig" when it can't be loaded
	Server string
	Detail string
	Hint   string

	code  string
	cause error
}

func (e *Error) Error() string {
	if e.Server == "" {
		return fmt.Sprintf("probe %s: %s", e.Hop, e.Detail)
	}
	return fmt.Sprintf("probe %s of %s: %s", e.Hop, e.Server, e.Detail)
}

// Code is the catalogue's code of the failure.
func (e *Error) Code() string { return e.code }

// Unwrap gives the network or API error behind the failure, or nil.
func (e *Error) Unwrap() error { return e.cause }

func pass(format string, args ...any) Result {
	return Result{Status: Pass, Detail: fmt.Sprintf(format, args...)}
}

func skip(format string, args ...any) Result {
	return Result{Status: Skip, Detail: fmt.Sprintf(format, args...)}
}

func warn(code, format string, args ...any) Result {
	return Result{Status: Warn, Code: code, Hint: HintFor(code), Detail: fmt.Sprintf(format, args...)}
}

func fail(code string, cause error, format string, args ...any) Result {
	return Result{Status: Fail, Code: code, Hint: HintFor(code), Detail: fmt.Sprintf(format, args...), err: cause}
}

func (r Result) fact(key, value string) Result {
	if r.Facts == nil {
		r.Facts = map[string]string{}
	}
	r.Facts[key] = value
	return r
}

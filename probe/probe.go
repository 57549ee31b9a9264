package probe

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"
)

// Target is the kubeconfig to prove, as it will stand on disk.
type Target struct {
	Kubeconfig []byte
	Context    string // empty: the current context
	// Path is the file that it was read from, "" for none: paths in a kubeconfig are
	// relative to it.
	Path string
}

// Right is a thing that the identity is to be allowed to do.
type Right struct {
	Verb, Group, Resource, Subresource string
	Namespace                          string // empty: in all namespaces
	Name                               string
	Optional                           bool // its absence is a warning, not a failure
}

// String writes the right as `kubectl auth can-i` reads it: "create pods/exec in shop".
func (r Right) String() string {
	resource := r.Resource
	if r.Group != "" {
		resource += "." + r.Group
	}
	if r.Subresource != "" {
		resource += "/" + r.Subresource
	}
	text := r.Verb + " " + resource
	if r.Name != "" {
		text += " " + r.Name
	}
	if r.Namespace != "" {
		text += " in " + r.Namespace
	}
	return text
}

// ExecTarget is the container in which the exec hops run a command.
type ExecTarget struct {
	Namespace, Pod, Container string
	// Command defaults to {"true"}. A command that the container does not have
	// still proves the transport: the answer came back over it.
	Command []string
}

// Options say what to check beyond the defaults, and hand in the outside world. The
// zero value checks everything up to watch.
type Options struct {
	Namespace    string  // for list and watch when namespaces may not be listed; default: the context's
	Rights       []Right // what to ask in the rights hop
	Exec         *ExecTarget
	LargeBody    bool
	Idle         time.Duration // hold a quiet watch so long; whole seconds, 0: not
	WatchChange  bool          // create and delete one ConfigMap to time a live event
	HopTimeout   time.Duration // bound of each hop, default 10 s
	HeaderWait   time.Duration // how long a quiet watch may hold its headers, default 3 s
	MinDaysLeft  int           // warn when the certificate ends sooner; 0: never
	MinTokenLeft time.Duration // warn when the token ends sooner; 0: never

	Now    func() time.Time    // default time.Now
	Getenv func(string) string // for the proxy variables; nil: an empty environment
	// Lookup resolves a name; default the system's resolver.
	Lookup func(ctx context.Context, host string) ([]netip.Addr, error)
	// Roots stands for the system's own where the kubeconfig has no CA, PEM; nil: the
	// system's. For tests and the lab, whose public names no public CA vouches for.
	Roots []byte
	// Dial opens TCP connections; default a net.Dialer. The exec hops dial by
	// themselves: client-go's executors take no dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// hopFunc goes one hop. The context carries the hop's bound.
type hopFunc func(ctx context.Context, s *session) Result

// step is a hop in its place: needed means that nothing after it makes sense without.
type step struct {
	name   string
	run    hopFunc
	needed bool
	bound  func(Options) time.Duration
}

func steps() []step {
	one := func(o Options) time.Duration { return o.HopTimeout }
	return []step{
		{HopResolve, resolveHop, true, one},
		{HopConnect, connectHop, true, one},
		{HopTLS, tlsHop, true, one},
		{HopHTTP, httpHop, true, one},
		{HopIdentity, identityHop, true, one},
		{HopRights, rightsHop, false, one},
		{HopList, listHop, false, one},
		{HopWatch, watchHop, false, func(o Options) time.Duration { return 2*o.HeaderWait + o.HopTimeout }},
		{HopExecWebSocket, execWebSocketHop, false, one},
		{HopExecSPDY, execSPDYHop, false, one},
		// 2.5 MiB at 1 Mbit/s take 21 s: a slow tunnel is not a failure.
		{HopLargeBody, largeBodyHop, false, func(o Options) time.Duration { return 3 * o.HopTimeout }},
		{HopIdle, idleHop, false, func(o Options) time.Duration { return o.Idle + o.HopTimeout }},
	}
}

// Run goes the hops and calls observe, when it is not nil, after each. The error is
// nil when no hop failed (warnings are no failure), else an *Error that names the
// first that did; the report is whole in both cases. A kubeconfig that can't be
// loaded gives an *Error with Hop "kubeconfig" and an empty report.
func Run(ctx context.Context, target Target, options Options, observe func(Result)) (Report, error) {
	options = withDefaults(options)
	s, err := newSession(target, options)
	if err != nil {
		return Report{}, err
	}
	defer s.close()
	report := Report{
		Tool: "causeway", From: "local", Server: s.server.String(), Context: s.context,
		Started: options.Now().UTC().Truncate(time.Second), Curl: s.curl(),
	}
	blocked := ""
	for _, step := range steps() {
		result := s.take(ctx, step, blocked)
		if blocked == "" && step.needed && result.Status == Fail {
			blocked = step.name
		}
		report.Results = append(report.Results, result)
		if observe != nil {
			observe(result)
		}
	}
	report.Times = s.times.after(report.Results[0].Took)
	return report, report.Err()
}

// take goes one hop within its bound, or skips it.
func (s *session) take(ctx context.Context, step step, blocked string) Result {
	if blocked != "" {
		result := skip("not tried: %s failed", blocked)
		result.Hop = step.name
		return result
	}
	bounded, cancel := context.WithTimeout(ctx, step.bound(s.options))
	defer cancel()
	start := s.options.Now()
	result := step.run(bounded, s)
	if ctx.Err() != nil && result.Status != Pass {
		why := context.Cause(ctx) // the end of --timeout, say
		result = fail("CW-PROBE-INTERRUPTED", why, "the probe was stopped here: %v", why)
	}
	result.Hop, result.Took = step.name, s.options.Now().Sub(start)
	return result
}

func withDefaults(o Options) Options {
	if o.HopTimeout <= 0 {
		o.HopTimeout = 10 * time.Second
	}
	if o.HeaderWait <= 0 {
		o.HeaderWait = 3 * time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Getenv == nil {
		o.Getenv = func(string) string { return "" }
	}
	if o.Lookup == nil {
		o.Lookup = func(ctx context.Context, host string) ([]netip.Addr, error) {
			addresses, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
			for i := range addresses {
				addresses[i] = addresses[i].Unmap()
			}
			slices.SortStableFunc(addresses, func(a, b netip.Addr) int { return a.BitLen() - b.BitLen() })
			return slices.Compact(addresses), err
		}
	}
	if o.Dial == nil {
		o.Dial = (&net.Dialer{KeepAlive: 30 * time.Second}).DialContext
	}
	return o
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }
func millis(d time.Duration) string  { return fmt.Sprintf("%d ms", d.Milliseconds()) }

package gcptest

import (
	"net/http"
	"regexp"
	"time"
)

// Fault is trouble at a call. The zero Nth strikes every matching call.
type Fault struct {
	Match string // regular expression on "discovery.method.id VERB /path"
	Nth   int    // which of the matching calls, from 1; 0: each
	Times int    // how many calls at most; 0: no bound

	Delay          time.Duration   // wait so long, then go on (with the rest of the fault, if any)
	Status         int             // answer this HTTP status ...
	Reason         string          // ... with this reason ...
	Message        string          // ... and this message
	APIOff         string          // or answer that this API is off ("connectgateway.googleapis.com"), as one does that was just turned on
	CutOff         bool            // close the connection without an answer
	AfterEffect    bool            // the call takes effect first; only then Status or CutOff
	OperationError *OperationError // the call is taken, the operation that it starts fails

	pattern *regexp.Regexp
	seen    int
	struck  int
}

// OperationError is how an operation fails after its call was taken.
type OperationError struct {
	Status  int    // httpErrorStatusCode of the operation, 400 when 0
	Code    string // RESOURCE_IN_USE_BY_ANOTHER_RESOURCE, QUOTA_EXCEEDED, ...
	Message string
}

// Quota is the fault of a call that exceeds a quota: compute answers 403 with
// reason quotaExceeded.
func Quota(match, metric, region string) Fault {
	return Fault{Match: match, Status: http.StatusForbidden, Reason: "quotaExceeded",
		Message: "Quota '" + metric + "' exceeded.  Limit: 8.0 in region " + region + "."}
}

// Inject adds a fault. It panics when Match is no regular expression, which is a
// mistake of the test.
func (s *Server) Inject(f Fault) {
	f.pattern = regexp.MustCompile(f.Match)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, &f)
}

// ClearFaults takes all faults away.
func (s *Server) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// fault returns a copy of the first fault that this call meets, or nil.
func (s *Server) fault(c *call) *Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.faults {
		if !f.pattern.MatchString(c.method.ID + " " + c.verb + " " + c.path) {
			continue
		}
		f.seen++
		if f.Nth != 0 && f.seen != f.Nth || f.Times != 0 && f.struck >= f.Times {
			continue
		}
		f.struck++
		met := *f
		return &met
	}
	return nil
}

// pass applies what comes before the effect and says whether the call goes on.
func (f *Fault) pass(w http.ResponseWriter, c *call, r *http.Request) bool {
	if f.Delay > 0 {
		timer := time.NewTimer(f.Delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-r.Context().Done():
			return false
		}
	}
	return f.AfterEffect || f.strike(w, c)
}

// strike answers with the fault; true means that the fault answers nothing.
func (f *Fault) strike(w http.ResponseWriter, c *call) bool {
	if f.CutOff {
		if hijacker, ok := w.(http.Hijacker); ok {
			if connection, _, err := hijacker.Hijack(); err == nil {
				connection.Close()
				return false
			}
		}
		panic(http.ErrAbortHandler)
	}
	if f.APIOff != "" {
		c.fail(w, disabled(f.APIOff, c.project()))
		return false
	}
	if f.Status == 0 {
		return true
	}
	reason := f.Reason
	if reason == "" {
		reason = "backendError"
	}
	c.fail(w, &Error{Status: f.Status, Reason: reason, Message: f.Message})
	return false
}

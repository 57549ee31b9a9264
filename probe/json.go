package probe

import (
	"encoding/json"
	"fmt"
	"math"
	"time"
)

// wireReport is the JSON form, which scripts/verify.sh writes too. Names are only
// ever added: far sides parse them.
type wireReport struct {
	Tool      string       `json:"tool"`
	From      string       `json:"from"`
	Server    string       `json:"server"`
	Context   string       `json:"context"`
	Started   string       `json:"started"` // RFC 3339, UTC
	OK        bool         `json:"ok"`
	FailedHop string       `json:"failed_hop"` // empty when ok
	Hops      []wireResult `json:"hops"`
	Times     wireTimes    `json:"times"`
	Curl      string       `json:"curl"`
}

type wireResult struct {
	Hop    string            `json:"hop"`
	Status Status            `json:"status"`
	TookMS float64           `json:"took_ms"`
	Detail string            `json:"detail"`
	Code   string            `json:"code"`
	Hint   string            `json:"hint"`
	Facts  map[string]string `json:"facts,omitempty"`
}

// wireTimes are seconds from the start of the request, as `curl -w` gives them.
type wireTimes struct {
	NameLookup    float64 `json:"namelookup"`
	Connect       float64 `json:"connect"`
	AppConnect    float64 `json:"appconnect"`
	StartTransfer float64 `json:"starttransfer"`
	Total         float64 `json:"total"`
}

// JSON gives the report for programs: indented, with a newline at its end.
func JSON(report Report) ([]byte, error) {
	wire := wireReport{
		Tool: report.Tool, From: report.From, Server: report.Server, Context: report.Context,
		OK: report.Failed() == nil, Hops: []wireResult{}, Curl: report.Curl,
		Started: report.Started.UTC().Format(time.RFC3339),
		Times: wireTimes{
			wireSeconds(report.Times.NameLookup), wireSeconds(report.Times.Connect), wireSeconds(report.Times.AppConnect),
			wireSeconds(report.Times.StartTransfer), wireSeconds(report.Times.Total),
		},
	}
	if failed := report.Failed(); failed != nil {
		wire.FailedHop = failed.Hop
	}
	for _, r := range report.Results {
		ms := math.Round(float64(r.Took)/float64(time.Millisecond)*10) / 10
		wire.Hops = append(wire.Hops, wireResult{r.Hop, r.Status, ms, r.Detail, r.Code, r.Hint, r.Facts})
	}
	text, err := json.MarshalIndent(wire, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode probe report: %w", err)
	}
	return append(text, '\n'), nil
}

func wireSeconds(d time.Duration) float64 { return math.Round(d.Seconds()*1e6) / 1e6 }

func fromWire(wire wireReport) Report {
	report := Report{Tool: clip(wire.Tool, 40), From: clip(wire.From, 40), Server: clip(wire.Server, 300), Context: clip(wire.Context, 300), Curl: clip(wire.Curl, 2000)}
	report.Started, _ = time.Parse(time.RFC3339, wire.Started)
	span := func(seconds float64) time.Duration { return time.Duration(math.Round(seconds*1e6)) * time.Microsecond }
	report.Times = Times{span(wire.Times.NameLookup), span(wire.Times.Connect), span(wire.Times.AppConnect), span(wire.Times.StartTransfer), span(wire.Times.Total)}
	for _, hop := range wire.Hops {
		facts := map[string]string{}
		for key, value := range hop.Facts {
			facts[clip(key, 40)] = clip(value, 600)
		}
		if len(facts) == 0 {
			facts = nil
		}
		took := time.Duration(math.Round(hop.TookMS*10)) * (time.Millisecond / 10)
		report.Results = append(report.Results, Result{
			Hop: hop.Hop, Status: hop.Status, Took: took, Facts: facts,
			Detail: clip(hop.Detail, 1000), Code: clip(hop.Code, 40), Hint: clip(hop.Hint, 300),
		})
	}
	return report
}

package probe

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// maxScript bounds the log of a Pod that ran verify.sh; its JSON is below 16 KiB.
const maxScript = 1 << 20

// ParseScript reads what `verify.sh -o json` wrote back into a Report. Other lines
// before and after are passed over, so the log of a Pod that ran it can be given as
// it is; what it says is cleaned of control characters, since a log is not ours.
func ParseScript(log []byte) (Report, error) {
	if len(log) > maxScript {
		return Report{}, fmt.Errorf("read verify.sh's answer: %d bytes are more than it ever writes", len(log))
	}
	rest := append([]byte("\n"), bytes.ReplaceAll(log, []byte("\r\n"), []byte("\n"))...)
	for {
		at := bytes.Index(rest, []byte("\n{"))
		if at < 0 {
			return Report{}, fmt.Errorf("read verify.sh's answer: no report in it; its last line is %q", lastLine(log))
		}
		rest = rest[at+1:]
		var wire wireReport
		if json.NewDecoder(bytes.NewReader(rest)).Decode(&wire) != nil || len(wire.Hops) == 0 {
			continue
		}
		if err := checkWire(wire); err != nil {
			return Report{}, err
		}
		return fromWire(wire), nil
	}
}

func checkWire(wire wireReport) error {
	for _, hop := range wire.Hops {
		if !slices.Contains(HopNames(), hop.Hop) {
			return fmt.Errorf("read verify.sh's answer: unknown hop %q", clip(hop.Hop, 40))
		}
		if !slices.Contains([]Status{Pass, Fail, Warn, Skip}, hop.Status) {
			return fmt.Errorf("read verify.sh's answer: hop %s: unknown status %q", hop.Hop, clip(string(hop.Status), 40))
		}
	}
	return nil
}

func lastLine(log []byte) string {
	lines := strings.Split(strings.TrimSpace(string(log)), "\n")
	return clip(lines[len(lines)-1], 200)
}

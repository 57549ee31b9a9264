package bird

import (
	"bufio"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"
)

// askBound bounds one question to bird.
const askBound = 2 * time.Second

// line is one line of bird's answer. The code says what it is about (BIRD's
// doc/reply_codes): below 1000 it ends the answer well, from 8000 on badly.
type line struct {
	code int
	text string
}

// ask sends one command and returns the lines of the answer.
func (s *Speaker) ask(command string) ([]line, error) {
	conn, err := net.DialTimeout("unix", s.o.file(".ctl"), askBound)
	if err != nil {
		return nil, fmt.Errorf("ask bird %q: %w", command, err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(askBound)); err != nil {
		return nil, fmt.Errorf("ask bird %q: %w", command, err)
	}
	in := bufio.NewScanner(conn)
	in.Buffer(nil, 1<<20)
	if _, err := answer(in); err != nil { // its greeting
		return nil, fmt.Errorf("ask bird %q: %w", command, err)
	}
	if _, err := fmt.Fprintln(conn, command); err != nil {
		return nil, fmt.Errorf("ask bird %q: %w", command, err)
	}
	lines, err := answer(in)
	if err != nil {
		return nil, fmt.Errorf("ask bird %q: %w", command, err)
	}
	return lines, nil
}

// answer reads one answer: "1002-text" and " text" (which has the code of the line
// before it) go on, "0000 text" ends.
func answer(in *bufio.Scanner) ([]line, error) {
	var lines []line
	code := 0
	for in.Scan() {
		text := in.Text()
		last := false
		if rest, more := strings.CutPrefix(text, " "); more {
			text = rest
		} else if len(text) >= 5 {
			if _, err := fmt.Sscanf(text[:4], "%d", &code); err != nil {
				return nil, fmt.Errorf("bird answers %q", text)
			}
			last, text = text[4] == ' ', text[5:]
		} else {
			return nil, fmt.Errorf("bird answers %q", text)
		}
		lines = append(lines, line{code, text})
		if last && code >= 8000 {
			return nil, fmt.Errorf("bird answers %s", text)
		}
		if last {
			return lines, nil
		}
	}
	if err := in.Err(); err != nil {
		return nil, err
	}
	return nil, fmt.Errorf("bird hung up")
}

// Protocol is one of bird's protocols; a BGP session is one.
type Protocol struct {
	Name  string    `json:"name"`
	Type  string    `json:"type"`            // BGP, Static, Kernel, Device, ...
	Up    bool      `json:"up"`              // for BGP: the session is established
	State string    `json:"state,omitempty"` // of a BGP session: Established, Active, Idle, ...
	Since time.Time `json:"since,omitzero"`  // the last change; told only with Clock in the configuration
	Error string    `json:"error,omitempty"` // of a BGP session: the last one
}

// Clock is the line of a configuration that makes bird tell times so that Protocols
// can read them.
const Clock = "timeformat protocol \"%s\";\n"

// Protocols lists bird's protocols in the order of their definition.
func (s *Speaker) Protocols() ([]Protocol, error) {
	lines, err := s.ask("show protocols all")
	if err != nil {
		return nil, err
	}
	return protocols(lines), nil
}

func protocols(lines []line) []Protocol {
	var list []Protocol
	for _, l := range lines {
		switch {
		case l.code == 1002: // "name proto table state since info"
			fields := strings.Fields(l.text)
			if len(fields) < 5 {
				continue
			}
			p := Protocol{Name: fields[0], Type: fields[1], Up: fields[3] == "up"}
			var seconds int64
			if _, err := fmt.Sscan(fields[4], &seconds); err == nil && seconds > 1e6 {
				p.Since = time.Unix(seconds, 0)
			}
			list = append(list, p)
		case l.code == 1006 && len(list) > 0:
			key, value, _ := strings.Cut(strings.TrimSpace(l.text), ":")
			switch p := &list[len(list)-1]; key {
			case "BGP state":
				p.State = strings.TrimSpace(value)
			case "Last error":
				p.Error = strings.TrimSpace(value)
			}
		}
	}
	return list
}

// Routes lists the prefixes that a protocol brought into a table.
func (s *Speaker) Routes(table, protocol string) ([]netip.Prefix, error) {
	lines, err := s.ask(fmt.Sprintf("show route table %s protocol %s", table, protocol))
	if err != nil {
		return nil, err
	}
	return prefixes(lines), nil
}

func prefixes(lines []line) []netip.Prefix {
	var list []netip.Prefix
	for _, l := range lines {
		if l.code != 1007 {
			continue
		}
		// Further routes to the same prefix begin with white space.
		first, _, _ := strings.Cut(l.text, " ")
		if p, err := netip.ParsePrefix(first); err == nil {
			list = append(list, p)
		}
	}
	return list
}

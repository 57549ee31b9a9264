package explain

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// text is what somebody showed, made ready to look through.
type text struct {
	whole    string            // with quotes, escapes and line ends made plain
	lower    string            // the same with ASCII letters in lower case: same offsets
	marked   bool              // bears a mark of Connect Gateway
	proven   bool              // bears one that nothing else brings there
	evidence map[string]string // what the text as a whole says about the case
	stamps   func() []stamped  // the times that kubectl logged, read when they are wanted
}

// proofs are words that only Connect Gateway brings into a text: its host, contexts
// and paths, its permissions, the form in which it writes errors.
func proofs() []string {
	return []string{"connectgateway.googleapis.com", "connectgateway_", "connect gateway: ", "gkehub.gateway.", "gkememberships/",
		"memberships get-credentials", "memberships.get-credentials",
		"generic::failed_precondition", "generic::permission_denied", "generic::resource_exhausted",
		"failed to connect to the cluster's api server with response"}
}

// marks are words by which a text that somebody shows is about Connect Gateway. An
// error that names the agent's namespace has one too, and proves nothing.
func marks() []string {
	return append(proofs(), "connectgateway", "gkehub.gateway", "gkehub.googleapis.com", "gke-connect", "connect-agent",
		"kubectl_remote_command_websockets", "connect gateway")
}

var (
	escapes = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\\+(["'])|\\+[nrt]`) })
	// controls are what colours a terminal, moves its cursor, sets its title or makes a
	// link: they take no room, and may stand in the middle of a word.
	controls = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b\n]{0,1000}(?:\x07|\x1b\\)`)
	})
	plain = sync.OnceValue(func() *strings.Replacer {
		return strings.NewReplacer("\r\n", "\n", "\r", "\n", "\u2019", "'", "\u2018", "'", "\u201c", `"`, "\u201d", `"`, "\u00a0", " ",
			"&#39;", "'", "&quot;", `"`, `\u0026`, "&", `\u003c`, "<", `\u003e`, ">", `\u0027`, "'")
	})
)

// utf8Of makes UTF-8 of UTF-16, in which PowerShell writes what is redirected.
func utf8Of(foreign string) string {
	var order func(high, low byte) uint16
	switch {
	case strings.HasPrefix(foreign, "\xff\xfe"):
		order = func(a, b byte) uint16 { return uint16(b)<<8 | uint16(a) }
	case strings.HasPrefix(foreign, "\xfe\xff"):
		order = func(a, b byte) uint16 { return uint16(a)<<8 | uint16(b) }
	default:
		return foreign
	}
	units := make([]uint16, 0, len(foreign)/2)
	for i := 2; i+1 < len(foreign); i += 2 {
		units = append(units, order(foreign[i], foreign[i+1]))
	}
	return string(utf16.Decode(units))
}

func readText(foreign string) *text {
	whole := plain().Replace(utf8Of(foreign))
	if strings.Contains(whole, "\x1b") {
		whole = controls().ReplaceAllString(whole, "")
	}
	whole = escapes().ReplaceAllStringFunc(whole, func(escaped string) string {
		if last := escaped[len(escaped)-1:]; last == `"` || last == "'" {
			return last
		}
		return " "
	})
	t := &text{whole: whole, lower: asciiLower(whole)}
	has := func(word string) bool { return strings.Contains(t.lower, word) }
	t.proven, t.marked = slices.ContainsFunc(proofs(), has), slices.ContainsFunc(marks(), has)
	t.evidence = t.gather()
	t.stamps = sync.OnceValue(t.readStamps)
	return t
}

// asciiLower keeps every byte's place, which strings.ToLower does not.
func asciiLower(s string) string {
	lower := []byte(s)
	for i, c := range lower {
		if 'A' <= c && c <= 'Z' {
			lower[i] = c + 'a' - 'A'
		}
	}
	return string(lower)
}

// clue is a form in which a text says something about the case, wherever it stands.
type clue struct {
	word string // in lower case, to look for first
	form *regexp.Regexp
}

var clues = sync.OnceValue(func() []clue {
	return []clue{
		// The context that gcloud names: no project, location or membership has an underscore.
		{"connectgateway_", regexp.MustCompile(`connectgateway_(?P<project>[a-z][a-z0-9-]+)_(?P<location>[a-z0-9-]+)_(?P<membership>[a-z0-9-]+)`)},
		{"emberships/", regexp.MustCompile(`projects/(?P<project>[a-z0-9:.-]+)/locations/(?P<location>[a-z0-9-]+)/(?:gkeM|m)emberships/(?P<membership>[a-z0-9-]+)`)},
		{"client version:", regexp.MustCompile(`Client Version: v?(?P<kubectl>\d+\.\d+[0-9.]*)`)},
		{"kubectl/v", regexp.MustCompile(`kubectl/v(?P<kubectl>\d+\.\d+[0-9.]*)`)},
		{"server version:", regexp.MustCompile(`Server Version: v?(?P<server>\d+\.\d+[\w.-]*)`)},
		{"google cloud sdk", regexp.MustCompile(`Google Cloud SDK (?P<gcloud>\d+\.\d+\.\d+)`)},
		{"gcloud/", regexp.MustCompile(`gcloud/(?P<gcloud>\d+\.\d+\.\d+)`)},
		{"kubectl ", regexp.MustCompile(`kubectl (?:-[^\s]+ )*(?P<command>exec|attach|cp|port-forward)\b`)},
		{"user \"", regexp.MustCompile(`[Uu]ser "(?P<user>[^"\s]+@[^"\s]+)"`)},
		{"principalemail", regexp.MustCompile(`"principalEmail": *"(?P<user>[^"\s]+)"`)},
		{"user:", regexp.MustCompile(`(?:^|[^/\w])[uU]ser: ?(?P<user>[\w.+-]+@[\w.-]+)`)},
	}
})

// gather reads every clue. A name that has two values in the text stays out, except
// that a project's ID is taken before its number.
func (t *text) gather() map[string]string {
	values := map[string][]string{}
	for _, c := range clues() {
		if !strings.Contains(t.lower, c.word) {
			continue
		}
		for _, where := range c.form.FindAllStringSubmatchIndex(t.whole, maxHits) {
			for name, value := range groupsOf(c.form, t.whole, where) {
				values[name] = append(values[name], clean(value))
			}
		}
	}
	evidence := map[string]string{}
	for name, all := range values {
		if name == "project" {
			all = idsFirst(all)
		}
		if one := distinct(all); one != "" {
			evidence[name] = one
		}
	}
	return evidence
}

// idsFirst drops project numbers where the text has IDs.
func idsFirst(projects []string) []string {
	var ids []string
	for _, p := range projects {
		if _, err := strconv.Atoi(p); err != nil {
			ids = append(ids, p)
		}
	}
	if len(ids) > 0 {
		return ids
	}
	return projects
}

// distinct is the only value of a list, "" where there are two.
func distinct(values []string) string {
	for _, v := range values {
		if v != values[0] {
			return ""
		}
	}
	return values[0]
}

// line is the line of a place, cut around it where it is long.
func (t *text) line(place span) string {
	const (
		before, after = 160, 240 // bytes that are kept around the words
		looked        = 16 << 10 // bytes that are searched for secrets: more than one is long
	)
	start := strings.LastIndexByte(t.whole[:place.start], '\n') + 1
	end := place.end
	if i := strings.IndexByte(t.whole[end:], '\n'); i >= 0 {
		end += i
	} else {
		end = len(t.whole)
	}
	start, end = max(start, place.start-looked), min(end, place.end+looked)
	// Secrets go first: half of one would not be known as one.
	head, tail := redact(t.whole[start:place.start]), redact(t.whole[place.end:end])
	if len(head) > before {
		head = "..." + head[len(head)-before:]
	}
	if len(tail) > after {
		tail = tail[:after] + "..."
	}
	return clean(strings.Join(strings.Fields(head+redact(t.whole[place.start:place.end])+tail), " "))
}

// clean makes foreign text safe for a terminal.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
			return -1
		}
		return r
	}, s)
	return strings.TrimSpace(redact(s))
}

// secrets are the forms in which credentials stand in logs. internal/ui knows those
// of causeway's own output; a -v 10 log has more.
var secrets = sync.OnceValue(func() []*regexp.Regexp {
	return []*regexp.Regexp{
		regexp.MustCompile(`(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*`),
		regexp.MustCompile(`(?i)\b(?:proxy-)?authorization["']?\s*[:=]\s*["']?(?:[a-z]+ +)?[^\s"',;]+`),
		regexp.MustCompile(`(?i)\b(?:bearer|basic) +[a-z0-9._~+/-]{6,}=*`),
		regexp.MustCompile(`\beyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*)?`),
		regexp.MustCompile(`(?:ya29\.|\b1//)[A-Za-z0-9._/-]+`),
		regexp.MustCompile(`\bLS0tLS1CRUdJTi[A-Za-z0-9+/=]*`),             // PEM in base64
		regexp.MustCompile(`(?i)"(?:data|stringData)"\s*:\s*\{[^{}]*\}?`), // of a Secret
		regexp.MustCompile(`://[^\s/@:]*:[^\s/@]+@`),                      // a proxy's password
		regexp.MustCompile(`(?i)[\w-]*(?:token|password|passwd|secret|assertion|client-key-data|private_?key|cookie)["']?\s*(?:[:=]|%3D)\s*["']?[^\s"',;&]+`),
	}
})

func redact(s string) string {
	for _, secret := range secrets() {
		s = secret.ReplaceAllString(s, "(redacted)")
	}
	return s
}

// stamp is the head of a line that kubectl logs: day, time and process.
var stamp = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?m)^\s*[IWEF](\d{4} \d\d:\d\d:\d\d\.\d{6}) +(\d+) `)
})

// stamped is one such head of a line.
type stamped struct {
	place   span
	when    time.Time
	process string
}

// readStamps finds all of them. A long log has a hundred thousand.
func (t *text) readStamps() []stamped {
	var all []stamped
	for _, where := range stamp().FindAllStringSubmatchIndex(t.whole, -1) {
		if when, err := time.Parse("0102 15:04:05.000000", t.whole[where[2]:where[3]]); err == nil {
			all = append(all, stamped{span{where[0], where[1]}, when, t.whole[where[4]:where[5]]})
		}
	}
	return all
}

// lasted bounds how long the kubectl that met the words at a place had run: at least
// low, at most high; high is negative where nothing was logged at or after it.
func (t *text) lasted(at int) (low, high time.Duration) {
	lineEnd := len(t.whole)
	if i := strings.IndexByte(t.whole[at:], '\n'); i >= 0 {
		lineEnd = at + i
	}
	lineStart := strings.LastIndexByte(t.whole[:at], '\n') + 1
	var process string
	var first time.Time
	low, high = 0, -1
	for _, s := range t.stamps() {
		switch {
		case s.place.start < lineEnd && s.process != process: // another kubectl
			process, first, low = s.process, s.when, 0
		case s.place.start < lineEnd:
			low = s.when.Sub(first)
		}
		if s.place.end > lineStart && s.process == process {
			return low, s.when.Sub(first)
		}
	}
	return low, high
}

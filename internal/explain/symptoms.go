package explain

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// Finding is one known cause that a text tells of.
type Finding struct {
	Code string `json:"code"`
	// Line is the line that told it: safe for a terminal, without secrets, and cut
	// around the words that were found where it is long.
	Line string `json:"line"`
	// Evidence is what the text says about the case, by these names: user, group,
	// permission, project (an ID, or a number where the text has no ID), location,
	// membership, cluster, verb, resource, namespace, service, status, kubectl,
	// server and gcloud (versions without v), plugin, command, and after (how long the
	// session had lasted, a Go duration). A name is missing where the text is silent
	// or says two things.
	Evidence map[string]string `json:"evidence,omitempty"`
}

// Evidence is what a look at Google Cloud or at the cluster says about a finding.
type Evidence struct {
	Code string `json:"code"`          // of the finding that it belongs to
	Text string `json:"text"`          // what was looked at and what it said, one line
	Fix  string `json:"fix,omitempty"` // what to type, where that is known now
}

// trust is how far the words of a symptom alone prove its cause.
type trust int

const (
	// sure: nobody else says these words.
	sure trust = iota
	// likely: others say them too. A person who shows the text is told the cause; an
	// error of causeway's own takes it only where the text proves that the gateway spoke.
	likely
	// marked: told only where the text bears a mark of the gateway.
	marked
)

// symptom is one wording in which a cause shows. To teach the recogniser a new one,
// add a line to a table, before the more general ones, and a case to the test.
type symptom struct {
	code  string
	trust trust
	// words are what to look for first, in lower case; one of them must stand in each
	// match. They keep ten megabytes of log from costing as many regular expressions.
	words []string
	// form is the whole wording: case does not count, and a space stands for any
	// white space (with a ? after it, for none as well), so that wrapped text is found. Its named groups become evidence.
	// Empty: the words are enough.
	form string
	// elsewhere is the code for a text that does not prove that the gateway spoke, where
	// the same words tell of another cause.
	elsewhere string
	// vague symptoms come with nearly every cause. They are told only where nothing
	// else was found.
	vague bool
	// refine gives the codes that the rest of the text makes of a match; none: it is
	// no finding after all. Nil: the code above.
	refine func(t *text, at int, evidence map[string]string) []string

	compiled *regexp.Regexp
}

// symptoms is the whole table, the most specific first: what a line of it has found
// is not looked at again by the lines below.
var symptoms = sync.OnceValue(func() []symptom {
	spaces := strings.NewReplacer(" ?", `\s*`, " ", `\s+`)
	table := slices.Concat(gatewaySymptoms(), fleetSymptoms(), mcsSymptoms(), identitySymptoms(), translatedSymptoms(), generalSymptoms())
	for i, s := range table {
		if s.form != "" {
			table[i].compiled = regexp.MustCompile(`(?i)` + spaces.Replace(s.form))
		}
	}
	return table
})

// Recognise finds the known causes that a text tells of: output of kubectl (with
// -v 10 too) and gcloud, answers of Google in JSON, the Connect Agent's log. Each
// code comes once, in the order of the text; nil where nothing is known.
func Recognise(foreign string) []Finding {
	var findings []Finding
	t := readText(foreign)
	for _, h := range t.hits() {
		findings = append(findings, Finding{h.code, t.line(h.place), h.evidence})
	}
	return findings
}

// CodeOfText is the code of the first cause that the text of a server's answer proves,
// or "". What other servers say as well (Forbidden, 400 Bad Request) counts only
// where the text proves that Connect Gateway spoke: put the server's name before it,
// connectgateway.googleapis.com.
func CodeOfText(foreign string) string {
	for _, h := range readText(foreign).hits() {
		if h.proven {
			return h.code
		}
	}
	return ""
}

// hit is a finding and where it was found.
type hit struct {
	code          string
	place         span
	evidence      map[string]string
	vague, proven bool
}

// hits goes through the table.
func (t *text) hits() []hit {
	var all []hit
	var taken []span
	for _, s := range symptoms() {
		found, spans := t.find(s, taken)
		all, taken = append(all, found...), append(taken, spans...)
	}
	slices.SortStableFunc(all, func(a, b hit) int { return cmp.Compare(a.place.start, b.place.start) })
	precise := slices.ContainsFunc(all, func(h hit) bool { return !h.vague })
	var kept []hit
	for _, h := range all {
		i := slices.IndexFunc(kept, func(k hit) bool { return k.code == h.code })
		switch {
		case h.vague && precise:
		case i < 0:
			kept = append(kept, h)
		case !strings.Contains(t.whole[kept[i].place.start:h.place.start], "\n"): // the same line says more
			for name, value := range h.evidence {
				if kept[i].evidence[name] == "" {
					kept[i].evidence[name] = value
				}
			}
		}
	}
	return kept
}

// span is a part of the text, in bytes.
type span struct{ start, end int }

const (
	reach   = 700 // bytes to both sides of a word in which its wording must lie
	maxHits = 100 // of one symptom; a log that repeats itself says nothing new
)

// find gives what a symptom tells of the text, and every place of it, so that no
// more general symptom takes one of them for its own.
func (t *text) find(s symptom, taken []span) (found []hit, spans []span) {
	if s.trust == marked && !t.marked {
		return nil, nil
	}
	for _, word := range s.words {
		from := 0
		for range maxHits {
			i := strings.Index(t.lower[from:], word)
			if i < 0 {
				break
			}
			place, groups, ok := t.match(s, from+i, len(word))
			from += i + len(word)
			if !ok || overlaps(taken, place) || overlaps(spans, place) {
				continue
			}
			spans = append(spans, place)
			found = append(found, t.judge(s, place, groups)...)
		}
	}
	return found, spans
}

// match looks for a symptom's whole wording around a word of it.
func (t *text) match(s symptom, at, long int) (span, map[string]string, bool) {
	if s.compiled == nil {
		return span{at, at + long}, map[string]string{}, true
	}
	start, end := max(0, at-reach), min(len(t.whole), at+long+reach)
	around := t.whole[start:end]
	for _, where := range s.compiled.FindAllStringSubmatchIndex(around, -1) {
		if start+where[0] <= at && at+long <= start+where[1] {
			return span{start + where[0], start + where[1]}, groupsOf(s.compiled, around, where), true
		}
	}
	return span{}, nil, false
}

func groupsOf(form *regexp.Regexp, text string, where []int) map[string]string {
	groups := map[string]string{}
	for i, name := range form.SubexpNames() {
		if name != "" && where[2*i] >= 0 && where[2*i] < where[2*i+1] {
			groups[name] = text[where[2*i]:where[2*i+1]]
		}
	}
	return groups
}

// judge makes of one match what it proves.
func (t *text) judge(s symptom, place span, groups map[string]string) []hit {
	evidence := maps.Clone(t.evidence)
	for name, value := range groups {
		if value = clean(value); value != "" {
			evidence[name] = value
		}
	}
	codes := []string{s.code}
	if s.elsewhere != "" && !t.proven {
		codes = []string{s.elsewhere}
	} else if s.refine != nil {
		codes = s.refine(t, place.start, evidence)
	}
	var all []hit
	for _, code := range codes {
		proven := code != codePermission && code != codeForbidden && (s.trust == sure || t.proven)
		all = append(all, hit{code, place, evidence, s.vague, proven})
	}
	return all
}

// Codes that are told of a text, but that errors find by themselves.
const (
	codePermission = "CW-GCP-PERMISSION"
	codeForbidden  = "CW-KUBE-FORBIDDEN"
)

func overlaps(taken []span, place span) bool {
	return slices.ContainsFunc(taken, func(t span) bool { return place.start < t.end && t.start < place.end })
}

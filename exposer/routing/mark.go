package routing

import (
	"slices"
	"strings"
)

// Mark is whose an advertised range is, as its description tells: the API has no
// labels there. Exposures that announce the same range share it.
//
//	causeway exposure prod
//	causeway exposures ops, prod; mode was DEFAULT
type Mark struct {
	Exposures  []string // sorted; empty: not causeway's
	WasDefault bool     // causeway turned the router from DEFAULT to CUSTOM
}

const wasDefault = "; mode was DEFAULT"

// ParseMark reads a description; one that is not causeway's gives the zero Mark.
func ParseMark(description string) Mark {
	rest, was := strings.CutSuffix(description, wasDefault)
	one, ok := strings.CutPrefix(rest, "causeway exposure ")
	if ok && one != "" && !strings.ContainsAny(one, " ,") {
		return Mark{[]string{one}, was}
	}
	several, ok := strings.CutPrefix(rest, "causeway exposures ")
	if !ok || several == "" {
		return Mark{}
	}
	names := strings.Split(several, ", ")
	if slices.ContainsFunc(names, func(name string) bool { return name == "" || strings.ContainsAny(name, " ,") }) {
		return Mark{}
	}
	slices.Sort(names)
	return Mark{slices.Compact(names), was}
}

// String writes the description; "" for the zero Mark.
func (m Mark) String() string {
	text := "causeway exposures " + strings.Join(m.Exposures, ", ")
	switch len(m.Exposures) {
	case 0:
		return ""
	case 1:
		text = "causeway exposure " + m.Exposures[0]
	}
	if m.WasDefault {
		text += wasDefault
	}
	return text
}

// Has reports whether the range is this exposure's, alone or with others.
func (m Mark) Has(exposure string) bool { return slices.Contains(m.Exposures, exposure) }

// With and Without are the mark with one exposure more or less.
func (m Mark) With(exposure string) Mark {
	names := append(slices.Clone(m.Exposures), exposure)
	slices.Sort(names)
	return Mark{slices.Compact(names), m.WasDefault}
}

// Without keeps the note on the mode, for whoever is left.
func (m Mark) Without(exposure string) Mark {
	names := slices.DeleteFunc(slices.Clone(m.Exposures), func(name string) bool { return name == exposure })
	return Mark{names, m.WasDefault}
}

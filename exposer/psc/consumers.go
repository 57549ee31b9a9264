package psc

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"causeway/exposer"
)

// nameConsumers puts IDs in the place of project numbers in the lists of consumers:
// Google answers with IDs, whatever it was given (magic-modules, pull request 6793),
// so that a number would never be found again. One that can't be looked up stays, and
// is refused by checkLists.
func (x *exposure) nameConsumers(ctx context.Context) {
	own := *x.spec.PSC
	x.spec.PSC = &own
	for _, list := range []*[]string{&own.Consumers, &own.Reject} {
		*list = slices.Clone(*list)
		for i, entry := range *list {
			number := numberIn(entry)
			if number == "" {
				continue
			}
			if project, err := x.google.Project(ctx, number); err == nil && project.ID != "" {
				(*list)[i] = strings.Replace(entry, number, project.ID, 1)
			}
		}
	}
}

// numberIn is the project's number in an entry of a list; "" where it has an ID.
func numberIn(entry string) string {
	who, _, _ := strings.Cut(entry, "=")
	if rest, ok := strings.CutPrefix(who, "projects/"); ok {
		who, _, _ = strings.Cut(rest, "/")
	}
	if who == "" || strings.Trim(who, "0123456789") != "" {
		return ""
	}
	return who
}

// checkLists finds entries of several kinds in both lists together (the validation
// of a spec looks at each list by itself), and those that Google would not know again.
func (x *exposure) checkLists(context.Context) ([]exposer.Problem, error) {
	if !x.producing() {
		return nil, nil
	}
	var kinds []string
	var problems []exposer.Problem
	for _, entry := range append(x.accepted(), x.spec.PSC.Reject...) {
		who, _, _ := exposer.ConsumerOf(entry)
		if kind := exposer.KindOfConsumer(who); !slices.Contains(kinds, kind) {
			kinds = append(kinds, kind)
		}
		if number := numberIn(entry); number != "" {
			problems = append(problems, exposer.Problem{Code: "CW-PSC-LISTS",
				Text: fmt.Sprintf("%s is a project's number, which project it is can't be looked up from here, and Google tells its lists by IDs", number),
				Fix:  "name the project by its ID"})
		}
	}
	switch {
	case len(kinds) > 1:
		problems = append(problems, exposer.Problem{Code: "CW-PSC-LISTS", Text: fmt.Sprintf("--consumer and --reject together name a %s and a %s: Google takes one kind in both lists", kinds[0], kinds[1]),
			Fix: "name projects only, or networks only, or endpoints only"})
	case slices.Contains(kinds, exposer.ByEndpoint) && x.consuming() && x.spec.PSC.Accept == exposer.AcceptManual:
		problems = append(problems, exposer.Problem{Code: "CW-PSC-LISTS",
			Text: "endpoints are let in by an ID that Google gives to each when it is made, so the one of this very command can't be listed beforehand",
			Fix:  "name the consumer's project or network with --consumer, or make the two halves by commands of their own"})
	}
	return problems, nil
}

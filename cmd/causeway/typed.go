package main

import (
	"regexp"
	"slices"
	"strings"
)

// plainWord is an argument that a shell takes as it is.
var plainWord = regexp.MustCompile(`^[A-Za-z0-9_@%+=:,./-]+$`)

// same is the command line that was typed, with another verb in its verb's place and
// without the flags that would keep that one from its work: to be typed again. No
// argument holds a secret, so none is shown.
func (a *app) same(verb string, more ...string) string {
	words := append([]string{"causeway"}, strings.Fields(verb)...)
	typed := a.args[min(len(words)-1, len(a.args)):]
	for _, word := range slices.Concat(typed, more) {
		if !slices.Contains([]string{"--dry-run", "--dry-run=true", "--exit-code", "--exit-code=true"}, word) {
			words = append(words, shellWord(word))
		}
	}
	return strings.Join(words, " ")
}

// shellWord quotes an argument for a shell, where it needs that.
func shellWord(word string) string {
	if plainWord.MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

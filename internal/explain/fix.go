package explain

import (
	"regexp"
	"strings"
)

// shellSafe is what may be put into a command that people will paste: evidence is
// foreign text.
var shellSafe = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+@:/-]*$`)

var words = regexp.MustCompile(`[A-Za-z0-9_-]+`)

// FixFor is the fix with the entry's placeholders (PROJECT, LOCATION, CLUSTER,
// MEMBERSHIP, USER, MEMBER, GROUP, NAMESPACE) replaced by evidence, where there is
// any that is safe to type. What is not known stays a placeholder.
func (e Entry) FixFor(evidence map[string]string) string {
	values := map[string]string{}
	for _, name := range []string{"project", "location", "cluster", "membership", "user", "group", "namespace"} {
		if shellSafe.MatchString(evidence[name]) {
			values[strings.ToUpper(name)] = evidence[name]
		}
	}
	if user := values["USER"]; strings.Contains(user, "@") && !strings.HasPrefix(user, "system:") {
		values["MEMBER"] = Member(user)
	}
	return words.ReplaceAllStringFunc(e.Fix, func(word string) string {
		if value, ok := values[word]; ok {
			return value
		}
		return word
	})
}

// Member is an e-mail address as IAM writes it: serviceAccount:... or user:...
func Member(email string) string {
	if strings.HasSuffix(email, ".gserviceaccount.com") {
		return "serviceAccount:" + email
	}
	return "user:" + email
}

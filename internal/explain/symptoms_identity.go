package explain

// identitySymptoms are the wordings in which nobody knows who calls: Google's answer
// to a token that has ended, and the programs that are to get a fresh one.
func identitySymptoms() []symptom {
	return []symptom{
		{code: codeCredentials, words: []string{"request had invalid authentication credentials", "request is missing required authentication credential"}},
		{code: codeCredentials, words: []string{"refreshing your current auth tokens", "refreshing auth tokens for account"},
			form: `There was a problem refreshing (?:your current auth tokens|auth tokens for account (?P<user>[^\s:]+@[^\s:]+))`},
		{code: codeCredentials, words: []string{"have an active account selected"}, form: `You do not currently have an active account selected`},
		{code: codeCredentials, words: []string{"could not find default credentials"}},
		{code: codeCredentials, vague: true, words: []string{"gke-gcloud-auth-plugin"},
			form: `executable (?P<plugin>gke-gcloud-auth-plugin)(?:\.exe)? failed with exit code \d+`},
		{code: codeCredentials, trust: likely, vague: true, elsewhere: "CW-KUBE-UNAUTHORIZED", words: []string{"you must be logged in to the server", "asked for the client to provide credentials"}},
	}
}

// codeCredentials is Google's 401.
const codeCredentials = "CW-GCP-CREDENTIALS"

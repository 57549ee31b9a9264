package ui

import "regexp"

// The forms that secrets of this trade have: a JWT, a Google access token, a
// bearer header, a private key.
var secrets = []*regexp.Regexp{
	regexp.MustCompile(`(?s)-----BEGIN ([A-Z ]*)PRIVATE KEY-----.*?(-----END ([A-Z ]*)PRIVATE KEY-----|\z)`),
	regexp.MustCompile(`\beyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*`),
	regexp.MustCompile(`\bya29\.[A-Za-z0-9._-]+`),
	regexp.MustCompile(`(?i)\bbearer +[A-Za-z0-9._~+/-]{8,}=*`),
}

// Redact replaces what looks like a secret by "(redacted)".
func Redact(text string) string {
	for _, secret := range secrets {
		text = secret.ReplaceAllString(text, "(redacted)")
	}
	return text
}

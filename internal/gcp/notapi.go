package gcp

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

// codeNotAPI is that of answers that somebody else gave in Google's place.
const codeNotAPI = "CW-GCP-NOT-API"

// notAPIError is an answer that none of Google's APIs gave: a proxy's page, a portal
// that wants a sign-in, a web server behind a wrong endpoint override. Its status
// says nothing of the resource that was asked for: a 404 of it is no "there is none".
type notAPIError struct {
	status int
	what   string
}

func (e *notAPIError) Error() string {
	return fmt.Sprintf("what answered is not Google's API: HTTP %d, %s", e.status, e.what)
}

// garbledError is an answer of 2xx that is no JSON.
type garbledError struct{ cause error }

func (e *garbledError) Error() string { return "the answer makes no sense: " + e.cause.Error() }
func (e *garbledError) Unwrap() error { return e.cause }

// judge finds the answers that are none of an API: of those, an error is a JSON object
// with the field error, and everything else is JSON as well. Pages that say 408, 429 or
// 5xx pass: Google's own front ends write them, and they are repeated.
func judge(request *http.Request, response *http.Response, text []byte) error {
	status := response.StatusCode
	switch {
	case status == http.StatusRequestTimeout, status == http.StatusTooManyRequests, status >= 500:
		return nil
	case status >= 400:
		if isAPIError(text) {
			return nil
		}
	case status >= 300:
	case status == http.StatusNoContent, len(text) == 0 && ofDNS(request): // which says nothing of a deletion
		return nil
	case isPage(response, text):
	default:
		if err := json.Unmarshal(text, new(json.RawMessage)); err != nil {
			return &garbledError{cause: err}
		}
		return nil
	}
	what := excerpt(text)
	if to, err := url.Parse(response.Header.Get("Location")); err == nil && to.Host != "" {
		what = "which sends to " + to.Scheme + "://" + to.Host // the rest may hold what is nobody's business
	}
	return &notAPIError{status: status, what: what}
}

// isAPIError knows both forms of an error's JSON: an object, and, of some streaming
// methods, an array of one.
func isAPIError(text []byte) bool {
	type answer struct{ Error json.RawMessage }
	var one answer
	if json.Unmarshal(text, &one) == nil {
		return len(one.Error) > 0
	}
	var list []answer
	return json.Unmarshal(text, &list) == nil && len(list) > 0 && len(list[0].Error) > 0
}

func isPage(response *http.Response, text []byte) bool {
	return strings.Contains(response.Header.Get("Content-Type"), "html") || bytes.HasPrefix(bytes.TrimSpace(text), []byte("<"))
}

var title = regexp.MustCompile(`(?is)<title[^>]*>(.*?)</title`)

// excerpt quotes the beginning of an answer in one line; of a page, its title.
func excerpt(text []byte) string {
	const most = 80
	words := string(text[:min(len(text), 64<<10)])
	if found := title.FindStringSubmatch(words); found != nil {
		words = html.UnescapeString(found[1])
	}
	short := []rune(strings.ToValidUTF8(strings.Join(strings.Fields(words), " "), "?"))
	switch {
	case len(short) == 0:
		return "an empty answer"
	case len(short) > most:
		return fmt.Sprintf(`"%s..."`, string(short[:most]))
	}
	return fmt.Sprintf(`"%s"`, string(short))
}

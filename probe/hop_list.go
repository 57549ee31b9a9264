package probe

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// listHop reads one page of what the identity may list, as metadata only: the
// smallest answer that shows real data coming through.
func listHop(ctx context.Context, s *session) Result {
	if s.quiet == "" {
		return skip("the identity may list neither namespaces nor pods in %s", s.namespace)
	}
	client, err := s.client("")
	if err != nil {
		return fail("CW-PROBE-LIST", err, "%v", err)
	}
	request, err := s.request(ctx, http.MethodGet, s.quiet, url.Values{"limit": {"500"}}, nil)
	if err != nil {
		return fail("CW-PROBE-LIST", err, "%v", err)
	}
	request.Header.Set("Accept", "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1, application/json")
	response, err := client.Do(request)
	if err != nil {
		return requestFailure(err, "CW-PROBE-LIST", "list "+s.collection())
	}
	got, err := readAnswer(response)
	if err != nil {
		return requestFailure(err, "CW-PROBE-LIST", "list "+s.collection())
	}
	if s.guessed && got.code == http.StatusForbidden && got.fromKube() {
		refused := skip("the identity may not list %s, and what else it may can't be asked for", s.collection())
		s.quiet = ""
		return refused
	}
	if !got.ok() {
		return s.refusal(got, "CW-PROBE-LIST")
	}
	var list struct {
		Metadata metav1.ListMeta   `json:"metadata"`
		Items    []json.RawMessage `json:"items"`
	}
	if err := json.Unmarshal(got.body, &list); err != nil || !got.fromKube() {
		return fail("CW-PROBE-LIST", err, "the answer is no list: %s", got.who())
	}
	s.version = list.Metadata.ResourceVersion
	count := strconv.Itoa(len(list.Items))
	if list.Metadata.Continue != "" {
		count = "the first " + count
	}
	return pass("%s: %s, %d bytes", s.collection(), count, len(got.body)).fact("count", strconv.Itoa(len(list.Items)))
}

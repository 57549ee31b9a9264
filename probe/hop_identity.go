package probe

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const reviewPath = "apis/authentication.k8s.io/v1/selfsubjectreviews"

// identityHop asks the API server whom it takes the caller for.
func identityHop(ctx context.Context, s *session) Result {
	review := newReview()
	got, err := s.review(ctx, reviewPath, &review)
	if err != nil {
		return requestFailure(err, "CW-PROBE-HTTP", "ask who I am")
	}
	if got.code == http.StatusNotFound && got.fromKube() {
		return pass("the API server is older than 1.28 and does not tell who calls") // SelfSubjectReview v1 came with 1.28
	}
	if s.readsAlone(got) {
		return skip("can't be asked for without %s, which readers lack; the gateway itself knows the caller and lets him read", mayPost)
	}
	if !got.ok() {
		return s.refusal(got, "CW-PROBE-UNAUTHORIZED")
	}
	user := review.Status.UserInfo
	if user.Username == "" {
		return fail("CW-PROBE-NOT-KUBE", nil, "the answer to SelfSubjectReview names nobody: %s", got.who())
	}
	if user.Username == "system:anonymous" || slices.Contains(user.Groups, "system:unauthenticated") {
		return fail("CW-PROBE-ANONYMOUS", nil, "the API server takes the caller for %s: %s", clip(user.Username, 80), s.sent())
	}
	return s.tokenLife(user)
}

func newReview() authenticationv1.SelfSubjectReview {
	return authenticationv1.SelfSubjectReview{TypeMeta: metav1.TypeMeta{
		APIVersion: "authentication.k8s.io/v1", Kind: "SelfSubjectReview",
	}}
}

// sent says which credential went out and got lost.
func (s *session) sent() string {
	s.tokenEnd.Lock()
	defer s.tokenEnd.Unlock()
	switch {
	case s.tokenEnd.sent:
		return "the token that was sent did not arrive"
	case len(s.tls.Certificates) > 0 || s.tls.GetClientCertificate != nil:
		return "the client certificate that was sent did not arrive"
	}
	return "the kubeconfig has no credential"
}

// tokenLife tells the real end of the token, which may be sooner than was asked for.
func (s *session) tokenLife(user authenticationv1.UserInfo) Result {
	s.tokenEnd.Lock()
	end := s.tokenEnd.end
	s.tokenEnd.Unlock()
	name := clip(user.Username, 120)
	detail := name
	if groups := others(user.Groups); groups != "" {
		detail += " (" + groups + ")"
	}
	if end.IsZero() {
		return pass("%s", detail).fact("user", name)
	}
	left := end.Sub(s.options.Now())
	detail += fmt.Sprintf("; the token ends %s (in %s)", stamp(end), roughly(left))
	result := pass("%s", detail)
	if left < s.options.MinTokenLeft {
		result = warn("CW-PROBE-TOKEN-SOON", "%s", detail)
	}
	return result.fact("user", name).fact("token_ends", end.Format(time.RFC3339))
}

// others leaves out the groups that everybody is in.
func others(groups []string) string {
	kept := slices.DeleteFunc(slices.Clone(groups), func(group string) bool {
		return group == "system:authenticated" || strings.HasPrefix(group, "system:serviceaccounts")
	})
	return clip(strings.Join(kept, ", "), 120)
}

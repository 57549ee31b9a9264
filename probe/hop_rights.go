package probe

import (
	"context"
	"fmt"
	"strings"
	"sync"

	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// rightsHop asks for the requested rights, and for those by which list and watch
// choose their collection: namespaces, or else the Pods of the namespace.
func rightsHop(ctx context.Context, s *session) Result {
	ask := append([]Right{
		{Verb: "list", Resource: "namespaces"}, {Verb: "watch", Resource: "namespaces"},
		{Verb: "list", Resource: "pods", Namespace: s.namespace}, {Verb: "watch", Resource: "pods", Namespace: s.namespace},
	}, s.options.Rights...)
	answers := s.mayAll(ctx, ask)
	for _, a := range answers {
		if a.unasked {
			return s.guess()
		}
		if a.trouble != nil {
			return *a.trouble
		}
	}
	s.choose(answers)
	var missing, wanted []string
	allowed := 0
	for i, right := range s.options.Rights {
		switch {
		case answers[4+i].allowed:
			allowed++
		case right.Optional:
			wanted = append(wanted, right.String())
		default:
			missing = append(missing, right.String())
		}
	}
	return s.rightsResult(allowed, missing, wanted)
}

func (s *session) rightsResult(allowed int, missing, wanted []string) Result {
	asked := len(s.options.Rights)
	switch {
	case len(missing) > 0:
		return fail("CW-PROBE-RIGHTS", nil, "%d of %d; not allowed: %s", allowed, asked, strings.Join(append(missing, wanted...), ", ")).
			fact("missing", strings.Join(missing, ", "))
	case len(wanted) > 0:
		return warn("CW-PROBE-RIGHTS", "%d of %d; not allowed, and not needed by all: %s", allowed, asked, strings.Join(wanted, ", "))
	case asked > 0:
		return pass("all %d", asked)
	case s.quiet == "":
		return pass("none asked for; may list and watch neither namespaces nor pods in %s", s.namespace)
	}
	return pass("none asked for; may list and watch %s", s.collection())
}

// choose sets the collection for list and watch.
func (s *session) choose(answers []mayAnswer) {
	switch {
	case answers[0].allowed && answers[1].allowed:
		s.quiet = "api/v1/namespaces"
	case answers[2].allowed && answers[3].allowed:
		s.quiet = "api/v1/namespaces/" + s.namespace + "/pods"
	}
}

// collection is the chosen one in words.
func (s *session) collection() string {
	if strings.HasSuffix(s.quiet, "/pods") {
		return "pods in " + s.namespace
	}
	return "namespaces"
}

type mayAnswer struct {
	allowed bool
	unasked bool // the gateway lets nobody ask who may only read
	trouble *Result
}

// mayAll asks at the same time: over a long line the hop takes one round trip.
func (s *session) mayAll(ctx context.Context, rights []Right) []mayAnswer {
	answers := make([]mayAnswer, len(rights))
	if _, err := s.client(""); err != nil { // built before it is shared
		trouble := fail("CW-PROBE-HTTP", err, "%v", err)
		answers[0].trouble = &trouble
		return answers
	}
	var all sync.WaitGroup
	places := make(chan struct{}, 8)
	for i, right := range rights {
		all.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			answers[i] = s.may(ctx, right)
		})
	}
	all.Wait()
	return answers
}

func (s *session) may(ctx context.Context, right Right) mayAnswer {
	review := authorizationv1.SelfSubjectAccessReview{
		TypeMeta: metav1.TypeMeta{APIVersion: "authorization.k8s.io/v1", Kind: "SelfSubjectAccessReview"},
		Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &authorizationv1.ResourceAttributes{
			Verb: right.Verb, Group: right.Group, Resource: right.Resource, Subresource: right.Subresource,
			Namespace: right.Namespace, Name: right.Name,
		}},
	}
	got, err := s.review(ctx, "apis/authorization.k8s.io/v1/selfsubjectaccessreviews", &review)
	var trouble Result
	switch {
	case err != nil:
		trouble = requestFailure(err, "CW-PROBE-HTTP", fmt.Sprintf("ask for %s", right))
	case s.readsAlone(got):
		return mayAnswer{unasked: true}
	case !got.ok():
		trouble = s.refusal(got, "CW-PROBE-RIGHTS")
	default:
		return mayAnswer{allowed: review.Status.Allowed}
	}
	return mayAnswer{trouble: &trouble}
}

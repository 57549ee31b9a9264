package probe

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// largeBodyBytes is 2.5 MiB: more than nginx's default client_max_body_size (1 MiB)
// and than a limit of 2, less than kube-apiserver's own limit of 3 MiB
// (MaxRequestBodyBytes in k8s.io/apiserver/pkg/server/config.go).
const largeBodyBytes = 2560 << 10

// largeBodyHop posts a body just below the API server's limit. The object is a
// SelfSubjectReview padded with white space: every identity may send it, nothing is
// stored, and no validation stands in the way (a ConfigMap or Secret is refused above
// 1 MiB, also in a dry run: MaxSecretSize in k8s.io/api/core/v1/types.go).
func largeBodyHop(ctx context.Context, s *session) Result {
	if !s.options.LargeBody {
		return skip("not asked for")
	}
	body, err := paddedReview(largeBodyBytes)
	if err != nil {
		return fail("CW-PROBE-HTTP", err, "%v", err)
	}
	start := s.options.Now()
	got, err := s.call(ctx, http.MethodPost, reviewPath, nil, body)
	if err != nil {
		return requestFailure(err, "CW-PROBE-HTTP", "send 2.5 MiB")
	}
	if !got.ok() {
		return s.refusal(got, "CW-PROBE-HTTP")
	}
	took := s.options.Now().Sub(start)
	return pass("2.5 MiB went through%s", rate(took)).fact("bytes", strconv.Itoa(len(body)))
}

func rate(took time.Duration) string {
	if took <= 0 {
		return ""
	}
	return fmt.Sprintf(", %.1f MiB/s", float64(largeBodyBytes)/(1<<20)/took.Seconds())
}

// paddedReview is a SelfSubjectReview in exactly size bytes.
func paddedReview(size int) ([]byte, error) {
	review, err := json.Marshal(newReview())
	if err != nil {
		return nil, fmt.Errorf("encode review: %w", err)
	}
	last := len(review) - 1
	body := append(review[:last:last], bytes.Repeat([]byte(" "), size-len(review))...)
	return append(body, review[last]), nil
}

package templates

import (
	"regexp"
	"strconv"
	"strings"
)

var (
	versionText = regexp.MustCompile(`^([0-9]+)\.([0-9]+)(?:\.([0-9]+))?$`)
	versionTag  = regexp.MustCompile(`^v?([0-9]+\.[0-9]+(?:\.[0-9]+)?)(?:[-_.+].*)?$`)
)

// HTTP2OK says whether an nginx of that version ("1.26.3", "1.28") may offer
// HTTP/2 to clients of the Kubernetes API.
//
// Up to 1.22, nginx holds back the response headers of a watch on which nothing
// happens when the client speaks HTTP/2: client-go then blocks until the first
// event. 1.23.0 cured it (its change "made it possible to flush response
// headers", ticket 1743). The directive that turns HTTP/2 on is `http2 on` from
// 1.25.1 and was a parameter of `listen` before, which warns since; so the
// boundary is 1.25.1: one way to write it, on releases that are right. Older and
// unknown versions get HTTP/1.1 alone, with which everything works.
func HTTP2OK(version string) bool {
	parts := versionText.FindStringSubmatch(version)
	if parts == nil {
		return false
	}
	var number [3]int
	for i := range number {
		if parts[i+1] == "" {
			// "1.25" may be 1.25.0: the missing number counts as the lowest.
			continue
		}
		n, err := strconv.Atoi(parts[i+1])
		if err != nil {
			return false
		}
		number[i] = n
	}
	for i, least := range [3]int{1, 25, 1} {
		if number[i] != least {
			return number[i] > least
		}
	}
	return true
}

// ImageVersion reads the nginx version from an image reference's tag:
// "mirror.gcr.io/library/nginx:1.28-alpine" is 1.28. It is not known for tags
// that name no version (latest, stable), for digests alone, and for images whose
// name does not say that they are nginx.
func ImageVersion(image string) (version string, known bool) {
	image, _, _ = strings.Cut(image, "@")
	name := image[strings.LastIndex(image, "/")+1:]
	name, tag, tagged := strings.Cut(name, ":")
	if !tagged || !strings.Contains(name, "nginx") {
		return "", false
	}
	parts := versionTag.FindStringSubmatch(tag)
	if parts == nil {
		return "", false
	}
	return parts[1], true
}

package probe

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"
)

// tokenExpiry reads the exp claim of a JWT without verifying anything: it is only
// told, never trusted (TokenRequest may cap the asked duration silently).
func tokenExpiry(token string) (time.Time, bool) {
	body := claimsOf(token)
	if body.Exp == nil {
		return time.Time{}, false
	}
	return time.Unix(int64(*body.Exp), 0).UTC(), true
}

// accountToken reports whether a token says that it is a ServiceAccount's.
func accountToken(token string) bool {
	return strings.HasPrefix(claimsOf(token).Sub, "system:serviceaccount:")
}

// claims are those of a JWT that the probe tells of.
type claims struct {
	Exp *float64 `json:"exp"`
	Sub string   `json:"sub"`
}

// claimsOf reads a JWT's; what is none has none.
func claimsOf(token string) claims {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return claims{}
	}
	text, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	if err != nil {
		return claims{}
	}
	var body claims
	if json.Unmarshal(text, &body) != nil {
		return claims{}
	}
	return body
}

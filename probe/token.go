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
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return time.Time{}, false
	}
	claims, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	if err != nil {
		return time.Time{}, false
	}
	var body struct {
		Exp *float64 `json:"exp"`
	}
	if err := json.Unmarshal(claims, &body); err != nil || body.Exp == nil {
		return time.Time{}, false
	}
	return time.Unix(int64(*body.Exp), 0).UTC(), true
}

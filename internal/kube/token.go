package kube

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Token is a ServiceAccount's token with the life that it really has.
type Token struct {
	Value   string
	Issued  time.Time
	Expires time.Time // zero: it never ends
	Asked   time.Duration
	Capped  bool // the API server gave less than was asked for
}

// String never shows the token, so that %v cannot.
func (t Token) String() string {
	if t.Expires.IsZero() {
		return "(token without end)"
	}
	return "(token until " + t.Expires.UTC().Format(time.RFC3339) + ")"
}

// GoString keeps %#v from showing it.
func (t Token) GoString() string { return t.String() }

// MarshalJSON keeps it out of -o json.
func (t Token) MarshalJSON() ([]byte, error) { return json.Marshal(t.String()) }

// Token asks for a token of a ServiceAccount (TokenRequest) that lives for ttl,
// at least ten minutes. The life is read from the token itself: API servers cap
// it without a word (48 h on GKE, DataDog/stratus-red-team #163).
func (c *Client) Token(ctx context.Context, namespace, account string, ttl time.Duration) (Token, error) {
	resource := "token of ServiceAccount " + namespace + "/" + account
	if err := c.mayWrite("request", resource); err != nil {
		return Token{}, err
	}
	request := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
		"metadata": map[string]any{"name": account, "namespace": namespace},
		"spec":     map[string]any{"expirationSeconds": int64(ttl / time.Second)}}}
	var made *unstructured.Unstructured
	err := c.try(ctx, func() (err error) {
		made, err = c.in(Ref{Version: "v1", Kind: "ServiceAccount", Namespace: namespace}).
			Create(ctx, request, metav1.CreateOptions{}, "token")
		return err
	})
	if err != nil {
		return Token{}, wrap("request", resource, err)
	}
	value, _, _ := unstructured.NestedString(made.Object, "status", "token")
	token, err := readToken(value)
	if err != nil {
		return Token{}, fail("CW-TOKEN-UNREADABLE", "request", resource, "%w", err)
	}
	token.Asked = ttl
	// Half a minute is rounding; what is shorter was cut.
	token.Capped = !token.Expires.IsZero() && token.Expires.Sub(token.Issued) < ttl-30*time.Second
	return token, nil
}

// readToken reads issue and end from a JWT's claims. Nothing is verified: it
// came from the API server over a verified connection.
func readToken(value string) (Token, error) {
	parts := strings.Split(value, ".")
	if len(parts) != 3 {
		return Token{}, errors.New("what the API server gave is no JWT")
	}
	body, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return Token{}, errors.New("the JWT's claims cannot be decoded")
	}
	var claims struct {
		Issued  int64 `json:"iat"`
		Expires int64 `json:"exp"`
	}
	if json.Unmarshal(body, &claims) != nil {
		return Token{}, errors.New("the JWT's claims cannot be read")
	}
	token := Token{Value: value}
	if claims.Issued > 0 {
		token.Issued = time.Unix(claims.Issued, 0)
	}
	if claims.Expires > 0 {
		token.Expires = time.Unix(claims.Expires, 0)
	}
	return token, nil
}

// secretTokenBound: the token controller fills a Secret within a second or so.
const secretTokenBound = time.Minute

// SecretToken waits until the cluster has filled a Secret of type
// kubernetes.io/service-account-token and returns its token, which never ends.
// Since Kubernetes 1.24 such a Secret exists only where somebody made one.
func (c *Client) SecretToken(ctx context.Context, namespace, name string, note func(string)) (string, error) {
	ref := Ref{Version: "v1", Kind: "Secret", Namespace: namespace, Name: name}
	var token string
	err := c.wait(ctx, waiting{ref: ref, bound: secretTokenBound, note: note, what: "the cluster fills in the token",
		check: func(live *unstructured.Unstructured) (bool, error) {
			if live == nil {
				return false, nil
			}
			encoded, _, _ := unstructured.NestedString(live.Object, "data", "token")
			decoded, err := base64.StdEncoding.DecodeString(encoded)
			if err != nil {
				return false, fmt.Errorf("decode token: %w", err)
			}
			token = string(decoded)
			return token != "", nil
		},
		late: func() *Error {
			return fail("CW-TOKEN-SECRET", "wait for", ref.String(), "the cluster did not fill in a token within %s", secretTokenBound)
		}})
	return token, err
}

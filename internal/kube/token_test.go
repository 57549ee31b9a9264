package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestTokenTellsItsRealLife(t *testing.T) {
	r := newRig(t, Env{})
	tests := map[string]struct {
		ttl    time.Duration
		life   time.Duration
		capped bool
	}{
		"an hour":                              {time.Hour, time.Hour, false},
		"two days, which is all there is":      {48 * time.Hour, 48 * time.Hour, false},
		"a month, which is cut without a word": {30 * 24 * time.Hour, 48 * time.Hour, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			token, err := r.client.Token(context.Background(), r.ns, "default", test.ttl)
			if err != nil {
				t.Fatal(err)
			}
			if life := token.Expires.Sub(token.Issued); life < test.life-time.Minute || life > test.life+time.Minute {
				t.Errorf("it lives for %s, want %s", life, test.life)
			}
			if token.Capped != test.capped || token.Asked != test.ttl {
				t.Errorf("capped: %v, asked: %s", token.Capped, token.Asked)
			}
			client, err := New(r.server.ConfigFor(token.Value), Env{})
			if err != nil {
				t.Fatal(err)
			}
			if user, err := client.WhoAmI(context.Background()); err != nil || user != "system:serviceaccount:"+r.ns+":default" {
				t.Errorf("it authenticates as %q, %v", user, err)
			}
		})
	}
}

func TestTokenIsNeverShown(t *testing.T) {
	token := Token{Value: "top-secret", Expires: time.Unix(0, 0)}
	inJSON, err := json.Marshal(map[string]any{"token": token})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{fmt.Sprint(token), fmt.Sprintf("%v %+v %#v %s", token, token, token, token), string(inJSON), fmt.Sprint(Token{Value: "top-secret"})} {
		if strings.Contains(text, "top-secret") {
			t.Errorf("shown: %s", text)
		}
	}
}

func TestTokenThatCannotBeMade(t *testing.T) {
	r := newRig(t, Env{})
	_, err := r.client.Token(context.Background(), r.ns, "nobody", time.Hour)
	if err == nil || !strings.Contains(err.Error(), "request token of ServiceAccount "+r.ns+"/nobody") {
		t.Errorf("an account that is missing: %v", err)
	}
	_, err = r.client.Token(context.Background(), r.ns, "default", time.Minute)
	wantError(t, err, "CW-KUBE-INVALID", "10 minutes")
}

func TestReadToken(t *testing.T) {
	for name, value := range map[string]string{
		"empty": "", "opaque": "abc", "no base64": "a.!.c", "no JSON": "a.YWJj.c",
	} {
		if _, err := readToken(value); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	token, err := readToken("a.e30.c") // {}
	if err != nil || !token.Expires.IsZero() {
		t.Errorf("a token without end: %v %v", token, err)
	}
}

func FuzzReadToken(f *testing.F) {
	f.Add("a.e30.c")
	f.Add("eyJhbGciOiJFUzI1NiJ9.eyJleHAiOjF9.x")
	f.Fuzz(func(t *testing.T, value string) {
		token, err := readToken(value)
		if err == nil && token.Value != value {
			t.Errorf("value changed")
		}
	})
}

const tokenSecret = `{apiVersion: v1, kind: Secret, type: kubernetes.io/service-account-token,
 metadata: {name: causeway-client-token, namespace: NAMESPACE, annotations: {kubernetes.io/service-account.name: ACCOUNT}}}`

func TestSecretTokenIsWaitedFor(t *testing.T) {
	r := newRig(t, Env{})
	r.create(strings.ReplaceAll(tokenSecret, "ACCOUNT", "default"))
	token, err := r.client.SecretToken(context.Background(), r.ns, "causeway-client-token", r.notes.note)
	if err != nil {
		t.Fatal(err)
	}
	if read, err := readToken(token); err != nil || !read.Expires.IsZero() {
		t.Errorf("a Secret's token must have no end: %v %v", read, err)
	}
}

func TestSecretTokenThatNeverComes(t *testing.T) {
	r := newRig(t, fast(100))
	wantCode := func(err error) {
		t.Helper()
		wantError(t, err, "CW-TOKEN-SECRET", "did not fill in a token within 1m0s")
	}
	_, err := r.client.SecretToken(context.Background(), r.ns, "none", r.notes.note)
	wantCode(err)
}

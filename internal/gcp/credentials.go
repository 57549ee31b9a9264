package gcp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"cloud.google.com/go/compute/metadata"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google"
	"google.golang.org/api/iamcredentials/v1"
	"google.golang.org/api/option"
)

const (
	cloudPlatform = "https://www.googleapis.com/auth/cloud-platform"
	// userEmail lets an API server know a service account by its e-mail address, by
	// which people bind roles; without it, it is known by a number.
	userEmail = "https://www.googleapis.com/auth/userinfo.email"
	// impersonatedLifetime is the longest that Google grants without an
	// organisation policy.
	impersonatedLifetime = "3600s"
	metadataTimeout      = 2 * time.Second
)

// credentials are a way to tokens and what else the file said.
type credentials struct {
	source       oauth2.TokenSource
	quotaProject string
}

// findCredentials looks where gcloud and Google's libraries look: the access token
// file, GOOGLE_APPLICATION_CREDENTIALS, gcloud's application default credentials,
// the metadata server.
func findCredentials(ctx context.Context, getenv func(string) string, options Options) (credentials, error) {
	if file := options.AccessTokenFile; file != "" {
		source := tokenFile{file}
		_, err := source.Token() // at once, not in the middle of the work
		return credentials{source: source}, err
	}
	if file := getenv("GOOGLE_APPLICATION_CREDENTIALS"); file != "" {
		return readCredentials(ctx, file)
	}
	if directory := gcloudDirectory(getenv); directory != "" {
		found, err := readCredentials(ctx, filepath.Join(directory, "application_default_credentials.json"))
		if !errors.Is(err, os.ErrNotExist) {
			return found, err
		}
	}
	onGCE := options.OnGCE
	if onGCE == nil {
		onGCE = metadata.OnGCEWithContext
	}
	ctx, cancel := context.WithTimeout(ctx, metadataTimeout)
	defer cancel()
	if onGCE(ctx) {
		return credentials{source: google.ComputeTokenSource("", cloudPlatform, userEmail)}, nil
	}
	return credentials{}, errors.New("none are set up")
}

// readCredentials reads a credentials file of any type that Google defines. The
// type is the user's own choice: it is their file, on their machine.
func readCredentials(ctx context.Context, file string) (credentials, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return credentials{}, fmt.Errorf("read credentials file: %w", err)
	}
	var head struct {
		Type         google.CredentialsType `json:"type"`
		QuotaProject string                 `json:"quota_project_id"`
	}
	if err := json.Unmarshal(text, &head); err != nil {
		return credentials{}, fmt.Errorf("read credentials file %s: it is not JSON", file) // err could quote a secret
	}
	found, err := google.CredentialsFromJSONWithType(ctx, text, head.Type, cloudPlatform, userEmail)
	if err != nil {
		return credentials{}, fmt.Errorf("read credentials file %s: %w", file, err)
	}
	return credentials{source: found.TokenSource, quotaProject: head.QuotaProject}, nil
}

// tokenFile is an access token in a file. It is read for each call, so that
// whoever refreshes the file in the middle of a long run keeps it going.
type tokenFile struct{ file string }

// Token implements oauth2.TokenSource.
func (f tokenFile) Token() (*oauth2.Token, error) {
	text, err := os.ReadFile(f.file)
	if err != nil {
		return nil, fmt.Errorf("read access token file: %w", err)
	}
	token := strings.TrimSpace(string(text))
	if token == "" || strings.ContainsAny(token, " \t\r\n{") {
		return nil, fmt.Errorf("read access token file %s: it must hold a bare access token and nothing else", f.file)
	}
	return &oauth2.Token{AccessToken: token}, nil
}

// impersonator gets the tokens of a service account with those of the caller.
type impersonator struct {
	ctx       context.Context
	service   *iamcredentials.Service
	account   string
	delegates []string
}

// impersonate makes the token source of the account that options name; each token
// is kept until shortly before it ends.
func impersonate(ctx context.Context, config Config, options Options) (oauth2.TokenSource, error) {
	clientOptions := []option.ClientOption{option.WithHTTPClient(&http.Client{Transport: newTransport(config)})}
	if endpoint := withSlash(config.Endpoints.IAMCredentials); endpoint != "" {
		clientOptions = append(clientOptions, option.WithEndpoint(endpoint))
	}
	service, err := iamcredentials.NewService(ctx, clientOptions...)
	if err != nil {
		return nil, fmt.Errorf("open IAM credentials client: %w", err)
	}
	chain := strings.Split(options.Impersonate, ",")
	source := &impersonator{ctx: ctx, service: service, account: strings.TrimSpace(chain[len(chain)-1])}
	for _, delegate := range chain[:len(chain)-1] {
		source.delegates = append(source.delegates, "projects/-/serviceAccounts/"+strings.TrimSpace(delegate))
	}
	return oauth2.ReuseTokenSource(nil, source), nil
}

// Token implements oauth2.TokenSource.
func (i *impersonator) Token() (*oauth2.Token, error) {
	name := "projects/-/serviceAccounts/" + i.account
	answer, err := i.service.Projects.ServiceAccounts.GenerateAccessToken(name, &iamcredentials.GenerateAccessTokenRequest{
		Scope: []string{cloudPlatform, userEmail}, Lifetime: impersonatedLifetime, Delegates: i.delegates,
	}).Context(i.ctx).Do()
	if err != nil {
		return nil, wrap("impersonate", "service account "+i.account, err)
	}
	expires, err := time.Parse(time.RFC3339, answer.ExpireTime)
	if err != nil {
		return nil, fmt.Errorf("impersonate service account %s: read its token's expiry: %w", i.account, err)
	}
	return &oauth2.Token{AccessToken: answer.AccessToken, Expiry: expires}, nil
}

// AccessToken gets one token of the identity, and when it ends: the zero time where
// it does not say. It fails with CW-GCP-CREDENTIALS, or as the impersonation fails.
func (c Config) AccessToken() (string, time.Time, error) {
	token, err := c.TokenSource.Token()
	var own *Error
	switch {
	case errors.As(err, &own):
		return "", time.Time{}, own
	case err != nil:
		return "", time.Time{}, &Error{Verb: "get", Resource: "Google token", Message: err.Error(), Cause: err, code: codeCredentials}
	}
	return token.AccessToken, token.Expiry, nil
}

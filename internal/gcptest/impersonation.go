package gcptest

import (
	"strings"
	"time"
)

func impersonationRoutes() map[string]handler {
	return map[string]handler{
		"iamcredentials.projects.serviceAccounts.generateAccessToken": {generateAccessToken, nil},
	}
}

// generateAccessToken hands out a token of its own for a service account. The
// permission that it needs is one on the account, here denied for all at once.
func generateAccessToken(c *call) (any, *Error) {
	account := c.params["serviceAccountsId"]
	if failure := c.need(accountProject(account), "iam.serviceAccounts.getAccessToken", "projects/-/serviceAccounts/"+account); failure != nil {
		return nil, failure
	}
	if !strings.Contains(account, "@") {
		return nil, &Error{Status: 404, Reason: "notFound", Message: "Unknown service account"}
	}
	token := impersonated + account
	expires := c.server.options.Now().Add(time.Hour)
	c.server.tokens[token] = expires
	return object{"accessToken": token, "expireTime": expires.UTC().Format(time.RFC3339)}, nil
}

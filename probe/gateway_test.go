package probe

import (
	"net/url"
	"testing"
)

func TestURLsOfConnectGatewayAreKnown(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"https://connectgateway.googleapis.com/v1/projects/123/locations/global/gkeMemberships/prod":                  true,
		"https://europe-west3-connectgateway.googleapis.com/v1/projects/123/locations/europe-west3/memberships/prod/": true,
		"https://10.156.0.26":                                          false,
		"https://10.156.0.26/k8s/clusters/v1":                          false,
		"https://proxy.example.com/v1/projects/1/locations/l/things/x": false,
	} {
		server, err := url.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if throughGateway(server) != want {
			t.Errorf("%s: %v", text, !want)
		}
	}
}

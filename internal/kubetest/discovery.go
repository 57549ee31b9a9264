package kubetest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
)

// namespaced lists the kinds that live in namespaces and can be deleted, each in
// its preferred version. It reads the aggregated discovery document itself:
// client-go's discovery package would bring in OpenAPI with all its modules.
func (c *Controllers) namespaced(ctx context.Context) ([]schema.GroupVersionResource, error) {
	transport, err := rest.TransportFor(c.config)
	if err != nil {
		return nil, fmt.Errorf("make client: %w", err)
	}
	var found []schema.GroupVersionResource
	for _, path := range []string{"/api", "/apis"} {
		var groups struct {
			Items []struct {
				Metadata struct{ Name string }
				Versions []struct {
					Version   string
					Resources []struct {
						Resource, Scope string
						Verbs           []string
					}
				}
			}
		}
		if err := getJSON(ctx, transport, c.config.Host+path, &groups); err != nil {
			return nil, err
		}
		for _, group := range groups.Items {
			for _, resource := range group.Versions[0].Resources {
				if resource.Scope == "Namespaced" && slices.Contains(resource.Verbs, "deletecollection") {
					found = append(found, schema.GroupVersionResource{Group: group.Metadata.Name,
						Version: group.Versions[0].Version, Resource: resource.Resource})
				}
			}
		}
	}
	return found, nil
}

func getJSON(ctx context.Context, transport http.RoundTripper, url string, into any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("get %s: %w", url, err)
	}
	request.Header.Set("Accept", "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList")
	response, err := transport.RoundTrip(request)
	if err != nil {
		return fmt.Errorf("get %s: %w", url, err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("get %s: %s", url, response.Status)
	}
	return json.NewDecoder(response.Body).Decode(into)
}

package gcp

import (
	"context"
	"path"
	"slices"
)

// serviceGroup is how many APIs batchGet takes at once (discovery: 30).
const serviceGroup = 30

// MissingServices returns those of the APIs ("compute.googleapis.com") that are
// not enabled in the project, sorted.
func (c *Cloud) MissingServices(ctx context.Context, project string, names []string) (missing []string, err error) {
	for group := range slices.Chunk(names, serviceGroup) {
		full := make([]string, len(group))
		for i, name := range group {
			full[i] = "projects/" + project + "/services/" + name
		}
		answer, err := c.services.Services.BatchGet("projects/" + project).Names(full...).Context(ctx).Do()
		if err != nil {
			return nil, wrap("read", "services of project "+project, err)
		}
		enabled := map[string]bool{}
		for _, service := range answer.Services {
			enabled[path.Base(service.Name)] = service.State == "ENABLED"
		}
		for _, name := range group {
			if !enabled[name] {
				missing = append(missing, name)
			}
		}
	}
	slices.Sort(missing)
	return missing, nil
}

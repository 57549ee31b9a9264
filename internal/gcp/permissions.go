package gcp

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"google.golang.org/api/cloudresourcemanager/v1"
)

// permissionGroup is how many permissions are asked for at once; Google takes 100.
const permissionGroup = 100

// TestPermissions returns those of the permissions that the caller lacks in the
// project, sorted. It sees what is granted on the project and above, not on a
// single resource. A permission that Google does not know spoils the call that
// names it, so such a group is asked one by one; the unknown ones count as lacking.
func (c *Cloud) TestPermissions(ctx context.Context, project string, permissions []string) (missing []string, err error) {
	for group := range slices.Chunk(permissions, permissionGroup) {
		lacking, err := c.testGroup(ctx, project, group)
		if err != nil {
			return nil, err
		}
		missing = append(missing, lacking...)
	}
	slices.Sort(missing)
	return missing, nil
}

func (c *Cloud) testGroup(ctx context.Context, project string, group []string) ([]string, error) {
	answer, err := c.projects.Projects.TestIamPermissions(project, &cloudresourcemanager.TestIamPermissionsRequest{Permissions: group}).Context(ctx).Do()
	if err == nil {
		return slices.DeleteFunc(slices.Clone(group), func(one string) bool { return slices.Contains(answer.Permissions, one) }), nil
	}
	failure := wrap("test permissions of", "project "+project, err)
	var e *Error
	if !errors.As(failure, &e) || e.HTTP != http.StatusBadRequest {
		return nil, failure
	}
	if len(group) == 1 {
		return group, nil
	}
	var missing []string
	for i := range group {
		lacking, err := c.testGroup(ctx, project, group[i:i+1])
		if err != nil {
			return nil, err
		}
		missing = append(missing, lacking...)
	}
	return missing, nil
}

// Project is a Google Cloud project.
type Project struct {
	ID     string
	Number int64
	State  string // ACTIVE, DELETE_REQUESTED, ...
}

// Project reads one by id or number.
func (c *Cloud) Project(ctx context.Context, project string) (Project, error) {
	found, err := c.projects.Projects.Get(project).Context(ctx).Do()
	if err != nil {
		return Project{}, wrap("read", "project "+project, err)
	}
	return Project{ID: found.ProjectId, Number: found.ProjectNumber, State: found.LifecycleState}, nil
}

package gcp

import (
	"context"
	"errors"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// serviceGroup is how many APIs batchGet takes at once (discovery: 30).
	serviceGroup = 30
	// enableGroup is how many APIs batchEnable takes at once (discovery: 20).
	enableGroup = 20
)

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

// EnableServices turns APIs ("gkehub.googleapis.com") on in a project and waits until
// they are. Those of a group of 20 come on together or not at all; what is on stays
// on. For some minutes an API may still say that it is off: this Cloud's calls to
// fleets wait for that.
func (c *Cloud) EnableServices(ctx context.Context, project string, names []string, note func(string)) error {
	for group := range slices.Chunk(names, enableGroup) {
		err := c.long(ctx, c.rawServices, longCall{
			verb: "enable", resource: strings.Join(group, ", ") + " in project " + project, method: http.MethodPost,
			path: "projects/" + project + "/services:batchEnable", body: map[string]any{"serviceIds": group},
		}, note)
		if err != nil {
			return err
		}
		c.enabled.note(project, group, c.now())
	}
	return nil
}

// DisableService turns an API off in a project and waits until it is. Google refuses
// while another API that is on needs it, and that refusal is told: nothing else is
// turned off with it. One that is off already is fine.
func (c *Cloud) DisableService(ctx context.Context, project, name string, note func(string)) error {
	err := c.long(ctx, c.rawServices, longCall{
		verb: "disable", resource: name + " in project " + project, method: http.MethodPost,
		path: "projects/" + project + "/services/" + name + ":disable", body: map[string]any{},
	}, note)
	var e *Error
	if errors.As(err, &e) && e.HTTP == http.StatusBadRequest {
		// An API that is not on is refused as well, be it off since long or by a call
		// whose answer was lost.
		if missing, readErr := c.MissingServices(ctx, project, []string{name}); readErr == nil && len(missing) == 1 {
			return nil
		}
	}
	return err
}

// enabledServices remembers when APIs were turned on, because they say for a while
// that they are off.
type enabledServices struct {
	mu   sync.Mutex
	list []enabledService
}

type enabledService struct {
	project, name string
	at            time.Time
}

func (e *enabledServices) note(project string, services []string, at time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, one := range services {
		e.list = append(e.list, enabledService{project, one, at})
	}
}

// within says whether a service ("" for any) was turned on in the project less than
// so long ago. A number and an id may name the same project: they are taken to.
func (e *enabledServices) within(span time.Duration, project, service string, now time.Time) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.ContainsFunc(e.list, func(one enabledService) bool {
		return now.Sub(one.at) < span && (service == "" || one.name == service) &&
			(one.project == project || numeric(one.project) != numeric(project))
	})
}

// JustEnabled says whether this Cloud turned an API on in a project (by id or number)
// so short a time ago that it may still say that it is off.
func (c *Cloud) JustEnabled(project, name string) bool {
	return c.enabled.within(settleFresh, project, name, c.now())
}

// numeric tells a project's number from its id, which begins with a letter.
func numeric(project string) bool { return project != "" && project[0] >= '0' && project[0] <= '9' }

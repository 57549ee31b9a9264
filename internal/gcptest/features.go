package gcptest

import (
	"path"
	"strings"
	"time"

	"causeway/internal/gcptest/discovery"
)

func featureRoutes() map[string]handler {
	const prefix, permission = "gkehub.projects.locations.features.", "gkehub.features."
	return map[string]handler{
		prefix + "list":   {listFeatures, []string{permission + "list"}},
		prefix + "get":    {getFeature, []string{permission + "get"}},
		prefix + "create": {createFeature, []string{permission + "create"}},
		prefix + "delete": {deleteFeature, []string{permission + "delete"}},
		prefix + "patch":  {patchFeature, []string{permission + "update"}},
	}
}

const mcsFeature = "multiclusterservicediscovery"

// featureAPI is the API without which a feature cannot come, "" for none.
func featureAPI(id string) string {
	if id == mcsFeature {
		return id + ".googleapis.com"
	}
	return ""
}

// SetMemberState sets what the features of a fleet (its project's id) say of a
// membership (projects/P/locations/L/memberships/M, by id or number), whatever is the
// matter. An empty code takes that back: they say what is so.
func (s *Server) SetMemberState(project, membershipPath, code, description string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	project, key := s.idOf(project), s.byNumber(membershipPath)
	if s.hub.members[project] == nil {
		s.hub.members[project] = map[string][2]string{}
	}
	s.hub.members[project][key] = [2]string{code, description}
	if code == "" {
		delete(s.hub.members[project], key)
	}
	s.touch()
}

// SetFeatureState puts a feature of a fleet into a state (ENABLING, ACTIVE,
// DISABLING, ...) with what it says of the fleet as a whole, and turns it on where it
// is off.
func (s *Server) SetFeatureState(project, id, state, code, description string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := "projects/" + s.idOf(project) + "/locations/global/features/" + id
	found, ok := s.objects[at]
	if !ok {
		found = object{}
		s.objects[at] = found
	}
	s.completeFeature(at, found, state)
	found["resourceState"] = object{"state": state}
	if told := (object{}); code != "" || description != "" {
		if told["description"] = description; code != "" {
			told["code"] = code
		}
		found["state"] = object{"state": told}
	}
	s.touch()
}

// failedMember knows the one code that the documentation of multi-cluster Services
// tells of a membership and the enum of the API does not have.
func failedMember(problem discovery.Problem) bool {
	return strings.HasPrefix(problem.Path, "membershipStates.") && strings.HasPrefix(problem.What, `"FAILED" is not one of`)
}

func (s *Server) completeFeature(at string, body object, state string) {
	now := timestamp(s.options.Now())
	for field, value := range map[string]any{"name": at, "createTime": now, "updateTime": now, "spec": object{}, "resourceState": object{"state": state}} {
		if body[field] == nil {
			body[field] = value
		}
	}
}

func listFeatures(c *call) (any, *Error) { return c.hubPage("features", c.server.featureView) }

func patchFeature(c *call) (any, *Error) { return c.patchHub(c.server.featureView) }

func getFeature(c *call) (any, *Error) {
	at := c.hubTarget()
	if _, ok := c.server.objects[at]; !ok {
		return nil, hubNotFound(at)
	}
	return c.server.featureView(at), nil
}

// featureView is a feature as it is told. The caller holds mu.
func (s *Server) featureView(at string) object { return clone(s.objects[at]) }

// tellMembers lets the features of multi-cluster Services tell the memberships'
// states, once they have been ACTIVE for FeatureTime. The caller holds mu.
func (s *Server) tellMembers() {
	for at, feature := range s.objects {
		resource, _ := feature["resourceState"].(object)
		if !strings.HasSuffix(at, "/features/"+mcsFeature) || text(resource, "state") != "ACTIVE" ||
			time.Since(s.hub.activated[at]) < s.options.FeatureTime {
			continue
		}
		project, states := strings.Split(at, "/")[1], object{}
		for other, membership := range s.objects {
			parts := strings.Split(other, "/")
			if len(parts) != 6 || parts[4] != "memberships" || parts[1] != project {
				continue
			}
			state := s.memberState(other, membership)
			state["updateTime"] = feature["updateTime"]
			states[s.byNumber(other)] = object{"state": state}
		}
		feature["membershipStates"] = states
		if feature["state"] == nil {
			feature["state"] = object{"state": object{}}
		}
	}
}

// memberState is what multi-cluster Services says of a membership, as was set or as
// it is.
func (s *Server) memberState(at string, membership object) object {
	state := func(code, description string) object {
		out := object{"code": code}
		if description != "" {
			out["description"] = description
		}
		return out
	}
	if set, ok := s.hub.members[strings.Split(at, "/")[1]][s.byNumber(at)]; ok {
		return state(set[0], set[1])
	}
	endpoint, _ := membership["endpoint"].(object)
	gke, _ := endpoint["gkeCluster"].(object)
	switch {
	case gke == nil:
		return state("ERROR", "Non-GKE clusters are currently not supported")
	case s.objects[clusterLinked(text(gke, "resourceLink"))] == nil:
		return state("ERROR", "GKE Cluster missing")
	}
	return state("OK", "Firewall successfully updated")
}

func createFeature(c *call) (any, *Error) {
	s, id := c.server, c.query.Get("featureId")
	at := c.hubTarget() + "/" + id
	if op, ok := c.repeated(); ok {
		return op, nil
	}
	if id == "" || c.params["locationsId"] != "global" {
		return nil, invalid("Features are created in location global, with a feature_id.")
	}
	if _, ok := s.objects[at]; ok {
		return nil, hubExists(at)
	}
	project := strings.Split(at, "/")[1]
	if api := featureAPI(id); api != "" && !s.services[project][api] {
		return nil, failedPrecondition(api + " is not enabled for project " + project + ".")
	}
	body := clone(c.body)
	if body == nil {
		body = object{}
	}
	s.completeFeature(at, body, "ENABLING")
	s.objects[at] = body
	finish := func() {
		if body, ok := s.objects[at]; ok {
			body["resourceState"], s.hub.activated[at] = object{"state": "ACTIVE"}, time.Now()
		}
	}
	return c.startLong("create", at, finish, func() { delete(s.objects, at) }, func() object { return s.featureView(at) }), nil
}

// deleteFeature refuses, without force, while the feature has something of its own
// configured for a membership.
func deleteFeature(c *call) (any, *Error) {
	s, at := c.server, c.hubTarget()
	if op, ok := c.repeated(); ok {
		return op, nil
	}
	found, ok := s.objects[at]
	if !ok {
		return nil, hubNotFound(at)
	}
	if specs, _ := found["membershipSpecs"].(object); len(specs) > 0 && c.query.Get("force") != "true" {
		return nil, failedPrecondition("Feature " + path.Base(at) + " has resources; use force to delete it.")
	}
	found["resourceState"] = object{"state": "DISABLING"}
	undo := func() {
		if found, ok := s.objects[at]; ok {
			found["resourceState"] = object{"state": "ACTIVE"}
		}
	}
	finish := func() {
		delete(s.objects, at)
		delete(s.hub.activated, at)
	}
	return c.startLong("delete", at, finish, undo, emptyResponse), nil
}

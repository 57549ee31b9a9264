package gcptest

import (
	"crypto/sha256"
	"fmt"
	"path"
	"regexp"
	"strings"
)

func membershipRoutes() map[string]handler {
	const prefix, permission = "gkehub.projects.locations.", "gkehub.memberships."
	return map[string]handler{
		prefix + "memberships.list":   {listMemberships, []string{permission + "list"}},
		prefix + "memberships.get":    {getMembership, []string{permission + "get"}},
		prefix + "memberships.create": {createMembership, []string{permission + "create"}},
		prefix + "memberships.delete": {deleteMembership, []string{permission + "delete"}},
		prefix + "memberships.patch":  {patchMembership, []string{permission + "update"}},
		prefix + "operations.get":     {getHubOperation, []string{"gkehub.operations.get"}},
	}
}

// dnsLabel is what a membership's id must be (discovery: memberships.create).
var dnsLabel = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)

const gkeLink = "//container.googleapis.com/"

func listMemberships(c *call) (any, *Error) { return c.hubPage("memberships", c.server.membershipView) }

func getMembership(c *call) (any, *Error) {
	at := c.hubTarget()
	if failure := c.reach(at); failure != nil {
		return nil, failure
	}
	if _, ok := c.server.objects[at]; !ok {
		return nil, hubNotFound(at)
	}
	return c.server.membershipView(at), nil
}

// membershipView is a membership as it is told: with what Google knows of its
// cluster by now.
func (s *Server) membershipView(at string) object {
	out := clone(s.objects[at])
	endpoint, _ := out["endpoint"].(object)
	gke, _ := endpoint["gkeCluster"].(object)
	if gke == nil {
		return out
	}
	cluster, ok := s.objects[clusterLinked(text(gke, "resourceLink"))]
	if !ok {
		gke["clusterMissing"] = true
		return out
	}
	metadata := object{"kubernetesApiServerVersion": "v" + text(cluster, "currentMasterVersion"), "updateTime": out["updateTime"]}
	if count, ok := cluster["currentNodeCount"]; ok {
		metadata["nodeCount"] = count
	}
	endpoint["kubernetesMetadata"] = metadata
	return out
}

// clusterLinked is the path of the cluster that a resource link names.
func clusterLinked(link string) string {
	_, at, _ := strings.Cut(link, gkeLink)
	return strings.Replace(at, "/zones/", "/locations/", 1)
}

// unregistrable is how the registration of a cluster ends that is registered already,
// or that lies in another project where the fleet's agent has no rights: in Google's
// words, as tools report them. nil: well.
func (s *Server) unregistrable(at, cluster string) *OperationError {
	if fleet, _ := s.objects[cluster]["fleet"].(object); text(fleet, "membership") != "" {
		return &OperationError{Code: "ALREADY_EXISTS", Message: fmt.Sprintf(
			"intend to register the cluster with resource: %s%s, but the cluster is already registered with resource: %s", hubLink, at, text(fleet, "membership"))}
	}
	own, fleet := strings.Split(cluster, "/")[1], s.projectObject(strings.Split(at, "/")[1])
	agent := "serviceAccount:service-" + text(fleet, "projectNumber") + "@gcp-sa-gkehub.iam.gserviceaccount.com"
	if own != text(fleet, "projectId") && !s.hasRole(own, "roles/gkehub.serviceAgent", agent) {
		return &OperationError{Code: "PERMISSION_DENIED", Message: fmt.Sprintf(
			"hub default service account does not have access to the GKE cluster project for %q", gkeLink+cluster)}
	}
	return nil
}

// createMembership registers a GKE cluster.
func createMembership(c *call) (any, *Error) {
	s := c.server
	at := c.hubTarget() + "/" + c.query.Get("membershipId")
	if op, ok := c.repeated(); ok {
		return op, nil
	}
	if failure := c.reach(at); failure != nil {
		return nil, failure
	}
	if !dnsLabel.MatchString(path.Base(at)) {
		return nil, invalid("Invalid membership_id: it must be a valid RFC 1123 compliant DNS label.")
	}
	if _, ok := s.objects[at]; ok {
		return nil, hubExists(at)
	}
	body := clone(c.body)
	unmoved(body)
	endpoint, _ := body["endpoint"].(object)
	gke, _ := endpoint["gkeCluster"].(object)
	if gke != nil && c.operationError == nil {
		cluster := clusterLinked(text(gke, "resourceLink"))
		if s.objects[cluster] == nil {
			return nil, invalid(fmt.Sprintf("Invalid resource_link: cluster %q was not found.", cluster))
		}
		c.operationError = s.unregistrable(at, cluster)
	}
	s.completeMembership(at, body, "CREATING")
	s.objects[at] = body
	finish := func() {
		if body, ok := s.objects[at]; ok {
			body["state"] = object{"code": "READY"}
			s.joinFleet(at, body)
		}
	}
	return c.startLong("create", at, finish, func() { delete(s.objects, at) }, func() object { return s.membershipView(at) }), nil
}

// unmoved gives the links of a membership the names of Google's hosts: gcloud makes
// them of where it was told that the API is, which is the emulator.
func unmoved(membership object) {
	endpoint, _ := membership["endpoint"].(object)
	if gke, _ := endpoint["gkeCluster"].(object); gke != nil {
		if _, at, moved := strings.Cut(text(gke, "resourceLink"), "/container/projects/"); moved {
			gke["resourceLink"] = gkeLink + "projects/" + at
		}
	}
	if authority, _ := membership["authority"].(object); authority != nil {
		if _, at, moved := strings.Cut(text(authority, "issuer"), "/container/v1/projects/"); moved {
			authority["issuer"] = containerLink + "projects/" + at
		}
	}
}

// completeMembership fills in what the server sets.
func (s *Server) completeMembership(at string, body object, state string) {
	s.serial++
	now, parts := timestamp(s.options.Now()), strings.Split(at, "/")
	for field, value := range map[string]any{"name": at, "uniqueId": uuid(at + fmt.Sprint(s.serial)), "createTime": now, "updateTime": now, "state": object{"code": state}} {
		if body[field] == nil {
			body[field] = value
		}
	}
	endpoint, _ := body["endpoint"].(object)
	if gke, _ := endpoint["gkeCluster"].(object); gke != nil && body["externalId"] == nil {
		body["externalId"] = uuid(clusterLinked(text(gke, "resourceLink")))
	}
	if authority, _ := body["authority"].(object); text(authority, "issuer") != "" {
		authority["workloadIdentityPool"], authority["identityProvider"] = parts[1]+".svc.id.goog", text(authority, "issuer")
	}
}

// joinFleet tells a cluster where it is registered, with the project's number.
func (s *Server) joinFleet(at string, membership object) {
	endpoint, _ := membership["endpoint"].(object)
	gke, _ := endpoint["gkeCluster"].(object)
	if cluster, ok := s.objects[clusterLinked(text(gke, "resourceLink"))]; ok {
		number := s.byNumber(at)
		cluster["fleet"] = object{"project": strings.Split(number, "/")[1], "membership": hubLink + number}
	}
}

// hubLink is in front of a membership's path in a cluster.
const hubLink = "//gkehub.googleapis.com/"

// leaveFleet takes that back.
func (s *Server) leaveFleet(at string) {
	for _, cluster := range s.objects {
		if fleet, _ := cluster["fleet"].(object); s.byID(strings.TrimPrefix(text(fleet, "membership"), hubLink)) == at {
			delete(cluster, "fleet")
		}
	}
}

func deleteMembership(c *call) (any, *Error) {
	s, at := c.server, c.hubTarget()
	if op, ok := c.repeated(); ok {
		return op, nil
	}
	if failure := c.reach(at); failure != nil {
		return nil, failure
	}
	found, ok := s.objects[at]
	if !ok {
		return nil, hubNotFound(at)
	}
	found["state"] = object{"code": "DELETING"}
	undo := func() {
		if found, ok := s.objects[at]; ok {
			found["state"] = object{"code": "READY"}
		}
	}
	finish := func() {
		delete(s.objects, at)
		s.leaveFleet(at)
	}
	return c.startLong("delete", at, finish, undo, emptyResponse), nil
}

func emptyResponse() object { return object{"@type": "type.googleapis.com/google.protobuf.Empty"} }

func patchMembership(c *call) (any, *Error) { return c.patchHub(c.server.membershipView) }

// uuid is one that a text always yields.
func uuid(of string) string {
	sum := sha256.Sum256([]byte(of))
	return fmt.Sprintf("%x-%x-%x-%x-%x", sum[0:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
}

package gcptest

import (
	"path"
	"slices"
	"strings"
)

func clusterRoutes() map[string]handler {
	return map[string]handler{
		"container.projects.locations.clusters.get":    {getCluster, []string{"container.clusters.get"}},
		"container.projects.locations.clusters.list":   {listClusters, []string{"container.clusters.list"}},
		"container.projects.locations.clusters.update": {updateCluster, []string{"container.clusters.update"}},
		"container.projects.locations.getServerConfig": {getServerConfig, []string{"container.clusters.list"}},
	}
}

func getCluster(c *call) (any, *Error) {
	found, ok := c.server.objects[c.target()]
	if !ok {
		return nil, c.noCluster()
	}
	return clone(found), nil
}

func (c *call) noCluster() *Error {
	return &Error{Status: 404, Reason: "notFound", Message: "Not found: " + c.target() + ".\nNo cluster named '" + path.Base(c.target()) + "' in " + c.project() + "."}
}

// listClusters answers for one location, or for all of them when it is "-".
func listClusters(c *call) (any, *Error) {
	var paths []string
	for at := range c.server.objects {
		parts := strings.Split(at, "/")
		if len(parts) == 6 && parts[4] == "clusters" && parts[1] == c.project() && (c.params["locationsId"] == "-" || c.params["locationsId"] == parts[3]) {
			paths = append(paths, at)
		}
	}
	slices.Sort(paths)
	clusters := []any{}
	for _, at := range paths {
		clusters = append(clusters, clone(c.server.objects[at]))
	}
	if len(clusters) == 0 {
		return object{}, nil
	}
	return object{"clusters": clusters}, nil
}

func getServerConfig(*call) (any, *Error) {
	return object{"defaultClusterVersion": "1.36.3-gke.1", "validMasterVersions": []any{"1.36.3-gke.1"}}, nil
}

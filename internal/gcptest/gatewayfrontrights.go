package gcptest

import (
	"net/http"
	"strconv"
	"strings"
)

// containerNames are the resources whose name in IAM is not their plural's lower case.
var containerNames = map[string]string{
	"configmaps": "configMaps", "serviceaccounts": "serviceAccounts", "persistentvolumes": "persistentVolumes",
	"persistentvolumeclaims": "persistentVolumeClaims", "replicationcontrollers": "replicationControllers",
	"resourcequotas": "resourceQuotas", "limitranges": "limitRanges", "podtemplates": "podTemplates",
	"replicasets": "replicaSets", "daemonsets": "daemonSets", "statefulsets": "statefulSets", "cronjobs": "cronJobs",
	"networkpolicies": "networkPolicies", "clusterroles": "clusterRoles", "clusterrolebindings": "clusterRoleBindings",
	"rolebindings": "roleBindings", "storageclasses": "storageClasses", "endpointslices": "endpointSlices",
	"poddisruptionbudgets": "podDisruptionBudgets", "horizontalpodautoscalers": "horizontalPodAutoscalers",
	"customresourcedefinitions": "customResourceDefinitions", "selfsubjectaccessreviews": "selfSubjectAccessReviews",
	"portforward": "portForward", "log": "getLogs",
}

// containerGroups are the API groups of Kubernetes itself; all others' resources are
// thirdPartyObjects to IAM.
var containerGroups = []string{"", "apps", "batch", "autoscaling", "policy", "extensions"}

// containerPermission is the permission of GKE's IAM authorizer for a request, "" where
// the path is of no resource: container.RESOURCE.VERB, and container.pods.exec and the
// like for subresources.
func containerPermission(method, path string) string {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	group := ""
	switch {
	case len(parts) > 2 && parts[0] == "api":
		parts = parts[2:]
	case len(parts) > 3 && parts[0] == "apis":
		group, parts = parts[1], parts[3:]
	default:
		return ""
	}
	if parts[0] == "namespaces" && len(parts) > 2 {
		parts = parts[2:]
	}
	resource := containerName(group, parts[0])
	if len(parts) > 2 && (parts[0] == "pods" || parts[0] == "services") && parts[2] != "status" {
		return "container." + resource + "." + containerName("", parts[2])
	}
	return "container." + resource + "." + containerVerb(method, len(parts) > 1)
}

func containerName(group, name string) string {
	known := strings.HasSuffix(group, ".k8s.io")
	for _, one := range containerGroups {
		known = known || one == group
	}
	switch {
	case !known:
		return "thirdPartyObjects"
	case containerNames[name] != "":
		return containerNames[name]
	}
	return name
}

func containerVerb(method string, named bool) string {
	switch method {
	case http.MethodPost:
		return "create"
	case http.MethodPut, http.MethodPatch:
		return "update"
	case http.MethodDelete:
		return "delete"
	}
	if named {
		return "get"
	}
	return "list"
}

// tooOld says whether the cluster's version is below what the stream needs: 1.31 for
// port-forward, 1.30 for the others. A cluster that tells none is new enough.
func tooOld(p *passage) bool {
	version := text(p.cluster, "currentMasterVersion")
	if version == "" {
		endpoint, _ := p.membership["endpoint"].(object)
		metadata, _ := endpoint["kubernetesMetadata"].(object)
		version = strings.TrimPrefix(text(metadata, "kubernetesApiServerVersion"), "v")
	}
	parts := strings.Split(version, ".")
	if len(parts) < 2 || parts[0] != "1" {
		return false
	}
	minor, err := strconv.Atoi(parts[1])
	least := 30
	if p.stream == "portforward" {
		least = 31
	}
	return err == nil && minor < least
}

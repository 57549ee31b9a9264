package gcptest

import (
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// maxAuthorized is how many authorized networks a cluster may have (docs:
// kubernetes-engine/docs/how-to/authorized-networks, limitations).
func maxAuthorized(cluster object) int {
	private, _ := cluster["privateClusterConfig"].(object)
	network, _ := cluster["networkConfig"].(object)
	if private["enablePrivateNodes"] == true || network["defaultEnablePrivateNodes"] == true {
		return 100
	}
	return 50
}

func updateCluster(c *call) (any, *Error) {
	s, at := c.server, c.target()
	cluster, ok := s.objects[at]
	if !ok {
		return nil, c.noCluster()
	}
	if other := s.running(at); other != "" {
		return nil, &Error{Status: http.StatusBadRequest, Reason: "failedPrecondition", Canonical: "FAILED_PRECONDITION",
			Message: "Cluster is running incompatible operation " + other + "."}
	}
	update, _ := clone(c.body)["update"].(object)
	delete(update, "etag")
	change, failure := endpointChange(update)
	if failure != nil {
		return nil, failure
	}
	if failure := change.apply(clone(cluster)); failure != nil {
		return nil, failure
	}
	before := text(cluster, "status")
	cluster["status"] = "RECONCILING"
	settled := func() {
		if live, ok := s.objects[at]; ok && text(live, "status") == "RECONCILING" {
			live["status"] = before
		}
		s.touch()
	}
	return c.startOnCluster("UPDATE_CLUSTER", at, func() {
		if live, ok := s.objects[at]; ok {
			change.apply(live) // was tried before
		}
		settled()
	}, settled), nil
}

// clusterChange is an update in the words of the newer block, whichever was sent.
type clusterChange struct {
	ip, dns object
	newer   bool
}

// endpointChange reads an update, of which Google takes one field at a time.
func endpointChange(update object) (clusterChange, *Error) {
	fields := slices.Sorted(maps.Keys(update))
	older := []string{"desiredEnablePrivateEndpoint", "desiredMasterAuthorizedNetworksConfig", "desiredPrivateClusterConfig"}
	if update["desiredControlPlaneEndpointsConfig"] != nil && slices.ContainsFunc(older, func(one string) bool { return update[one] != nil }) {
		return clusterChange{}, invalid("It is invalid to specify both desired_control_plane_endpoints_config and a field that it replaces: " + strings.Join(fields, ", ") + ".")
	}
	if len(fields) != 1 {
		return clusterChange{}, invalid("Exactly one field of the update must be set, not " + fmt.Sprint(len(fields)) + ": " + strings.Join(fields, ", ") + ".")
	}
	value, _ := update[fields[0]].(object)
	switch fields[0] {
	case "desiredControlPlaneEndpointsConfig":
		ip, _ := value["ipEndpointsConfig"].(object)
		dns, _ := value["dnsEndpointConfig"].(object)
		return clusterChange{ip: ip, dns: dns, newer: true}, nil
	case "desiredMasterAuthorizedNetworksConfig":
		return clusterChange{ip: object{"authorizedNetworksConfig": value}}, nil
	case "desiredPrivateClusterConfig":
		global, _ := value["masterGlobalAccessConfig"].(object)
		if global == nil || len(value) > 1 {
			return clusterChange{}, invalid("desired_private_cluster_config: only master_global_access_config can be changed.")
		}
		return clusterChange{ip: object{"globalAccess": global["enabled"] == true}}, nil
	case "desiredEnablePrivateEndpoint":
		return clusterChange{ip: object{"enablePublicEndpoint": update[fields[0]] != true}}, nil
	}
	return clusterChange{}, &Error{Status: http.StatusNotImplemented, Reason: "notImplemented", Message: fields[0] + " is not emulated"}
}

// apply changes the newer block, where the cluster has it or was asked by it, and
// what it replaces. Of a sub-block that is sent, what is left out counts as unset:
// the harsher reading, so that whoever forgets a flag is found out here.
func (change clusterChange) apply(cluster object) *Error {
	endpoints, _ := cluster["controlPlaneEndpointsConfig"].(object)
	ip, _ := endpoints["ipEndpointsConfig"].(object)
	newer := ip != nil || change.newer
	ip = inner(object{"ip": ip}, "ip")
	private := inner(cluster, "privateClusterConfig")
	if public, ok := change.ip["enablePublicEndpoint"].(bool); ok {
		ip["enablePublicEndpoint"], private["enablePrivateEndpoint"] = public, !public
	}
	if enabled, ok := change.ip["enabled"].(bool); ok {
		ip["enabled"] = enabled
	}
	if global, ok := change.ip["globalAccess"].(bool); ok {
		ip["globalAccess"] = global
		delete(private, "masterGlobalAccessConfig")
		if global {
			private["masterGlobalAccessConfig"] = object{"enabled": true}
		}
	}
	if config, ok := change.ip["authorizedNetworksConfig"].(object); ok {
		if failure := checkAuthorized(config, private["enablePrivateEndpoint"] == true, maxAuthorized(cluster)); failure != nil {
			return failure
		}
		if blocks, _ := config["cidrBlocks"].([]any); len(blocks) == 0 {
			delete(config, "cidrBlocks") // an empty list is not told
		}
		ip["authorizedNetworksConfig"], cluster["masterAuthorizedNetworksConfig"] = clone(config), clone(config)
	}
	if newer {
		endpoints = inner(cluster, "controlPlaneEndpointsConfig")
		endpoints["ipEndpointsConfig"] = ip
		if len(change.dns) > 0 {
			maps.Copy(inner(endpoints, "dnsEndpointConfig"), change.dns)
		}
	}
	return nil
}

// inner returns an object's field that is an object, made when it is not there.
func inner(o object, field string) object {
	found, _ := o[field].(object)
	if found == nil {
		found = object{}
		o[field] = found
	}
	return found
}

// reserved networks are those that Google takes for a private endpoint.
func reservedNetworks() []netip.Prefix {
	return []netip.Prefix{
		netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("172.16.0.0/12"), netip.MustParsePrefix("192.168.0.0/16"),
		netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("240.0.0.0/4"),
	}
}

func checkAuthorized(config object, privateOnly bool, most int) *Error {
	blocks, _ := config["cidrBlocks"].([]any)
	if len(blocks) > most {
		return invalid(fmt.Sprintf("Too many authorized networks: %d. This cluster has %d at most.", len(blocks), most))
	}
	if len(blocks) > 0 && config["enabled"] != true {
		return invalid("Authorized networks are given, but not enabled.")
	}
	const field = `Invalid value for "cluster.master_authorized_networks_config.cidr_blocks.cidr_block": `
	for _, one := range blocks {
		one, _ := one.(object)
		cidr := text(one, "cidrBlock")
		network, err := netip.ParsePrefix(cidr)
		if err != nil || network != network.Masked() {
			return invalid(fmt.Sprintf("%s%q is no CIDR block.", field, cidr))
		}
		within := func(large netip.Prefix) bool { return large.Bits() <= network.Bits() && large.Overlaps(network) }
		if privateOnly && !slices.ContainsFunc(reservedNetworks(), within) {
			return invalid(fmt.Sprintf("%sCIDR range %q is not a reserved network, which is required for private endpoints.", field, cidr))
		}
	}
	return nil
}

package gcp

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
)

// How many authorized networks a cluster may have, with private nodes and without
// (docs: kubernetes-engine/docs/how-to/authorized-networks, limitations; discovery's
// MasterAuthorizedNetworksConfig.cidrBlocks tells the smaller number alone).
const (
	maxAuthorizedPrivate = 100
	maxAuthorizedPublic  = 50
)

// MaxAuthorized is how many authorized networks the cluster may have.
func (c Cluster) MaxAuthorized() int { return mostAuthorized(c.PrivateNodes) }

func mostAuthorized(privateNodes bool) int {
	if privateNodes {
		return maxAuthorizedPrivate
	}
	return maxAuthorizedPublic
}

// SetAuthorizedNetworks changes the list of a cluster's authorized networks, and
// nothing else of it: edit gets what is there and returns what is to be. Entries
// that stay keep their place and all their fields, new ones come last; the flags
// are not edit's to change. When nothing is to change, nothing is sent.
//
// Google replaces the list whole and has no lock for it, so it is read right
// before it is written, and again afterwards: CW-GCP-PRECONDITION says that
// another tool wrote it at the same time. CW-GCP-AUTH-NETWORKS refuses more than
// the cluster may have (Cluster.MaxAuthorized) without a call, CW-NET-PUBLIC is Google's refusal of a public network for a
// cluster without a public endpoint. While another operation runs on the cluster
// it waits up to ten minutes, then it fails with CW-GCP-BUSY.
func (c *Cloud) SetAuthorizedNetworks(ctx context.Context, project, location, name string, edit func(AuthorizedNetworks) AuthorizedNetworks, note func(string)) error {
	const verb = "set authorized networks of"
	resource := "cluster " + clusterPath(project, location, name)
	var want AuthorizedNetworks
	update := func(cluster document) (map[string]any, error) {
		config := authorizedConfig(cluster)
		have := readAuthorized(config)
		want = edit(AuthorizedNetworks{Enabled: have.Enabled, PrivateEnforced: have.PrivateEnforced, CIDRs: slices.Clone(have.CIDRs)})
		blocks := mergeBlocks(config, want.CIDRs)
		refuse := func(code, message string) (map[string]any, error) {
			return nil, &Error{Verb: verb, Resource: resource, Message: message, code: code}
		}
		switch {
		case want.Enabled != have.Enabled || want.PrivateEnforced != have.PrivateEnforced:
			return refuse("", "only the list can be changed, not whether it counts")
		case sameNetworks(have.CIDRs, want.CIDRs):
			return nil, nil
		case !have.Enabled:
			return refuse("", "authorized networks are not enabled, so there is no list to change")
		case len(blocks) > mostAuthorized(privateNodes(cluster)):
			return refuse(codeAuthNetworks, fmt.Sprintf("%d networks would be in the list, this cluster takes %d", len(blocks), mostAuthorized(privateNodes(cluster))))
		}
		config = maps.Clone(config)
		config["cidrBlocks"] = blocks
		if cluster.inner("controlPlaneEndpointsConfig", "ipEndpointsConfig") != nil {
			return desiredEndpoints("authorizedNetworksConfig", config), nil
		}
		return map[string]any{"desiredMasterAuthorizedNetworksConfig": config}, nil
	}
	after, err := c.updateCluster(ctx, verb, project, location, name, update, note)
	if err != nil || after == nil {
		return err
	}
	if !sameNetworks(readAuthorized(authorizedConfig(after)).CIDRs, want.CIDRs) {
		return &Error{Verb: verb, Resource: resource, Message: "the list is another one than was written", code: codePrecondition}
	}
	return nil
}

// SetGlobalAccess lets sources in other regions reach a cluster's private
// endpoint, or keeps them from it. When it is so already, nothing is sent. Its
// errors are those of SetAuthorizedNetworks.
func (c *Cloud) SetGlobalAccess(ctx context.Context, project, location, name string, on bool, note func(string)) error {
	const verb = "set global access of"
	update := func(cluster document) (map[string]any, error) {
		switch ip := cluster.inner("controlPlaneEndpointsConfig", "ipEndpointsConfig"); {
		case globalAccess(cluster) == on:
			return nil, nil
		case ip != nil:
			return desiredEndpoints("globalAccess", on), nil
		}
		return map[string]any{"desiredPrivateClusterConfig": map[string]any{"masterGlobalAccessConfig": map[string]any{"enabled": on}}}, nil
	}
	after, err := c.updateCluster(ctx, verb, project, location, name, update, note)
	if err == nil && after != nil && globalAccess(after) != on {
		err = &Error{Verb: verb, Resource: "cluster " + clusterPath(project, location, name),
			Message: fmt.Sprintf("it was set to %t and is %t again", on, !on), code: codePrecondition}
	}
	return err
}

// desiredEndpoints is the update of one field of ipEndpointsConfig: what is not
// sent of that block stays.
func desiredEndpoints(field string, value any) map[string]any {
	return map[string]any{"desiredControlPlaneEndpointsConfig": map[string]any{"ipEndpointsConfig": map[string]any{field: value}}}
}

// updateCluster reads a cluster, sends the update that update makes of it (one
// desired field, as Google takes one at a time), waits for the operation and
// returns the cluster as it then is. An empty update sends nothing and returns
// nil. While another operation runs on the cluster it waits, and then reads anew,
// for that operation may have changed what it read.
func (c *Cloud) updateCluster(ctx context.Context, verb, project, location, name string, update func(document) (map[string]any, error), note func(string)) (document, error) {
	path := clusterPath(project, location, name)
	resource := "cluster " + path
	sent := false
	err := c.patiently(ctx, "operation on "+resource, clusterBusy, note, func() error {
		cluster, err := c.rawContainer.get(ctx, path)
		if err != nil {
			return wrap("read", resource, err)
		}
		change, err := update(cluster)
		if err != nil || len(change) == 0 {
			return err
		}
		sent = true
		answer, err := c.rawContainer.call(ctx, http.MethodPut, path, nil, map[string]any{"update": change})
		if err != nil {
			return wrap(verb, resource, err)
		}
		op, err := parseDocument(answer)
		if err != nil {
			return wrap(verb, resource, err)
		}
		return c.waitCluster(ctx, verb, resource, project, location, op, note)
	})
	if err != nil || !sent {
		return nil, err
	}
	after, err := c.rawContainer.get(ctx, path)
	if err != nil {
		return nil, wrap("read", resource, err)
	}
	return after, nil
}

// clusterBusyWords are Google's refusals while another operation runs on a cluster:
// one of its user's, or an upgrade or a repair of its own.
var clusterBusyWords = regexp.MustCompile(`Cluster is running incompatible operation|Operation \S+ is currently \w+|Cluster is currently being created, deleted, updated or repaired`)

// clusterBusy knows such a refusal, and gives it its code.
func clusterBusy(err error) bool {
	var e *Error
	if !errors.As(err, &e) || !clusterBusyWords.MatchString(e.Message) {
		return false
	}
	e.code = codeBusy
	return true
}

// authorizedConfig is the block of the authorized networks, the newer one where
// the cluster has it; empty when neither is there.
func authorizedConfig(cluster document) document {
	if ip := cluster.inner("controlPlaneEndpointsConfig", "ipEndpointsConfig"); ip != nil {
		if config := ip.inner("authorizedNetworksConfig"); config != nil {
			return config
		}
	}
	if config := cluster.inner("masterAuthorizedNetworksConfig"); config != nil {
		return config
	}
	return document{}
}

func privateNodes(cluster document) bool {
	older, _ := cluster.inner("privateClusterConfig")["enablePrivateNodes"].(bool)
	newer, _ := cluster.inner("networkConfig")["defaultEnablePrivateNodes"].(bool)
	return older || newer
}

func globalAccess(cluster document) bool {
	newer, _ := cluster.inner("controlPlaneEndpointsConfig", "ipEndpointsConfig")["globalAccess"].(bool)
	older, _ := cluster.inner("privateClusterConfig", "masterGlobalAccessConfig")["enabled"].(bool)
	return newer || older
}

func readAuthorized(config document) AuthorizedNetworks {
	enabled, _ := config["enabled"].(bool)
	enforced, _ := config["privateEndpointEnforcementEnabled"].(bool)
	out := AuthorizedNetworks{Enabled: enabled, PrivateEnforced: enforced}
	for _, block := range config.list("cidrBlocks") {
		if network := readBlock(block); network.CIDR.IsValid() {
			out.CIDRs = append(out.CIDRs, network)
		}
	}
	return out
}

func readBlock(block any) AuthorizedNetwork {
	fields, _ := block.(map[string]any)
	cidr, _ := fields["cidrBlock"].(string)
	name, _ := fields["displayName"].(string)
	return AuthorizedNetwork{CIDR: prefix(cidr), Name: name}
}

// mergeBlocks makes the list to send: entries that are wanted, or that causeway
// can't read, as they stand; then the new ones.
func mergeBlocks(config document, wanted []AuthorizedNetwork) []any {
	left, out := slices.Clone(wanted), []any{} // not nil: an empty list is sent as one
	for _, block := range config.list("cidrBlocks") {
		network := readBlock(block)
		at := slices.Index(left, network)
		if network.CIDR.IsValid() && at < 0 {
			continue
		}
		out = append(out, block)
		if at >= 0 {
			left = slices.Delete(left, at, at+1)
		}
	}
	for _, network := range left {
		block := map[string]any{"cidrBlock": network.CIDR.String()}
		if network.Name != "" {
			block["displayName"] = network.Name
		}
		out = append(out, block)
	}
	return out
}

// sameNetworks compares two lists whatever their order.
func sameNetworks(a, b []AuthorizedNetwork) bool {
	left := slices.Clone(b)
	for _, one := range a {
		at := slices.Index(left, one)
		if at < 0 {
			return false
		}
		left = slices.Delete(left, at, at+1)
	}
	return len(left) == 0
}

package gcp

import (
	"encoding/json"
	"net/netip"

	"cloud.google.com/go/compute/apiv1/computepb"
	"google.golang.org/protobuf/encoding/protojson"
)

// parseRouter reads a router's raw document.
func parseRouter(ref Ref, doc document) (Router, error) {
	text, err := json.Marshal(doc)
	if err != nil {
		return Router{}, garbled("read", "router "+routerURL(ref), err)
	}
	found := &computepb.Router{}
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(text, found); err != nil {
		return Router{}, garbled("read", "router "+routerURL(ref), err)
	}
	return toRouter(ref.Project, ref.Region, found), nil
}

func toRouter(project, region string, r *computepb.Router) Router {
	out := Router{
		Project: project, Region: region, Name: r.GetName(), Network: parseRef(r.GetNetwork(), project, "").Name,
		Description: r.GetDescription(), NATs: toNATs(project, region, r), ASN: r.GetBgp().GetAsn(),
		Advertise: toAdvertisement(r.GetBgp().GetAdvertiseMode(), r.GetBgp().GetAdvertisedGroups(), r.GetBgp().GetAdvertisedIpRanges()),
	}
	for _, one := range r.GetInterfaces() {
		end := RouterInterface{Name: one.GetName(), Link: prefix(one.GetIpRange())}
		if tunnel := one.GetLinkedVpnTunnel(); tunnel != "" {
			end.Tunnel = parseRef(tunnel, project, region)
		}
		if attachment := one.GetLinkedInterconnectAttachment(); attachment != "" {
			end.Attachment = parseRef(attachment, project, region)
		}
		out.Interfaces = append(out.Interfaces, end)
	}
	for _, one := range r.GetBgpPeers() {
		out.Peers = append(out.Peers, BGPPeer{
			Name: one.GetName(), Interface: one.GetInterfaceName(), LocalIP: address(one.GetIpAddress()), PeerIP: address(one.GetPeerIpAddress()),
			PeerASN: one.GetPeerAsn(), Enabled: one.GetEnable() != "FALSE", Priority: one.AdvertisedRoutePriority,
			Advertise: toAdvertisement(one.GetAdvertiseMode(), one.GetAdvertisedGroups(), one.GetAdvertisedIpRanges()),
		})
	}
	return out
}

// toAdvertisement leaves out a range that is none to netip; EditRouter carries it
// along all the same.
func toAdvertisement(mode string, groups []string, ranges []*computepb.RouterAdvertisedIpRange) Advertisement {
	out := Advertisement{Mode: first(mode, "DEFAULT"), Groups: groups}
	for _, one := range ranges {
		if to := advertised(one.GetRange()); to.IsValid() {
			out.Ranges = append(out.Ranges, AdvertisedRange{Range: to, Description: one.GetDescription()})
		}
	}
	return out
}

// advertised reads a CIDR, or an address as the range of itself alone.
func advertised(text string) netip.Prefix {
	if ip := address(text); ip.IsValid() {
		return netip.PrefixFrom(ip, ip.BitLen())
	}
	return prefix(text)
}

// address reads an IP of Google's; what is empty or malformed is the invalid one.
func address(text string) netip.Addr {
	out, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Addr{}
	}
	return out
}

func toNATs(project, region string, r *computepb.Router) []NAT {
	var out []NAT
	for _, nat := range r.GetNats() {
		if nat.GetType() == "PRIVATE" {
			continue // leads to other private networks, not out
		}
		one := NAT{Name: nat.GetName()}
		switch nat.GetSourceSubnetworkIpRangesToNat() {
		case "ALL_SUBNETWORKS_ALL_IP_RANGES", "ALL_SUBNETWORKS_ALL_PRIMARY_IP_RANGES":
			one.All = true
		}
		for _, subnetwork := range nat.GetSubnetworks() {
			one.Subnetworks = append(one.Subnetworks, parseRef(subnetwork.GetName(), project, region).Name)
		}
		out = append(out, one)
	}
	return out
}

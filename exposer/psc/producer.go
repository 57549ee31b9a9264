package psc

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"

	"causeway/exposer"
	"causeway/internal/gcp"
)

// purposeNAT is what a subnet must be for to translate consumers' addresses.
const purposeNAT = "PRIVATE_SERVICE_CONNECT"

func (x *exposure) networkProject() string {
	return cmp.Or(x.cluster.Network.Project, x.netProject, x.spec.Cluster.Project)
}

func (x *exposure) natRef() gcp.Ref {
	return gcp.Ref{Project: x.networkProject(), Region: x.region, Name: x.spec.PSC.NATSubnet}
}

// natID names the host project of a Shared VPC, so that a record tells it when the
// cluster is gone.
func (x *exposure) natID(ref gcp.Ref) string {
	if ref.Project != x.spec.Cluster.Project {
		return "nat-subnet/" + ref.Project + "/" + ref.Region + "/" + ref.Name
	}
	return "nat-subnet/" + ref.Region + "/" + ref.Name
}

// natIDs are those of the spec's subnet, and on destroy of earlier ones.
func (x *exposure) natIDs() []string {
	ids := []string{x.natID(x.natRef())}
	for _, old := range x.oldNAT {
		ids = append(ids, x.natID(old))
	}
	return ids
}

// natSubnet is the subnet whose addresses consumers' connections come from.
func (x *exposure) natSubnet(ref gcp.Ref) *exposer.Resource {
	return &exposer.Resource{
		Name: x.natID(ref), Leaving: x.deps.Leaving, Adopt: true,
		About: fmt.Sprintf("subnet %s for Private Service Connect in %s", ref.Name, x.region),
		Why:   "consumers' connections come from its addresses: " + x.spec.PSC.NATRange,
		Find: func(ctx context.Context) (*exposer.Found, error) {
			subnet, err := x.google.Subnetwork(ctx, ref.Project, ref.Region, ref.Name)
			if err != nil && !gcp.NotFound(err) {
				return nil, err
			}
			if err != nil {
				if x.spec.PSC.NATRange == "" && !x.deps.Leaving {
					return &exposer.Found{Unfit: refusal("CW-PSC-NAT-SUBNET", "subnet %s does not exist: name one of purpose %s with --nat-subnet, or give the range of a new one with --nat-range", ref.Name, purposeNAT)}, nil
				}
				return nil, nil
			}
			x.nat = subnet.Range
			found := &exposer.Found{Ours: x.marked(subnet.Description), Why: subnet.Range.String(), Keep: x.heldByOrphan(ref)}
			switch {
			case subnet.Purpose != purposeNAT:
				found.Unfit = refusal("CW-PSC-NAT-SUBNET", "subnet %s has purpose %s, not %s", ref.Name, subnet.Purpose, purposeNAT)
			case subnet.Network != x.cluster.Network.Name:
				found.Unfit = refusal("CW-PSC-NAT-SUBNET", "subnet %s belongs to network %s, not to %s", ref.Name, subnet.Network, x.cluster.Network.Name)
			}
			return found, nil
		},
		Make: func(ctx context.Context, note func(string)) error {
			wanted := netip.MustParsePrefix(x.spec.PSC.NATRange)
			if err := x.google.CreateNATSubnet(ctx, gcp.Subnetwork{Project: ref.Project, Region: ref.Region, Name: ref.Name, Network: x.cluster.Network.Name,
				Range: wanted, Description: x.description()}, note); err != nil {
				return err
			}
			x.nat = wanted
			return nil
		},
		Remove: func(ctx context.Context, note func(string)) error { return x.google.DeleteSubnetwork(ctx, ref, note) },
	}
}

// guestStep is the setting on the exposure that is published: its Service lets the
// NAT subnet in, and its certificate bears the endpoint's address and name.
func (x *exposure) guestStep() *exposer.GuestStep {
	if x.guest != nil {
		return x.guest
	}
	after := x.natIDs()
	if x.consuming() {
		after = append(after, x.addressID())
	}
	x.guest = &exposer.GuestStep{Cluster: x.kube, Exposure: x.spec.Name, HostName: x.spec.PSC.Exposure, Host: x.host, HostPlan: x.hostPlan,
		About: fmt.Sprintf("exposure %s lets the NAT subnet in, and its certificate bears the endpoint", x.spec.PSC.Exposure),
		After: after, Leaving: x.deps.Leaving, Clock: x.deps.Now, Open: x.openHost,
		Want: x.wanted, Waits: "the endpoint's address and the NAT subnet's range come first"}
	return x.guest
}

// wanted is what the published exposure has to give; false while it is not known.
func (x *exposure) wanted() (exposer.Guest, bool) {
	guest := exposer.Guest{Method: "psc"}
	if !x.nat.IsValid() || x.consuming() && !x.address.IsValid() {
		return guest, false
	}
	guest.Ranges = []string{x.nat.String()}
	for _, other := range x.natOthers {
		guest.Ranges = append(guest.Ranges, other.String())
	}
	if x.consuming() {
		guest.Names = []string{x.address.String()}
		if name := x.spec.PSC.Consumer.DNSName; name != "" {
			guest.Names = append(guest.Names, name)
		}
	}
	return guest, true
}

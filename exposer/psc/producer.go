package psc

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"causeway/exposer"
	"causeway/internal/gcp"
)

// purposeNAT is what a subnet must be for to translate consumers' addresses.
const purposeNAT = "PRIVATE_SERVICE_CONNECT"

func (x *exposure) networkProject() string {
	if x.cluster.Network.Project == "" {
		return x.spec.Cluster.Project
	}
	return x.cluster.Network.Project
}

func (x *exposure) natRef() gcp.Ref {
	return gcp.Ref{Project: x.networkProject(), Region: x.region, Name: x.spec.PSC.NATSubnet}
}

func natID(ref gcp.Ref) string { return "nat-subnet/" + ref.Region + "/" + ref.Name }

// natIDs are those of the spec's subnet, and on destroy of earlier ones.
func (x *exposure) natIDs() []string {
	ids := []string{natID(x.natRef())}
	for _, old := range x.oldNAT {
		ids = append(ids, natID(old))
	}
	return ids
}

// natSubnet is the subnet whose addresses consumers' connections come from.
func (x *exposure) natSubnet(ref gcp.Ref) *exposer.Resource {
	return &exposer.Resource{
		Name: natID(ref), Leaving: x.deps.Leaving, Adopt: true,
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
			found := &exposer.Found{Ours: x.marked(subnet.Description), Why: subnet.Range.String()}
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
type guestStep struct{ x *exposure }

// ID implements exposer.Step.
func (s guestStep) ID() string { return "guest/" + s.x.spec.PSC.Exposure }

// Title implements exposer.Step.
func (s guestStep) Title() string {
	return fmt.Sprintf("exposure %s lets the NAT subnet in, and its certificate bears the endpoint", s.x.spec.PSC.Exposure)
}

// Needs implements exposer.Step.
func (s guestStep) Needs() []string {
	needs := s.x.natIDs()
	if s.x.consuming() {
		needs = append(needs, s.x.addressID())
	}
	return needs
}

// want is what the published exposure has to give; false while it is not known.
func (s guestStep) want() (exposer.Guest, bool) {
	x := s.x
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

// YAML is what is written into the cluster, for render.
func (s guestStep) YAML() (string, error) {
	want, known := s.want()
	if !known {
		return "# the guests of exposure " + s.x.spec.PSC.Exposure + ": the NAT subnet's range and the endpoint's address, once they are known\n", nil
	}
	text, err := yaml.Marshal(want)
	if err != nil {
		return "", fmt.Errorf("render the guest of exposure %s: %w", s.x.spec.PSC.Exposure, err)
	}
	return "# added to the guests of exposure " + s.x.spec.PSC.Exposure + ":\n" + string(text), nil
}

// Read implements exposer.Step.
func (s guestStep) Read(ctx context.Context) (exposer.Observed, error) {
	if s.x.kube == nil || s.x.host.Name == "" {
		return exposer.Observed{Action: exposer.Keep, Why: "the published exposure is gone"}, nil
	}
	guests, err := exposer.ReadGuests(ctx, s.x.kube, s.x.host)
	if err != nil {
		return exposer.Observed{}, err
	}
	have, ok := guests[s.x.spec.Name]
	seen := exposer.Observed{Exists: ok, Ours: ok, Action: exposer.Keep}
	if s.x.deps.Leaving {
		return seen, nil
	}
	want, known := s.want()
	switch {
	case !known:
		seen.Action, seen.Why = exposer.Create, "the endpoint's address and the NAT subnet's range come first"
	case !slices.Equal(have.Ranges, want.Ranges) || !slices.Equal(have.Names, want.Names):
		seen.Action = exposer.Change
		if !ok {
			seen.Action = exposer.Create
		}
		seen.Changes = []exposer.FieldChange{{Field: "loadBalancerSourceRanges", To: strings.Join(want.Ranges, ", ")}}
		if len(want.Names) > 0 {
			seen.Changes = append(seen.Changes, exposer.FieldChange{Field: "certificate", To: strings.Join(want.Names, ", ")})
		}
	default:
		return s.settled(ctx, seen)
	}
	return seen, nil
}

// settled looks whether the published exposure has what its guest needs.
func (s guestStep) settled(ctx context.Context, seen exposer.Observed) (exposer.Observed, error) {
	plan := s.x.hostPlan
	if s.x.hostMoved {
		host, err := s.x.openHost(ctx)
		if err != nil {
			return seen, err
		}
		if plan, err = exposer.MakePlan(ctx, host.Steps()); err != nil {
			return seen, err
		}
	}
	if !plan.Empty() {
		seen.Action, seen.Why = exposer.Change, "the published exposure is not as it should be yet"
	}
	return seen, nil
}

// Do implements exposer.Step.
func (s guestStep) Do(ctx context.Context, note func(string)) error {
	want, known := s.want()
	if !known {
		return fmt.Errorf("publish exposure %s: the endpoint's address is not known", s.x.host.Name)
	}
	return s.change(ctx, func(guests exposer.Guests) { guests[s.x.spec.Name] = want }, note)
}

// change writes the guests of the published exposure under its lock, and brings it
// to what they need.
func (s guestStep) change(ctx context.Context, edit func(exposer.Guests), note func(string)) error {
	s.x.hostMoved = true
	host, err := s.x.openHost(ctx)
	if err != nil {
		return err
	}
	if err := s.write(ctx, host, edit); err != nil {
		return err
	}
	if host, err = s.x.openHost(ctx); err != nil {
		return err
	}
	return exposer.Follow(ctx, host, s.x.deps.Now, note)
}

func (s guestStep) write(ctx context.Context, host exposer.Exposure, edit func(exposer.Guests)) error {
	release, err := host.Lock(ctx)
	if err != nil {
		return err
	}
	defer release()
	guests, err := exposer.ReadGuests(ctx, s.x.kube, s.x.host)
	if err != nil {
		return err
	}
	if guests == nil {
		guests = exposer.Guests{}
	}
	edit(guests)
	return exposer.WriteGuests(ctx, s.x.kube, s.x.host, guests)
}

// Undo implements exposer.Step.
func (s guestStep) Undo(ctx context.Context, _ json.RawMessage, note func(string)) (exposer.Undone, error) {
	if s.x.kube == nil || s.x.host.Name == "" {
		return exposer.Undone{Outcome: exposer.Absent, Why: "the published exposure is gone"}, nil
	}
	guests, err := exposer.ReadGuests(ctx, s.x.kube, s.x.host)
	if err != nil {
		return exposer.Undone{}, err
	}
	if _, ok := guests[s.x.spec.Name]; !ok {
		return exposer.Undone{Outcome: exposer.Absent}, nil
	}
	return exposer.Undone{Outcome: exposer.Restored}, s.change(ctx, func(guests exposer.Guests) { delete(guests, s.x.spec.Name) }, note)
}

package psc

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"causeway/exposer"
	"causeway/internal/gcp"
)

// openConsumer is Open for the consumer's half alone: all that is known of the
// cluster is what the producer handed over.
func (x *exposure) openConsumer(ctx context.Context) error {
	published, err := exposer.ReadPublished(x.spec.PSC.Consume)
	if err != nil {
		if x.deps.Leaving { // the file may be gone by then; the endpoint is found by its name
			x.region = gcp.RegionOf(x.spec.Cluster.Location)
			return nil
		}
		return err
	}
	x.published, x.region = published, published.Region
	return ctx.Err()
}

// consumerNet is the network of the endpoint: with a Shared VPC the host project's,
// where the subnet lies too. Address, endpoint and zone are the consumer's own.
func (x *exposure) consumerNet() gcp.Ref {
	c := x.spec.PSC.Consumer
	if project, name, ok := strings.Cut(c.Network, "/"); ok {
		return gcp.Ref{Project: project, Name: name}
	}
	return gcp.Ref{Project: c.Project, Name: c.Network}
}

func (x *exposure) addressName() string { return "causeway-" + x.spec.Name }

func (x *exposure) addressID() string {
	return "address/" + x.spec.PSC.Consumer.Project + "/" + x.addressName()
}

// addressStep reserves the endpoint's address in the consumer's subnet.
func (x *exposure) addressStep() *exposer.Resource {
	c := *x.spec.PSC.Consumer
	return &exposer.Resource{
		Name: x.addressID(), Leaving: x.deps.Leaving,
		About: fmt.Sprintf("internal address %s in subnet %s of %s", x.addressName(), c.Subnet, x.consumerNet().Project),
		Find: func(ctx context.Context) (*exposer.Found, error) {
			have, err := x.consumer.Address(ctx, c.Project, x.region, x.addressName())
			if err != nil || have == nil {
				return nil, err
			}
			x.address = have.IP
			found := &exposer.Found{Ours: x.marked(have.Description), Why: have.IP.String()}
			if want, err := netip.ParseAddr(c.Address); err == nil && want != have.IP {
				found.Unfit = refusal("CW-NET-ADDRESS-TAKEN", "address %s is %s, not %s: it can't be changed", have.Name, have.IP, want)
			}
			return found, nil
		},
		Make: func(ctx context.Context, note func(string)) error {
			wanted := gcp.Address{Project: c.Project, Region: x.region, Name: x.addressName(), Description: x.description(),
				Type: "INTERNAL", Purpose: "GCE_ENDPOINT", Subnetwork: c.Subnet, SubnetworkProject: x.consumerNet().Project}
			wanted.IP, _ = netip.ParseAddr(c.Address) // auto: Google picks
			made, err := x.consumer.ReserveAddress(ctx, wanted, note)
			if err != nil {
				return err
			}
			x.address = made.IP
			return nil
		},
		Remove: func(ctx context.Context, note func(string)) error {
			return x.consumer.ReleaseAddress(ctx, gcp.Address{Project: c.Project, Region: x.region, Name: x.addressName()}, note)
		},
	}
}

// endpointStep is the consumer's endpoint: a forwarding rule to the attachment. A
// closed one never opens again, so it is made anew.
type endpointStep struct{ x *exposure }

func (x *exposure) endpointRef() gcp.Ref {
	return gcp.Ref{Project: x.spec.PSC.Consumer.Project, Region: x.region, Name: "causeway-" + x.spec.Name}
}

func (x *exposure) endpointPath() string {
	ref := x.endpointRef()
	return fmt.Sprintf("projects/%s/regions/%s/forwardingRules/%s", ref.Project, ref.Region, ref.Name)
}

// ID implements exposer.Step.
func (s endpointStep) ID() string {
	return "endpoint/" + s.x.endpointRef().Project + "/" + s.x.endpointRef().Name
}

// Title implements exposer.Step.
func (s endpointStep) Title() string {
	network := s.x.consumerNet()
	return fmt.Sprintf("endpoint %s in network %s of %s", s.x.endpointRef().Name, network.Name, network.Project)
}

// Needs implements exposer.Step.
func (s endpointStep) Needs() []string {
	needs := []string{s.x.addressID()}
	if s.x.producing() {
		needs = append(needs, s.x.attachmentStep().ID())
	}
	return needs
}

func (s endpointStep) find(ctx context.Context) (*gcp.PSCEndpoint, error) {
	return s.x.consumer.PSCEndpoint(ctx, s.x.endpointRef())
}

// Read implements exposer.Step.
func (s endpointStep) Read(ctx context.Context) (exposer.Observed, error) {
	have, err := s.find(ctx)
	if err != nil {
		return exposer.Observed{}, err
	}
	if have == nil {
		why := "to the attachment that GKE makes"
		if at := s.x.attachmentPath(); at != "" {
			why = fmt.Sprintf("to attachment %s in %s", at[strings.LastIndex(at, "/")+1:], s.x.region)
		}
		return exposer.Observed{Action: exposer.Create, Why: why}, nil
	}
	seen := exposer.Observed{Exists: true, Ours: s.x.marked(have.Description), Action: exposer.Keep, Why: have.Status}
	if s.x.deps.Leaving {
		return seen, nil
	}
	code, why, _ := gcp.PSCProblem(have.Status)
	global := s.x.spec.PSC.Consumer.GlobalAccess
	switch {
	case !seen.Ours:
		seen.Action, seen.Cause = exposer.Refuse, refusal("CW-RUN-FOREIGN", "forwarding rule %s exists and does not carry this exposure's mark", have.Name)
	case code == "CW-PSC-CLOSED": // whatever it led to: the attachment that comes next may have another name
		seen.Action, seen.Why = exposer.Change, "is closed for good, and is made anew: "+why
	case s.x.attachmentPath() == "":
		seen.Action, seen.Why = exposer.Change, "the service attachment comes first"
	case have.Target != s.x.attachmentPath():
		seen.Action, seen.Cause = exposer.Refuse, refusal("CW-PSC-TARGET", "endpoint %s leads to %s, not to %s: Google can't change that; destroy the exposure and apply it again", have.Name, have.Target, s.x.attachmentPath())
	case global && !have.GlobalAccess:
		seen.Action, seen.Changes = exposer.Change, []exposer.FieldChange{{Field: "allowPscGlobalAccess", From: "false", To: "true"}}
	case have.Status != "ACCEPTED" && s.x.producing():
		seen.Action, seen.Why = exposer.Change, why
	case have.Status != "ACCEPTED":
		seen.Why = have.Status + ": " + why
	}
	return seen, nil
}

// Do implements exposer.Step.
func (s endpointStep) Do(ctx context.Context, note func(string)) error {
	have, err := s.find(ctx)
	if err != nil {
		return err
	}
	if have != nil && have.Status == "CLOSED" {
		note("is closed for good: deleting it, to make it anew")
		if err := s.x.consumer.DeletePSCEndpoint(ctx, s.x.endpointRef(), note); err != nil {
			return err
		}
		have = nil
	}
	c, ref := s.x.spec.PSC.Consumer, s.x.endpointRef()
	if have == nil {
		_, err = s.x.consumer.CreatePSCEndpoint(ctx, gcp.PSCEndpoint{Project: ref.Project, Region: ref.Region, Name: ref.Name, Description: s.x.description(),
			Network: s.x.consumerNet(), Address: s.x.addressName(), Target: s.x.attachmentPath(), GlobalAccess: c.GlobalAccess}, note)
	} else if c.GlobalAccess && !have.GlobalAccess {
		err = s.x.consumer.SetPSCGlobalAccess(ctx, ref, true, note)
	}
	if err != nil {
		return err
	}
	return s.await(ctx, note)
}

// acceptWait bounds the wait for a producer that is this run itself; Google needs
// seconds.
const acceptWait = 3 * time.Minute

// await waits until the connection is accepted. Where the producer is somebody
// else, pending is a state that lasts: it is told and left.
func (s endpointStep) await(ctx context.Context, note func(string)) error {
	var have *gcp.PSCEndpoint
	begin := s.x.deps.Now()
	err := s.x.deps.Poll(ctx, acceptWait, func(ctx context.Context) (bool, error) {
		var err error
		if have, err = s.find(ctx); err != nil || have == nil {
			return false, err
		}
		if have.Status == "ACCEPTED" || !s.x.producing() && have.Status != "" && have.Status != "STATUS_UNSPECIFIED" {
			return true, nil
		}
		note(fmt.Sprintf("the connection is %s, waited %s", have.Status, s.x.deps.Now().Sub(begin).Round(time.Second)))
		return have.Status == "REJECTED" || have.Status == "CLOSED", nil
	})
	if err != nil && !exposer.TimedOut(err) {
		return err
	}
	if have == nil {
		return refusal("CW-GCP-CONFLICT", "make endpoint %s: it is gone again", s.x.endpointRef().Name)
	}
	code, why, fix := gcp.PSCProblem(have.Status)
	if code == "" && have.Status == "ACCEPTED" || !s.x.producing() && have.Status == "PENDING" {
		note(have.Status)
		return nil
	}
	return refusal(cmp.Or(code, "CW-PSC-PENDING"), "connect endpoint %s: %s; %s", s.x.endpointRef().Name, why, fix)
}

// Undo implements exposer.Step.
func (s endpointStep) Undo(ctx context.Context, _ json.RawMessage, note func(string)) (exposer.Undone, error) {
	have, err := s.find(ctx)
	switch {
	case err != nil:
		return exposer.Undone{}, err
	case have == nil:
		return exposer.Undone{Outcome: exposer.Absent}, nil
	case !s.x.marked(have.Description):
		return exposer.Undone{Outcome: exposer.Left, Why: "not made by this exposure"}, nil
	}
	return exposer.Undone{Outcome: exposer.Removed}, s.x.consumer.DeletePSCEndpoint(ctx, s.x.endpointRef(), note)
}

// zoneStep gives the endpoint its name, in a private zone of that name alone, so
// that no other name of the consumer's is shadowed.
func (x *exposure) zoneStep() *exposer.Resource {
	c := *x.spec.PSC.Consumer
	ref := gcp.Ref{Project: c.Project, Name: "causeway-" + x.spec.Name}
	name := c.DNSName + "."
	return &exposer.Resource{
		Name: "private-zone/" + c.Project + "/" + ref.Name, Leaving: x.deps.Leaving, After: []string{x.addressID()},
		About: fmt.Sprintf("private DNS zone %s of network %s", c.DNSName, x.consumerNet().Name),
		Find: func(ctx context.Context) (*exposer.Found, error) {
			zone, err := x.consumer.PrivateZone(ctx, ref)
			if err != nil || zone == nil {
				return nil, err
			}
			found := &exposer.Found{Ours: x.marked(zone.Description)}
			if zone.DNSName != name {
				found.Unfit = refusal("CW-RUN-FOREIGN", "zone %s is for %s, not for %s: destroy the exposure and apply it again", ref.Name, zone.DNSName, name)
			}
			record, err := x.consumer.Record(ctx, ref, name, "A")
			if err == nil && found.Ours && !x.deps.Leaving && (record == nil || len(record.Data) != 1 || record.Data[0] != x.address.String()) {
				found.Unmade = "its record does not lead to " + x.address.String()
			}
			return found, err
		},
		Make: func(ctx context.Context, note func(string)) error {
			zone, err := x.consumer.PrivateZone(ctx, ref)
			if err == nil && zone == nil {
				err = x.consumer.CreatePrivateZone(ctx, gcp.PrivateZone{Project: c.Project, Name: ref.Name, Description: x.description(), DNSName: name,
					Networks: []gcp.Ref{x.consumerNet()}})
			}
			if err != nil {
				return err
			}
			note("name " + c.DNSName + " leads to " + x.address.String())
			return x.consumer.SetRecord(ctx, ref, gcp.DNSRecord{Name: name, Data: []string{x.address.String()}})
		},
		Remove: func(ctx context.Context, note func(string)) error {
			if err := x.consumer.DeleteRecord(ctx, ref, name, "A"); err != nil {
				return err
			}
			return x.consumer.DeletePrivateZone(ctx, ref)
		},
	}
}

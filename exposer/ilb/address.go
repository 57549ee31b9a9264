package ilb

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"causeway/exposer"
	"causeway/internal/gcp"
)

// addressStep reserves the load balancer's static internal address.
//
// Its mark is the description, which Google takes together with the address, and
// labels, which it takes only in a second call: a run that is killed between the
// two must still know the address as its own.
type addressStep struct {
	x    *exposure
	name string
}

// exposureLabel is Google's form of the mark: its labels know no slash and no dot.
const exposureLabel = "causeway-exposure"

// releaseTimeout bounds the wait for Google to take the forwarding rule off the
// address. Google's controller needs seconds to a few minutes.
const releaseTimeout = 10 * time.Minute

func (s addressStep) ID() string      { return "address/" + s.name }
func (s addressStep) Needs() []string { return nil }
func (s addressStep) Title() string {
	return fmt.Sprintf("internal address %s in %s", s.name, s.x.region)
}

func (s addressStep) description() string { return "causeway exposure " + s.x.spec.Name }

func (s addressStep) labels() map[string]string {
	return map[string]string{"managed-by": "causeway", exposureLabel: s.x.spec.Name}
}

func (s addressStep) get(ctx context.Context) (*gcp.Address, error) {
	return s.x.google.Address(ctx, s.x.spec.Cluster.Project, s.x.region, s.name)
}

func (s addressStep) ours(a *gcp.Address) bool {
	if exposure := a.Labels[exposureLabel]; exposure != "" {
		return exposure == s.x.spec.Name
	}
	return a.Description == s.description()
}

// Read implements exposer.Step.
func (s addressStep) Read(ctx context.Context) (exposer.Observed, error) {
	address, err := s.get(ctx)
	if err != nil {
		return exposer.Observed{}, err
	}
	if address == nil {
		return s.readFree(ctx)
	}
	seen := exposer.Observed{Exists: true, Ours: s.ours(address), Action: exposer.Keep, Why: address.IP.String()}
	if s.x.deps.Leaving {
		return seen, nil
	}
	cause, err := s.unfit(ctx, address)
	if err != nil {
		return exposer.Observed{}, err
	}
	if cause != nil {
		seen.Action, seen.Cause = exposer.Refuse, cause
		return seen, nil
	}
	s.x.addr = address.IP
	switch {
	case !seen.Ours:
		seen.Why += ", exists, is not causeway's: used as it is, and left on destroy"
	case address.Labels[exposureLabel] == "":
		seen.Action, seen.Changes = exposer.Change, []exposer.FieldChange{{Field: "labels", To: exposureLabel + "=" + s.x.spec.Name}}
	}
	return seen, nil
}

// readFree is Read where no address of that name exists.
func (s addressStep) readFree(ctx context.Context) (exposer.Observed, error) {
	seen := exposer.Observed{Action: exposer.Create, Why: "Google picks a free address of " + s.x.subnet.Name}
	want, err := netip.ParseAddr(s.x.spec.ILB.Address)
	if err != nil { // auto
		return seen, nil
	}
	seen.Why = want.String()
	if !s.x.subnet.Range.Contains(want) {
		seen.Action = exposer.Refuse
		seen.Cause = refusal("CW-NET-OUTSIDE-SUBNET", "%s is outside subnet %s (%s)", want, s.x.subnet.Name, s.x.subnet.Range)
		return seen, nil
	}
	taken, err := s.x.google.AddressUser(ctx, s.x.spec.Cluster.Project, s.x.region, want)
	if err != nil {
		return seen, err
	}
	if taken != "" {
		seen.Action = exposer.Refuse
		seen.Cause = refusal("CW-NET-ADDRESS-TAKEN", "%s is taken by %s", want, taken)
	}
	return seen, nil
}

// unfit says why an address that exists by our name can't be used.
func (s addressStep) unfit(ctx context.Context, a *gcp.Address) (cause, err error) {
	want, err := netip.ParseAddr(s.x.spec.ILB.Address)
	fixed := err == nil
	switch {
	case a.Labels[exposureLabel] != "" && !s.ours(a):
		return refusal("CW-NET-ADDRESS-TAKEN", "address %s belongs to the causeway exposure %s", a.Name, a.Labels[exposureLabel]), nil
	case a.Type != "INTERNAL":
		return refusal("CW-NET-ADDRESS-KIND", "address %s is %s, an internal load balancer needs INTERNAL", a.Name, a.Type), nil
	case a.Subnetwork != s.x.spec.ILB.Subnet:
		return refusal("CW-NET-ADDRESS-KIND", "address %s lies in subnet %s, not in %s", a.Name, a.Subnetwork, s.x.spec.ILB.Subnet), nil
	case fixed && a.IP != want:
		return refusal("CW-NET-ADDRESS-TAKEN", "address %s is %s, not %s: it can't be changed", a.Name, a.IP, want), nil
	}
	for _, user := range a.Users {
		mine, err := s.usedByUs(ctx, user)
		if err != nil {
			return nil, err
		}
		if !mine {
			return refusal("CW-NET-ADDRESS-TAKEN", "address %s (%s) is in use by %s", a.Name, a.IP, user), nil
		}
	}
	return nil, nil
}

// usedByUs reports whether a forwarding rule is the one that Google's controller
// made for our Service: it writes the Service's name into the description.
func (s addressStep) usedByUs(ctx context.Context, user string) (bool, error) {
	rule, err := s.x.google.ForwardingRule(ctx, s.x.spec.Cluster.Project, s.x.region, user[strings.LastIndex(user, "/")+1:])
	if err != nil || rule == nil {
		return false, err
	}
	return strings.Contains(rule.Description, `"`+s.x.spec.Namespace+"/"+proxyName+`"`), nil
}

// Do implements exposer.Step.
func (s addressStep) Do(ctx context.Context, note func(string)) error {
	address, err := s.get(ctx)
	if err != nil {
		return err
	}
	if address == nil {
		ip := netip.Addr{}
		if want, err := netip.ParseAddr(s.x.spec.ILB.Address); err == nil {
			ip = want
		}
		address, err = s.x.google.ReserveAddress(ctx, gcp.Address{
			Project: s.x.spec.Cluster.Project, Region: s.x.region, Name: s.name, Description: s.description(),
			Type: "INTERNAL", Purpose: "GCE_ENDPOINT", IP: ip,
			Subnetwork: s.x.spec.ILB.Subnet, SubnetworkProject: s.x.cluster.Subnetwork.Project,
		}, note)
		if err != nil {
			return err
		}
	}
	if cause, err := s.unfit(ctx, address); cause != nil || err != nil {
		return errors.Join(cause, err)
	}
	if s.ours(address) && address.Labels[exposureLabel] == "" {
		if err := s.x.google.LabelAddress(ctx, *address, s.labels(), note); err != nil {
			return err
		}
	}
	s.x.addr = address.IP
	note(address.IP.String())
	return nil
}

// Undo implements exposer.Step: it waits for the forwarding rule to let go of
// the address, which Google refuses to release before.
func (s addressStep) Undo(ctx context.Context, _ json.RawMessage, note func(string)) (exposer.Undone, error) {
	address, err := s.get(ctx)
	if err != nil {
		return exposer.Undone{}, err
	}
	if address == nil {
		return exposer.Undone{Outcome: exposer.Absent}, nil
	}
	if !s.ours(address) {
		return exposer.Undone{Outcome: exposer.Left, Why: "not made by this exposure"}, nil
	}
	if err := s.waitReleased(ctx, note); err != nil {
		return exposer.Undone{}, err
	}
	if err := s.x.google.ReleaseAddress(ctx, *address, note); err != nil {
		return exposer.Undone{}, err
	}
	return exposer.Undone{Outcome: exposer.Removed}, nil
}

func (s addressStep) waitReleased(ctx context.Context, note func(string)) error {
	var users []string
	err := s.x.deps.Poll(ctx, releaseTimeout, func(ctx context.Context) (bool, error) {
		address, err := s.get(ctx)
		if err != nil || address == nil {
			return err == nil, err
		}
		users = address.Users
		if len(users) > 0 {
			note("waits for the forwarding rule to go: " + strings.Join(users, ", "))
		}
		return len(users) == 0, nil
	})
	if exposer.TimedOut(err) {
		return refusal("CW-NET-ADDRESS-IN-USE", "release address %s: still in use by %s after %s", s.name, strings.Join(users, ", "), releaseTimeout)
	}
	return err
}

// refusal is an error with its code.
func refusal(code, format string, args ...any) error {
	return &exposer.RunError{Code_: code, Text: fmt.Sprintf(format, args...)}
}

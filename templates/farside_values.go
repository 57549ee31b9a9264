package templates

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
)

var (
	// secretName is a reference to a key. It stands in quoted strings of shells,
	// HCL and routers, and in paths: so it is a plain word and no path.
	secretName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$`)
	// variableName is a reference that names an environment variable.
	variableName = regexp.MustCompile(`^[A-Z_][A-Z0-9_]*$`)
	// plainLine is free text for a reader, without a character that Markdown reads.
	plainLine = regexp.MustCompile(`^[A-Za-z0-9 ,.;:()/-]{0,200}$`)

	linkLocal = netip.MustParsePrefix("169.254.0.0/16")
	// metadata answers on every machine of Google's and of AWS's.
	metadata = netip.MustParseAddr("169.254.169.254")
)

// Validate reports every value that cannot be rendered or could not work on the
// far side, joined, each named by its field.
func (f FarSide) Validate() error {
	var problems []error
	bad := func(format string, values ...any) { problems = append(problems, fmt.Errorf(format, values...)) }
	if !label.MatchString(f.Exposure) || len(f.Exposure) > 40 {
		bad("exposure: %q is not a name of at most 40 lower-case letters, digits and dashes", f.Exposure)
	}
	if f.Peer != PeerAWS && f.Peer != PeerOther {
		bad("peer: %q is not aws or other", f.Peer)
	}
	if !plainLine.MatchString(f.SecretBy) {
		bad("keys handed over: %q is not one line of plain text of at most 200 characters", f.SecretBy)
	}
	return errors.Join(errors.Join(problems...), f.validateASNs(), f.validateRanges(), f.validateTunnels())
}

func (f FarSide) validateASNs() error {
	var problems []error
	// RFC 6996's ranges, without the last number of each (RFC 7300).
	if n := f.GoogleASN; (n < 64512 || n > 65534) && (n < 4200000000 || n > 4294967294) {
		problems = append(problems, fmt.Errorf("cloud router's ASN: %d is not private (64512 to 65534, 4200000000 to 4294967294)", n))
	}
	switch n := f.PeerASN; {
	case n == 0 || n == 23456 || n == 65535 || n == 4294967295:
		problems = append(problems, fmt.Errorf("peer's ASN: %d is reserved", n))
	case n == f.GoogleASN:
		problems = append(problems, fmt.Errorf("peer's ASN: %d is Google's too; the sessions are external BGP", n))
	}
	return errors.Join(problems...)
}

func (f FarSide) validateRanges() error {
	var problems []error
	for _, list := range []struct {
		name     string
		prefixes []netip.Prefix
	}{{"prefixes to expect", f.Expect}, {"prefixes to announce", f.Announce}} {
		if len(list.prefixes) == 0 {
			problems = append(problems, fmt.Errorf("%s: none given", list.name))
		}
		for _, prefix := range list.prefixes {
			switch {
			case !prefix.IsValid() || !prefix.Addr().Is4() || prefix != prefix.Masked():
				problems = append(problems, fmt.Errorf("%s: %s is not an IPv4 network's prefix", list.name, prefix))
			case prefix.Bits() > 0 && prefix.Overlaps(linkLocal):
				problems = append(problems, fmt.Errorf("%s: %s is link-local", list.name, prefix))
			}
		}
	}
	for _, prefix := range f.Announce {
		// A wider range that holds the other's is fine: the longer prefix wins.
		if slices.Contains(f.Expect, prefix) {
			problems = append(problems, fmt.Errorf("prefixes to announce: %s comes from Google too", prefix))
		}
	}
	at := f.Endpoint
	inside := slices.ContainsFunc(f.Expect, func(p netip.Prefix) bool { return p.IsValid() && p.Contains(at.Addr()) })
	switch {
	case !at.IsValid() || !at.Addr().Is4() || at.Port() == 0:
		problems = append(problems, fmt.Errorf("endpoint: %s is not an IPv4 address and port", at))
	case !inside:
		problems = append(problems, fmt.Errorf("endpoint: %s is in none of the prefixes to expect", at))
	}
	return errors.Join(problems...)
}

func (f FarSide) validateTunnels() error {
	var problems []error
	switch n := len(f.Tunnels); {
	case f.Peer == PeerAWS && n != 4:
		problems = append(problems, fmt.Errorf("tunnels: %d with AWS, whose two connections have two each", n))
	case n < 1 || n > 4:
		problems = append(problems, fmt.Errorf("tunnels: %d is not between 1 and 4", n))
	}
	for i, tunnel := range f.Tunnels {
		for _, problem := range f.tunnelProblems(i, tunnel) {
			problems = append(problems, fmt.Errorf("tunnel %d: %w", i, problem))
		}
	}
	return errors.Join(problems...)
}

// tunnelProblems looks at a tunnel by itself and beside those before it.
func (f FarSide) tunnelProblems(i int, t FarTunnel) (problems []error) {
	bad := func(format string, values ...any) { problems = append(problems, fmt.Errorf(format, values...)) }
	if !label.MatchString(t.Name) {
		bad("name: %q is not a name of a Google Cloud tunnel", t.Name)
	}
	if !secretName.MatchString(t.SecretName) {
		// The value is not told: someone may have put the key itself here.
		bad("key reference: is not a file's or a variable's name (letters, digits, dots, dashes; no path)")
	}
	if t.GoogleInterface != 0 && t.GoogleInterface != 1 {
		bad("gateway interface: %d is not 0 or 1", t.GoogleInterface)
	}
	if f.Peer == PeerAWS && t.GoogleInterface != i/2 {
		bad("gateway interface: %d, but AWS's connection %c ends at %d", t.GoogleInterface, 'A'+rune(i/2), i/2)
	}
	if !outside(t.GoogleAddress) {
		bad("gateway address: %s is not an IPv4 address to send to", t.GoogleAddress)
	}
	if t.PeerAddress.IsValid() && (!outside(t.PeerAddress) || t.PeerAddress == t.GoogleAddress) {
		bad("peer's address: %s is not an IPv4 address of the far side's", t.PeerAddress)
	}
	if t.PeerAddress.IsValid() != f.Tunnels[0].PeerAddress.IsValid() {
		bad("peer's address: known for some tunnels, not for all")
	}
	if problem := linkProblem(f.Peer, t); problem != nil {
		problems = append(problems, problem)
	}
	for j, other := range f.Tunnels[:i] {
		if t.Name == other.Name {
			bad("name: %s is tunnel %d's too", t.Name, j)
		}
		if t.Link.IsValid() && other.Link.IsValid() && t.Link.Overlaps(other.Link) {
			bad("link: %s overlaps tunnel %d's %s", t.Link, j, other.Link)
		}
		if (t.GoogleInterface == other.GoogleInterface) != (t.GoogleAddress == other.GoogleAddress) {
			bad("gateway address: %s of interface %d does not fit tunnel %d's %s of interface %d", t.GoogleAddress, t.GoogleInterface, j, other.GoogleAddress, other.GoogleInterface)
		}
		switch {
		case !t.PeerAddress.IsValid() || t.PeerAddress != other.PeerAddress:
		case f.Peer == PeerAWS:
			bad("peer's address: %s is tunnel %d's too; each of AWS's four has its own", t.PeerAddress, j)
		case t.GoogleAddress == other.GoogleAddress:
			bad("peer's address: %s meets %s in tunnel %d already", t.PeerAddress, t.GoogleAddress, j)
		}
	}
	return problems
}

func outside(address netip.Addr) bool {
	return address.Is4() && address.IsGlobalUnicast()
}

// linkProblem holds a link to what Google and AWS demand: a /30 whose two hosts
// are the two ends; AWS takes the first host itself and keeps seven ranges
// (CreateVpnConnection's TunnelInsideCidr).
func linkProblem(peer string, t FarTunnel) error {
	link := t.Link
	if !link.IsValid() || link.Bits() != 30 || link != link.Masked() || !linkLocal.Contains(link.Addr()) {
		return fmt.Errorf("link: %s is not a /30 in 169.254.0.0/16", link)
	}
	if link.Contains(metadata) {
		return fmt.Errorf("link: %s holds the metadata server", link)
	}
	bytes := link.Addr().As4()
	if peer == PeerAWS && bytes[2] <= 5 && bytes[3] == 0 {
		return fmt.Errorf("link: %s is reserved by AWS", link)
	}
	first := link.Addr().Next()
	second := first.Next()
	switch {
	case peer == PeerAWS && (t.PeerIP != first || t.GoogleIP != second):
		return fmt.Errorf("inside addresses: AWS takes %s and leaves %s to Google, not %s and %s", first, second, t.PeerIP, t.GoogleIP)
	case !(t.GoogleIP == first && t.PeerIP == second) && !(t.GoogleIP == second && t.PeerIP == first):
		return fmt.Errorf("inside addresses: %s and %s are not the two hosts of %s", t.GoogleIP, t.PeerIP, link)
	}
	return nil
}

package gcptest

import (
	"net/netip"
	"path"
	"slices"
	"strings"

	"causeway/internal/gcptest/discovery"
)

// The states of a connection (discovery: ForwardingRule.pscConnectionStatus).
const (
	accepted       = "ACCEPTED"
	pending        = "PENDING"
	rejected       = "REJECTED"
	needsAttention = "NEEDS_ATTENTION"
	closed         = "CLOSED"
)

// natReserved is how many addresses of a subnetwork Google keeps for itself.
const natReserved = 4

// endpointsOf lists the endpoints that are connected to an attachment or want to
// be, the oldest first. A closed one never comes back.
func (s *Server) endpointsOf(attachment string) []string {
	var out []string
	for at, o := range s.objects {
		if strings.Contains(at, "/forwardingRules/") && relative(text(o, "target"), "") == attachment && text(o, "pscConnectionStatus") != closed {
			out = append(out, at)
		}
	}
	slices.SortFunc(out, func(a, b string) int { return strings.Compare(text(s.objects[a], "id"), text(s.objects[b], "id")) })
	return out
}

// attachmentOf names the attachment that publishes a forwarding rule, "" for none.
func (s *Server) attachmentOf(rule string) string {
	var out []string
	for at, o := range s.objects {
		if strings.Contains(at, "/serviceAttachments/") && relative(text(o, "targetService"), splitPath(at)[1]) == rule {
			out = append(out, at)
		}
	}
	slices.Sort(out)
	return append(out, "")[0]
}

// admission decides who is let in to an attachment.
type admission struct {
	server    *Server
	at        string
	body      object
	taken     map[int]int // accept entry -> endpoints that it has let in
	addresses int         // of the NAT subnetworks, that are left
	each      int         // addresses that an endpoint takes
}

// connect gives each endpoint of an attachment the state that lists, limits and NAT
// addresses leave it, and writes who is connected. Without reconcileConnections, who
// is in stays in and who was turned away stays so.
func (s *Server) connect(at string) {
	body, ok := s.objects[at]
	if !ok {
		return
	}
	a := &admission{server: s, at: at, body: body, taken: map[int]int{}, addresses: s.natAddresses(at, body), each: 1}
	if each, ok := number(body, "natIpsPerEndpoint"); ok && each > 0 {
		a.each = int(each)
	}
	reconcile, _ := body["reconcileConnections"].(bool)
	endpoints := s.endpointsOf(at)
	for _, established := range []bool{true, false} { // who is in keeps the place
		for _, one := range endpoints {
			rule := s.objects[one]
			state := text(rule, "pscConnectionStatus")
			if in := state == accepted || state == needsAttention; in == established {
				rule["pscConnectionStatus"] = a.decide(one, rule, state, in && !reconcile, reconcile)
			}
		}
	}
	var list []any
	for _, one := range endpoints {
		rule := s.objects[one]
		list = append(list, object{
			"endpoint": link(one), "endpointWithId": link(path.Dir(one) + "/" + text(rule, "id")), "status": rule["pscConnectionStatus"], "pscConnectionId": rule["pscConnectionId"],
			"consumerNetwork": rule["network"], "propagatedConnectionCount": 0,
		})
	}
	body["connectedEndpoints"] = list
	dropEmpty(body, "connectedEndpoints")
}

// decide is the new state of one endpoint; stays says that it is in and remains so.
func (a *admission) decide(at string, rule object, state string, stays, reconcile bool) string {
	reject, _ := a.body["consumerRejectLists"].([]any)
	onList := slices.ContainsFunc(reject, func(one any) bool {
		given, _ := one.(string)
		return a.server.isConsumer(consumerKind(given), given, at, rule)
	})
	entry, limit := -1, 0
	for i, one := range entries(a.body, "consumerAcceptLists") {
		if kind, consumer := consumerOf(one); a.server.isConsumer(kind, consumer, at, rule) {
			n, _ := number(one, "connectionLimit")
			entry, limit = i, int(n)
			break
		}
	}
	open := text(a.body, "connectionPreference") == automatic
	switch {
	case stays:
	case state == rejected && !reconcile, onList:
		return rejected
	case open:
	case entry < 0 || a.taken[entry] >= limit:
		return pending
	}
	if entry >= 0 {
		a.taken[entry]++
	}
	if a.addresses < a.each {
		return needsAttention
	}
	a.addresses -= a.each
	return accepted
}

// isConsumer says whether an entry of a list names the consumer of an endpoint. The
// consumer's project is that of the endpoint.
func (s *Server) isConsumer(kind, given, at string, rule object) bool {
	switch kind {
	case "projectIdOrNum":
		mine, named := s.projectObject(splitPath(at)[1]), s.projectObject(given)
		return given == splitPath(at)[1] || mine != nil && named != nil && text(mine, "projectId") == text(named, "projectId")
	case "networkUrl":
		return relative(given, "") == relative(text(rule, "network"), "")
	case "endpointUrl":
		return relative(given, "") == at || relative(given, "") == path.Dir(at)+"/"+text(rule, "id")
	}
	return false
}

// natAddresses counts the addresses that an attachment has for its endpoints.
func (s *Server) natAddresses(at string, attachment object) int {
	sum := 0
	for _, prefix := range s.natRanges(at, attachment) {
		sum += 1<<(32-prefix.Bits()) - natReserved
	}
	return sum
}

func (s *Server) natRanges(at string, attachment object) []netip.Prefix {
	var out []netip.Prefix
	for _, subnet := range natSubnets(at, attachment) {
		if prefix, err := netip.ParsePrefix(text(s.objects[subnet], "ipCidrRange")); err == nil {
			out = append(out, prefix)
		}
	}
	return out
}

// Connection is an endpoint of a consumer and what lies behind it, for a lab that
// carries its packets: those to EndpointIP in the consumer's network leave with an
// address of NAT in the producer's, for TargetIP.
type Connection struct {
	Endpoint, Attachment             string // paths; the attachment may be gone
	Name                             string // of the endpoint
	Region                           string // of both
	Status                           string // as the consumer reads it
	ID                               string // pscConnectionId
	EndpointIP                       netip.Addr
	ConsumerNetwork, ProducerNetwork string // paths
	NAT                              []netip.Prefix
	TargetIP                         netip.Addr
	Ports                            []string // of the target; nil: all
	Accepted                         bool     // packets pass
	GlobalAccess                     bool     // clients of every region may use the endpoint
	Regions                          []string // whose clients may
}

// Connections tells the Private Service Connect endpoints of all projects, sorted by
// path. Who waits for changes takes Changed first.
func (s *Server) Connections() []Connection {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle()
	var out []Connection
	for at, rule := range s.objects {
		if !strings.Contains(at, "/forwardingRules/") || !isAttachment(text(rule, "target")) {
			continue
		}
		out = append(out, s.connection(at, rule))
	}
	slices.SortFunc(out, func(a, b Connection) int { return strings.Compare(a.Endpoint, b.Endpoint) })
	return out
}

func (s *Server) connection(at string, rule object) Connection {
	one := Connection{
		Endpoint: at, Attachment: relative(text(rule, "target"), ""), Name: path.Base(at), Region: splitPath(at)[3],
		Status: text(rule, "pscConnectionStatus"), ID: text(rule, "pscConnectionId"), ConsumerNetwork: relative(text(rule, "network"), ""),
	}
	one.EndpointIP, _ = netip.ParseAddr(text(rule, "IPAddress"))
	one.GlobalAccess, _ = rule["allowPscGlobalAccess"].(bool)
	one.Regions = []string{one.Region}
	if one.GlobalAccess {
		one.Regions = s.regions()
	}
	attachment, ok := s.objects[one.Attachment]
	if !ok {
		return one
	}
	target := s.objects[relative(text(attachment, "targetService"), "")]
	one.TargetIP, _ = netip.ParseAddr(text(target, "IPAddress"))
	one.ProducerNetwork = relative(text(target, "network"), "")
	one.NAT = s.natRanges(one.Attachment, attachment)
	ports, _ := target["ports"].([]any)
	for _, port := range ports {
		if number, ok := port.(string); ok {
			one.Ports = append(one.Ports, number)
		}
	}
	one.Accepted = one.Status == accepted && one.TargetIP.IsValid()
	return one
}

// PSCStatuses lists the states of a connection that Google's discovery document
// knows.
func PSCStatuses() []string {
	catalog, err := discovery.Load()
	if err != nil {
		return nil
	}
	return catalog.Service("compute").Schemas["ForwardingRule"].Properties["pscConnectionStatus"].Enum
}

// PrivateName is what a network's machines are told for a name, by a private zone
// that the network sees.
type PrivateName struct {
	Network string // path
	Name    string // without the dot at its end
	Address netip.Addr
}

// PrivateNames tells the A records of all private zones, for a lab whose machines
// look names up.
func (s *Server) PrivateNames() []PrivateName {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle()
	var out []PrivateName
	for at, zone := range s.objects {
		if parts := splitPath(at); len(parts) != 4 || parts[2] != "managedZones" {
			continue
		}
		visible, _ := zone["privateVisibilityConfig"].(object)
		for _, record := range s.recordsOf(at) {
			data, _ := s.objects[record]["rrdatas"].([]any)
			for _, one := range data {
				value, _ := one.(string)
				address, err := netip.ParseAddr(value)
				if err != nil {
					continue // no A record
				}
				for _, network := range entries(visible, "networks") {
					out = append(out, PrivateName{relative(text(network, "networkUrl"), ""), strings.TrimSuffix(text(s.objects[record], "name"), "."), address})
				}
			}
		}
	}
	slices.SortFunc(out, func(a, b PrivateName) int { return strings.Compare(a.Network+" "+a.Name, b.Network+" "+b.Name) })
	return out
}

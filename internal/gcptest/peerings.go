package gcptest

import (
	"fmt"
	"maps"
	"net/http"
	"path"
	"slices"
)

// updatable are the fields that updatePeering takes beside the name: the flags
// that the documents name and those that gcloud sends.
var updatable = []string{
	"exportCustomRoutes", "importCustomRoutes", "exportSubnetRoutesWithPublicIp", "importSubnetRoutesWithPublicIp", "stackType",
}

// peering finds a network's peering by its name, nil when there is none; to
// change it is to change the network.
func peering(network object, name string) object {
	for _, one := range entries(network, "peerings") {
		if text(one, "name") == name {
			return one
		}
	}
	return nil
}

// peeringBusy refuses a peering operation while another one runs on either side.
func (c *call) peeringBusy(network, peer string) *Error {
	if c.server.running(network, peer) == "" {
		return nil
	}
	return &Error{Status: http.StatusBadRequest, Reason: "badRequest",
		Message: "There is a peering operation in progress on the local or peer network. Try again later."}
}

// startPeering begins a peering operation, which keeps others off both networks.
func (c *call) startPeering(kind, network, peer string, finish func()) object {
	answer := c.start(kind, network, func() {
		finish()
		c.server.touch()
	}, nil)
	at := path.Dir(path.Dir(network)) + "/operations/" + text(answer, "name")
	c.server.operations[at].locks = []string{network, peer}
	return answer
}

func nameRequired() *Error { // the words are Google's, the empty quotes too
	return &Error{Status: http.StatusBadRequest, Reason: "required", Message: "Required field '' not specified"}
}

// noPeering is the refusal of a name that no peering has. Its words are the
// emulator's own: Google's are not known.
func noPeering(name, network string) *Error {
	return invalid(fmt.Sprintf("Invalid value for field 'networkPeering.name': '%s'. There is no peering %s on network %s.", name, name, network))
}

func updatePeering(c *call) (any, *Error) {
	s, at := c.server, c.target()
	if answer, ok := c.repeated(); ok {
		return answer, nil
	}
	network, ok := s.objects[at]
	if !ok {
		return nil, notFound(at)
	}
	change, _ := clone(c.body)["networkPeering"].(object)
	name := text(change, "name")
	if name == "" {
		return nil, nameRequired()
	}
	found := peering(network, name)
	if found == nil {
		return nil, noPeering(name, at)
	}
	delete(change, "name")
	for _, field := range slices.Sorted(maps.Keys(change)) {
		if !slices.Contains(updatable, field) {
			return nil, invalid(fmt.Sprintf("Invalid value for field 'networkPeering.%s'. It cannot be updated.", field))
		}
	}
	peer := relative(text(found, "network"), c.project())
	if failure := c.peeringBusy(at, peer); failure != nil {
		return nil, failure
	}
	return c.startPeering("updatePeering", at, peer, func() {
		if live := peering(s.objects[at], name); live != nil {
			maps.Copy(live, change)
		}
	}), nil
}

// addPeering takes the form with networkPeering, and the older one without.
func addPeering(c *call) (any, *Error) {
	s, at := c.server, c.target()
	if answer, ok := c.repeated(); ok {
		return answer, nil
	}
	network, ok := s.objects[at]
	if !ok {
		return nil, notFound(at)
	}
	body := clone(c.body)
	wanted, _ := body["networkPeering"].(object)
	if wanted == nil {
		wanted = object{"name": body["name"], "network": body["peerNetwork"], "exchangeSubnetRoutes": body["autoCreateRoutes"]}
	}
	peer := relative(text(wanted, "network"), c.project())
	if failure := s.checkPeering(at, network, peer, wanted); failure != nil {
		return nil, failure
	}
	if failure := c.peeringBusy(at, peer); failure != nil {
		return nil, failure
	}
	made := object{
		"name": text(wanted, "name"), "network": link(peer), "exchangeSubnetRoutes": true, "autoCreateRoutes": true,
		"exportCustomRoutes": false, "importCustomRoutes": false,
		"exportSubnetRoutesWithPublicIp": true, "importSubnetRoutesWithPublicIp": false, "stackType": "IPV4_ONLY",
	}
	for _, field := range updatable {
		if wanted[field] != nil {
			made[field] = wanted[field]
		}
	}
	return c.startPeering("addPeering", at, peer, func() {
		live, ok := s.objects[at]
		if !ok {
			return
		}
		list, _ := live["peerings"].([]any)
		live["peerings"] = append(list, made)
		s.meet(at, made)
	}), nil
}

func (s *Server) checkPeering(at string, network object, peer string, wanted object) *Error {
	name := text(wanted, "name")
	switch {
	case name == "":
		return nameRequired()
	case !nameForm.MatchString(name):
		return invalid(fmt.Sprintf("Invalid value for field 'networkPeering.name': '%s'. Must be a match of regex '(?:[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?)'", name))
	case peer == "" || peer == at:
		return invalid(fmt.Sprintf("Invalid value for field 'networkPeering.network': '%s'. It must be another network.", text(wanted, "network")))
	case wanted["exchangeSubnetRoutes"] != true:
		return invalid("Invalid value for field 'networkPeering.exchangeSubnetRoutes': 'false'. It must be true.")
	case peering(network, name) != nil:
		return alreadyExists(at + "/peerings/" + name)
	}
	for _, one := range entries(network, "peerings") {
		if relative(text(one, "network"), "") == peer {
			return invalid(fmt.Sprintf("There is already a peering %s with network %s.", text(one, "name"), peer))
		}
	}
	for _, ours := range s.subnetRanges(at) {
		for _, theirs := range s.subnetRanges(peer) {
			if ours.prefix.Overlaps(theirs.prefix) {
				return invalid(fmt.Sprintf("An IP range in the peer network (%s) overlaps with an IP range in the local network (%s).", theirs.prefix, ours.prefix))
			}
		}
	}
	return nil
}

func removePeering(c *call) (any, *Error) {
	s, at := c.server, c.target()
	if answer, ok := c.repeated(); ok {
		return answer, nil
	}
	network, ok := s.objects[at]
	if !ok {
		return nil, notFound(at)
	}
	name := text(c.body, "name")
	if name == "" {
		return nil, nameRequired()
	}
	found := peering(network, name)
	if found == nil {
		return nil, noPeering(name, at)
	}
	peer := relative(text(found, "network"), c.project())
	if failure := c.peeringBusy(at, peer); failure != nil {
		return nil, failure
	}
	return c.startPeering("removePeering", at, peer, func() {
		live, ok := s.objects[at]
		if !ok {
			return
		}
		list, _ := live["peerings"].([]any)
		list = slices.DeleteFunc(slices.Clone(list), func(one any) bool {
			entry, ok := one.(object)
			return ok && text(entry, "name") == name
		})
		if live["peerings"] = list; len(list) == 0 {
			delete(live, "peerings")
		}
		if other := s.counterpart(at, peer); other != nil {
			s.setState(other, "INACTIVE", "Waiting for peer network to connect.")
		}
	}), nil
}

// meet gives a new peering, and the one that answers it, their states: a peering
// is active when both sides have it.
func (s *Server) meet(at string, made object) {
	other := s.counterpart(at, relative(text(made, "network"), ""))
	if other == nil {
		s.setState(made, "INACTIVE", "Waiting for peer network to connect.")
		return
	}
	s.setState(made, "ACTIVE", "Connected.")
	s.setState(other, "ACTIVE", "Connected.")
}

// counterpart is the peering by which a peer network answers; nil when it has
// none, or is not of this emulator.
func (s *Server) counterpart(network, peer string) object {
	for _, one := range entries(s.objects[peer], "peerings") {
		if relative(text(one, "network"), "") == network {
			return one
		}
	}
	return nil
}

func (s *Server) setState(one object, state, details string) {
	one["state"] = state
	one["stateDetails"] = "[" + s.options.Now().UTC().Format("2006-01-02T15:04:05.000-07:00") + "]: " + details
}

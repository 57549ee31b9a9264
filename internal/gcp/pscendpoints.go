package gcp

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"strings"
)

// PSCEndpoint is the consumer's side of Private Service Connect: a forwarding rule
// in the consumer's network whose target is a producer's service attachment.
type PSCEndpoint struct {
	Project     string
	Region      string // that of the attachment: Google takes no other
	Name        string
	Description string
	Network     Ref
	Subnetwork  Ref    // as far as Google tells it; may be empty where Address is a resource
	Address     string // to create: an address resource (path or name) or an IP; "" for any of Subnetwork. Read: the IP
	Target      string // path of the service attachment; for life
	// GlobalAccess: clients of other regions, and of lines that end there, may use it.
	GlobalAccess bool
	Labels       map[string]string // read; LabelPSCEndpoint sets them

	Status       string // ACCEPTED, PENDING, REJECTED, NEEDS_ATTENTION, CLOSED: see PSCProblem
	ConnectionID string // the same on the producer's side
	IP           netip.Addr

	fingerprint string // of the labels, for setLabels
}

// Ref names the endpoint for the calls that take one.
func (e PSCEndpoint) Ref() Ref { return Ref{Project: e.Project, Region: e.Region, Name: e.Name} }

func ruleURL(ref Ref) string {
	return fmt.Sprintf("projects/%s/regions/%s/forwardingRules/%s", ref.Project, ref.Region, ref.Name)
}

const pscEndpoint = "Private Service Connect endpoint"

// PSCEndpoint reads one; nil without an error when there is no forwarding rule of
// that name. The rule of something else is told with its Target, which then is no
// service attachment ("" for a load balancer's).
func (c *Cloud) PSCEndpoint(ctx context.Context, ref Ref) (*PSCEndpoint, error) {
	var found struct {
		Name, Description, Network, Subnetwork, IPAddress, Target string
		AllowPSCGlobalAccess                                      bool   `json:"allowPscGlobalAccess"`
		Status                                                    string `json:"pscConnectionStatus"`
		ID                                                        string `json:"pscConnectionId"`
		Labels                                                    map[string]string
		LabelFingerprint                                          string
	}
	if ok, err := c.readAt(ctx, pscEndpoint, ruleURL(ref), &found); err != nil || !ok {
		return nil, err
	}
	near := Ref{Project: ref.Project}
	out := &PSCEndpoint{
		Project: ref.Project, Region: ref.Region, Name: found.Name, Description: found.Description, Network: refOf(found.Network, near),
		Subnetwork: refOf(found.Subnetwork, ref), Address: found.IPAddress, Target: shortLink(found.Target), GlobalAccess: found.AllowPSCGlobalAccess,
		Labels: found.Labels, Status: found.Status, ConnectionID: found.ID, IP: address(found.IPAddress), fingerprint: found.LabelFingerprint,
	}
	return out, nil
}

// CreatePSCEndpoint makes an endpoint, waits until it is there and returns it. That
// it is there does not mean that the producer lets it in: Status says that, and
// changes later. It fails with AlreadyExists when the name is taken, with
// CW-NET-ADDRESS-TAKEN when the IP cannot be had, and with CW-PSC-TARGET
// when there is no such attachment in the endpoint's region, and with NotFound when
// something else that it names is not there. Labels are not sent.
func (c *Cloud) CreatePSCEndpoint(ctx context.Context, e PSCEndpoint, note func(string)) (*PSCEndpoint, error) {
	path := ruleURL(e.Ref())
	refuse := func(message string, values ...any) (*PSCEndpoint, error) {
		return nil, &Error{Verb: "create", Resource: pscEndpoint + " " + path, Message: fmt.Sprintf(message, values...), code: codePSCTarget}
	}
	target := parseRef(e.Target, "", "")
	switch {
	case !strings.Contains(e.Target, "/serviceAttachments/") || target.Project == "":
		return refuse("its target is %q, which is no service attachment", e.Target)
	case target.Region != e.Region:
		return refuse("its target %s is in %s; an endpoint lies in its attachment's region", shortLink(e.Target), target.Region)
	case e.Network.Name == "":
		return nil, &Error{Verb: "create", Resource: pscEndpoint + " " + path, Message: "it has no network"}
	}
	// No load balancing scheme, no protocol and no ports: Google refuses an endpoint
	// that has any, and the default scheme of the generated clients is one.
	body := document{"name": e.Name, "target": shortLink(e.Target), "network": networkPath(e.Network)}
	switch {
	case e.Address == "":
	case strings.Contains(e.Address, "/") || address(e.Address).IsValid():
		body["IPAddress"] = e.Address
	default:
		body["IPAddress"] = fmt.Sprintf("projects/%s/regions/%s/addresses/%s", e.Project, e.Region, e.Address)
	}
	if e.Subnetwork.Name != "" {
		body["subnetwork"] = subnetworkURL(e.Subnetwork)
	}
	if e.GlobalAccess {
		body["allowPscGlobalAccess"] = true
	}
	if e.Description != "" {
		body["description"] = e.Description
	}
	err := c.createAt(ctx, pscEndpoint, path, e.Ref(), fmt.Sprintf("projects/%s/regions/%s/forwardingRules", e.Project, e.Region), body, note)
	if err != nil {
		return nil, err
	}
	made, err := c.PSCEndpoint(ctx, e.Ref())
	if err == nil && made == nil {
		err = &Error{Verb: "create", Resource: pscEndpoint + " " + path, Message: "it is gone again", code: codeConflict}
	}
	return made, err
}

// DeletePSCEndpoint deletes an endpoint, closed or not, and waits until it is gone;
// one that is gone already is no error.
func (c *Cloud) DeletePSCEndpoint(ctx context.Context, ref Ref, note func(string)) error {
	return c.deleteAt(ctx, pscEndpoint, ruleURL(ref), ref, note)
}

// SetPSCGlobalAccess lets clients of other regions use an endpoint, or keeps them
// from it. When it is so already, nothing is sent. A change that somebody else made
// meanwhile is read and the patch made anew, as in EditServiceAttachment.
func (c *Cloud) SetPSCGlobalAccess(ctx context.Context, ref Ref, on bool, note func(string)) error {
	const verb = "set global access of"
	path := ruleURL(ref)
	resource := pscEndpoint + " " + path
	return c.fresh(ctx, resource, note, func(ctx context.Context) error {
		doc, err := c.rawCompute.get(ctx, path)
		if wrapped := wrap("read", resource, err); rehearsing(ctx) != nil && NotFound(wrapped) {
			doc = document{} // it would have been made before
		} else if err != nil {
			return wrapped
		}
		if have, _ := doc["allowPscGlobalAccess"].(bool); have == on {
			return nil
		}
		op, err := c.change(ctx, http.MethodPatch, path, document{"allowPscGlobalAccess": on, "fingerprint": doc["fingerprint"]})
		if err != nil {
			return wrap(verb, resource, err)
		}
		return c.waitRegion(ctx, verb, resource, ref.Project, ref.Region, op, note)
	})
}

// LabelPSCEndpoint adds labels to those that e has, as it was read, and waits until
// they are there. It fails with CW-GCP-PRECONDITION when the labels were changed
// since.
func (c *Cloud) LabelPSCEndpoint(ctx context.Context, e PSCEndpoint, labels map[string]string, note func(string)) error {
	const verb = "label"
	path := ruleURL(e.Ref())
	all := maps.Clone(e.Labels)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, labels)
	op, err := c.change(ctx, http.MethodPost, path+"/setLabels", document{"labels": all, "labelFingerprint": e.fingerprint})
	if err != nil {
		return wrap(verb, pscEndpoint+" "+path, err)
	}
	return c.waitRegion(ctx, verb, pscEndpoint+" "+path, e.Project, e.Region, op, note)
}

// pscProblems are the states of a connection that carry nothing (discovery:
// ForwardingRule.pscConnectionStatus).
var pscProblems = map[string]problem{
	"":                   {"", "Google has not told the connection's state yet", "wait; this takes some seconds"},
	"STATUS_UNSPECIFIED": {"", "Google has not told the connection's state yet", "wait; this takes some seconds"},
	"PENDING": {codePSCPending, "the producer has not accepted this consumer, or the consumer's limit is reached",
		"the producer adds the consumer's project or network to the accept list of the service attachment, or raises its limit"},
	"REJECTED": {codePSCRejected, "the producer's reject list names this consumer",
		"the producer takes the consumer off the reject list and accepts it; an endpoint that was rejected follows only with reconcileConnections, else it is made anew"},
	"NEEDS_ATTENTION": {codePSCAttention, "the producer accepted the connection, but its side cannot serve it: mostly, the NAT subnetwork has no address left",
		"the producer adds a NAT subnetwork to the service attachment"},
	"CLOSED": {codePSCClosed, "the service attachment was deleted, and the connection does not come back",
		"delete the endpoint and make it anew, to an attachment that exists"},
}

// PSCProblem says why an endpoint with that status carries nothing, and the cure.
// All is "" when it is accepted. While Google has told no state, code is "", and fix
// says what to wait for. A status that nobody knows is a problem: the enum grows.
func PSCProblem(status string) (code, why, fix string) {
	if status == "ACCEPTED" {
		return "", "", ""
	}
	found, ok := pscProblems[status]
	if !ok {
		found = problem{codePSCAttention, fmt.Sprintf("the connection is %s", status), "read the service attachment's connected endpoints, on the producer's side"}
	}
	return found.code, found.why, found.fix
}

package gcp

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// The two ways in which a service attachment takes consumers.
const (
	AcceptAutomatic = "ACCEPT_AUTOMATIC" // whoever comes
	AcceptManual    = "ACCEPT_MANUAL"    // by lists
)

// ServiceAttachment publishes a forwarding rule to other networks: the producer's
// side of Private Service Connect.
type ServiceAttachment struct {
	Project     string
	Region      string
	Name        string
	Description string
	Target      string // path of the forwarding rule that is published; for life
	Preference  string // AcceptAutomatic or AcceptManual
	NATSubnets  []Ref  // of purpose PRIVATE_SERVICE_CONNECT, of the same region

	Accept []ConsumerLimit // lists of AcceptManual: of projects, of networks, or of endpoints
	Reject []string        // project ids or numbers, or paths of networks or endpoints
	// Reconcile: a change of the lists also counts for consumers that were taken or
	// turned away before; without it only for those who wait.
	Reconcile     bool
	ProxyProtocol bool // puts a header before the consumer's bytes, which TLS can't bear

	Endpoints []ConnectedEndpoint // read alone
	Link      string              // path, which is what a consumer's endpoint targets
}

// Ref names the attachment for the calls that take one.
func (a ServiceAttachment) Ref() Ref { return Ref{Project: a.Project, Region: a.Region, Name: a.Name} }

// ConsumerLimit lets one consumer in, with so many endpoints. Exactly one of the
// three names is set.
type ConsumerLimit struct {
	Project  string // id or number, as the list has it
	Network  string // path: projects/p/global/networks/n
	Endpoint string // path of the consumer's forwarding rule; its limit is 1
	Limit    int
}

// consumer is what an entry names, whatever its limit.
func (l ConsumerLimit) consumer() string { return first(l.Project, l.Network, l.Endpoint) }

// ConnectedEndpoint is a consumer as the producer sees it.
type ConnectedEndpoint struct {
	Endpoint string // path of the consumer's forwarding rule
	Status   string // ACCEPTED, PENDING, REJECTED, NEEDS_ATTENTION, CLOSED
	ID       string // of the connection, the same on both sides
	Network  string // path of the consumer's network
}

func attachmentURL(ref Ref) string {
	return fmt.Sprintf("projects/%s/regions/%s/serviceAttachments/%s", ref.Project, ref.Region, ref.Name)
}

func subnetworkURL(ref Ref) string {
	return fmt.Sprintf("projects/%s/regions/%s/subnetworks/%s", ref.Project, ref.Region, ref.Name)
}

// fullLink is a path as the API keeps it in lists, where it compares texts.
func fullLink(path string) string {
	if strings.HasPrefix(path, "projects/") {
		return "https://www.googleapis.com/compute/v1/" + path
	}
	return path
}

// shortLink is a link without the host in front; what is none stays as it is.
func shortLink(link string) string {
	if at := strings.Index(link, "/projects/"); at >= 0 {
		return link[at+1:]
	}
	return link
}

type attachmentJSON struct {
	Name, Description, TargetService, ProducerForwardingRule, ConnectionPreference string

	NATSubnets           []string `json:"natSubnets"`
	ConsumerAcceptLists  []acceptJSON
	ConsumerRejectLists  []string
	ReconcileConnections bool
	EnableProxyProtocol  bool
	ConnectedEndpoints   []struct {
		Endpoint, Status, ConsumerNetwork string
		ID                                string `json:"pscConnectionId"`
	}
}

type acceptJSON struct {
	ProjectIDOrNum  string `json:"projectIdOrNum"`
	NetworkURL      string `json:"networkUrl"`
	EndpointURL     string `json:"endpointUrl"`
	ConnectionLimit int    `json:"connectionLimit"`
}

func (a acceptJSON) limit() ConsumerLimit {
	return ConsumerLimit{Project: a.ProjectIDOrNum, Network: shortLink(a.NetworkURL), Endpoint: shortLink(a.EndpointURL), Limit: a.ConnectionLimit}
}

func (a attachmentJSON) attachment(project, region string) ServiceAttachment {
	out := ServiceAttachment{
		Project: project, Region: region, Name: a.Name, Description: a.Description, Preference: a.ConnectionPreference,
		Target: shortLink(first(a.TargetService, a.ProducerForwardingRule)), Reconcile: a.ReconcileConnections, ProxyProtocol: a.EnableProxyProtocol,
	}
	out.Link = attachmentURL(out.Ref())
	for _, one := range a.NATSubnets {
		out.NATSubnets = append(out.NATSubnets, parseRef(one, project, region))
	}
	for _, one := range a.ConsumerAcceptLists {
		out.Accept = append(out.Accept, one.limit())
	}
	for _, one := range a.ConsumerRejectLists {
		out.Reject = append(out.Reject, shortLink(one))
	}
	for _, one := range a.ConnectedEndpoints {
		out.Endpoints = append(out.Endpoints, ConnectedEndpoint{
			Endpoint: shortLink(one.Endpoint), Status: one.Status, ID: one.ID, Network: shortLink(one.ConsumerNetwork),
		})
	}
	return out
}

// ServiceAttachment reads one; nil without an error when there is none.
func (c *Cloud) ServiceAttachment(ctx context.Context, ref Ref) (*ServiceAttachment, error) {
	var found attachmentJSON
	if ok, err := c.readAt(ctx, "service attachment", attachmentURL(ref), &found); err != nil || !ok {
		return nil, err
	}
	return ptr(found.attachment(ref.Project, ref.Region)), nil
}

// ServiceAttachments lists those of a region, or of all regions when it is "". Then
// it fails with CW-GCP-UNAVAILABLE when a region did not answer.
func (c *Cloud) ServiceAttachments(ctx context.Context, project, region string) ([]ServiceAttachment, error) {
	var out []ServiceAttachment
	add := func(region string, text json.RawMessage) error {
		var one attachmentJSON
		if err := json.Unmarshal(text, &one); err != nil {
			return err
		}
		out = append(out, one.attachment(project, region))
		return nil
	}
	if region == "" {
		err := c.aggregated(ctx, project, "serviceAttachments", "service attachments of projects/"+project, add)
		return out, err
	}
	path := fmt.Sprintf("projects/%s/regions/%s/serviceAttachments", project, region)
	err := c.rawCompute.listed(ctx, path, "service attachments "+path, "items", nil, func(text json.RawMessage) error { return add(region, text) })
	return out, err
}

// CreateServiceAttachment publishes a forwarding rule and waits until that is done.
//
// It fails with AlreadyExists when the name is taken; with CW-PSC-LISTS when lists
// don't fit the preference or one another; with CW-PSC-TARGET when the target is no
// internal forwarding rule of the region; with CW-PSC-NAT-SUBNET when a NAT
// subnetwork is of another region or purpose, or another attachment's.
func (c *Cloud) CreateServiceAttachment(ctx context.Context, a ServiceAttachment, note func(string)) error {
	const verb = "create"
	if err := a.check(verb); err != nil {
		return err
	}
	subnets, accept := []any{}, []any{}
	for _, one := range a.NATSubnets {
		subnets = append(subnets, subnetworkURL(one))
	}
	for _, one := range a.Accept {
		accept = append(accept, one.entry())
	}
	// gcloud sends both, for the field that it was and the one that it is.
	body := document{
		"name": a.Name, "targetService": a.Target, "producerForwardingRule": a.Target, "connectionPreference": a.Preference,
		"natSubnets": subnets, "enableProxyProtocol": a.ProxyProtocol,
	}
	if len(accept) > 0 {
		body["consumerAcceptLists"] = accept
	}
	if len(a.Reject) > 0 {
		body["consumerRejectLists"] = fullLinks(a.Reject)
	}
	if a.Reconcile {
		body["reconcileConnections"] = true
	}
	if a.Description != "" {
		body["description"] = a.Description
	}
	path := attachmentURL(a.Ref())
	err := c.createAt(ctx, "service attachment", path, a.Ref(), fmt.Sprintf("projects/%s/regions/%s/serviceAttachments", a.Project, a.Region), body, note)
	return c.whyAttachment(ctx, a, err)
}

// DeleteServiceAttachment deletes one and waits until it is gone; one that is gone
// already is no error. The endpoints that are connected are closed for good: their
// owners have to make them anew.
func (c *Cloud) DeleteServiceAttachment(ctx context.Context, ref Ref, note func(string)) error {
	return c.deleteAt(ctx, "service attachment", attachmentURL(ref), ref, note)
}

func fullLinks(paths []string) []any {
	out := []any{}
	for _, one := range paths {
		out = append(out, fullLink(one))
	}
	return out
}

// entry is a consumer in the API's words.
func (l ConsumerLimit) entry() map[string]any {
	out := map[string]any{"connectionLimit": l.Limit}
	switch {
	case l.Project != "":
		out["projectIdOrNum"] = l.Project
	case l.Network != "":
		out["networkUrl"] = fullLink(l.Network)
	default:
		out["endpointUrl"] = fullLink(l.Endpoint)
	}
	return out
}

// check refuses, without a call, what Google would.
func (a ServiceAttachment) check(verb string) error {
	refuse := func(code, message string, values ...any) error {
		return &Error{Verb: verb, Resource: "service attachment " + attachmentURL(a.Ref()), code: code, Message: fmt.Sprintf(message, values...)}
	}
	if len(a.NATSubnets) == 0 {
		return refuse(codePSCSubnet, "it has no NAT subnetwork")
	}
	for _, one := range a.NATSubnets {
		if one.Region != a.Region {
			return refuse(codePSCSubnet, "NAT subnetwork %s is in %s, not in %s", subnetworkURL(one), one.Region, a.Region)
		}
	}
	target := parseRef(a.Target, a.Project, "")
	if !strings.Contains(a.Target, "/forwardingRules/") {
		return refuse(codePSCTarget, "its target is %q, which is no forwarding rule", a.Target)
	}
	if target.Region != a.Region {
		return refuse(codePSCTarget, "its target %s is not in %s", a.Target, a.Region)
	}
	if wrong := a.wrongLists(); wrong != "" {
		return refuse(codePSCLists, "%s", wrong)
	}
	return nil
}

// wrongLists says what is wrong with the lists of consumers, "" when nothing is.
func (a ServiceAttachment) wrongLists() string {
	if a.Preference == AcceptAutomatic && len(a.Accept)+len(a.Reject) > 0 {
		return fmt.Sprintf("it accepts automatically, so it can have no list of consumers, and has %d", len(a.Accept)+len(a.Reject))
	}
	var kinds, seen []string
	for _, one := range a.Accept {
		named := slices.DeleteFunc([]string{one.Project, one.Network, one.Endpoint}, func(name string) bool { return name == "" })
		switch {
		case len(named) != 1:
			return fmt.Sprintf("an accepted consumer is one project, one network or one endpoint, not %d of them", len(named))
		case one.Limit < 0:
			return fmt.Sprintf("the limit of %s is %d", named[0], one.Limit)
		case one.Endpoint != "" && one.Limit > 1:
			return fmt.Sprintf("the limit of endpoint %s is %d; an endpoint connects once", one.Endpoint, one.Limit)
		case slices.Contains(seen, named[0]):
			return fmt.Sprintf("%s is accepted twice", named[0])
		}
		seen, kinds = append(seen, named[0]), append(kinds, consumerKind(named[0]))
	}
	for _, one := range a.Reject {
		kinds = append(kinds, consumerKind(one))
	}
	slices.Sort(kinds)
	if kinds = slices.Compact(kinds); len(kinds) > 1 {
		return "its lists name " + strings.Join(kinds, " and ") + "; they can name one kind only"
	}
	return ""
}

func consumerKind(name string) string {
	switch {
	case strings.Contains(name, "/networks/"):
		return "networks"
	case strings.Contains(name, "/forwardingRules/"):
		return "endpoints"
	}
	return "projects"
}

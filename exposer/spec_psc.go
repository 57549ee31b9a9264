package exposer

import (
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
)

// PSC is what the method psc can be told. Producer and consumer are often two
// people: each half can be made alone.
type PSC struct {
	Exposure  string   `json:"exposure,omitempty"`  // of ilb, that is published; default: the cluster's name
	NATSubnet string   `json:"natSubnet,omitempty"` // default: causeway-NAME-nat; one that exists is used
	NATRange  string   `json:"natRange,omitempty"`  // CIDR of the one to be made
	Through   string   `json:"through,omitempty"`   // rest or crd: who makes the service attachment
	Accept    string   `json:"accept,omitempty"`    // manual or automatic
	Consumers []string `json:"consumers,omitempty"` // PROJECT, or a network's or an endpoint's path; with =LIMIT behind it
	Reject    []string `json:"reject,omitempty"`    // the same, without a limit

	Consumer *Consumer `json:"consumer,omitempty"`
	Consume  string    `json:"consume,omitempty"` // the file psc.yaml of the producer's handoff: the consumer's half alone
}

// Consumer is the consumer's half: an endpoint in the consumer's network.
type Consumer struct {
	Project      string `json:"project"`
	Network      string `json:"network"`           // NAME, or with a Shared VPC HOSTPROJECT/NAME
	Subnet       string `json:"subnet"`            // of that network, in the attachment's region
	Address      string `json:"address,omitempty"` // auto, or an IPv4 address of the subnet
	GlobalAccess bool   `json:"globalAccess,omitempty"`
	DNSName      string `json:"dnsName,omitempty"` // in a private zone of the network
}

// Ways in which a producer takes consumers.
const (
	AcceptManual    = "manual"
	AcceptAutomatic = "automatic"
)

// Ways by which the service attachment is made.
const (
	ThroughREST = "rest" // by causeway, at Google
	ThroughCRD  = "crd"  // by GKE, from an object in the cluster
)

// DefaultConsumerLimit is how many endpoints a consumer may have where nobody says
// otherwise.
const DefaultConsumerLimit = 10

func (o *PSC) withDefaults(exposure, cluster string) PSC {
	part := PSC{}
	if o != nil {
		part = *o
	}
	fill(&part.Accept, AcceptManual)
	if part.Consume == "" {
		fill(&part.Exposure, cluster)
		fill(&part.Through, ThroughREST)
		fill(&part.NATSubnet, "causeway-"+exposure+"-nat")
	}
	if part.Consumer != nil {
		own := *part.Consumer
		fill(&own.Address, "auto")
		part.Consumer = &own
	}
	return part
}

// ConsumerOf reads an entry of consumers: who, and how many endpoints.
func ConsumerOf(entry string) (who string, limit int, err error) {
	who, text, ok := strings.Cut(entry, "=")
	if !ok {
		return who, DefaultConsumerLimit, nil
	}
	limit, err = strconv.Atoi(text)
	if err != nil || limit < 1 {
		return who, 0, fmt.Errorf("limit %q is no number of endpoints", text)
	}
	return who, limit, nil
}

// Kinds of entries in the lists: Google takes one kind a list.
const (
	ByProject  = "project"
	ByNetwork  = "network"
	ByEndpoint = "endpoint"
)

// KindOfConsumer tells what an entry names.
func KindOfConsumer(who string) string {
	switch {
	case strings.Contains(who, "/networks/"):
		return ByNetwork
	case strings.Contains(who, "/forwardingRules/"):
		return ByEndpoint
	}
	return ByProject
}

// consumerForm is a project's ID or number, or the path of a network or a rule.
var consumerForm = regexp.MustCompile(`^([a-z0-9.:-]+|projects/[^/]+/global/networks/[^/]+|projects/[^/]+/regions/[^/]+/forwardingRules/[^/]+)$`)

func (v *validator) psc(o PSC) {
	if o.Consume != "" {
		if o.Consumer == nil {
			v.add("psc.consumer", "is missing: with a producer's file, say where the endpoint goes (--consumer-project, --consumer-network, --consumer-subnet)")
		}
		if o.Exposure != "" || o.NATSubnet != "" || o.NATRange != "" || o.Through != "" || len(o.Consumers)+len(o.Reject) > 0 {
			v.add("psc.consume", "is the consumer's half alone: it can't go with what the producer decides")
		}
	} else {
		v.form("psc.exposure", o.Exposure, nameForm, "must be the name of an exposure by ilb")
		v.form("psc.natSubnet", o.NATSubnet, resourceForm, "must be a subnet's name")
		v.one("psc.through", o.Through, []string{ThroughREST, ThroughCRD})
	}
	if o.NATRange != "" {
		if p, err := netip.ParsePrefix(o.NATRange); err != nil || !p.Addr().Is4() || p.Masked() != p || p.Bits() > 29 {
			v.add("psc.natRange", fmt.Sprintf("must be an IPv4 range of at least a /29, %q is not", o.NATRange))
		}
	}
	v.one("psc.accept", o.Accept, []string{AcceptManual, AcceptAutomatic})
	if o.Accept == AcceptAutomatic && len(o.Consumers)+len(o.Reject) > 0 {
		v.coded("psc.consumers", "can't be listed with automatic acceptance: Google refuses lists then", "CW-PSC-LISTS")
	}
	v.consumers("psc.consumers", o.Consumers)
	v.consumers("psc.reject", o.Reject)
	if o.Through == ThroughCRD {
		v.projects("psc.consumers", o.Consumers)
		v.projects("psc.reject", o.Reject)
	}
	if o.Consumer != nil {
		v.consumer(*o.Consumer)
	}
}

func (v *validator) consumers(field string, list []string) {
	kinds := map[string]bool{}
	for i, entry := range list {
		who, _, err := ConsumerOf(entry)
		at := fmt.Sprintf("%s[%d]", field, i)
		if err != nil {
			v.add(at, "has no good limit: "+err.Error())
		}
		v.form(at, who, consumerForm, "must be a project, or the path of a network or of an endpoint")
		if field == "psc.reject" && strings.Contains(entry, "=") {
			v.add(at, "has a limit, which a list of those who are turned away knows not")
		}
		kinds[KindOfConsumer(who)] = true
	}
	if len(kinds) > 1 {
		v.coded(field, "mixes projects, networks and endpoints: Google takes one kind a list", "CW-PSC-LISTS")
	}
}

// projects wants nothing but projects in a list: the cluster's ServiceAttachment
// object knows no other consumers.
func (v *validator) projects(field string, list []string) {
	for i, entry := range list {
		if who, _, _ := ConsumerOf(entry); KindOfConsumer(who) != ByProject {
			v.coded(fmt.Sprintf("%s[%d]", field, i), fmt.Sprintf("names the %s by its path: the cluster's ServiceAttachment object takes projects only; with psc.through rest it can be listed", KindOfConsumer(who)), "CW-PSC-LISTS")
		}
	}
}

func (v *validator) consumer(c Consumer) {
	v.form("psc.consumer.project", c.Project, projectForm, "must be a Google project ID (--consumer-project)")
	v.form("psc.consumer.network", c.Network, networkForm, "must be a network as NAME or PROJECT/NAME (--consumer-network)")
	v.form("psc.consumer.subnet", c.Subnet, resourceForm, "must be a subnet's name in the attachment's region (--consumer-subnet)")
	if c.Address != "auto" {
		if addr, err := netip.ParseAddr(c.Address); err != nil || !addr.Is4() {
			v.add("psc.consumer.address", fmt.Sprintf("must be auto or an IPv4 address of the subnet, %q is not", c.Address))
		}
	}
	if c.DNSName != "" && !strings.Contains(c.DNSName, ".") {
		v.add("psc.consumer.dnsName", fmt.Sprintf("must be a name with a domain, %q has none", c.DNSName))
	} else if c.DNSName != "" {
		v.form("psc.consumer.dnsName", c.DNSName, dnsForm, "must be a DNS name")
	}
}

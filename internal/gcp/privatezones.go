package gcp

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// PrivateZone is a zone of Cloud DNS that the named networks alone see.
type PrivateZone struct {
	Project     string
	Name        string
	Description string
	DNSName     string // with its last dot: "causeway.internal."
	Networks    []Ref
	Labels      map[string]string
	Public      bool // read: the whole internet sees it, Networks is empty
}

// Ref names the zone for the calls that take one.
func (z PrivateZone) Ref() Ref { return Ref{Project: z.Project, Name: z.Name} }

// DNSRecord is the set of records of a name and a type.
type DNSRecord struct {
	Name string   // with its last dot
	Type string   // "A" when empty
	TTL  int      // seconds; 300 when 0
	Data []string // addresses of an A record
}

// defaultTTL is short enough that an endpoint that is made anew, with another IP,
// is found within minutes.
const defaultTTL = 300

func zonePath(ref Ref) string {
	return fmt.Sprintf("projects/%s/managedZones/%s", ref.Project, ref.Name)
}

func recordPath(zone Ref, name, kind string) string {
	return fmt.Sprintf("%s/rrsets/%s/%s", zonePath(zone), url.PathEscape(dotted(name)), first(kind, "A"))
}

// dotted is a domain name with its last dot.
func dotted(name string) string {
	if name == "" || strings.HasSuffix(name, ".") {
		return name
	}
	return name + "."
}

type zoneJSON struct {
	Name        string            `json:"name"`
	Description string            `json:"description"` // always sent: Google wants the field
	DNSName     string            `json:"dnsName"`
	Visibility  string            `json:"visibility"`
	Labels      map[string]string `json:"labels,omitempty"`
	Config      struct {
		Networks []networkURL `json:"networks"`
	} `json:"privateVisibilityConfig"`
}

type networkURL struct {
	URL string `json:"networkUrl"`
}

func (z zoneJSON) zone(project string) PrivateZone {
	out := PrivateZone{Project: project, Name: z.Name, Description: z.Description, DNSName: z.DNSName, Labels: z.Labels, Public: z.Visibility != "private"}
	for _, one := range z.Config.Networks {
		out.Networks = append(out.Networks, parseRef(one.URL, project, ""))
	}
	return out
}

// PrivateZone reads one; nil without an error when there is none. A public zone of
// that name is told as such.
func (c *Cloud) PrivateZone(ctx context.Context, ref Ref) (*PrivateZone, error) {
	var found zoneJSON
	if ok, err := c.readDNS(ctx, "DNS zone", zonePath(ref), &found); err != nil || !ok {
		return nil, err
	}
	return ptr(found.zone(ref.Project)), nil
}

// PrivateZones lists a project's zones, public ones included.
func (c *Cloud) PrivateZones(ctx context.Context, project string) ([]PrivateZone, error) {
	var out []PrivateZone
	path := fmt.Sprintf("projects/%s/managedZones", project)
	err := c.rawDNS.listed(ctx, path, "DNS zones "+path, "managedZones", nil, func(text json.RawMessage) error {
		var one zoneJSON
		err := json.Unmarshal(text, &one)
		out = append(out, one.zone(project))
		return err
	})
	return out, err
}

// CreatePrivateZone makes a zone that its Networks see. Cloud DNS does so at once:
// there is no operation to wait for. It fails with AlreadyExists when the name is
// taken and with CW-GCP-PERMISSION when the caller may not bind zones to a network
// (dns.networks.bindPrivateDNSZone in the network's project).
func (c *Cloud) CreatePrivateZone(ctx context.Context, z PrivateZone) error {
	body := zoneJSON{Name: z.Name, Description: z.Description, DNSName: dotted(z.DNSName), Visibility: "private", Labels: z.Labels}
	body.Config.Networks = []networkURL{}
	for _, one := range z.Networks {
		body.Config.Networks = append(body.Config.Networks, networkURL{fullLink(networkPath(one))}) // Cloud DNS takes no shorter form
	}
	attempts := 0
	counted := context.WithValue(ctx, attemptsKey{}, &attempts)
	_, err := c.rawDNS.call(counted, http.MethodPost, fmt.Sprintf("projects/%s/managedZones", z.Project), nil, body)
	if err = wrap("create", "DNS zone "+zonePath(z.Ref()), err); attempts > 1 && AlreadyExists(err) {
		// The name may be taken by the first attempt, whose answer was lost.
		if made, readErr := c.PrivateZone(ctx, z.Ref()); readErr == nil && made != nil && made.Description == z.Description && made.DNSName == body.DNSName {
			return nil
		}
	}
	return err
}

// DeletePrivateZone deletes a zone; one that is gone already is no error. It fails
// with CW-GCP-IN-USE while the zone holds records.
func (c *Cloud) DeletePrivateZone(ctx context.Context, ref Ref) error {
	return c.deleteDNS(ctx, "DNS zone", zonePath(ref))
}

// Record reads the records of a name and a type ("" is "A") in a zone; nil without an
// error when there are none, or no such zone.
func (c *Cloud) Record(ctx context.Context, zone Ref, name, kind string) (*DNSRecord, error) {
	var found DNSRecord
	into := struct {
		Name    *string
		Type    *string
		TTL     *int
		RRDatas *[]string `json:"rrdatas"`
	}{&found.Name, &found.Type, &found.TTL, &found.Data}
	if ok, err := c.readDNS(ctx, "DNS record", recordPath(zone, name, kind), &into); err != nil || !ok {
		return nil, err
	}
	return &found, nil
}

// SetRecord makes a record or changes it to be as r says; when it is so already,
// nothing is sent. It fails with NotFound when there is no such zone.
func (c *Cloud) SetRecord(ctx context.Context, zone Ref, r DNSRecord) error {
	r.Name, r.Type = dotted(r.Name), first(r.Type, "A")
	if r.TTL == 0 {
		r.TTL = defaultTTL
	}
	have, err := c.Record(ctx, zone, r.Name, r.Type)
	if err != nil {
		return err
	}
	path := recordPath(zone, r.Name, r.Type)
	body := document{"name": r.Name, "type": r.Type, "ttl": r.TTL, "rrdatas": r.Data}
	if have == nil {
		_, err = c.rawDNS.call(ctx, http.MethodPost, zonePath(zone)+"/rrsets", nil, body)
		if err = wrap("create", "DNS record "+path, err); !AlreadyExists(err) {
			return err
		}
	} else if have.TTL == r.TTL && slices.Equal(have.Data, r.Data) {
		return nil
	}
	_, err = c.rawDNS.call(ctx, http.MethodPatch, path, nil, body)
	return wrap("change", "DNS record "+path, err)
}

// DeleteRecord deletes the records of a name and a type ("" is "A"); what is gone
// already is no error.
func (c *Cloud) DeleteRecord(ctx context.Context, zone Ref, name, kind string) error {
	return c.deleteDNS(ctx, "DNS record", recordPath(zone, name, kind))
}

// readDNS reads a resource of Cloud DNS; false when there is none.
func (c *Cloud) readDNS(ctx context.Context, kind, path string, into any) (bool, error) {
	text, err := c.rawDNS.call(ctx, http.MethodGet, path, nil, nil)
	if err != nil {
		if err := wrap("read", kind+" "+path, err); !NotFound(err) {
			return false, err
		}
		return false, nil
	}
	if err := json.Unmarshal(text, into); err != nil {
		return false, garbled("read", kind+" "+path, err)
	}
	return true, nil
}

func (c *Cloud) deleteDNS(ctx context.Context, kind, path string) error {
	_, err := c.rawDNS.call(ctx, http.MethodDelete, path, nil, nil)
	if err := wrap("delete", kind+" "+path, err); !NotFound(err) {
		return err
	}
	return nil
}

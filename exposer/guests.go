package exposer

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"causeway/internal/kube"
)

// guestsName is the ConfigMap of those who stand on an exposure, in its namespace.
const guestsName = "causeway-guests"

// Guest is what an exposure by another method needs of the load balancer that it
// stands on: more clients to be let in, more names in its certificate.
type Guest struct {
	Method string   `json:"method"`
	Ranges []string `json:"ranges,omitempty"` // CIDRs
	Names  []string `json:"names,omitempty"`  // DNS names and IP addresses
}

// Guests are by the name of the guest's exposure.
type Guests map[string]Guest

// ReadGuests lists who stands on an exposure.
func ReadGuests(ctx context.Context, cluster *kube.Client, host Spec) (Guests, error) {
	live, err := cluster.Get(ctx, guestsRef(host))
	if err != nil || live == nil {
		return nil, err
	}
	data, _, err := unstructured.NestedStringMap(live.Object, "data")
	if err != nil {
		return nil, fmt.Errorf("read guests of exposure %s: %w", host.Name, err)
	}
	guests := Guests{}
	for name, text := range data {
		var guest Guest
		if err := json.Unmarshal([]byte(text), &guest); err != nil {
			return nil, fmt.Errorf("read guest %s of exposure %s: %w", name, host.Name, err)
		}
		guests[name] = guest
	}
	return guests, nil
}

func guestsRef(host Spec) kube.Ref {
	return kube.Ref{Version: "v1", Kind: "ConfigMap", Namespace: host.Namespace, Name: guestsName}
}

// WriteGuests writes them, and removes the ConfigMap with the last one. The caller
// holds the host's lock.
func WriteGuests(ctx context.Context, cluster *kube.Client, host Spec, guests Guests) error {
	ref := guestsRef(host)
	if len(guests) == 0 {
		live, err := cluster.Get(ctx, ref)
		if err != nil || live == nil {
			return err
		}
		return cluster.Delete(ctx, live)
	}
	data := map[string]any{}
	for name, guest := range guests {
		text, err := json.Marshal(guest)
		if err != nil {
			return fmt.Errorf("write guest %s: %w", name, err)
		}
		data[name] = string(text)
	}
	return cluster.Apply(ctx, &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "data": data,
		"metadata": map[string]any{"name": ref.Name, "namespace": ref.Namespace,
			"labels": map[string]any{ManagedByLabel: "causeway", ExposureLabel: host.Name}},
	}})
}

// Ranges are all guests' ranges, each once, in order of the guests' names.
func (g Guests) Ranges() []netip.Prefix {
	var ranges []netip.Prefix
	for _, name := range slices.Sorted(maps.Keys(g)) {
		for _, text := range g[name].Ranges {
			if prefix, err := netip.ParsePrefix(text); err == nil && !slices.Contains(ranges, prefix) {
				ranges = append(ranges, prefix)
			}
		}
	}
	return ranges
}

// Names are all guests' names, apart by kind, each once.
func (g Guests) Names() (dns []string, ips []netip.Addr) {
	for _, guest := range slices.Sorted(maps.Keys(g)) {
		for _, name := range g[guest].Names {
			if ip, err := netip.ParseAddr(name); err == nil {
				if !slices.Contains(ips, ip) {
					ips = append(ips, ip)
				}
			} else if !slices.Contains(dns, name) {
				dns = append(dns, name)
			}
		}
	}
	return dns, ips
}

// Refusal says that an exposure can't go while guests stand on it; nil for none.
func (g Guests) Refusal(host Spec) error {
	if len(g) == 0 {
		return nil
	}
	var problems []Problem
	for _, name := range slices.Sorted(maps.Keys(g)) {
		problems = append(problems, Problem{Code: "CW-RUN-GUESTS",
			Text: fmt.Sprintf("the exposure %s by %s stands on it", name, g[name].Method),
			Fix: fmt.Sprintf("causeway destroy %s --project %s --location %s --cluster %s --name %s", g[name].Method,
				host.Cluster.Project, host.Cluster.Location, host.Cluster.Name, name)})
	}
	return &PreconditionError{Verb: "destroy " + strings.Join([]string{host.Method, host.Name}, " "), Problems: problems}
}

package kube

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// patience is how long a failure that a controller repeats, or an address that
// is not ours, may last before a wait gives up: controllers try again after
// seconds, and a cloud's caches need a moment for a fresh address.
const patience = time.Minute

// ServiceIPs are the addresses that the Service's load balancer bears.
func ServiceIPs(service *unstructured.Unstructured) []netip.Addr {
	var ips []netip.Addr
	ingress, _, _ := unstructured.NestedSlice(service.Object, "status", "loadBalancer", "ingress")
	for _, each := range ingress {
		entry, _ := each.(map[string]any)
		text, _ := entry["ip"].(string)
		if ip, err := netip.ParseAddr(text); err == nil {
			ips = append(ips, ip)
		}
	}
	return ips
}

// ClusterIP is the address and the first port of a Service in the cluster.
func ClusterIP(service *unstructured.Unstructured) (netip.Addr, uint16, error) {
	if service == nil {
		return netip.Addr{}, 0, errors.New("there is no such Service")
	}
	text, _, _ := unstructured.NestedString(service.Object, "spec", "clusterIP")
	ip, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Addr{}, 0, fmt.Errorf("its clusterIP is %q", text)
	}
	ports, _, _ := unstructured.NestedSlice(service.Object, "spec", "ports")
	if len(ports) == 0 {
		return netip.Addr{}, 0, errors.New("it has no port")
	}
	first, _ := ports[0].(map[string]any)
	port, _ := number(first["port"])
	if port < 1 || port > 65535 {
		return netip.Addr{}, 0, fmt.Errorf("its port is %v", first["port"])
	}
	return ip, uint16(port), nil
}

// WaitServiceIP waits until the Service's load balancer bears exactly the wanted
// address. GKE takes another address, without an error, when it does not find
// the reserved one (a wrong name in the annotation, or the annotation on a cluster
// whose controller does not know it): CW-LB-WRONG-IP. What the controller says
// meanwhile is noted with its cure, and ends the wait when it lasts for a minute.
func (c *Client) WaitServiceIP(ctx context.Context, ref Ref, want netip.Addr, bound time.Duration, note func(string)) error {
	var last *Event
	var got []netip.Addr
	err := c.wait(ctx, waiting{ref: ref, bound: bound, note: note, what: "its load balancer bears " + want.String(),
		check: func(live *unstructured.Unstructured) (bool, error) {
			if live == nil {
				return false, fail("CW-KUBE-GONE", "wait for", ref.String(), "somebody deleted it")
			}
			got = ServiceIPs(live)
			return len(got) == 1 && got[0] == want, nil
		},
		trouble: func(ctx context.Context, live *unstructured.Unstructured, waited time.Duration) (string, error) {
			if len(got) > 0 {
				if waited >= patience {
					return "", wrongIP(ref, want, got)
				}
				return fmt.Sprintf("the load balancer bears %v, not %s", got, want), nil
			}
			events, err := c.Events(ctx, ref)
			if err != nil {
				return "cannot read its events: " + err.Error(), nil // the wait itself goes on
			}
			events = since(events, appliedAt(live))
			if last = worst(events); last == nil {
				return normal(events), nil
			}
			if waited >= patience && last.Code != "" && last.Code != "CW-LB-FIREWALL" {
				return "", last.fail("wait for", ref, "no load balancer after %s", waited.Round(time.Second))
			}
			return last.String(), nil
		},
		late: func() *Error {
			switch {
			case len(got) > 0:
				return wrongIP(ref, want, got)
			case last != nil && last.Code != "":
				return last.fail("wait for", ref, "no load balancer within %s", bound)
			}
			return fail("CW-LB-TIMEOUT", "wait for", ref.String(), "no load balancer within %s, and no event says why", bound)
		}})
	if err == nil && note != nil {
		c.noteFirewall(ctx, ref, note)
	}
	return err
}

// noteFirewall tells of a firewall rule that somebody else must make: the load
// balancer has its address then, and drops every packet.
func (c *Client) noteFirewall(ctx context.Context, ref Ref, note func(string)) {
	events, err := c.Events(ctx, ref)
	if err != nil {
		return // not the wait's matter: the address is there
	}
	for _, e := range events {
		if e.Code == "CW-LB-FIREWALL" {
			note(e.String())
			return
		}
	}
}

func wrongIP(ref Ref, want netip.Addr, got []netip.Addr) *Error {
	return fail("CW-LB-WRONG-IP", "wait for", ref.String(), "the load balancer bears %v, not the reserved %s", got, want)
}

// normal is the latest event worth a line that is no warning.
func normal(events []Event) string {
	for i := len(events) - 1; i >= 0; i-- {
		if e := events[i]; e.Code != "" || e.Cure != "" || e.Reason == "EnsuringLoadBalancer" {
			return e.String()
		}
	}
	return ""
}

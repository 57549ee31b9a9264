package gcptest

import (
	"net/netip"
	"testing"
)

func TestPrivateNamesAreTheARecordsOfZonesByNetwork(t *testing.T) {
	s := Serve(t, Options{}, "lab-consumers")
	networks := []any{}
	for _, project := range []string{"consumer", "partner"} {
		networks = append(networks, object{"networkUrl": link("projects/" + project + "-project/global/networks/" + project + "-vpc")})
	}
	zone := "projects/consumer-project/managedZones/z"
	s.mu.Lock()
	s.objects[zone] = object{"dnsName": "api.example.", "privateVisibilityConfig": object{"networks": networks}}
	s.keepRecord(zone, object{"name": "api.example.", "type": "A", "rrdatas": []any{"10.156.0.3"}})
	s.keepRecord(zone, object{"name": "api.example.", "type": "NS", "rrdatas": []any{nameServer}})
	s.mu.Unlock()
	got := s.PrivateNames()
	if len(got) != 2 {
		t.Fatalf("got %v, want one for each network", got)
	}
	for i, project := range []string{"consumer", "partner"} {
		want := PrivateName{"projects/" + project + "-project/global/networks/" + project + "-vpc", "api.example", netip.MustParseAddr("10.156.0.3")}
		if got[i] != want {
			t.Errorf("got %v, want %v", got[i], want)
		}
	}
}

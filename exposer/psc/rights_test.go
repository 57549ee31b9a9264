package psc

import (
	"slices"
	"strings"
	"testing"

	"causeway/exposer"
)

// TestRightsThatAreMissingAreNamedAllAtOnce takes every right away that the method
// says it needs: what it does not ask for would be met in the middle of an apply.
func TestRightsThatAreMissingAreNamedAllAtOnce(t *testing.T) {
	t.Parallel()
	s := newStage(t, "rights")
	w := s.act("both")
	told := func(problems []exposer.Problem, project string) string {
		var text string
		for _, p := range problems {
			if strings.Contains(p.Text, project) {
				text += p.Code + " " + p.Text + "\n"
			}
		}
		return text
	}
	for _, side := range []struct {
		project     string
		permissions []string
	}{
		{"lab-project", []string{"compute.serviceAttachments.create", "compute.serviceAttachments.update", "compute.forwardingRules.use", "compute.subnetworks.create", "compute.networks.updatePolicy"}},
		{"consumer-project", []string{"compute.addresses.createInternal", "compute.forwardingRules.pscCreate", "dns.managedZones.create", "dns.resourceRecordSets.get", "dns.resourceRecordSets.update"}},
	} {
		t.Run(side.project, func(t *testing.T) {
			for _, permission := range side.permissions {
				s.Google.Deny(permission, side.project)
			}
			defer func() {
				for _, permission := range side.permissions {
					s.Google.Allow(permission)
				}
			}()
			text := told(refused(t, w), side.project)
			for _, permission := range side.permissions {
				if !strings.Contains(text, permission) || !strings.Contains(text, "CW-GCP-PERMISSION") {
					t.Errorf("%s is not named: %s", permission, text)
				}
			}
		})
	}
	t.Run("APIs that are off", func(t *testing.T) {
		s.Google.Disable("consumer-project", "dns.googleapis.com")
		defer s.Google.Enable("consumer-project", "dns.googleapis.com")
		if text := told(refused(t, w), "consumer-project"); !strings.Contains(text, "dns.googleapis.com") {
			t.Errorf("the API is not named: %s", text)
		}
	})
	t.Run("without a name, nothing of DNS is asked for", func(t *testing.T) {
		s.Google.Disable("consumer-project", "dns.googleapis.com")
		defer s.Google.Enable("consumer-project", "dns.googleapis.com")
		for _, permission := range zonePermissions {
			s.Google.Deny(permission)
			defer s.Google.Allow(permission)
		}
		w := s.act("nameless", func(spec *exposer.Spec) { spec.PSC.Consumer.DNSName = "" })
		apply(t, w)
		w.Spec.PSC.Consumer.GlobalAccess = true
		for _, permission := range globalPermissions {
			s.Google.Deny(permission, "consumer-project")
			defer s.Google.Allow(permission)
		}
		_, err := run(t, w)
		wantCode(t, err, "CW-GCP-PERMISSION", globalPermissions...)
		destroy(t, w)
	})
	t.Run("each half asks for its own alone", func(t *testing.T) {
		for _, permission := range slices.Concat(consumerPermissions, placePermissions, globalPermissions, zonePermissions) {
			s.Google.Deny(permission, "consumer-project")
			defer s.Google.Allow(permission)
		}
		producer := s.act("producer", alone, letIn("consumer-project"))
		apply(t, producer)
		file := handOver(t, producer)
		destroy(t, producer)
		problems := refused(t, s.consuming("consumer", file))
		for _, permission := range slices.Concat(consumerPermissions, placePermissions) {
			if !strings.Contains(told(problems, "consumer-project"), permission) {
				t.Errorf("%s is not named", permission)
			}
		}
		if text := told(problems, "lab-project"); text != "" {
			t.Errorf("the consumer's half alone asks for rights on the producer's project: %s", text)
		}
	})
}

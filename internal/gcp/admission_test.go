package gcp

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/oauth2"

	"causeway/internal/gcptest"
)

func TestPermissionsThatAreMissing(t *testing.T) {
	all := []string{"compute.addresses.createInternal", "compute.addresses.get", "compute.subnetworks.use", "container.clusters.get"}
	for sentence, test := range map[string]struct {
		denied, unknown []string
		want            []string
		calls           int
	}{
		"none":                               {nil, nil, nil, 1},
		"two":                                {[]string{"compute.subnetworks.use", "compute.addresses.createInternal"}, nil, []string{"compute.addresses.createInternal", "compute.subnetworks.use"}, 1},
		"all":                                {all, nil, all, 1},
		"one that Google does not know":      {nil, []string{"compute.subnetworks.use"}, []string{"compute.subnetworks.use"}, 5},
		"one unknown, and another is denied": {[]string{"compute.addresses.get"}, []string{"compute.subnetworks.use"}, []string{"compute.addresses.get", "compute.subnetworks.use"}, 5},
	} {
		t.Run(sentence, func(t *testing.T) {
			cloud, google := open(t, gcptest.Options{}, "lab")
			for _, one := range test.denied {
				google.Deny(one)
			}
			for _, one := range test.unknown {
				google.RejectPermission(one)
			}
			got, err := cloud.TestPermissions(t.Context(), project, all)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
			if calls := len(google.Requests()); calls != test.calls {
				t.Errorf("%d calls, want %d", calls, test.calls)
			}
		})
	}
}

func TestManyPermissionsGoInGroups(t *testing.T) {
	cloud, google := open(t, gcptest.Options{}, "lab")
	var many []string
	for i := range 150 {
		many = append(many, fmt.Sprintf("compute.addresses.x%c%c", 'a'+i/26, 'a'+i%26))
	}
	google.Deny(many[149])
	got, err := cloud.TestPermissions(t.Context(), project, many)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(many[149:], got); diff != "" {
		t.Error(diff)
	}
	if calls := len(google.Requests()); calls != 2 {
		t.Errorf("%d calls", calls)
	}
}

func TestPermissionsInTheHostProject(t *testing.T) {
	cloud, google := open(t, gcptest.Options{}, "sharedvpc")
	google.Deny("compute.subnetworks.use", "host-project")
	for name, want := range map[string][]string{"host-project": {"compute.subnetworks.use"}, "service-project": nil} {
		got, err := cloud.TestPermissions(t.Context(), name, []string{"compute.subnetworks.use"})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	a := wanted()
	a.Project, a.SubnetworkProject = "service-project", "host-project"
	_, err := cloud.ReserveAddress(t.Context(), a, nil)
	expect(t, err, "CW-GCP-PERMISSION", "missing permission compute.subnetworks.use")
	google.Allow("compute.subnetworks.use")
	made, err := cloud.ReserveAddress(t.Context(), a, nil)
	if err != nil || made.SubnetworkProject != "host-project" || made.Project != "service-project" {
		t.Errorf("%+v, %v", made, err)
	}
}

func TestServicesThatAreNotEnabled(t *testing.T) {
	cloud, google := open(t, gcptest.Options{}, "lab")
	names := []string{"compute.googleapis.com", "container.googleapis.com"}
	if got, err := cloud.MissingServices(t.Context(), project, names); err != nil || got != nil {
		t.Errorf("missing %v, %v", got, err)
	}
	google.Disable(project, "container.googleapis.com")
	got, err := cloud.MissingServices(t.Context(), project, names)
	if diff := cmp.Diff([]string{"container.googleapis.com"}, got); err != nil || diff != "" {
		t.Error(err, diff)
	}
	var many []string
	for i := range 31 {
		many = append(many, fmt.Sprintf("x%02d.googleapis.com", i))
	}
	got, err = cloud.MissingServices(t.Context(), project, many)
	if diff := cmp.Diff(many, got); err != nil || diff != "" {
		t.Error(err, diff)
	}
}

func TestAnAPIThatIsDisabled(t *testing.T) {
	cloud, google := open(t, gcptest.Options{}, "lab")
	for _, api := range []string{"compute", "container", "cloudresourcemanager", "serviceusage"} {
		google.Disable(project, api+".googleapis.com")
	}
	calls := map[string]func() error{
		"compute.googleapis.com": func() error { _, err := cloud.Address(t.Context(), project, area, "a"); return err },
		"container.googleapis.com": func() error {
			_, err := cloud.Cluster(t.Context(), project, area, "private-cluster")
			return err
		},
		"cloudresourcemanager.googleapis.com": func() error {
			_, err := cloud.TestPermissions(t.Context(), project, []string{"compute.addresses.get"})
			return err
		},
		"serviceusage.googleapis.com": func() error {
			_, err := cloud.MissingServices(t.Context(), project, []string{"compute.googleapis.com"})
			return err
		},
	}
	for api, call := range calls {
		t.Run(api, func(t *testing.T) {
			expect(t, call(), "CW-GCP-API-DISABLED", "gcloud services enable "+api+" --project=123456789012")
		})
	}
}

// TestEachMissingPermission takes every permission away in turn that a call of
// the product needs, and wants it named.
func TestEachMissingPermission(t *testing.T) {
	reserve := func(c *Cloud) error { _, err := c.ReserveAddress(t.Context(), wanted(), nil); return err }
	existing := func(do func(*Cloud, Address) error) func(*Cloud) error {
		return func(c *Cloud) error {
			a := wanted()
			a.Name = "existing"
			return do(c, a)
		}
	}
	for permission, call := range map[string]func(*Cloud) error{
		"compute.addresses.createInternal": reserve,
		"compute.subnetworks.use":          reserve,
		"compute.regionOperations.get":     reserve,
		"compute.addresses.get":            func(c *Cloud) error { _, err := c.Address(t.Context(), project, area, "a"); return err },
		"compute.addresses.list":           func(c *Cloud) error { _, err := c.Addresses(t.Context(), project, area, ""); return err },
		"compute.addresses.setLabels": existing(func(c *Cloud, a Address) error {
			return c.LabelAddress(t.Context(), a, map[string]string{"a": "b"}, nil)
		}),
		"compute.addresses.deleteInternal": existing(func(c *Cloud, a Address) error { return c.ReleaseAddress(t.Context(), a, nil) }),
		"compute.forwardingRules.list": func(c *Cloud) error {
			_, err := c.ForwardingRulesByIP(t.Context(), project, area, wanted().IP)
			return err
		},
		"compute.forwardingRules.get":  func(c *Cloud) error { _, err := c.ForwardingRule(t.Context(), project, area, "x"); return err },
		"compute.subnetworks.get":      func(c *Cloud) error { _, err := c.Subnetwork(t.Context(), project, area, "default"); return err },
		"compute.networks.get":         func(c *Cloud) error { _, err := c.Network(t.Context(), project, "default"); return err },
		"compute.routers.list":         func(c *Cloud) error { _, err := c.Routers(t.Context(), project, area); return err },
		"container.clusters.get":       func(c *Cloud) error { _, err := c.Cluster(t.Context(), project, area, "private-cluster"); return err },
		"container.clusters.list":      func(c *Cloud) error { _, _, err := c.Clusters(t.Context(), project, area); return err },
		"resourcemanager.projects.get": func(c *Cloud) error { _, err := c.Project(t.Context(), project); return err },
		"serviceusage.services.get": func(c *Cloud) error {
			_, err := c.MissingServices(t.Context(), project, []string{"compute.googleapis.com"})
			return err
		},
	} {
		t.Run(permission, func(t *testing.T) {
			cloud, google := open(t, gcptest.Options{OperationTime: time.Millisecond}, "lab")
			other := wanted()
			other.Name, other.IP = "existing", other.IP.Next()
			if _, err := cloud.ReserveAddress(t.Context(), other, nil); err != nil {
				t.Fatal(err)
			}
			google.Deny(permission)
			expect(t, call(cloud), "CW-GCP-PERMISSION", "missing permission "+permission)
		})
	}
}

func TestATokenThatEnds(t *testing.T) {
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	google := gcptest.Serve(t, gcptest.Options{Now: func() time.Time { return now }}, "lab")
	google.AddToken("short", now.Add(time.Hour))
	cloud := openOn(t, google, oauth2.StaticTokenSource(&oauth2.Token{AccessToken: "short"}))
	if _, err := cloud.Project(t.Context(), project); err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Hour)
	_, err := cloud.Project(t.Context(), project)
	expect(t, err, "CW-GCP-CREDENTIALS", "gcloud auth application-default login")
	google.AddToken("short", time.Time{})
	if got, err := cloud.Project(t.Context(), project); err != nil || got != (Project{ID: project, Number: 123456789012, State: "ACTIVE"}) {
		t.Errorf("%+v, %v", got, err)
	}
	google.RevokeToken("short")
	_, err = cloud.Address(t.Context(), project, area, "a")
	expect(t, err, "CW-GCP-CREDENTIALS", "invalid authentication credentials")
}

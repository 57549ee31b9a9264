package mcs

import (
	"strings"
	"testing"

	"causeway/exposer"
	"causeway/internal/explain"
	"causeway/internal/gcp"
)

var (
	project = gcp.Project{ID: "lab-project", Number: 123456789012}
	near    = gcp.Membership{ID: "prod", Location: "europe-west3", Project: "lab-project", Cluster: clusterAt}
	far     = gcp.Membership{ID: "prod", Location: "global", Project: "lab-project", Cluster: "projects/other-project/locations/europe-west3/clusters/prod"}
)

// TestEachStateOfAMembership: the descriptions of Google's page, each with what it
// means and the action it asks for.
func TestEachStateOfAMembership(t *testing.T) {
	for name, test := range map[string]struct {
		code, description string
		member            gcp.Membership
		verdict           exposer.Verdict
		want              string // code
		fix               string
		hopeless          bool
	}{
		"made":                    {"OK", "Firewall successfully created", near, exposer.Good, "", "", false},
		"updated":                 {"OK", "Firewall successfully updated", near, exposer.Good, "", "", false},
		"pending":                 {"WARNING", "Firewall creation pending", near, exposer.Waits, "CW-MCS-FIREWALL", "wait some minutes", false},
		"cluster gone":            {"ERROR", "GKE Cluster missing", near, exposer.Broken, "CW-MCS-CLUSTER-GONE", "gcloud container fleet memberships delete prod --location europe-west3 --project lab-project", true},
		"rights, in the project":  {"FAILED", forbidden, near, exposer.Broken, "CW-MCS-PROJECT", "gcloud projects get-iam-policy lab-project names serviceAccount:service-123456789012@gcp-sa-mcsd", false},
		"rights, in another":      {"FAILED", forbidden, far, exposer.Broken, "CW-MCS-PROJECT", "gcloud projects add-iam-policy-binding other-project --member serviceAccount:service-123456789012@gcp-sa-gkehub.iam.gserviceaccount.com --role roles/gkehub.serviceAgent", false},
		"several VPCs":            {"OK", "Multiple VPCs detected in the hub - VPC must be peered with other VPCs for successful connectivity", near, exposer.Warns, "CW-MCS-VPCS", "peerings create", false},
		"another project":         {"OK", "Member does not exist in the same project as hub - additional setup steps are required, errors may occur if not completed.", far, exposer.Warns, "CW-MCS-CROSS-PROJECT", "--project other-project", false},
		"no GKE":                  {"FAILED", "Non-GKE clusters are currently not supported", near, exposer.Broken, "CW-MCS-NOT-GKE", "nothing is to be done", true},
		"fine, in new words":      {"OK", "All is well", near, exposer.Good, "", "", false},
		"fine, without a word":    {"OK", "", near, exposer.Good, "", "", false},
		"a warning, in new words": {"WARNING", "Subsetting in progress", near, exposer.Warns, "CW-MCS-MEMBER", "describe --project lab-project", false},
		"an error, in new words":  {"ERROR", "Quota exceeded", near, exposer.Broken, "CW-MCS-MEMBER", "describe", false},
		"failed, in new words":    {"FAILED", "Nobody knows", near, exposer.Broken, "CW-MCS-MEMBER", "describe", false},
		"a code that is new":      {"MOVING", "To another place", near, exposer.Unknown, "CW-MCS-MEMBER", "describe", false},
		"nothing but a time":      {"", "", near, exposer.Unknown, "CW-MCS-MEMBER", "describe", false},
	} {
		t.Run(name, func(t *testing.T) {
			got := ofMember(project, test.member, &gcp.MemberState{Code: test.code, Description: test.description})
			if got.verdict != test.verdict || got.code != test.want || got.hopeless != test.hopeless {
				t.Errorf("%+v, want %s %q hopeless %v", got, test.verdict, test.want, test.hopeless)
			}
			if !strings.Contains(got.text, strings.TrimSpace(test.code+" "+test.description)) {
				t.Errorf("Google's own words are not in %q", got.text)
			}
			if test.fix != "" && !strings.Contains(got.fix, test.fix) || got.verdict == exposer.Good && got.fix != "" {
				t.Errorf("fix %q, want %q in it", got.fix, test.fix)
			}
			if _, ok := explain.Lookup(got.code); got.code != "" && !ok {
				t.Errorf("code %s has no entry", got.code)
			}
		})
	}
	if got := ofMember(project, near, nil); got.verdict != exposer.Waits || got.code != "CW-MCS-FEATURE" {
		t.Errorf("no state yet: %+v", got)
	}
}

const forbidden = "Project that member lives in is missing required permissions and/or has not enabled all required APIs - additional setup steps are required"

func TestEachStateOfTheFeature(t *testing.T) {
	for name, test := range map[string]struct {
		feature *gcp.Feature
		verdict exposer.Verdict
		says    string
	}{
		"off":                                  {nil, exposer.Broken, "is off"},
		"coming":                               {&gcp.Feature{State: "ENABLING"}, exposer.Waits, "being turned on"},
		"going":                                {&gcp.Feature{State: "DISABLING"}, exposer.Broken, "somebody turns it off"},
		"changing":                             {&gcp.Feature{State: "UPDATING"}, exposer.Waits, "being changed"},
		"changed by Google":                    {&gcp.Feature{State: "SERVICE_UPDATING"}, exposer.Waits, "being changed"},
		"there":                                {&gcp.Feature{State: "ACTIVE", Code: "OK", Description: "There are 6 ServiceExports in the Fleet."}, exposer.Good, "6 ServiceExports"},
		"there, in silence":                    {&gcp.Feature{State: "ACTIVE"}, exposer.Good, "ACTIVE"},
		"in error":                             {&gcp.Feature{State: "ACTIVE", Code: "ERROR", Description: "broken"}, exposer.Broken, "ERROR broken"},
		"warned":                               {&gcp.Feature{State: "ACTIVE", Code: "WARNING", Description: "slow"}, exposer.Warns, "WARNING slow"},
		"a word of Google's that nobody knows": {&gcp.Feature{State: "RESTING"}, exposer.Unknown, "RESTING"},
	} {
		t.Run(name, func(t *testing.T) {
			got := ofFeature("lab-project", test.feature)
			if got.verdict != test.verdict || !strings.Contains(got.text, test.says) || got.verdict != exposer.Good && (got.code != "CW-MCS-FEATURE" || got.fix == "") {
				t.Errorf("%+v, want %s and %q", got, test.verdict, test.says)
			}
		})
	}
}

// TestStatesAreFoundByLocationAndName: names repeat over locations, and Google writes
// the project by its number.
func TestStatesAreFoundByLocationAndName(t *testing.T) {
	f := &gcp.Feature{Members: map[string]gcp.MemberState{
		"projects/123456789012/locations/global/memberships/prod":       {Code: "ERROR"},
		"projects/123456789012/locations/europe-west3/memberships/prod": {Code: "OK"},
	}}
	if near, far := stateOf(f, near), stateOf(f, far); near == nil || far == nil || near.Code != "OK" || far.Code != "ERROR" {
		t.Errorf("found %v and %v", near, far)
	}
	if got := stateOf(f, gcp.Membership{ID: "od", Location: "global"}); got != nil {
		t.Errorf("a membership that is not there has %v", got)
	}
}

func TestVersionsAreComparedByTheirNumbers(t *testing.T) {
	for version, want := range map[string]bool{"1.26.3-gke.399": true, "1.26.3-gke.400": false, "1.26.10-gke.1": false, "1.25.16-gke.1000": true, "1.36.3-gke.1": false, "": false} {
		if older(version, multiPortFixed) != want {
			t.Errorf("%q is older: %v", version, !want)
		}
	}
}

// TestNamesOfServicesAreOneCluster's: two clusters of a name in two places never
// export one Service between them.
func TestNamesOfServicesAreOneClusters(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range []exposer.ClusterRef{labCluster, clientCluster, {Project: "lab-project", Location: "europe-west4", Name: "private-cluster"},
		{Project: "other-project", Location: "europe-west3", Name: "private-cluster"}, {Project: "p", Location: "l", Name: strings.Repeat("a-", 31) + "a"}} {
		name := ServiceName(c)
		if seen[name] || len(name) > 63 || strings.Contains(name, "--") {
			t.Errorf("%v has the name %s", c, name)
		}
		seen[name] = true
	}
}

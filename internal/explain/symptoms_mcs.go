package explain

// mcsSymptoms are the descriptions that multi-cluster Services give a member of the
// fleet, from Google's page on them; those that tell of success are no symptoms.
func mcsSymptoms() []symptom {
	return []symptom{
		{code: "CW-MCS-FIREWALL", words: []string{"firewall creation pending"}},
		{code: "CW-MCS-CLUSTER-GONE", words: []string{"gke cluster missing"}},
		{code: "CW-MCS-PROJECT", words: []string{"project that member lives in"},
			form: `Project that member lives in is missing required permissions and/or has not enabled all required APIs`},
		{code: "CW-MCS-VPCS", words: []string{"multiple vpcs detected"}, form: `Multiple VPCs detected in the hub`},
		{code: "CW-MCS-CROSS-PROJECT", words: []string{"member does not exist in the same project"}, form: `Member does not exist in the same project as hub`},
		{code: "CW-MCS-NOT-GKE", words: []string{"non-gke clusters"}, form: `Non-GKE clusters are currently not supported`},
	}
}

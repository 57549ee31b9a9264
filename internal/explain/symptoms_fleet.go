package explain

// fleetSymptoms are the wordings of GKE Hub, where clusters are registered.
func fleetSymptoms() []symptom {
	const membership = `projects/(?P<project>[\w.:-]+)/locations/(?P<location>[\w-]+)/memberships/(?P<membership>[\w-]+)`
	return []symptom{
		{code: "CW-FLEET-REGISTER", words: []string{"gkehub.memberships.create"},
			form: `(?:Permission|Required) ?["']?(?P<permission>gkehub\.memberships\.create)["']?(?: (?:permission|denied))?(?: (?:on|for) (?:resource )?["']?(?://gkehub\.googleapis\.com/)?(?:` + membership + `)?)?`},
		{code: "CW-FLEET-REGISTER", words: []string{"does not have access to the gke cluster project"},
			form: `hub default service account does not have access to the GKE cluster project(?: for "[^"\n]*/projects/(?P<project>[\w.:-]+)/(?:locations|zones)/(?P<location>[\w-]+)/clusters/(?P<cluster>[\w-]+)")?`},
		{code: "CW-FLEET-REGISTERED", words: []string{"already registered with resource"},
			form: `cluster is already registered with resource(?: "?(?:[^\s"]*/)?` + membership + `)?`},
		{code: "CW-FLEET-NAME", words: []string{"already exists"}, form: membership + `["']? already exists`},
		{code: "CW-FLEET-NAME", trust: likely, words: []string{"already exists"}, form: `membership \[?(?P<membership>[\w-]+)\]? [^\n]{0,60}?already exists`},
		{code: "CW-FLEET-MEMBER", words: []string{"memberships/"}, form: `(?:Resource )?["']?` + membership + `["']? (?:was )?not found`},
		// gcloud's own words (command_lib/container/fleet/resources.py).
		{code: "CW-FLEET-MEMBER", words: []string{"not found in the fleet"}, form: `Membership (?P<membership>[\w-]+) not found in the fleet`},
		{code: "CW-FLEET-MEMBER", words: []string{"no memberships available in the fleet"}},
		{code: "CW-FLEET-UNREACHABLE", words: []string{"are currently unreachable"}, form: `Locations [^\n]{0,200}are currently unreachable\. Please specify memberships`},
		{code: "CW-FLEET-UNREACHABLE", trust: marked, words: []string{`"unreachable"`}, form: `"unreachable" ?: ?\[ ?"[^"\n]+"`},
		{code: "CW-FLEET-UNREACHABLE", trust: likely, words: []string{"unreachable"},
			form: `fleet (?:locations?|regions?|memberships?)[^\n]{0,120} unreachable`},
	}
}

// generalSymptoms are wordings of Google's APIs and of Kubernetes as a whole, last.
func generalSymptoms() []symptom {
	return []symptom{
		{code: "CW-GCP-API-DISABLED", words: []string{"api has not been used in project"},
			form: `API has not been used in project (?P<project>[\w.:-]+) before or it is disabled(?:\. Enable it by visiting https://console\.developers\.google\.com/apis/api/(?P<service>[\w.-]+)/)?`},
		{code: "CW-GCP-API-DISABLED", words: []string{"service_disabled"}},
		{code: codePermission, words: []string{"denied"}, form: `Permission ["'](?P<permission>[a-zA-Z]+\.[a-zA-Z.]+)["'] denied`},
		{code: codePermission, words: []string{"required"}, form: `Required ["'](?P<permission>[a-zA-Z]+\.[a-zA-Z.]+)["'] permission`},
	}
}

package exposer

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"causeway/internal/explain"
)

const goodGateway = `
apiVersion: causeway.dev/v1
kind: Exposure
method: gateway
name: fleet
cluster: {project: lab-project, location: europe-west3, name: private-cluster}
`

func TestTheDefaultsOfGateway(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		gateway string
		want    Gateway
		role    string // in the cluster
	}{
		"nothing at all":       {``, Gateway{Membership: "private-cluster", AuthPlugin: PluginCauseway}, ""},
		"members read":         {`gateway: {members: ["user:a@example.com"]}`, Gateway{Membership: "private-cluster", AuthPlugin: PluginCauseway, Members: []string{"user:a@example.com"}, Role: "reader"}, "view"},
		"who streams is admin": {`gateway: {members: ["group:a@example.com"], stream: true}`, Gateway{Membership: "private-cluster", AuthPlugin: PluginCauseway, Members: []string{"group:a@example.com"}, Role: "admin", Stream: true}, "view"},
		"streams of nobody new": {`gateway: {stream: true, membership: other, register: true, fleetProject: hub-project, agent: true, authPlugin: gcloud}`,
			Gateway{Membership: "other", AuthPlugin: PluginGcloud, Stream: true, Register: true, FleetProject: "hub-project", Agent: true}, ""},
	} {
		spec := read(t, goodGateway+c.gateway)
		if err := spec.Validate([]string{"gateway"}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(c.want, *spec.Gateway); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if spec.Access.Role != c.role || spec.Access.Token != "" || spec.Access.TokenTTL != "" {
			t.Errorf("%s: access %+v", name, spec.Access)
		}
	}
	given := &Gateway{Members: []string{"user:a@example.com"}}
	_ = Spec{Method: "gateway", Gateway: given}.WithDefaults()
	if given.Role != "" || given.AuthPlugin != "" {
		t.Errorf("the caller's spec was written into: %+v", given)
	}
}

func TestFaultsOfGateway(t *testing.T) {
	t.Parallel()
	const one = `members: ["user:alice@example.com"]`
	for name, c := range map[string]struct {
		gateway, more string
		want          []string // "field text", parts of each problem
		code          string   // CW-SPEC-INVALID where ""
	}{
		"all well": {gateway: `{fleetProject: hub-project, membership: m, register: true, members: ["user:a@example.com", "group:b@example.com", "serviceAccount:c@p.iam.gserviceaccount.com"],
			role: roles/gkehub.gatewayAdmin, stream: true, agent: true}`, more: "access: {role: edit, namespaces: [shop]}"},
		"a role of the project's own":         {gateway: `{` + one + `, role: projects/p/roles/readers_1}`},
		"a role of the organisation's":        {gateway: `{` + one + `, role: organizations/123/roles/readers}`},
		"a custom role that may stream":       {gateway: `{` + one + `, role: projects/p/roles/streams, stream: true}`},
		"a fleet by its number":               {gateway: `{fleetProject: "123456789012"}`, want: []string{"gateway.fleetProject must be a Google project ID (not its number)"}},
		"a membership's path":                 {gateway: `{membership: projects/p/locations/l/memberships/m}`, want: []string{"gateway.membership must be a membership's name"}},
		"a plugin that is none":               {gateway: `{authPlugin: x}`, want: []string{"gateway.authPlugin must be one of causeway, gcloud"}},
		"members that are none":               {gateway: `{members: ["alice@example.com", allUsers, "domain:example.com", "user:alice", "user:a b@example.com"]}`, want: []string{"gateway.members[0] must be user:", "gateway.members[1] must be", "gateway.members[2] must be", "gateway.members[3] must be", "gateway.members[4] must be"}},
		"a member twice":                      {gateway: `{members: ["user:a@example.com", "user:a@example.com"]}`, want: []string{"gateway.members[1] is in the list twice"}},
		"a role for nobody":                   {gateway: `{role: admin}`, want: []string{"gateway.role is for members, and there are none"}},
		"a role that is none":                 {gateway: `{` + one + `, role: boss}`, want: []string{`gateway.role must be reader, editor, admin or a role's full name, "boss" is not`}},
		"a reader who streams":                {gateway: `{` + one + `, role: reader, stream: true}`, want: []string{"gateway.role can't stream: of Google's roles only admin"}, code: "CW-GATEWAY-STREAM"},
		"an editor who streams":               {gateway: `{` + one + `, role: editor, stream: true}`, want: []string{"gateway.role can't stream"}, code: "CW-GATEWAY-STREAM"},
		"networks":                            {gateway: `{}`, more: "farSide: {cidrs: [172.31.0.0/16]}", want: []string{"farSide.cidrs has no meaning for the method gateway"}},
		"a token":                             {gateway: `{` + one + `}`, more: "access: {token: bound, tokenTTL: 8h}", want: []string{"access.token is a ServiceAccount's", "access.tokenTTL is a ServiceAccount's"}},
		"rights for nobody":                   {gateway: `{}`, more: "access: {role: edit}", want: []string{"access.role is for members, and there are none"}},
		"namespaces for nobody":               {gateway: `{}`, more: "access: {namespaces: [shop]}", want: []string{"access.role is for members, and there are none"}},
		"a role of the cluster's with blanks": {gateway: `{` + one + `}`, more: "access: {role: a b}", want: []string{"access.role must be a ClusterRole's name"}},
		"a namespace that is none":            {gateway: `{` + one + `}`, more: "access: {namespaces: [Shop]}", want: []string{"access.namespaces[0] must be a namespace's name"}},
		"nodes in a namespace":                {gateway: `{` + one + `}`, more: "access: {role: node-reader, namespaces: [shop]}", want: []string{"access.namespaces can't narrow node-reader"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := read(t, goodGateway+"gateway: "+c.gateway+"\n"+c.more+"\n").Validate([]string{"gateway"})
			var faults *SpecError
			var got []string
			if errors.As(err, &faults) {
				for _, p := range faults.Problems {
					got = append(got, p.Field+" "+p.Text)
				}
			}
			fits := slices.EqualFunc(got, c.want, func(have, want string) bool { return strings.HasPrefix(have, want) })
			if !fits {
				t.Errorf("%q, want %q", got, c.want)
			}
			code := c.code
			if code == "" && len(c.want) > 0 {
				code = "CW-SPEC-INVALID"
			}
			if explain.CodeOf(err) != code {
				t.Errorf("code %q, want %q", explain.CodeOf(err), code)
			}
		})
	}
}

func TestRolesAndSubjectsHaveTheirFullNames(t *testing.T) {
	t.Parallel()
	for short, full := range map[string]string{"reader": "roles/gkehub.gatewayReader", "editor": "roles/gkehub.gatewayEditor", "admin": "roles/gkehub.gatewayAdmin",
		"projects/p/roles/x": "projects/p/roles/x", "roles/viewer": "roles/viewer"} {
		if got := (Gateway{Role: short}).FullRole(); got != full {
			t.Errorf("%s: %s, want %s", short, got, full)
		}
	}
	for member, want := range map[string][2]string{"user:a@example.com": {"User", "a@example.com"}, "group:b@example.com": {"Group", "b@example.com"},
		"serviceAccount:c@p.iam.gserviceaccount.com": {"User", "c@p.iam.gserviceaccount.com"}} {
		if kind, name := Subject(member); kind != want[0] || name != want[1] {
			t.Errorf("%s: %s %s", member, kind, name)
		}
	}
}

package gcp

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"causeway/internal/gcptest"
)

const (
	updates    = `clusters\.update`
	pscPath    = "projects/lab-project/locations/europe-west3/clusters/psc-cluster"
	updateCall = "container.projects.locations.clusters.update"
	busyWords  = "Cluster is running incompatible operation operation-1234-abcd."
)

// kinds are clusters that tell the newer block, and those that know the older
// fields alone; foreign is what somebody has configured on either.
func kinds() map[string]bool {
	return map[string]bool{"with the newer block": true, "with the older fields alone": false}
}

func foreign() map[string]any {
	return map[string]any{
		"enabled": true, "gcpPublicCidrsAccessEnabled": true, "privateEndpointEnforcementEnabled": true,
		"cidrBlocks": []any{
			map[string]any{"displayName": "office", "cidrBlock": "198.51.100.0/24"},
			map[string]any{"cidrBlock": "10.9.0.0/16"},
			map[string]any{"displayName": "a twin", "cidrBlock": "10.8.0.0/16"},
			map[string]any{"displayName": "", "cidrBlock": "10.8.0.0/16"},
		},
	}
}

func cluster(t *testing.T, newer bool, options gcptest.Options) (*Cloud, *gcptest.Server) {
	t.Helper()
	cloud, google := open(t, options, "psc")
	configure(t, google, newer)
	clocked(cloud)
	return cloud, google
}

func configure(t *testing.T, google *gcptest.Server, newer bool) {
	t.Helper()
	err := google.Change(pscPath, func(o map[string]any) {
		o["masterAuthorizedNetworksConfig"] = foreign()
		if !newer {
			delete(o["controlPlaneEndpointsConfig"].(map[string]any), "ipEndpointsConfig")
			return
		}
		o["controlPlaneEndpointsConfig"].(map[string]any)["ipEndpointsConfig"].(map[string]any)["authorizedNetworksConfig"] = foreign()
	})
	if err != nil {
		t.Fatal(err)
	}
}

func farNetwork() AuthorizedNetwork {
	return AuthorizedNetwork{CIDR: netip.MustParsePrefix("10.77.0.0/16"), Name: "causeway exposure demo"}
}

func admitFarSide(a AuthorizedNetworks) AuthorizedNetworks {
	if !slices.Contains(a.CIDRs, farNetwork()) {
		a.CIDRs = append([]AuthorizedNetwork{farNetwork()}, a.CIDRs...) // where it stands is not edit's to say
	}
	return a
}

func dropFarSide(a AuthorizedNetworks) AuthorizedNetworks {
	a.CIDRs = slices.DeleteFunc(a.CIDRs, func(one AuthorizedNetwork) bool { return one == farNetwork() })
	return a
}

func setNetworks(t *testing.T, cloud *Cloud, edit func(AuthorizedNetworks) AuthorizedNetworks, note func(string)) error {
	t.Helper()
	return cloud.SetAuthorizedNetworks(t.Context(), project, area, "psc-cluster", edit, note)
}

// TestAuthorizedNetworksKeepWhatIsForeign: flags, display names and order survive,
// the request holds one desired field, and the way back leads to what was.
func TestAuthorizedNetworksKeepWhatIsForeign(t *testing.T) {
	const others = `{"displayName":"office","cidrBlock":"198.51.100.0/24"},{"cidrBlock":"10.9.0.0/16"},{"displayName":"a twin","cidrBlock":"10.8.0.0/16"},{"displayName":"","cidrBlock":"10.8.0.0/16"}`
	const ours = `,{"displayName":"causeway exposure demo","cidrBlock":"10.77.0.0/16"}`
	block := func(newer bool, list string) string {
		config := `{"enabled":true,"gcpPublicCidrsAccessEnabled":true,"privateEndpointEnforcementEnabled":true,"cidrBlocks":[` + list + `]}`
		if newer {
			return `{"update":{"desiredControlPlaneEndpointsConfig":{"ipEndpointsConfig":{"authorizedNetworksConfig":` + config + `}}}}`
		}
		return `{"update":{"desiredMasterAuthorizedNetworksConfig":` + config + `}}`
	}
	for kind, newer := range kinds() {
		t.Run(kind, func(t *testing.T) {
			cloud, google := cluster(t, newer, gcptest.Options{})
			before := string(google.Snapshot())
			if err := setNetworks(t, cloud, admitFarSide, nil); err != nil {
				t.Fatal(err)
			}
			got, err := cloud.Cluster(t.Context(), project, area, "psc-cluster")
			if err != nil {
				t.Fatal(err)
			}
			want := []AuthorizedNetwork{{netip.MustParsePrefix("198.51.100.0/24"), "office"}, {netip.MustParsePrefix("10.9.0.0/16"), ""},
				{netip.MustParsePrefix("10.8.0.0/16"), "a twin"}, {netip.MustParsePrefix("10.8.0.0/16"), ""}, farNetwork()}
			if diff := cmp.Diff(want, got.Authorized.CIDRs, comparers()); diff != "" || got.NewEndpointsConfig != newer || !got.Authorized.PrivateEnforced {
				t.Errorf("%+v: %s", got.Authorized, diff)
			}
			if !got.Authorized.Covers(netip.MustParsePrefix("10.77.3.0/24")) || got.Authorized.Covers(netip.MustParsePrefix("10.0.0.0/8")) {
				t.Error("Covers is wrong")
			}
			if err := setNetworks(t, cloud, dropFarSide, nil); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(before, string(google.Snapshot())); diff != "" {
				t.Errorf("after the way back: %s", diff)
			}
			sent := bodies(google, updateCall)
			if len(sent) != 2 {
				t.Fatalf("%d updates", len(sent))
			}
			sameJSON(t, block(newer, others+ours), sent[0])
			sameJSON(t, block(newer, others), sent[1])
		})
	}
}

// TestEntriesThatCausewayCannotRead stay where they are.
func TestEntriesThatCausewayCannotRead(t *testing.T) {
	odd := map[string]any{"cidrBlock": "all of it", "newField": "x"}
	list := append([]any{odd}, foreign()["cidrBlocks"].([]any)...)
	want := []any{odd, list[2], map[string]any{"cidrBlock": "10.77.0.0/16", "displayName": "causeway exposure demo"}}
	got := mergeBlocks(document{"cidrBlocks": list}, []AuthorizedNetwork{farNetwork(), {CIDR: netip.MustParsePrefix("10.9.0.0/16")}})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got := mergeBlocks(document{}, nil); got == nil || len(got) != 0 {
		t.Errorf("an empty list is %#v", got)
	}
}

func TestListsThatAreNotSent(t *testing.T) {
	many := func(n int) func(AuthorizedNetworks) AuthorizedNetworks {
		return func(a AuthorizedNetworks) AuthorizedNetworks {
			for i := len(a.CIDRs); i < n; i++ {
				a.CIDRs = append(a.CIDRs, AuthorizedNetwork{CIDR: netip.MustParsePrefix(fmt.Sprintf("10.77.%d.0/24", i))})
			}
			return a
		}
	}
	disable := func(o map[string]any) {
		ip := o["controlPlaneEndpointsConfig"].(map[string]any)["ipEndpointsConfig"].(map[string]any)
		delete(ip, "authorizedNetworksConfig")
		delete(o, "masterAuthorizedNetworksConfig")
	}
	publicNodes := func(o map[string]any) {
		delete(o["privateClusterConfig"].(map[string]any), "enablePrivateNodes")
	}
	for sentence, test := range map[string]struct {
		before     func(map[string]any)
		edit       func(AuthorizedNetworks) AuthorizedNetworks
		code, part string // both empty: no error
	}{
		"as it is":                              {nil, func(a AuthorizedNetworks) AuthorizedNetworks { return a }, "", ""},
		"another order":                         {nil, func(a AuthorizedNetworks) AuthorizedNetworks { slices.Reverse(a.CIDRs); return a }, "", ""},
		"101 networks, with private nodes":      {nil, many(101), "CW-GCP-AUTH-NETWORKS", "101 networks would be in the list, this cluster takes 100"},
		"51 networks, with public nodes":        {publicNodes, many(51), "CW-GCP-AUTH-NETWORKS", "51 networks would be in the list, this cluster takes 50"},
		"another flag":                          {nil, func(a AuthorizedNetworks) AuthorizedNetworks { a.PrivateEnforced = false; return a }, "", "only the list can be changed"},
		"a list no more":                        {nil, func(AuthorizedNetworks) AuthorizedNetworks { return AuthorizedNetworks{} }, "", "only the list can be changed"},
		"not enabled":                           {disable, admitFarSide, "", "authorized networks are not enabled"},
		"not enabled, and nothing to take away": {disable, dropFarSide, "", ""},
	} {
		t.Run(sentence, func(t *testing.T) {
			cloud, google := cluster(t, true, gcptest.Options{})
			if test.before != nil {
				if err := google.Change(pscPath, test.before); err != nil {
					t.Fatal(err)
				}
			}
			before := string(google.Snapshot())
			err := setNetworks(t, cloud, test.edit, nil)
			if test.part == "" && err != nil {
				t.Error(err)
			} else if test.part != "" {
				expect(t, err, test.code, test.part)
			}
			if sent := bodies(google, updateCall); len(sent) != 0 || before != string(google.Snapshot()) {
				t.Errorf("sent %v", sent)
			}
		})
	}
	cloud, _ := cluster(t, true, gcptest.Options{})
	if err := setNetworks(t, cloud, many(100), nil); err != nil {
		t.Errorf("100 networks: %v", err)
	}
}

func TestGlobalAccess(t *testing.T) {
	for kind, newer := range kinds() {
		t.Run(kind, func(t *testing.T) {
			cloud, google := cluster(t, newer, gcptest.Options{})
			before := string(google.Snapshot())
			for _, on := range []bool{true, false, false, true, true} { // it is on to begin with
				if err := cloud.SetGlobalAccess(t.Context(), project, area, "psc-cluster", on, nil); err != nil {
					t.Fatal(err)
				}
				if got, err := cloud.Cluster(t.Context(), project, area, "psc-cluster"); err != nil || got.GlobalAccess != on {
					t.Errorf("global access %t: %v, %v", on, got.GlobalAccess, err)
				}
			}
			if diff := cmp.Diff(before, string(google.Snapshot())); diff != "" {
				t.Errorf("after the way back: %s", diff)
			}
			sent := bodies(google, updateCall)
			if len(sent) != 2 {
				t.Fatalf("%d updates", len(sent))
			}
			for i, on := range []string{"false", "true"} {
				want := `{"update":{"desiredPrivateClusterConfig":{"masterGlobalAccessConfig":{"enabled":` + on + `}}}}`
				if newer {
					want = `{"update":{"desiredControlPlaneEndpointsConfig":{"ipEndpointsConfig":{"globalAccess":` + on + `}}}}`
				}
				sameJSON(t, want, sent[i])
			}
		})
	}
}

func TestUpdatesThatGoogleRefuses(t *testing.T) {
	cloud, _ := open(t, gcptest.Options{}, "lab")
	public := func(a AuthorizedNetworks) AuthorizedNetworks {
		a.CIDRs = append(a.CIDRs, AuthorizedNetwork{CIDR: netip.MustParsePrefix("203.0.113.0/24")})
		return a
	}
	const resource = "cluster projects/lab-project/locations/europe-west3/clusters/private-cluster: "
	set := func(name string) error {
		return cloud.SetAuthorizedNetworks(t.Context(), project, area, name, public, nil)
	}
	expect(t, set("private-cluster"), "CW-NET-PUBLIC", "set authorized networks of "+resource)
	expect(t, set("none"), "CW-GCP-NOT-FOUND", "read cluster")
	for permission, part := range map[string]string{
		"container.clusters.get": "read " + resource, "container.clusters.update": "set global access of " + resource, "container.operations.get": "set global access of " + resource,
	} {
		cloud, google := open(t, gcptest.Options{}, "lab")
		google.Deny(permission)
		err := cloud.SetGlobalAccess(t.Context(), project, area, "private-cluster", true, nil)
		expect(t, err, "CW-GCP-PERMISSION", "missing permission "+permission)
		expect(t, err, "CW-GCP-PERMISSION", part)
	}
}

func TestAnUpdateOfAClusterThatFails(t *testing.T) {
	cloud, google := cluster(t, true, gcptest.Options{})
	before := string(google.Snapshot())
	google.Inject(gcptest.Fault{Match: updates, Nth: 1, OperationError: &gcptest.OperationError{Status: 429, Message: "Insufficient quota."}})
	expect(t, setNetworks(t, cloud, admitFarSide, nil), "CW-GCP-QUOTA", "set authorized networks of cluster "+pscPath+": Insufficient quota")
	if diff := cmp.Diff(before, string(google.Snapshot())); diff != "" {
		t.Error(diff)
	}
	if err := setNetworks(t, cloud, admitFarSide, nil); err != nil {
		t.Errorf("the second attempt: %v", err)
	}
}

// TestAClusterThatIsBusy: what the other operation changes is not lost, for the
// list is read anew after it.
func TestAClusterThatIsBusy(t *testing.T) {
	late := AuthorizedNetwork{CIDR: netip.MustParsePrefix("10.66.0.0/16"), Name: "late"}
	cloud, google := cluster(t, true, gcptest.Options{})
	waited := clocked(cloud)
	google.Inject(gcptest.Fault{Match: updates, Times: 2, Status: 400, Reason: "failedPrecondition", Message: busyWords})
	var notes []string
	note := func(text string) {
		notes = append(notes, text)
		if len(notes) != 1 {
			return
		}
		err := google.Change(pscPath, func(o map[string]any) {
			for _, config := range []any{o["masterAuthorizedNetworksConfig"], o["controlPlaneEndpointsConfig"].(map[string]any)["ipEndpointsConfig"].(map[string]any)["authorizedNetworksConfig"]} {
				config := config.(map[string]any)
				config["cidrBlocks"] = append(config["cidrBlocks"].([]any), map[string]any{"cidrBlock": late.CIDR.String(), "displayName": late.Name})
			}
		})
		if err != nil {
			t.Error(err)
		}
	}
	if err := setNetworks(t, cloud, admitFarSide, note); err != nil {
		t.Fatal(err)
	}
	got, err := cloud.Cluster(t.Context(), project, area, "psc-cluster")
	if err != nil || !slices.Contains(got.Authorized.CIDRs, late) || !slices.Contains(got.Authorized.CIDRs, farNetwork()) {
		t.Errorf("%+v, %v", got.Authorized, err)
	}
	if len(notes) < 2 || notes[1] != "waiting for another operation on cluster "+pscPath+", 2s of 10m0s so far" || waited() < 6*time.Second {
		t.Errorf("waited %s, notes %q", waited(), notes)
	}
	google.Inject(gcptest.Fault{Match: updates, Status: 400, Reason: "failedPrecondition", Message: busyWords})
	expect(t, setNetworks(t, cloud, dropFarSide, nil), "CW-GCP-BUSY", "incompatible operation operation-1234-abcd (waited ")
}

// TestAnAnswerThatIsLost: the update that is sent again meets the operation that
// the first one started, and waits for it.
func TestAnAnswerThatIsLost(t *testing.T) {
	for sentence, fault := range map[string]gcptest.Fault{
		"cut off before it":                {Match: updates, Nth: 1, CutOff: true},
		"cut off after it took effect":     {Match: updates, Nth: 1, CutOff: true, AfterEffect: true},
		"HTTP 503 after it took effect":    {Match: updates, Nth: 1, Status: 503, AfterEffect: true},
		"the question for its end is lost": {Match: `operations\.get`, Nth: 1, CutOff: true},
	} {
		t.Run(sentence, func(t *testing.T) {
			cloud, google := cluster(t, true, gcptest.Options{OperationTime: 60 * time.Millisecond})
			cloud.now = time.Now // the operation's time is real, so is the wait for it
			cloud.pause = func(ctx context.Context, _ time.Duration) error { return sleep(ctx, 5*time.Millisecond) }
			google.Inject(fault)
			if err := setNetworks(t, cloud, admitFarSide, nil); err != nil {
				t.Fatal(err)
			}
			got, err := cloud.Cluster(t.Context(), project, area, "psc-cluster")
			if err != nil || !slices.Contains(got.Authorized.CIDRs, farNetwork()) || len(got.Authorized.CIDRs) != 5 || got.Status != "RUNNING" {
				t.Errorf("%+v, %v", got.Authorized, err)
			}
		})
	}
}

func TestAnOperationOfAClusterThatDoesNotEnd(t *testing.T) {
	cloud, google := cluster(t, true, gcptest.Options{OperationTime: time.Hour})
	var last string
	err := setNetworks(t, cloud, admitFarSide, func(note string) { last = note })
	expect(t, err, "CW-GCP-TIMEOUT", "has not ended within 20m")
	if !strings.Contains(last, "is PENDING, 19m") {
		t.Errorf("the last note: %q", last)
	}
	if calls := len(google.Requests()); calls > 300 {
		t.Errorf("%d calls", calls)
	}
	cloud, _ = cluster(t, true, gcptest.Options{OperationTime: time.Hour})
	ctx, cancel := context.WithCancel(t.Context())
	err = cloud.SetGlobalAccess(ctx, project, area, "psc-cluster", false, func(string) { cancel() })
	if expect(t, err, "", "interrupted"); !errors.Is(err, context.Canceled) {
		t.Errorf("%v is not context.Canceled", err)
	}
}

// TestAClusterThatSomebodyElseChanges right after causeway did.
func TestAClusterThatSomebodyElseChanges(t *testing.T) {
	for sentence, set := range map[string]func(*Cloud) error{
		"the list is another one than was written": func(cloud *Cloud) error { return setNetworks(t, cloud, admitFarSide, nil) },
		"it was set to false and is true again": func(cloud *Cloud) error {
			return cloud.SetGlobalAccess(t.Context(), project, area, "psc-cluster", false, nil)
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			written := false
			cloud, google := meddled(t, "psc", func(google *gcptest.Server, r *http.Request) {
				written = written || r.Method == http.MethodPut
				if !written || r.Method != http.MethodGet || !strings.HasSuffix(r.URL.Path, "/clusters/psc-cluster") {
					return
				}
				if err := google.Change(pscPath, func(o map[string]any) {
					ip := o["controlPlaneEndpointsConfig"].(map[string]any)["ipEndpointsConfig"].(map[string]any)
					ip["globalAccess"], ip["authorizedNetworksConfig"] = true, foreign()
				}); err != nil {
					t.Error(err)
				}
			})
			configure(t, google, true)
			expect(t, set(cloud), "CW-GCP-PRECONDITION", sentence)
		})
	}
}

package routing

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"golang.org/x/oauth2"

	"causeway/exposer"
	"causeway/internal/explain"
	"causeway/internal/gcp"
	"causeway/internal/gcptest"
)

const (
	networkAt   = "projects/lab-project/global/networks/default"
	routerAt    = "projects/lab-project/regions/europe-west3/routers/cr-line"
	peeringName = "gke-n2f8c1d5e7a9b3c4d6e8-4b2a-9c1d-peer"
	master      = "192.168.50.0/28"
)

// cloud is an emulator with a line, and causeway's door to it.
func cloud(t *testing.T) (*gcptest.Server, *gcp.Cloud) {
	t.Helper()
	server := gcptest.Serve(t, gcptest.Options{}, "route-line")
	at := server.Env()
	const prefix = "CLOUDSDK_API_ENDPOINT_OVERRIDES_"
	google, err := gcp.New(t.Context(), gcp.Config{TokenSource: oauth2.StaticTokenSource(&oauth2.Token{AccessToken: gcptest.Token}),
		Endpoints: gcp.Endpoints{Compute: at[prefix+"COMPUTE"], Container: at[prefix+"CONTAINER"], ResourceManager: at[prefix+"CLOUDRESOURCEMANAGER"], ServiceUsage: at[prefix+"SERVICEUSAGE"]}})
	if err != nil {
		t.Fatal(err)
	}
	return server, google
}

// flagsOf sets and tells the peering's flags.
func flagsOf(t *testing.T, s *gcptest.Server, set map[string]any) (export, imports bool) {
	t.Helper()
	if err := s.Change(networkAt, func(n map[string]any) {
		p := n["peerings"].([]any)[0].(map[string]any)
		for key, value := range set {
			p[key] = value
		}
		export, imports = p["exportCustomRoutes"] == true, p["importCustomRoutes"] == true
	}); err != nil {
		t.Fatal(err)
	}
	return export, imports
}

func quiet(string) {}

func TestPeeringFlags(t *testing.T) {
	t.Parallel()
	type flag struct{ export, imports bool }
	for name, c := range map[string]struct {
		live, want flag
		after      flag
		old        string // what is recorded
		writes     int
	}{
		"both off, export wanted":           {want: flag{true, false}, after: flag{true, false}, old: `{"exportCustomRoutes":false}`, writes: 1},
		"both off, both wanted":             {want: flag{true, true}, after: flag{true, true}, old: `{"exportCustomRoutes":false,"importCustomRoutes":false}`, writes: 1},
		"export on, both wanted":            {live: flag{true, false}, want: flag{true, true}, after: flag{true, true}, old: `{"importCustomRoutes":false}`, writes: 1},
		"import on is nobody's to turn off": {live: flag{false, true}, want: flag{true, false}, after: flag{true, true}, old: `{"exportCustomRoutes":false}`, writes: 1},
		"as wanted":                         {live: flag{true, true}, want: flag{true, false}, after: flag{true, true}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, google := cloud(t)
			flagsOf(t, server, map[string]any{"exportCustomRoutes": c.live.export, "importCustomRoutes": c.live.imports})
			before := string(server.Snapshot())
			p := &Peering{Google: google, Network: gcp.Ref{Project: "lab-project", Name: "default"}, Name: peeringName, Export: c.want.export, Import: c.want.imports}
			seen, err := p.Read(t.Context())
			if err != nil || string(seen.Old) != c.old || (seen.Action == exposer.Change) != (c.writes > 0) || len(seen.Changes) != strings.Count(c.old, ":") {
				t.Fatalf("read: %+v %v", seen, err)
			}
			server.ResetRequests()
			for range 2 { // the second time there is nothing to do
				if err := p.Do(t.Context(), quiet); err != nil {
					t.Fatal(err)
				}
			}
			if export, imports := flagsOf(t, server, nil); (flag{export, imports}) != c.after {
				t.Errorf("export %t, import %t, want %+v", export, imports, c.after)
			}
			if _, writes := server.Counts(); writes != c.writes {
				t.Errorf("%d writes, want %d", writes, c.writes)
			}
			var old json.RawMessage
			if c.old != "" {
				old = json.RawMessage(c.old)
			}
			done, err := p.Undo(t.Context(), old, quiet)
			wanted := exposer.Restored
			if old == nil {
				wanted = exposer.Left
			}
			if err != nil || done.Outcome != wanted || string(server.Snapshot()) != before {
				t.Errorf("undone: %+v %v", done, err)
			}
		})
	}
}

func TestPeeringThatCanNotBeUndone(t *testing.T) {
	t.Parallel()
	old := json.RawMessage(`{"exportCustomRoutes":false}`)
	fail := errors.New("can't tell")
	for name, c := range map[string]struct {
		edit func(*gcptest.Server, *Peering)
		old  json.RawMessage
		want exposer.Outcome
		says string
		err  string
	}{
		"somebody else needs it": {edit: func(_ *gcptest.Server, p *Peering) {
			p.StillNeeded = func(context.Context) (string, error) { return "exposure b", nil }
		}, old: old, want: exposer.Left, says: "exposure b still needs it; when that is gone too: gcloud compute networks peerings update " + peeringName + " --project lab-project --network default --no-export-custom-routes"},
		"who needs it is not known": {edit: func(_ *gcptest.Server, p *Peering) {
			p.StillNeeded = func(context.Context) (string, error) { return "", fail }
		}, old: old, err: "can't tell"},
		"the record can't be read":   {old: json.RawMessage(`[]`), err: "read the old flags"},
		"no record":                  {want: exposer.Left, says: NotOurs},
		"no record, and never asked": {edit: func(_ *gcptest.Server, p *Peering) { p.Export = false }, want: exposer.Absent},
		"the peering is gone":        {edit: func(_ *gcptest.Server, p *Peering) { p.Name = "other" }, old: old, want: exposer.Absent, says: "the peering is gone"},
		"the network is gone":        {edit: func(_ *gcptest.Server, p *Peering) { p.Network.Name = "other" }, old: old, want: exposer.Absent},
		"somebody turned it off": {edit: func(s *gcptest.Server, _ *Peering) {
			_ = s.Change(networkAt, func(n map[string]any) { n["peerings"].([]any)[0].(map[string]any)["exportCustomRoutes"] = false })
		}, old: old, want: exposer.Restored, says: "somebody did so already"},
		"the right to look is missing": {edit: func(s *gcptest.Server, _ *Peering) { s.Deny("compute.networks.get") }, old: old, err: "compute.networks.get"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, google := cloud(t)
			flagsOf(t, server, map[string]any{"exportCustomRoutes": true})
			p := &Peering{Google: google, Network: gcp.Ref{Project: "lab-project", Name: "default"}, Name: peeringName, Export: true, Leaving: true}
			if c.edit != nil {
				c.edit(server, p)
			}
			server.ResetRequests()
			done, err := p.Undo(t.Context(), c.old, quiet)
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Errorf("error %v, want %q", err, c.err)
				}
				return
			}
			if err != nil || done.Outcome != c.want || !strings.Contains(done.Why, c.says) {
				t.Errorf("undone: %+v %v, want %s: %s", done, err, c.want, c.says)
			}
			if _, writes := server.Counts(); writes > 0 {
				t.Errorf("%d writes", writes)
			}
			if seen, err := p.Read(t.Context()); err != nil || seen.Action != exposer.Keep {
				t.Errorf("leaving, it reads as %+v %v", seen, err)
			}
		})
	}
	_, google := cloud(t)
	gone := &Peering{Google: google, Network: gcp.Ref{Project: "lab-project", Name: "default"}, Name: "other", Export: true}
	if seen, err := gone.Read(t.Context()); err != nil || seen.Action != exposer.Refuse || explain.CodeOf(seen.Cause) != "CW-NET-PEERING-GONE" {
		t.Errorf("a peering that is not there: %+v %v", seen, err)
	}
	if err := gone.Do(t.Context(), quiet); explain.CodeOf(err) != "CW-NET-PEERING-GONE" {
		t.Errorf("a peering that is not there: %v", err)
	}
}

func TestAnAdvertisementFromReadToUndo(t *testing.T) {
	t.Parallel()
	server, google := cloud(t)
	before := string(server.Snapshot())
	a := &Advertisement{Google: google, Exposure: "a", Router: gcp.Ref{Project: "lab-project", Region: "europe-west3", Name: "cr-line"}, Ranges: cidrs(master), About: "why"}
	seen, err := a.Read(t.Context())
	if err != nil || seen.Action != exposer.Change || seen.Ours || string(seen.Old) != `{"advertiseMode":"DEFAULT"}` || seen.Why != "why" {
		t.Fatalf("read: %+v %v", seen, err)
	}
	if err := a.Do(t.Context(), quiet); err != nil {
		t.Fatal(err)
	}
	again, err := a.Read(t.Context())
	if err != nil || again.Action != exposer.Keep || !again.Ours {
		t.Fatalf("read again: %+v %v", again, err)
	}
	done, err := a.Undo(t.Context(), seen.Old, quiet)
	if err != nil || done.Outcome != exposer.Restored || string(server.Snapshot()) != before {
		t.Errorf("undone: %+v %v", done, err)
	}
	if done, err = a.Undo(t.Context(), seen.Old, quiet); err != nil || done.Outcome != exposer.Absent {
		t.Errorf("undone again: %+v %v", done, err)
	}
	if _, err = a.Undo(t.Context(), json.RawMessage("[]"), quiet); err == nil {
		t.Error("a record that can't be read is taken")
	}
}

func TestAnAdvertisementOfARouterThatIsNotThere(t *testing.T) {
	t.Parallel()
	_, google := cloud(t)
	for name, c := range map[string]struct {
		own, leaving bool
		want         exposer.Action
		says         string
	}{
		"it is to be made":     {own: true, want: exposer.Create, says: "made with the router"},
		"it was somebody's":    {want: exposer.Keep, says: "the router is gone"},
		"leaving, it was ours": {own: true, leaving: true, want: exposer.Keep, says: "the router is gone"},
		"leaving, it was not":  {leaving: true, want: exposer.Keep, says: "the router is gone"},
	} {
		a := &Advertisement{Google: google, Exposure: "a", Router: gcp.Ref{Project: "lab-project", Region: "europe-west3", Name: "none"}, Ranges: cidrs(master), Own: c.own, Leaving: c.leaving}
		if seen, err := a.Read(t.Context()); err != nil || seen.Action != c.want || !strings.Contains(seen.Why, c.says) {
			t.Errorf("%s: %+v %v", name, seen, err)
		}
		if done, err := a.Undo(t.Context(), nil, quiet); err != nil || done.Outcome != exposer.Absent {
			t.Errorf("%s, undone: %+v %v", name, done, err)
		}
	}
}

func TestARangeGoesWithItsRouterOrBeforeIt(t *testing.T) {
	t.Parallel()
	for name, goes := range map[string]bool{"the router goes": true, "the router stays": false} {
		server, google := cloud(t)
		a := &Advertisement{Google: google, Exposure: "a", Router: gcp.Ref{Project: "lab-project", Region: "europe-west3", Name: "cr-line"}, Ranges: cidrs(master), Own: true,
			Goes: func(gcp.Router) bool { return goes }}
		if err := a.Do(t.Context(), quiet); err != nil {
			t.Fatal(err)
		}
		server.ResetRequests()
		done, err := a.Undo(t.Context(), nil, quiet)
		wanted := map[bool]exposer.Outcome{true: exposer.Removed, false: exposer.Restored}[goes]
		if _, writes := server.Counts(); err != nil || done.Outcome != wanted || (writes == 0) != goes {
			t.Errorf("%s: %+v %v, %d writes", name, done, err, writes)
		}
	}
}

func TestTitlesTellWhatStands(t *testing.T) {
	t.Parallel()
	network := gcp.Ref{Project: "p", Name: "net"}
	router := gcp.Ref{Project: "p", Region: "r1", Name: "cr"}
	for want, step := range map[string]exposer.Step{
		"peering x of network net exports custom routes":             &Peering{Network: network, Name: "x", Export: true},
		"peering x of network net exports and imports custom routes": &Peering{Network: network, Name: "x", Export: true, Import: true},
		"peering x of network net exchanges no custom routes":        &Peering{Network: network, Name: "x"},
		"router cr in r1 announces 192.168.50.0/28":                  &Advertisement{Router: router, Ranges: cidrs(master)},
		"what router cr in r1 announces":                             &Advertisement{Router: router},
	} {
		if got := step.Title(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

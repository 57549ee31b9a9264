//go:build e2e

package e2eroute

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"

	"causeway/lab/handmade"
	"causeway/lab/topology"
)

// agree compares what getRouterStatus tells with what the speakers on both ends say,
// and with what the far side's kernel has.
func (w *way) agree() {
	answer, err := lab.GoogleCall(w.ctx, "GET", w.router.At("routers", w.router.Name)+"/getRouterStatus", nil)
	w.ok(err)
	result := answer["result"].(map[string]any)
	for _, one := range result["bgpPeerStatus"].([]any) {
		peer := one.(map[string]any)
		if peer["status"] != "UP" || peer["state"] != "Established" || peer["numLearnedRoutes"] != 1.0 {
			w.Errorf("a peer is %v", peer)
		}
	}
	if best := result["bestRoutes"].([]any); len(best) == 0 || best[0].(map[string]any)["destRange"] != topology.FarCIDR.String() {
		w.Errorf("the network's best routes are %v", best)
	}
	// Exactly what was handed over to be expected: of the subnet's ranges the first alone.
	var want []string
	f, err := lab.Fabric(w.ctx)
	w.ok(err)
	for _, prefix := range []string{topology.SubnetCIDR.String(), topology.MasterCIDR.String()} {
		route := prefix
		for _, s := range f.Sessions {
			route += " via " + s.LocalIP.String()
		}
		want = append(want, route+" src "+topology.FarHost.String())
	}
	w.ok(lab.Await(w.ctx, "far's kernel to have the routes "+strings.Join(want, ", "), change, func(ctx context.Context) error {
		routes, err := lab.FarRoutes(ctx)
		learned := slices.DeleteFunc(slices.Clone(routes), func(r string) bool { return !strings.Contains(r, " via ") })
		if err == nil && !slices.Equal(learned, want) {
			err = fmt.Errorf("it has %s", strings.Join(routes, ", "))
		}
		return err
	}))
	if len(f.Tunnels) != handmade.Tunnels {
		w.Errorf("%d tunnels in the fabric", len(f.Tunnels))
	}
	for _, one := range f.Tunnels {
		if one.Secret != "" {
			w.Errorf("the fabric tells the key of tunnel %s", one.Name)
		}
	}
}

// refusedConf has the far side's engineer get something wrong: it is refused aloud,
// and changes nothing.
func (w *way) refusedConf() {
	for name, conf := range map[string]string{
		"no bird.conf":           "# krt_prefsrc = 192.0.2.1;\nthis is none\n",
		"no source to be set":    "router id 192.0.2.1;\n",
		"a source set elsewhere": w.farConf + "# krt_prefsrc = 192.0.2.1;\n",
	} {
		if err := lab.FarUpWith(w.ctx, conf, nil); err == nil {
			w.Errorf("%s: it is taken", name)
		}
	}
	w.ok(lab.AwaitSessions(w.ctx, handmade.Tunnels, change))
}

// kinds are the collections of what causeway makes of a line, by the first word of
// its steps.
var kinds = map[string]string{"router": "routers", "vpn-gateway": "vpn-gateways", "external-vpn-gateway": "external-vpn-gateways", "vpn-tunnel": "vpn-tunnels"}

// gcloud compares what the real gcloud lists and describes with what causeway says
// that it made.
func (w *way) gcloud() {
	if _, err := exec.LookPath("gcloud"); err != nil {
		w.notRun("gcloud is not installed")
		return
	}
	r := lab.Run(w.ctx, w.line.operator.Who, w.line.command("plan", append([]string{"--client-cidr", topology.FarCIDR.String(), "--role", "cluster-admin", "-o", "json"}, w.line.flags...)...)...)
	w.ok(r.Want(0))
	var plan struct {
		Plan []struct{ ID string }
	}
	if err := json.Unmarshal([]byte(r.Stdout), &plan); err != nil || len(plan.Plan) == 0 {
		w.Fatalf("%s: %v:\n%s", r.Line, err, r.Stdout)
	}
	at := "--region=" + topology.Region
	questions := map[string][]string{ // by what is to be answered
		"ESTABLISHED": {"compute", "vpn-tunnels", "describe", w.line.tunnel(1), at, "--format=value(status)"},
		"CUSTOM ALL_SUBNETS " + topology.MasterCIDR.String(): {"compute", "routers", "describe", w.router.Name, at, "--format=value(bgp.advertiseMode,bgp.advertisedGroups[],bgp.advertisedIpRanges[].range)"},
		"UP UP":                   {"compute", "routers", "get-status", w.router.Name, at, "--format=value(result.bgpPeerStatus[].status)"},
		"True":                    {"compute", "networks", "peerings", "list", "--network=" + topology.Network, "--format=value(peerings[].exportCustomRoutes)"},
		topology.FarCIDR.String(): {"container", "clusters", "describe", topology.PSCCluster, "--location=" + topology.Location, "--format=value(masterAuthorizedNetworksConfig.cidrBlocks[].cidrBlock)"},
	}
	for kind, collection := range kinds {
		var made []string
		for _, item := range plan.Plan {
			if at := strings.Split(item.ID, "/"); at[0] == kind {
				made = append(made, at[len(at)-1])
			}
		}
		if len(made) == 0 {
			w.Errorf("causeway made no %s", kind)
		}
		slices.Sort(made)
		// The kind stands in the answer too: several may have one name.
		questions[collection+": "+strings.Join(made, " ")] = []string{"compute", collection, "list", "--format=value[terminator=' '](name)", "--filter=description:'causeway exposure " + w.line.name + "'"}
	}
	var all sync.WaitGroup
	free := make(chan struct{}, 3) // gcloud computes more than it waits
	for want, question := range questions {
		all.Go(func() {
			free <- struct{}{}
			defer func() { <-free }()
			got, err := w.gcloudSays(question...)
			words := strings.Join(strings.FieldsFunc(got, func(r rune) bool { return strings.ContainsRune(" \t\n;", r) }), " ")
			if _, list, ok := strings.Cut(want, ": "); ok {
				want = list
			}
			if err != nil || words != want {
				w.Errorf("gcloud %s: %v, %q, want %q", strings.Join(question[:3], " "), err, words, want)
			}
		})
	}
	all.Wait()
}

// gcloudSays runs the operator's gcloud, with a configuration of its own.
func (w *way) gcloudSays(args ...string) (string, error) {
	who := w.line.operator.Who.With("CLOUDSDK_CONFIG="+w.line.operator.Who.Home+"/gcloud", "CLOUDSDK_CORE_DISABLE_PROMPTS=1", "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING=1",
		"CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK=1", "CLOUDSDK_CORE_CHECK_GCE_METADATA=0", "CLOUDSDK_CORE_DISABLE_FILE_LOGGING=1")
	r := lab.Run(w.ctx, who, append([]string{"gcloud"}, args...)...)
	return r.Stdout, r.Want(0)
}

// notRun says aloud that something was not tested for want of a tool.
func (w *way) notRun(why string) {
	w.Logf("NOT RUN: %s (1 test counted as not run)", why)
	file := os.Getenv("CAUSEWAY_NOT_RUN_FILE")
	if file == "" {
		return
	}
	out, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	w.ok(err)
	defer out.Close()
	_, err = out.WriteString(w.Name() + ": " + why + "\n")
	w.ok(err)
}

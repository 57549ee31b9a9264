package demo

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"causeway/lab/daemon"
	"causeway/lab/handmade"
	"causeway/lab/site"
	"causeway/lab/topology"
)

// routeTour is the routed way: causeway makes the line, and packets follow it.
type routeTour struct {
	stage
	operator site.Session
	far      site.Session // with what was handed over
	folder   string       // of the handed-over line
	before   site.Picture
}

// Exposures of the tour: they give the line's parts their names.
const (
	nameLine = "line" // of the cluster behind the peering; makes the line
	namePSC  = "psc"  // of the other one, over the same line
)

// farAddresses are the far side's outside addresses, of a range for documentation
// (RFC 5737), and farASN is its router's.
const (
	farAddresses = "198.51.100.1,198.51.100.2"
	farASN       = "65010"
)

// settle is how long a change may take until packets follow it.
const settle = 20 * time.Second

func (d Demo) routedWay() act {
	return act{
		title: "The lab: three networks, and nothing between far and the VPC", line: topology.LineVPN, introduce: d.introduceRoute,
		tour: func(on stage) tourist { return &routeTour{stage: on} },
	}
}

func (d Demo) introduceRoute(state daemon.State) {
	fmt.Fprintf(d.Out, `
# The operator works on a machine of the cluster's VPC, the far side is %s, in %s.
# Here packets follow the emulator's configuration: a tunnel is a link, a BGP session is
# one between two real BIRDs, a route is one in a kernel. So far nothing is configured.
# What follows is run in the network namespaces %s and %s. Google's APIs:
`, topology.FarHost, topology.FarCIDR, topology.VPC, topology.Far)
	d.environment(state)
}

func (t *routeTour) run(ctx context.Context) error {
	who, err := t.s.Operator("route")
	if err != nil {
		return err
	}
	t.operator = t.s.Session(who, t.out)
	return t.parts(ctx, []part{
		{"What is there before: no line, and no way", t.prepare},
		{"The plan: only reads", t.plan},
		{"Google's half, before the far side's addresses are known", t.stageOne},
		{"The tunnels, now that the addresses are known", t.stageTwo},
		{"The far side's half, from what is handed over", t.handOver},
		{"The far side: probe, kubectl, and every way to use it", t.use},
		{"The far side without causeway: verify.sh, curl and openssl", t.script},
		{"Somebody turns a switch off: named, and mended", t.switchOff},
		{"The far side takes another key: named, and mended", t.otherKey},
		{"A second apply changes nothing", t.again},
		{"The other kind of cluster, by the same line", t.psc},
		{"Destroy, and the proof that nothing is left", t.destroy},
	})
}

// routed are the arguments that name an exposure of the routed way.
func routed(name string) []string {
	cluster := topology.Cluster
	if name == namePSC {
		cluster = topology.PSCCluster
	}
	return []string{"route", "--location", topology.Location, "--cluster", cluster, "--name", name}
}

func exposing(name string, more ...string) []string {
	return append(append(routed(name), "--client-cidr", topology.FarCIDR.String(), "--role", "cluster-admin"), more...)
}

// ourLine are the flags by which causeway makes the line.
var ourLine = []string{"--vpn", "--peer", "other", "--peer-asn", farASN, "--psk-dir", "keys"}

func (t *routeTour) prepare(ctx context.Context) error {
	if err := t.s.OpenShop(ctx); err != nil {
		return err
	}
	provider := t.s.Session(t.s.Provider(), t.out)
	if _, err := provider.Do(ctx, "kubectl", "get", "nodes"); err != nil {
		return err
	}
	var err error
	if t.before, err = untouched(ctx, t.s); err != nil {
		return err
	}
	who, err := t.s.Far("nobody", nil)
	if err != nil {
		return err
	}
	nobody := t.s.Session(who, t.out)
	fmt.Fprintf(t.out, "\n# the far side's routes: none; and so no way to the control plane\n")
	if _, err := nobody.Do(ctx, "ip", "route"); err != nil {
		return err
	}
	_, err = nobody.DoWith(ctx, nil, curlNoRoute, "curl", "-sS", "--max-time", "2", "https://"+topology.MasterIP.String()+"/version")
	return err
}

// untouched looks at cloud and cluster before anything is done; exposures of
// causeway must not be there yet.
func untouched(ctx context.Context, s *site.Site) (site.Picture, error) {
	before, err := s.Take(ctx)
	if err == nil && len(before.Mentions("causeway")) > 0 {
		err = errors.New("this lab holds exposures of causeway already: destroy them, or take the lab away (make lab-down), then run the demo again")
	}
	return before, err
}

func (t *routeTour) plan(ctx context.Context) error {
	if _, err := t.operator.Do(ctx, command("plan", exposing(nameLine, ourLine...))...); err != nil {
		return err
	}
	after, err := t.s.Take(ctx)
	if err != nil {
		return err
	}
	return same("the plan changed something", t.before, after)
}

// stageOne makes what can be made before the far side has told its addresses: it
// needs Google's to set its gateway up.
func (t *routeTour) stageOne(ctx context.Context) error {
	if _, err := t.operator.Do(ctx, command("apply", exposing(nameLine, ourLine...), "--yes")...); err != nil {
		return err
	}
	if _, err := t.operator.Do(ctx, command("handoff", routed(nameLine), "--secrets", "omit")...); err != nil {
		return err
	}
	who, err := t.s.Far("early", nil)
	if err != nil {
		return err
	}
	early := t.s.Session(who, t.out)
	fmt.Fprintf(t.out, "\n# the far side's engineer reads which addresses its gateway is to call\n")
	if _, err := early.Receive(ctx, t.archive(nameLine)); err != nil {
		return err
	}
	r, err := early.Do(ctx, "grep", "-A2", "^| tunnel", "causeway-"+nameLine+"/line/table.md")
	if err == nil && !strings.Contains(r.Stdout, "not known yet") {
		err = errors.New("the table of the far side's half does not say that its addresses are not known yet")
	}
	return err
}

// archive is what causeway handoff writes.
func (t *routeTour) archive(name string) string {
	return filepath.Join(t.operator.Who.Home, "handoff-"+name+".tar.gz")
}

func (t *routeTour) stageTwo(ctx context.Context) error {
	fmt.Fprintf(t.out, "# the far side tells its two addresses: %s\n", farAddresses)
	if _, err := t.operator.Do(ctx, command("apply", exposing(nameLine, ourLine...), "--peer-address", farAddresses, "--yes")...); err != nil {
		return err
	}
	r, err := t.operator.Do(ctx, command("verify", routed(nameLine))...)
	if err == nil && !strings.Contains(r.Stdout, "CW-VPN-SILENT") {
		err = errors.New("causeway verify route does not say that the tunnels hear nothing from the far side yet")
	}
	return err
}

// receive hands an exposure over: the far side gets the archive in an empty home.
func (t *routeTour) receive(ctx context.Context, name string) (site.Session, string, error) {
	if _, err := t.operator.Do(ctx, command("handoff", routed(name))...); err != nil {
		return site.Session{}, "", err
	}
	who, err := t.s.Far("demo-"+name, nil)
	if err != nil {
		return site.Session{}, "", err
	}
	far := t.s.Session(who, t.out)
	fmt.Fprintf(t.out, "\n# %s was carried to an empty home of the far side\n", filepath.Base(t.archive(name)))
	folder, err := far.Receive(ctx, t.archive(name))
	return far, folder, err
}

func (t *routeTour) handOver(ctx context.Context) error {
	var err error
	if t.far, t.folder, err = t.receive(ctx, nameLine); err != nil {
		return err
	}
	if _, err := t.far.Do(ctx, "ls", "causeway-"+nameLine+"/line"); err != nil {
		return err
	}
	fmt.Fprintf(t.out, `
# its engineer takes bird.conf, sets the one line that it leaves open (krt_prefsrc, the
# source address: %s), and starts tunnels and router with the keys of *.psk
`, topology.FarHost)
	if err := t.s.FarUp(ctx, t.folder); err != nil {
		return err
	}
	if err := t.open(ctx); err != nil {
		return err
	}
	if _, err := t.far.Do(ctx, "ip", "route"); err != nil {
		return err
	}
	return t.verified(ctx, nameLine)
}

// open waits until both sessions are up and the control plane answers.
func (t *routeTour) open(ctx context.Context) error {
	if err := t.s.AwaitSessions(ctx, handmade.Tunnels, settle); err != nil {
		return err
	}
	return t.s.AwaitAnswer(ctx, site.ByPeering, settle)
}

// verified has causeway say that the way is open, there and back.
func (t *routeTour) verified(ctx context.Context, name string) error {
	r, err := t.operator.Do(ctx, command("verify", routed(name))...)
	if err == nil && (!strings.Contains(r.Stdout, "API server: open\n") || !strings.Contains(r.Stdout, "and back: open\n")) {
		err = fmt.Errorf("%s: does not say that both ways are open", r.Line)
	}
	return err
}

func (t *routeTour) use(ctx context.Context) error {
	if _, err := t.far.Do(ctx, "causeway", "verify", "--kubeconfig", ".kube/config", "--exec", site.Shop+"/"+site.Web, "--large-body"); err != nil {
		return err
	}
	return t.far.EveryVerb(ctx)
}

// script runs the script that was handed over.
func (t *routeTour) script(ctx context.Context) error {
	_, err := t.far.Do(ctx, "causeway-"+nameLine+"/verify.sh", "--kubeconfig", ".kube/config", "--exec", site.Shop+"/"+site.Web, "--large-body")
	return err
}

func (t *routeTour) switchOff(ctx context.Context) error {
	fmt.Fprintf(t.out, "# behind causeway's back: networks.updatePeering with exportCustomRoutes false\n")
	if err := handmade.ExchangeRoutes(ctx, t.s, topology.Project, topology.Network, handmade.ClusterPeering, false, false); err != nil {
		return err
	}
	if err := t.s.AwaitSilence(ctx, site.ByPeering, settle); err != nil {
		return err
	}
	if _, err := t.far.DoWith(ctx, nil, curlTimeout, "curl", "-sSk", "--max-time", "2", "https://"+topology.MasterIP.String()+"/version"); err != nil {
		return err
	}
	if err := t.named(ctx, "CW-ROUTE-NOT-EXPORTED"); err != nil {
		return err
	}
	if _, err := t.operator.Do(ctx, command("apply", exposing(nameLine, ourLine...), "--peer-address", farAddresses, "--yes")...); err != nil {
		return err
	}
	if err := t.s.AwaitAnswer(ctx, site.ByPeering, settle); err != nil {
		return err
	}
	return t.far.Nodes(ctx)
}

const curlTimeout = 28 // curl's exit code: man curl, EXIT CODES

// named has causeway say what is wrong.
func (t *routeTour) named(ctx context.Context, code string) error {
	r, err := t.operator.DoWith(ctx, nil, 5, command("verify", routed(nameLine))...)
	if err == nil && !strings.Contains(r.Text(), code) {
		err = fmt.Errorf("%s: does not name %s", r.Line, code)
	}
	return err
}

func (t *routeTour) otherKey(ctx context.Context) error {
	conf, keys, err := site.Handed(t.folder)
	if err != nil {
		return err
	}
	for tunnel, key := range keys {
		keys[tunnel] = handmade.WrongKey(key)
	}
	fmt.Fprintf(t.out, "# the far side's engineer mistypes the keys\n")
	if err := t.s.FarUpWith(ctx, conf, keys); err != nil {
		return err
	}
	if err := t.s.AwaitSilence(ctx, site.ByPeering, settle); err != nil {
		return err
	}
	if err := t.named(ctx, "CW-VPN-AUTH"); err != nil {
		return err
	}
	fmt.Fprintf(t.out, "\n# with the right ones\n")
	if err := t.s.FarUp(ctx, t.folder); err != nil {
		return err
	}
	if err := t.open(ctx); err != nil {
		return err
	}
	return t.far.Nodes(ctx)
}

func (t *routeTour) again(ctx context.Context) error {
	if err := t.s.ResetGoogle(ctx); err != nil {
		return err
	}
	mark, err := t.s.Watermark()
	if err != nil {
		return err
	}
	before, err := t.s.Take(ctx)
	if err != nil {
		return err
	}
	r, err := t.operator.Do(ctx, command("apply", exposing(nameLine, ourLine...), "--peer-address", farAddresses, "--yes")...)
	if err != nil {
		return err
	}
	if !strings.Contains(r.Stdout, "nothing to change") {
		return errors.New("the second apply did not say that there is nothing to change")
	}
	count, err := t.s.Count(ctx, mark)
	if err != nil {
		return err
	}
	fmt.Fprintf(t.out, "# %s\n", count)
	if count.Writes() > 0 {
		return fmt.Errorf("the second apply made %s", count)
	}
	after, err := t.s.Take(ctx)
	if err != nil {
		return err
	}
	return same("the second apply changed something", before, after)
}

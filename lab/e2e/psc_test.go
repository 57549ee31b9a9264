//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"causeway/lab/site"
	"causeway/lab/topology"
)

// published is an exposure by ilb that psc publishes, and its consumers.
type published struct {
	*exposure
	nat string
}

// publish prepares a second exposure, by psc, on one by ilb which stands; at the end
// of the test what is left of it goes first.
func publish(t *testing.T, name, nat string, flags ...string) published {
	t.Helper()
	p := published{begin(t, name), nat}
	p.must(lab.Run(within(t), p.operator.Who, p.applying(flags...)...), 0)
	t.Cleanup(func() {
		if r := lab.Run(context.Background(), p.operator.Who, p.psc("destroy", "--yes")...); r.Code != 0 {
			t.Errorf("destroy:\n%s", r.Text())
		}
	})
	return p
}

// psc is a command on the exposure by psc.
func (p published) psc(verb string, more ...string) []string {
	args := []string{"causeway", verb, "psc", "--location", topology.Location, "--cluster", topology.Cluster, "--name", p.name + "-psc"}
	return append(args, more...)
}

// producing is the command of the producer's apply.
func (p published) producing(more ...string) []string {
	return p.psc("apply", append([]string{"--exposure", p.name, "--nat-range", p.nat, "--role", "cluster-admin", "--yes"}, more...)...)
}

// customer is one with an empty home, who gets the producer's archive.
type customer struct {
	published
	site.Session
	where topology.Consumer
	end   string // the name of the consumer's half
}

func (p published) customer(where topology.Consumer) customer {
	p.t.Helper()
	who, err := lab.Consumer(where, p.name)
	p.ok(err)
	return customer{p, lab.Session(who, nil), where, p.name + "-end"}
}

// receive takes the handoff home.
func (c customer) receive(ctx context.Context) {
	c.t.Helper()
	c.must(lab.Run(ctx, c.operator.Who, c.psc("handoff")...), 0)
	_, err := c.Receive(ctx, filepath.Join(c.operator.Who.Home, "handoff-"+c.name+"-psc.tar.gz"))
	c.ok(err)
}

// consume makes the consumer's half.
func (c customer) consume(ctx context.Context) site.Result {
	return lab.Run(ctx, c.Who, "causeway", "apply", "psc", "--consume", "causeway-"+c.name+"-psc/psc.yaml", "--name", c.end, "--yes",
		"--consumer-project", c.where.Project, "--consumer-network", c.where.Network, "--consumer-subnet", c.where.Subnet)
}

// half is a command on the consumer's half.
func (c customer) half(verb string, more ...string) []string {
	args := []string{"causeway", verb, "psc", "--project", topology.Project, "--location", topology.Location, "--cluster", topology.Cluster, "--name", c.end}
	return append(args, more...)
}

func (c customer) kubeconfig() string { return "causeway-" + c.end + ".kubeconfig" }

// passes waits until requests pass the endpoint, or until none does.
func (c customer) passes(ctx context.Context, want bool) {
	c.t.Helper()
	patience := map[bool]string{false: "1500ms", true: "10s"}[want] // who is let in may be slow, with others at work
	c.ok(lab.Await(ctx, fmt.Sprintf("requests of %s to pass: %t", c.where.Namespace, want), time.Minute, func(ctx context.Context) error {
		r := lab.Run(ctx, c.Who, "kubectl", "--kubeconfig", c.kubeconfig(), "--request-timeout="+patience, "get", "--raw", "/readyz")
		if (r.Code == 0) != want {
			return fmt.Errorf("exit %d: %.300s", r.Code, r.Text())
		}
		return ctx.Err() // a request that the bound cut short proves nothing
	}))
}

// says looks at what verify says of the consumer's half.
func (c customer) says(ctx context.Context, code int, cause string) {
	c.t.Helper()
	c.refused(lab.Run(ctx, c.Who, c.half("verify")...), code, cause)
}

func TestEveryVerbFromAConsumerTerminate(t *testing.T) {
	t.Parallel()
	p := publish(t, "psc-terminate", "10.200.1.0/28")
	us := p.bothHalves(within(t), "--endpoint-name", "api.prod.example")
	text, err := site.KubeconfigOf(us.Who)
	p.ok(err)
	if !strings.Contains(string(text), "server: https://api.prod.example") {
		t.Errorf("the kubeconfig does not go by the endpoint's name:\n%s", text)
	}
	p.everyVerb(within(t), us)
	p.fromTheNATSubnet(within(t), us)
}

func TestEveryVerbFromAConsumerPassthrough(t *testing.T) {
	t.Parallel()
	p := publish(t, "psc-passthrough", "10.200.2.0/28", "--mode", "passthrough")
	p.everyVerb(within(t), p.bothHalves(within(t), "--through", "crd")) // the other way to an attachment
}

// bothHalves makes both in one command, and hands over to the consumer.
func (p published) bothHalves(ctx context.Context, more ...string) customer {
	p.t.Helper()
	where := topology.TheConsumer
	p.must(lab.Run(ctx, p.operator.Who, p.producing(append(more, "--consumer-project", where.Project, "--consumer-network", where.Network, "--consumer-subnet", where.Subnet)...)...), 0)
	us := p.customer(where)
	us.receive(ctx)
	return us
}

// certifiedName is the name in the server's certificate, where a kubeconfig says it.
var certifiedName = regexp.MustCompile(`(?m)^ +tls-server-name: (\S+)$`)

// everyVerb uses the cluster from the consumer's network, and looks who can't, and that
// what is published stays until it is published no more.
func (p published) everyVerb(ctx context.Context, us customer) {
	p.t.Helper()
	p.must(lab.Run(ctx, us.Who, "causeway", "verify", "--kubeconfig", ".kube/config", "--exec", "shop/web-0", "--large-body"), 0)
	p.ok(us.EveryVerb(ctx))
	// The endpoint is one network's own: in the other consumer's, whose range is the same,
	// the address is nobody's, or that of an endpoint of somebody else, who has no
	// certificate of this exposure's.
	them := p.customer(topology.ThePartner)
	asking := []string{"kubectl", "--kubeconfig", filepath.Join(us.Who.Home, ".kube", "config"), "get", "--raw", "/readyz"}
	text, err := site.KubeconfigOf(us.Who)
	p.ok(err)
	if name := certifiedName.FindSubmatch(text); name != nil { // which --server would have kubectl forget
		asking = append(asking, "--tls-server-name", string(name[1]))
	}
	for _, one := range p.endpoints(ctx) {
		asked := append(asking[:len(asking):len(asking)], "--server", "https://"+one.String())
		if r := lab.Run(ctx, them.Who, append(asked, "--request-timeout=3s")...); r.Code == 0 {
			p.t.Errorf("%s answers %s for this exposure: %s", one, them.where.Namespace, r.Text())
		}
		p.must(lab.Run(ctx, us.Who, append(asked, "--request-timeout=20s")...), 0)
	}
	p.refused(lab.Run(ctx, p.operator.Who, p.command("destroy", "--yes")...), 4, "CW-RUN-GUESTS")
}

// endpoints are the addresses of the exposure's endpoints.
func (p published) endpoints(ctx context.Context) []netip.Addr {
	p.t.Helper()
	all, err := lab.Endpoints(ctx)
	p.ok(err)
	var list []netip.Addr
	for _, c := range all.Connections {
		if c.Name == "causeway-"+p.name+"-psc" { // the attachment's name may be GKE's
			list = append(list, c.EndpointIP)
		}
	}
	if len(list) == 0 {
		p.t.Fatalf("no endpoint causeway-%s-psc", p.name)
	}
	return list
}

// fromTheNATSubnet looks at what the API server is told of a consumer by the proxy: an
// address of the NAT subnet.
func (p published) fromTheNATSubnet(ctx context.Context, us customer) {
	p.t.Helper()
	mark, err := lab.Watermark()
	p.ok(err)
	p.must(lab.Run(ctx, us.Who, "kubectl", "get", "namespaces"), 0)
	calls, err := lab.Calls(mark, "system:serviceaccount:causeway-"+p.name+"-psc:causeway-client")
	p.ok(err)
	nat := netip.MustParsePrefix(p.nat)
	for _, call := range calls {
		if from, err := netip.ParseAddr(call.SourceIPs[0]); err != nil || !nat.Contains(from) {
			p.t.Errorf("the API server saw %s %s from %v, want from %s", call.Verb, call.URI, call.SourceIPs, nat)
		}
	}
	if len(calls) == 0 {
		p.t.Error("the API server saw no call")
	}
}

// Each state of a connection, one after the other, by packets and by what causeway says.
func TestEachStateOfAConnection(t *testing.T) {
	t.Parallel()
	ctx, p := within(t), publish(t, "psc-states", "10.200.3.0/29")
	them, us := p.customer(topology.ThePartner), p.customer(topology.TheConsumer)
	p.must(lab.Run(ctx, p.operator.Who, p.producing("--consumer", us.where.Project)...), 0)
	for _, c := range []customer{us, them} {
		c.receive(ctx)
	}
	end := func(c customer) {
		p.must(lab.Run(ctx, c.Who, c.half("destroy", "--yes")...), 0)
	}
	p.must(us.consume(ctx), 0)
	us.passes(ctx, true)

	// PENDING, until the producer accepts: the same endpoint is let in then.
	pending := them.consume(ctx)
	p.refused(pending, 0, "CW-PSC-PENDING")
	them.passes(ctx, false)
	p.must(lab.Run(ctx, p.operator.Who, p.producing("--consumer", us.where.Project, "--consumer", them.where.Project)...), 0)
	them.passes(ctx, true)
	p.must(lab.Run(ctx, them.Who, them.half("verify")...), 0)

	// REJECTED: those who are in are cut off, in the middle of a stream, and the other
	// consumer feels nothing.
	logs, err := lab.Follow(ctx, them.Who, nil, "kubectl", "--kubeconfig", them.kubeconfig(), "-n", site.Shop, "logs", "--follow", "--tail=1", site.Web)
	p.ok(err)
	defer logs.Stop()
	_, err = logs.Await(ctx, 0, 30*time.Second, "order")
	p.ok(err)
	p.lists(ctx, map[string]any{"consumerAcceptLists": accepts(us.where.Project), "consumerRejectLists": []string{them.where.Project}})
	them.passes(ctx, false)
	p.silent(ctx, logs)
	them.says(ctx, 5, "CW-PSC-REJECTED")
	us.passes(ctx, true)
	p.lists(ctx, map[string]any{"consumerAcceptLists": accepts(us.where.Project, them.where.Project), "consumerRejectLists": []string{}})
	end(them)
	p.must(them.consume(ctx), 0) // made anew
	them.passes(ctx, true)

	// NEEDS_ATTENTION: the NAT subnet has four addresses, and other endpoints take them.
	end(them)
	p.occupy(ctx, them.where, 3)
	p.refused(them.consume(ctx), 1, "CW-PSC-ATTENTION")
	p.vacate(ctx, them.where, 3)
	p.must(them.consume(ctx), 0)
	them.passes(ctx, true)

	// CLOSED: the producer goes first. The endpoints stay until their owners destroy them.
	p.must(lab.Run(ctx, p.operator.Who, p.psc("destroy", "--yes")...), 0)
	for _, c := range []customer{us, them} {
		c.passes(ctx, false)
		c.says(ctx, 5, "CW-PSC-CLOSED")
		end(c)
	}
}

// silent wants a log that has a line a second to bring none any more.
func (p published) silent(ctx context.Context, logs *site.Stream) {
	p.t.Helper()
	for n := range 60 {
		if _, err := logs.Await(ctx, n, 2500*time.Millisecond, "order"); err != nil {
			return
		}
	}
	p.t.Error("a stream that stood before goes on")
}

func accepts(projects ...string) []map[string]any {
	var list []map[string]any
	for _, project := range projects {
		list = append(list, map[string]any{"projectIdOrNum": project, "connectionLimit": 10})
	}
	return list
}

// lists changes whom the attachment lets in, as somebody with gcloud does.
func (p published) lists(ctx context.Context, patch map[string]any) {
	p.t.Helper()
	path := "compute/v1/projects/" + topology.Project + "/regions/" + topology.Region + "/serviceAttachments/causeway-" + p.name + "-psc"
	have, err := lab.GoogleCall(ctx, http.MethodGet, path, nil)
	p.ok(err)
	patch["fingerprint"], patch["reconcileConnections"] = have["fingerprint"], true
	_, err = lab.GoogleCall(ctx, http.MethodPatch, path, patch)
	p.ok(err)
}

// occupy makes further endpoints of a consumer, and vacate takes them away.
func (p published) occupy(ctx context.Context, where topology.Consumer, count int) {
	p.t.Helper()
	p.each(count, func(i int) error {
		_, err := lab.GoogleCall(ctx, http.MethodPost, rules(where), map[string]any{
			"name": fmt.Sprintf("causeway-test-%d", i), "network": where.NetworkPath(), "IPAddress": p.reserve(ctx, where, i),
			"target": "projects/" + topology.Project + "/regions/" + topology.Region + "/serviceAttachments/causeway-" + p.name + "-psc",
		})
		return err
	})
}

func (p published) vacate(ctx context.Context, where topology.Consumer, count int) {
	p.t.Helper()
	p.each(count, func(i int) error {
		_, err := lab.GoogleCall(ctx, http.MethodDelete, fmt.Sprintf("%s/causeway-test-%d", rules(where), i), nil)
		if err == nil {
			_, err = lab.GoogleCall(ctx, http.MethodDelete, fmt.Sprintf("%s/causeway-test-%d", addresses(where), i), nil)
		}
		return err
	})
}

// reserve reserves an address for an endpoint and returns its path.
func (p published) reserve(ctx context.Context, where topology.Consumer, i int) string {
	name := fmt.Sprintf("causeway-test-%d", i)
	region := "projects/" + where.Project + "/regions/" + topology.Region
	if _, err := lab.GoogleCall(ctx, http.MethodPost, addresses(where), map[string]any{
		"name": name, "addressType": "INTERNAL", "purpose": "GCE_ENDPOINT", "subnetwork": region + "/subnetworks/" + where.Subnet,
	}); err != nil {
		p.t.Error(err)
	}
	return region + "/addresses/" + name
}

func rules(where topology.Consumer) string {
	return "compute/v1/projects/" + where.Project + "/regions/" + topology.Region + "/forwardingRules"
}

func addresses(where topology.Consumer) string {
	return "compute/v1/projects/" + where.Project + "/regions/" + topology.Region + "/addresses"
}

// each runs calls at the same time.
func (p published) each(count int, call func(int) error) {
	p.t.Helper()
	var wait sync.WaitGroup
	errs := make([]error, count)
	for i := range count {
		wait.Go(func() { errs[i] = call(i) })
	}
	wait.Wait()
	for _, err := range errs {
		p.ok(err)
	}
}

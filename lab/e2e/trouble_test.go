//go:build e2e

package e2e

import (
	"context"
	"strings"
	"testing"
	"time"

	"causeway/internal/gcptest"
	"causeway/lab/site"
	"causeway/lab/topology"
)

// refused runs a command that must end with the code and name the cause.
func (x *exposure) refused(r site.Result, code int, cause string) {
	x.t.Helper()
	if r.Code != code || !strings.Contains(r.Text(), cause) {
		x.t.Errorf("%s: exit %d, want %d with %s:\n%s", r.Line, r.Code, code, cause, r.Text())
	}
}

func TestAddressesThatCannotBeUsedAreNamed(t *testing.T) { // failure 14
	t.Parallel()
	ctx, x := within(t), begin(t, "address")
	for about, want := range map[string][2]string{
		"outside the subnet":        {"10.99.0.7", "CW-NET-OUTSIDE-SUBNET"},
		"taken by a machine":        {topology.NodeIP.String(), "CW-NET-ADDRESS-TAKEN"},
		"the subnet's own":          {"10.156.0.1", "CW-"},
		"of the cluster's Services": {"10.40.0.9", "CW-NET-OUTSIDE-SUBNET"},
	} {
		r := lab.Run(ctx, x.operator.Who, x.applying("--address", want[0])...)
		if r.Code == 0 || !strings.Contains(r.Text(), want[1]) {
			t.Errorf("address %s (%s): exit %d, want a refusal with %s:\n%s", want[0], about, r.Code, want[1], r.Text())
		}
		lab.Run(ctx, x.operator.Who, x.command("destroy", "--yes")...)
	}
	x.apply(ctx, "--address", "10.156.0.77")
	if u := x.unpack(); u.URL != "https://10.156.0.77" {
		t.Errorf("the endpoint is %s, want the address that was asked for", u.URL)
	}
	other := begin(t, "address-2")
	r := lab.Run(ctx, other.operator.Who, other.applying("--address", "10.156.0.77")...)
	x.refused(r, 4, "CW-NET-ADDRESS-TAKEN")
}

func TestTheClientsAddressSurvives(t *testing.T) { // failure 25
	t.Parallel()
	ctx, x := within(t), begin(t, "audit")
	x.apply(ctx)
	u := x.unpack()
	mark, err := lab.Watermark()
	x.ok(err)
	x.must(lab.Run(ctx, x.far.Who, append(append([]string{"curl", "-sS", "--fail", "-o", "/dev/null"}, u.Curl...),
		"-H", "@"+u.Header, "-H", "X-Forwarded-For: 203.0.113.66", "-H", "X-Real-Ip: 203.0.113.67", u.URL+"/api/v1/namespaces")...), 0)
	calls, err := lab.Calls(mark, "system:serviceaccount:"+x.namespace()+":causeway-client")
	x.ok(err)
	if len(calls) != 1 || len(calls[0].SourceIPs) == 0 || calls[0].SourceIPs[0] != topology.FarHost.String() {
		t.Errorf("the audit log says %+v; want one call from %s, whatever the client claims", calls, topology.FarHost)
	}
	logs, err := lab.Follow(ctx, lab.Provider(), nil, "kubectl", "-n", x.namespace(), "logs", "--follow", "-l", "app.kubernetes.io/name=causeway-proxy", "--tail=-1")
	x.ok(err)
	defer logs.Stop()
	line, err := logs.Await(ctx, 0, 30*time.Second, topology.FarHost.String(), "/api/v1/namespaces") // written every second
	x.ok(err)
	if strings.Contains(line.Text, u.Token) || strings.Contains(line.Text, "Bearer") {
		t.Error("nginx's log holds the token")
	}
}

func TestAnImageThatDoesNotPullIsNamed(t *testing.T) {
	t.Parallel()
	ctx, x := within(t), begin(t, "image")
	began := time.Now()
	r := lab.Run(ctx, x.operator.Who, x.command("apply", "--client-cidr", topology.FarCIDR.String(), "--image", "mirror.gcr.io/library/nginx:0.0.0-none", "--yes", "--timeout", "90s")...)
	if r.Code == 0 || !strings.Contains(r.Text(), "CW-IMG-") {
		t.Errorf("exit %d, want a failure with CW-IMG-...:\n%s", r.Code, r.Text())
	}
	t.Logf("told after %s", time.Since(began).Round(time.Second))
	x.apply(ctx) // with an image that is there it goes on
	x.ok(x.far.Nodes(ctx))
}

func TestTroubleAtGoogleLosesNothing(t *testing.T) {
	ctx, x := within(t), begin(t, "google")
	t.Cleanup(func() { x.ok(lab.ClearFaults(context.Background())) })
	x.ok(lab.Inject(ctx, gcptest.Quota("compute.addresses.insert", "INTERNAL_ADDRESSES", topology.Region)))
	r := lab.Run(ctx, x.operator.Who, x.applying()...)
	x.refused(r, 1, "CW-GCP-QUOTA")
	x.ok(lab.ClearFaults(ctx))
	// The call takes effect, the answer is lost: the address must not be there twice.
	x.ok(lab.Inject(ctx, gcptest.Fault{Match: "compute.addresses.insert", Nth: 1, AfterEffect: true, CutOff: true}))
	x.apply(ctx)
	x.ok(x.far.Nodes(ctx))
}

func TestAServiceThatIsNotOursIsLeftAlone(t *testing.T) {
	t.Parallel()
	ctx, x := within(t), begin(t, "foreign")
	admin := lab.Provider()
	x.must(lab.Run(ctx, admin, "kubectl", "create", "namespace", x.namespace()), 0)
	t.Cleanup(func() {
		x.must(lab.Run(within(t), admin, "kubectl", "delete", "namespace", x.namespace(), "--timeout=60s"), 0)
	})
	x.must(lab.Run(ctx, admin, "kubectl", "-n", x.namespace(), "create", "service", "clusterip", "causeway-proxy", "--tcp=443"), 0)
	r := lab.Run(ctx, x.operator.Who, x.applying()...)
	x.refused(r, 4, "CW-KUBE-FOREIGN")
	x.must(lab.Run(ctx, x.operator.Who, x.command("destroy", "--yes")...), 0)
	x.must(lab.Run(ctx, admin, "kubectl", "-n", x.namespace(), "get", "service", "causeway-proxy"), 0)
	x.must(lab.Run(ctx, admin, "kubectl", "delete", "namespace", x.namespace(), "--timeout=60s"), 0)
	x.must(lab.Run(ctx, admin, "kubectl", "create", "namespace", x.namespace()), 0)
	// A namespace of the user's is used as it is, and left.
	x.apply(ctx)
	x.ok(x.far.Nodes(ctx))
	x.must(lab.Run(ctx, x.operator.Who, x.command("destroy", "--yes")...), 0)
	x.must(lab.Run(ctx, admin, "kubectl", "get", "namespace", x.namespace()), 0)
}

func TestCtrlCInTheMiddleThenAgain(t *testing.T) {
	for name, at := range map[string]string{
		"early":   "start  internal address",
		"middle":  "done   internal address",
		"rollout": "start  Deployment",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, x := within(t), begin(t, "ctrlc-"+name)
			run, err := lab.Follow(ctx, x.operator.Who, nil, x.applying()...)
			x.ok(err)
			defer run.Stop()
			_, err = run.Await(ctx, 0, 30*time.Second, at)
			x.ok(err)
			x.ok(run.Interrupt())
			code, text, err := run.Wait(ctx, 30*time.Second)
			x.ok(err)
			if code != 130 {
				t.Errorf("exit %d after Ctrl-C at %q, want 130:%s", code, at, text)
			}
			x.apply(ctx)
			x.ok(x.far.Nodes(ctx))
		})
	}
}

func TestOneOfTwoAppliesAtOnceIsRefused(t *testing.T) {
	t.Parallel()
	ctx, x := within(t), begin(t, "twice")
	first, err := lab.Follow(ctx, x.operator.Who, nil, x.applying()...)
	x.ok(err)
	defer first.Stop()
	_, err = first.Await(ctx, 0, 30*time.Second, "done   Namespace")
	x.ok(err)
	second := lab.Run(ctx, person(t, "twice-colleague").Who, x.applying()...)
	x.refused(second, 1, "CW-RUN-LOCKED")
	code, text, err := first.Wait(ctx, bound)
	if err != nil || code != 0 {
		t.Errorf("the first apply: exit %d (%v):%s", code, err, text)
	}
	x.carry()
	x.ok(x.far.Nodes(ctx))
}

func TestDestroyWhereThingsAreGoneOrChanged(t *testing.T) {
	t.Parallel()
	ctx, x := within(t), begin(t, "ruins")
	x.apply(ctx)
	admin := lab.Provider()
	x.must(lab.Run(ctx, admin, "kubectl", "-n", x.namespace(), "delete", "deployment,configmap,secret", "--all", "--timeout=60s"), 0)
	x.must(lab.Run(ctx, admin, "kubectl", "-n", x.namespace(), "label", "networkpolicy", "--all", "team=blue"), 0)
	status := lab.Run(ctx, x.operator.Who, x.command("status", "--warn-days", "0")...)
	if status.Code != 4 {
		t.Errorf("status of ruins: exit %d, want 4:\n%s", status.Code, status.Text())
	}
	// A colleague, on whose machine there is no record of it.
	x.must(lab.Run(ctx, person(t, "ruins-colleague").Who, x.command("destroy", "--yes")...), 0)
	x.must(lab.Run(ctx, x.operator.Who, x.command("destroy", "--yes")...), 0)
}

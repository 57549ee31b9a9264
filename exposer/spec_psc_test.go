package exposer

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const goodPSC = `
apiVersion: causeway.dev/v1
kind: Exposure
method: psc
name: shared
cluster: {project: lab-project, location: europe-west3, name: private-cluster}
`

func TestTheDefaultsOfPSC(t *testing.T) {
	t.Parallel()
	spec := read(t, goodPSC+"psc: {consumer: {project: consumer-project, network: vpc, subnet: clients}}\n")
	if err := spec.Validate([]string{"psc"}); err != nil {
		t.Fatal(err)
	}
	want := PSC{Exposure: "private-cluster", NATSubnet: "causeway-shared-nat", Through: ThroughREST, Accept: AcceptManual,
		Consumer: &Consumer{Project: "consumer-project", Network: "vpc", Subnet: "clients", Address: "auto"}}
	if diff := cmp.Diff(want, *spec.PSC); diff != "" {
		t.Errorf("defaults (-want +got):\n%s", diff)
	}
	given := &PSC{Consumer: &Consumer{}}
	_ = Spec{Method: "psc", PSC: given}.WithDefaults()
	if given.Accept != "" || given.Consumer.Address != "" {
		t.Errorf("the caller's spec was written into: %+v", given)
	}
	half := read(t, goodPSC+"psc: {consume: /handed/psc.yaml, consumer: {project: consumer-project, network: vpc, subnet: clients}}\n")
	if err := half.Validate([]string{"psc"}); err != nil || half.PSC.Exposure != "" || half.PSC.NATSubnet != "" {
		t.Errorf("the consumer's half alone has the producer's defaults: %+v %v", half.PSC, err)
	}
}

func TestFaultsOfPSC(t *testing.T) {
	t.Parallel()
	consumer := func(more string) string {
		return `{consumer: {project: consumer-project, network: vpc, subnet: clients` + more + `}}`
	}
	for name, c := range map[string]struct {
		psc  string
		want []string // "field text", parts of each problem
		code string   // CW-SPEC-INVALID where ""
	}{
		"all well":                        {psc: `{exposure: prod, natSubnet: nat, natRange: 10.200.0.0/28, consumers: [consumer-project, "345678901234=2", "example.com:old=1"], reject: [banned]}`},
		"networks":                        {psc: `{consumers: [projects/p/global/networks/n=3], reject: [projects/q/global/networks/n]}`},
		"endpoints":                       {psc: `{consumers: [projects/p/regions/europe-west3/forwardingRules/e]}`},
		"automatic":                       {psc: `{accept: automatic}`},
		"a consumer, all well":            {psc: consumer(`, address: 10.156.0.9, globalAccess: true, dnsName: api.prod.example`)},
		"lists with automatic acceptance": {psc: `{accept: automatic, consumers: [consumer-project]}`, want: []string{"psc.consumers can't be listed with automatic acceptance"}, code: "CW-PSC-LISTS"},
		"rejects with it":                 {psc: `{accept: automatic, reject: [consumer-project]}`, want: []string{"psc.consumers can't be listed with automatic acceptance"}, code: "CW-PSC-LISTS"},
		"two kinds in a list":             {psc: `{consumers: [consumer-project, projects/p/global/networks/n]}`, want: []string{"psc.consumers mixes projects, networks and endpoints"}, code: "CW-PSC-LISTS"},
		"through the cluster":             {psc: `{through: crd, consumers: [consumer-project=2], reject: [banned]}`},
		"networks through the cluster":    {psc: `{through: crd, reject: [projects/p/global/networks/n]}`, want: []string{"psc.reject[0] names the network by its path"}, code: "CW-PSC-LISTS"},
		"endpoints through the cluster":   {psc: `{through: crd, consumers: [projects/p/regions/europe-west3/forwardingRules/e]}`, want: []string{"psc.consumers[0] names the endpoint by its path"}, code: "CW-PSC-LISTS"},
		"a third way":                     {psc: `{through: terraform}`, want: []string{`psc.through must be one of rest, crd, not "terraform"`}},
		"a consumer's file with a way":    {psc: `{consume: psc.yaml, through: crd, consumer: {project: consumer-project, network: vpc, subnet: clients}}`, want: []string{"psc.consume is the consumer's half alone"}},
		"another way to accept":           {psc: `{accept: everybody}`, want: []string{`psc.accept must be one of manual, automatic, not "everybody"`}},
		"limits":                          {psc: `{consumers: [a-project=0, b-project=many, c-project=-1]}`, want: []string{`psc.consumers[0] has no good limit: limit "0"`, `psc.consumers[1] has no good limit: limit "many"`, "psc.consumers[2] has no good limit"}},
		"one that is nothing":             {psc: `{consumers: [Some Body]}`, want: []string{"psc.consumers[0] must be a project, or the path"}},
		"a range that is none":            {psc: `{natRange: 10.200.0.1/28}`, want: []string{"psc.natRange must be an IPv4 range of at least a /29"}},
		"a range that holds nobody":       {psc: `{natRange: 10.200.0.0/30}`, want: []string{"psc.natRange must be an IPv4 range of at least a /29"}},
		"a range of IPv6":                 {psc: `{natRange: "2001:db8::/64"}`, want: []string{"psc.natRange must be an IPv4 range"}},
		"names":                           {psc: `{exposure: PROD, natSubnet: a/b}`, want: []string{"psc.exposure must be the name of an exposure by ilb", "psc.natSubnet must be a subnet's name"}},
		"half a consumer":                 {psc: `{consumer: {project: consumer-project}}`, want: []string{"psc.consumer.network is missing", "psc.consumer.subnet is missing"}},
		"an address of IPv6":              {psc: consumer(`, address: "2001:db8::1"`), want: []string{"psc.consumer.address must be auto or an IPv4 address"}},
		"a name without a domain":         {psc: consumer(`, dnsName: api`), want: []string{"psc.consumer.dnsName must be a name with a domain"}},
		"a name that is none":             {psc: consumer(`, dnsName: "api .example"`), want: []string{"psc.consumer.dnsName must be a DNS name"}},
		"a file without a consumer":       {psc: `{consume: psc.yaml}`, want: []string{"psc.consumer is missing"}},
		"a file with the producer's part": {psc: `{consume: psc.yaml, consumers: [consumer-project], consumer: {project: consumer-project, network: vpc, subnet: clients}}`, want: []string{"psc.consume is the consumer's half alone"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := read(t, goodPSC+"psc: "+c.psc+"\n").Validate([]string{"psc"})
			if len(c.want) == 0 {
				if err != nil {
					t.Error(err)
				}
				return
			}
			var bad *SpecError
			if !errors.As(err, &bad) {
				t.Fatalf("no fault was found: %v", err)
			}
			var got []string
			for _, p := range bad.Problems {
				got = append(got, p.Field+" "+p.Text)
			}
			if len(got) != len(c.want) {
				t.Errorf("problems %q, want %q", got, c.want)
			}
			for _, want := range c.want {
				if !slices.ContainsFunc(got, func(g string) bool { return strings.HasPrefix(g, want) }) {
					t.Errorf("none says %q: %q", want, got)
				}
			}
			if c.code == "" {
				c.code = "CW-SPEC-INVALID"
			}
			if bad.Code() != c.code {
				t.Errorf("code %s, want %s", bad.Code(), c.code)
			}
		})
	}
}

func TestWhoAnEntryNames(t *testing.T) {
	t.Parallel()
	for entry, want := range map[string]struct {
		who, kind string
		limit     int
	}{
		"consumer-project":                       {"consumer-project", ByProject, DefaultConsumerLimit},
		"345678901234=3":                         {"345678901234", ByProject, 3},
		"projects/p/global/networks/n=200":       {"projects/p/global/networks/n", ByNetwork, 200},
		"projects/p/regions/r/forwardingRules/e": {"projects/p/regions/r/forwardingRules/e", ByEndpoint, DefaultConsumerLimit},
	} {
		who, limit, err := ConsumerOf(entry)
		if err != nil || who != want.who || limit != want.limit || KindOfConsumer(who) != want.kind {
			t.Errorf("%s: %s, %d, %s, %v", entry, who, limit, KindOfConsumer(who), err)
		}
	}
}

package templates

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// NginxConf renders nginx.conf for the mode and the layout. It starts on nginx
// 1.22 and every later release; HTTP2 only on those for which HTTP2OK is true.
// The error joins every value that cannot be rendered.
func (v ILB) NginxConf() ([]byte, error) {
	if err := v.Validate(); err != nil {
		return nil, fmt.Errorf("render nginx configuration: %w", err)
	}
	v = v.withDefaults()
	return render("nginx-"+v.Mode+".conf.tmpl", v)
}

// CA returns what belongs in <Layout.ConfDir>/upstream-ca.crt: the certificates
// of UpstreamCA and nothing else that lay beside them.
func (v ILB) CA() ([]byte, error) { return certificates(v.UpstreamCA) }

// manifestValues are the values of ILB in the form that the template wants.
type manifestValues struct {
	ILB
	Name, TLSSecret, Conf, CA, PreStop string
	Marks, Selector                    string // lines of YAML
	ProbeLabel, ProbeValue             string
	SubnetAnnotation                   string
	TLSPort, HealthPort, GraceSeconds  int
	EgressPorts                        []int
	Terminates, ByName                 bool
}

// Manifests renders the objects of the proxy in the order in which they are to be
// applied: Namespace, ConfigMap, ServiceAccount, Deployment, PodDisruptionBudget,
// NetworkPolicy, Service. The Layout is the container's, whatever it says.
func (v ILB) Manifests() ([]Manifest, error) {
	v.Layout = Layout{}
	conf, err := v.NginxConf()
	if err != nil {
		return nil, err
	}
	ca, err := v.CA()
	if err != nil {
		return nil, fmt.Errorf("render manifests: upstream CA: %w", err)
	}
	v = v.withDefaults()
	fill(&v.ConfigHash, Hash(map[string][]byte{"nginx.conf": conf, "upstream-ca.crt": ca}))
	v.ClientCIDRs = sortedPrefixes(v.ClientCIDRs)
	exposure := fmt.Sprintf("%s: %q", LabelExposure, v.Exposure)
	values := manifestValues{
		ILB: v, Name: ProxyName, TLSSecret: TLSSecretName, Conf: string(conf), CA: string(ca),
		Marks:      markLines(v.Exposure),
		Selector:   "app.kubernetes.io/name: " + ProxyName + "\n" + exposure,
		PreStop:    preStop(v.DrainSeconds),
		ProbeLabel: LabelProbe, ProbeValue: ProbeValue,
		SubnetAnnotation: subnetAnnotation(v.IPBy),
		TLSPort:          TLSPort, HealthPort: HealthPort,
		// Five seconds more than nginx itself takes, so that it is nginx that ends.
		GraceSeconds: v.DrainSeconds + v.SessionSeconds + 5,
		EgressPorts:  egressPorts(v),
		Terminates:   v.Mode == Terminate, ByName: v.IPBy == ByAnnotation,
	}
	text, err := render("manifests.yaml.tmpl", values)
	if err != nil {
		return nil, err
	}
	return decode(text)
}

// preStop is the shell line that drains a pod.
func preStop(drainSeconds int) string {
	return strings.Join([]string{
		"sleep " + strconv.Itoa(drainSeconds),
		"/usr/sbin/nginx -e stderr -c /etc/causeway/nginx/nginx.conf -s quit",
		"while :; do sleep 1; done",
	}, "; ")
}

// subnetAnnotation is the name that the cluster's controller reads: with
// subsetting the one of ingress-gce, else the older one, which both know.
func subnetAnnotation(ipBy string) string {
	if ipBy == ByAnnotation {
		return "networking.gke.io/load-balancer-subnet"
	}
	return "networking.gke.io/internal-load-balancer-subnet"
}

func egressPorts(v ILB) []int {
	ports := append([]int{int(v.Upstream.Port())}, v.APIPorts...)
	slices.Sort(ports)
	return slices.Compact(ports)
}

// sortedPrefixes gives the ranges one order, so that naming them in another one
// is no change.
func sortedPrefixes(prefixes []netip.Prefix) []netip.Prefix {
	unique := map[netip.Prefix]bool{}
	for _, prefix := range prefixes {
		unique[prefix] = true
	}
	return slices.SortedFunc(maps.Keys(unique), func(a, b netip.Prefix) int {
		if order := a.Addr().Compare(b.Addr()); order != 0 {
			return order
		}
		return a.Bits() - b.Bits()
	})
}

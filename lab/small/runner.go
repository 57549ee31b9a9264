package small

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"k8s.io/client-go/rest"

	"causeway/internal/nginxtest"
	"causeway/lab/topology"
	"causeway/templates"
)

// runner is load balancer, kube-proxy and node in one: for each exposure whose
// objects are there it runs an nginx with the deployed configuration on the
// reserved address, and reads files anew when they change.
type runner struct {
	lab    *Lab
	client *http.Client
	runs   map[string]*running // by namespace
}

type running struct {
	run    *nginxtest.Run
	config nginxtest.Config
	seen   string // what it runs with
}

// lookEvery is much shorter than the load balancer takes to come, so that nginx
// listens before anybody is told of the address.
const lookEvery = 100 * time.Millisecond

func newRunner(l *Lab) (*runner, error) {
	client, err := rest.HTTPClientFor(l.server.Config)
	if err != nil {
		return nil, fmt.Errorf("watch exposures: %w", err)
	}
	return &runner{lab: l, client: client, runs: map[string]*running{}}, nil
}

func (r *runner) run(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	told := ""
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := r.look(ctx); err != nil && ctx.Err() == nil && err.Error() != told {
			told = err.Error()
			r.lab.note("nginx in place of the pods: " + told)
		}
	}
}

func (r *runner) stop() error {
	var errs []error
	for _, one := range r.runs {
		errs = append(errs, one.run.Stop())
	}
	return errors.Join(errs...)
}

// object is what is read of a Service, a ConfigMap or a Secret.
type object struct {
	Metadata struct {
		Namespace   string            `json:"namespace"`
		Annotations map[string]string `json:"annotations"`
	} `json:"metadata"`
	Spec struct {
		LoadBalancerIP string `json:"loadBalancerIP"`
		Ports          []struct {
			Port uint16 `json:"port"`
		} `json:"ports"`
	} `json:"spec"`
	Data map[string]string `json:"data"` // of a Secret: base64
}

func (r *runner) look(ctx context.Context) error {
	var services struct {
		Items []object `json:"items"`
	}
	if _, err := r.get(ctx, "/api/v1/services?labelSelector=app.kubernetes.io%2Fmanaged-by%3Dcauseway", &services); err != nil {
		return err
	}
	left := maps.Clone(r.runs)
	var errs []error
	for _, service := range services.Items {
		delete(left, service.Metadata.Namespace)
		errs = append(errs, r.serve(ctx, service))
	}
	for namespace, one := range left {
		delete(r.runs, namespace)
		errs = append(errs, one.run.Stop())
	}
	return errors.Join(errs...)
}

// serve runs, or brings up to date, the nginx of one Service.
func (r *runner) serve(ctx context.Context, service object) error {
	namespace := service.Metadata.Namespace
	address, ok := r.address(service)
	if !ok || len(service.Spec.Ports) == 0 {
		return nil
	}
	var config, secret object
	found, err := r.get(ctx, "/api/v1/namespaces/"+namespace+"/configmaps/"+templates.ProxyName, &config)
	if err != nil || !found {
		return err
	}
	conf := config.Data["nginx.conf"]
	if strings.Contains(conf, "ssl_certificate ") {
		found, err = r.get(ctx, "/api/v1/namespaces/"+namespace+"/secrets/"+templates.TLSSecretName, &secret)
		if err != nil || !found {
			return err
		}
	}
	seen := fmt.Sprint(address, config.Data, secret.Data)
	one := r.runs[namespace]
	if one != nil && one.seen == seen {
		return nil
	}
	if one == nil {
		health, err := free()
		if err != nil {
			return err
		}
		one = &running{config: nginxtest.Config{Dir: filepath.Join(r.lab.dir, "nginx-"+namespace),
			Listen: netip.AddrPortFrom(address, service.Spec.Ports[0].Port), Health: health}}
	}
	if err := one.take(conf, config, secret, r.kubernetes(), r.lab.server.AddrPort()); err != nil {
		return err
	}
	if one.run != nil {
		one.seen = seen
		if _, _, err := r.lab.nginx.Prepare(one.config); err != nil {
			return err
		}
		return one.run.Reload()
	}
	if one.run, err = nginxtest.Start(ctx, r.lab.nginx, one.config); err != nil {
		return err
	}
	one.seen, r.runs[namespace] = seen, one
	return nil
}

// take fills the configuration from the deployed objects. What differs from the
// container is only where things lie, and the API server's address, which is
// that of the Service `kubernetes` there: no kube-proxy translates it here.
func (one *running) take(conf string, config, secret object, service, api netip.AddrPort) error {
	if err := os.MkdirAll(one.config.Dir, 0o755); err != nil {
		return err
	}
	moved := relocate(conf, one.config.Dir, one.config.Listen, one.config.Health, service, api)
	if strings.Contains(moved, service.Addr().String()) {
		// It would go out of this machine, to whoever has that address there.
		return fmt.Errorf("move nginx.conf to this machine: it still names %s", service.Addr())
	}
	one.config.Conf = []byte(moved)
	for name, to := range map[string]*[]byte{"tls.crt": &one.config.Cert, "tls.key": &one.config.Key, "client-ca.crt": &one.config.ClientCA} {
		text, ok := secret.Data[name]
		if !ok {
			continue
		}
		if err := json.Unmarshal([]byte(`"`+text+`"`), to); err != nil { // base64, as JSON has bytes
			return fmt.Errorf("read %s: %w", name, err)
		}
	}
	return os.WriteFile(filepath.Join(one.config.Dir, "upstream-ca.crt"), []byte(config.Data["upstream-ca.crt"]), 0o600)
}

func relocate(conf, dir string, listen, health, service, api netip.AddrPort) string {
	return strings.NewReplacer(
		"/etc/nginx/modules-enabled/", dir+"/modules/",
		"/etc/causeway/tls/", dir+"/tls/",
		"/etc/causeway/nginx/", dir+"/",
		" /tmp/", " "+dir+"/",
		"/dev/stdout", dir+"/access.log",
		"error_log stderr", "error_log "+dir+"/error.log",
		fmt.Sprintf("listen %d ", templates.TLSPort), fmt.Sprintf("listen %s ", listen),
		fmt.Sprintf("listen %d;", templates.HealthPort), fmt.Sprintf("listen %s;", health),
		" "+service.String()+";", " "+api.String()+";",
	).Replace(conf)
}

func (r *runner) kubernetes() netip.AddrPort { return netip.AddrPortFrom(r.lab.server.ServiceIP, 443) }

// address is the reserved address that a Service asks for, by name or by value.
func (r *runner) address(service object) (netip.Addr, bool) {
	if ip, err := netip.ParseAddr(service.Spec.LoadBalancerIP); err == nil {
		return ip, true
	}
	for _, name := range service.Metadata.Annotations {
		at := fmt.Sprintf("projects/%s/regions/%s/addresses/%s", topology.Project, topology.Region, name)
		if text, ok := r.lab.google.Object(at)["address"].(string); ok {
			ip, err := netip.ParseAddr(text)
			return ip, err == nil
		}
	}
	return netip.Addr{}, false
}

// get reads a path of the API; what is not there is not found.
func (r *runner) get(ctx context.Context, path string, into any) (found bool, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.lab.server.URL+path, nil)
	if err != nil {
		return false, err
	}
	resp, err := r.client.Do(req)
	if err != nil {
		return false, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return false, err
	case resp.StatusCode == http.StatusNotFound:
		return false, nil
	case resp.StatusCode != http.StatusOK:
		return false, fmt.Errorf("get %s: %s", path, resp.Status)
	}
	return true, json.Unmarshal(body, into)
}

func free() (netip.AddrPort, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("find a free port: %w", err)
	}
	defer l.Close()
	return netip.ParseAddrPort(l.Addr().String())
}

package site

import (
	"context"
	"encoding/json"
	"io"
	"time"
)

// The cluster's own workload, which stands for what people run there: a small
// web server that writes a line a second to its log.
const (
	Shop    = "shop"  // namespace
	Web     = "web-0" // pod
	WebPort = "8080"
	// WebSays is what the web server answers.
	WebSays = "hello from web-0"
)

const webScript = `mkdir -p /tmp/www && echo '` + WebSays + `' >/tmp/www/index.html
printf 'daemon off; pid /tmp/nginx.pid; error_log stderr; events {} http { access_log off; server { listen ` + WebPort + `; root /tmp/www; } }' >/tmp/nginx.conf
nginx -e stderr -c /tmp/nginx.conf &
i=0; while :; do i=$((i+1)); echo "order $i"; sleep 1; done`

// Pod is the manifest of a pod of the shop that runs a shell script.
func Pod(name, image, script string) string {
	text, err := json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "Pod", "metadata": map[string]any{"name": name, "namespace": Shop},
		"spec": map[string]any{
			"terminationGracePeriodSeconds": 1, "automountServiceAccountToken": false, "restartPolicy": "Never",
			"containers": []any{map[string]any{"name": "main", "image": image, "imagePullPolicy": "IfNotPresent", "command": []string{"/bin/sh", "-c", script}}},
		},
	})
	if err != nil {
		panic(err) // maps and strings: it can't be
	}
	return string(text)
}

// OpenShop makes the workload and waits until it runs.
func (s *Site) OpenShop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	admin := s.Provider()
	if err := s.Run(ctx, admin, "kubectl", "create", "namespace", Shop).Want(0); err != nil {
		return err
	}
	if err := s.RunTo(ctx, admin, io.Discard, Pod(Web, s.State.NginxImage, webScript), "kubectl", "apply", "-f", "-").Want(0); err != nil {
		return err
	}
	return s.Run(ctx, admin, "kubectl", "-n", Shop, "wait", "--for=condition=Ready", "pod/"+Web, "--timeout=50s").Want(0)
}

// CloseShop takes the workload away.
func (s *Site) CloseShop(ctx context.Context) error {
	return s.Run(ctx, s.Provider(), "kubectl", "delete", "namespace", Shop, "--ignore-not-found", "--timeout=60s").Want(0)
}

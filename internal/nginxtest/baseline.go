package nginxtest

import (
	"net/netip"
	"strings"
)

// Baseline makes a whole configuration (Config.Conf) of testdata/baseline: the
// script's server block inside the main configuration of the official nginx image.
// Only addresses and paths change. With cured, `ssl on` becomes a parameter of
// `listen`, without which nginx 1.25.1 and later do not start.
func Baseline(script string, upstream netip.AddrPort, cured bool) []byte {
	server := strings.NewReplacer(
		"listen 443;", "listen %LISTEN%;",
		"${static_ip}", "127.0.0.1",
		"${api_server_ip}", upstream.String(),
		"/etc/nginx/cert/", "%DIR%/tls/",
		"/var/log/nginx/", "%DIR%/",
	).Replace(script)
	if cured {
		server = strings.NewReplacer("ssl on;", "", "listen %LISTEN%;", "listen %LISTEN% ssl;").Replace(server)
	}
	return []byte(`daemon off;
worker_processes auto;
error_log %DIR%/error.log notice;
pid %DIR%/nginx.pid;
events { worker_connections 1024; }
http {
    default_type application/octet-stream;
    log_format main '$remote_addr - $remote_user [$time_local] "$request" '
                    '$status $body_bytes_sent "$http_referer" "$http_user_agent" "$http_x_forwarded_for"';
    access_log %DIR%/access.log main;
    sendfile on;
    keepalive_timeout 65;
    client_body_temp_path %DIR%/body; proxy_temp_path %DIR%/proxy; fastcgi_temp_path %DIR%/fastcgi;
    uwsgi_temp_path %DIR%/uwsgi; scgi_temp_path %DIR%/scgi;
` + server + "}\n")
}

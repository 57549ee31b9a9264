#!/bin/sh
# verify.sh asks, with curl (and openssl where there is one), whether a kubeconfig or
# an address, a CA and a token reach a Kubernetes API server, and names the hop that
# fails. It goes the hops of `causeway verify` and writes the same JSON, for machines
# without causeway. `verify.sh --help` says how to call it.
#
# Rules: verification stays on, and ~/.curlrc is not read (it might switch it off); the
# token stands in files that only this user can read, never in an argument, in the
# environment or in the output; everything lies in one directory that is removed.
# POSIX sh, no bashisms: it runs under dash, busybox and others.

set -u
umask 077
LC_ALL=C
export LC_ALL
unset CDPATH

usage() {
	cat <<'TEXT'
usage: verify.sh --kubeconfig FILE [--context NAME] [options]
       verify.sh --server URL --ca FILE [--token-file FILE]
                 [--client-cert FILE --client-key FILE] [options]

  --tls-server-name NAME   the name that the certificate is to bear
  --namespace NAME         where to list Pods when namespaces may not be listed
  --right VERB:RESOURCE[.GROUP][/SUB][:NAMESPACE]   ask for it (may be repeated;
                           a "?" at the end: its absence is only a warning)
  --exec NAMESPACE/POD[/CONTAINER]   try the upgrades of kubectl exec
  --large-body             send 2.5 MiB
  --idle SECONDS           hold a quiet watch so long
  --min-days N             warn when the certificate ends sooner
  --timeout SECONDS        bound of each hop (10)
  --from WORD              where this runs, for the report (local)
  -o table|json            (table)

exit: 0 works, 2 bad arguments, 5 a hop failed, 130 interrupted
TEXT
}

die() {
	printf 'verify.sh: %s\n' "$1" >&2
	exit 2
}

# ---- the catalogue's hints; the same words stand in probe/hints.go ----
hint_for() {
	case $1 in
	CW-PROBE-NOT-HTTPS) echo 'use an https:// server; a token must not cross the network in the clear' ;;
	CW-PROBE-INSECURE) echo 'remove insecure-skip-tls-verify and put the CA into the kubeconfig: causeway kubeconfig' ;;
	CW-PROBE-RESOLVE) echo 'give this machine a DNS record or an /etc/hosts line for the name, or use a kubeconfig with the address' ;;
	CW-PROBE-PROXY) echo 'add the address to NO_PROXY, or unset HTTPS_PROXY, unless the proxy is meant' ;;
	CW-PROBE-PROXY-REFUSED) echo 'add the address to NO_PROXY: this proxy does not reach it' ;;
	CW-PROBE-REFUSED) echo 'the machine answers but the port is closed: check address and port, and that the load balancer has ready Pods' ;;
	CW-PROBE-TIMEOUT) echo 'packets are lost: check the route there, the route back, firewalls, and global access when the regions differ' ;;
	CW-PROBE-NO-ROUTE) echo 'this network has no route to the address: check what the Cloud Router advertises and what the far side accepts' ;;
	CW-PROBE-CONNECT) echo 'the network refused the connection: check address, port and local firewall' ;;
	CW-PROBE-NOT-TLS) echo 'this port does not speak TLS: check the port; a plain HTTP service or a proxy listens there' ;;
	CW-PROBE-TLS-SAN) echo 'the certificate does not bear this name: causeway certs rotate, or set tls-server-name to a name it bears' ;;
	CW-PROBE-TLS-EXPIRED) echo 'renew it: causeway certs rotate; if the date looks right, set this machine'\''s clock' ;;
	CW-PROBE-TLS-SOON) echo 'renew it before it ends: causeway certs rotate' ;;
	CW-PROBE-TLS-CA) echo 'the kubeconfig'\''s CA did not sign this certificate: take the kubeconfig again, or look for a proxy that opens TLS' ;;
	CW-PROBE-TLS-PINNED) echo 'take certificate-authority-data out of the kubeconfig, the server'\''s certificate is a public one: causeway kubeconfig dns' ;;
	CW-PROBE-TLS-INSPECTED) echo 'have the name excepted from TLS inspection on the way, or install the public roots (ca-certificates)' ;;
	CW-PROBE-TLS-TIMEOUT) echo 'TCP connects and TLS hangs: usually the MTU of a tunnel; try ping with large packets, clamp the MSS' ;;
	CW-PROBE-TLS) echo 'the TLS handshake broke off: check that the port is the exposure'\''s and that TLS 1.2 or 1.3 is allowed on the way' ;;
	CW-PROBE-CLIENT-CERT) echo 'the proxy wants a client certificate that the kubeconfig lacks or that has ended: causeway kubeconfig' ;;
	CW-PROBE-UPSTREAM) echo 'the proxy lives but has no API server behind it: look at its log in the exposure'\''s namespace' ;;
	CW-PROBE-NOT-KUBE) echo 'something other than kube-apiserver answers at this address: check address, port and proxies on the way' ;;
	CW-PROBE-HTTP) echo 'the connection was cut after TLS: look at the log of the proxy on the way' ;;
	CW-PROBE-UNAUTHORIZED) echo 'the token is wrong or of another cluster: causeway kubeconfig issues a new one' ;;
	CW-PROBE-TOKEN-EXPIRED) echo 'the token has ended: causeway kubeconfig issues a new one; --token renewing keeps it fresh' ;;
	CW-DNS-CONNECT) echo 'have a role granted that holds container.clusters.connect, such as roles/container.viewer' ;;
	CW-DNS-TOKENS) echo 'let the DNS endpoint take tokens (--dns-tokens), or use a Google identity' ;;
	CW-KUBE-DNS-ENDPOINT) echo 'external traffic may be off, or container.clusters.connect missing: causeway status dns tells which' ;;
	CW-GATEWAY-ROLE) echo 'have roles/gkehub.gatewayReader (gatewayEditor to change things) granted on the fleet'\''s project' ;;
	CW-GATEWAY-STREAM) echo 'have roles/gkehub.gatewayAdmin granted on the fleet'\''s project: of Google'\''s roles it alone lets stream' ;;
	CW-GATEWAY-RBAC) echo 'the user needs get and create on pods/exec, pods/attach and pods/portforward in the cluster' ;;
	CW-GATEWAY-FORBIDDEN) echo 'the gateway let it pass; the user that the message names needs a binding in the cluster' ;;
	CW-GATEWAY-IMPERSONATE) echo 'the Connect Agent may not act for this user: gcloud container fleet memberships generate-gateway-rbac' ;;
	CW-GATEWAY-NO-AGENT) echo 'look at the Pods of the namespace gke-connect: the Connect Agent is not connected to Google' ;;
	CW-GATEWAY-AGENT) echo 'the cluster'\''s link to Google is broken: look at the log of the Connect Agent in gke-connect' ;;
	CW-GATEWAY-WEBSOCKET) echo 'the cluster'\''s side did not open the stream: look at the log of the Connect Agent in gke-connect' ;;
	CW-GATEWAY-STREAMS) echo 'ten streams are open in the fleet, which is the most: end some, or ask for a larger quota' ;;
	CW-GATEWAY-CLIENT) echo 'kubectl 1.32 or later says with -v 4 why the stream was refused; give that to causeway explain -' ;;
	CW-GATEWAY-VERSION) echo 'streams through the gateway need a cluster of 1.30 or later, port-forward 1.31' ;;
	CW-GATEWAY-ADDRESS) echo 'have the kubeconfig written anew: causeway kubeconfig gateway' ;;
	CW-GATEWAY-HEADER) echo 'the names of the user'\''s groups are too long together: take some out of gke-security-groups' ;;
	CW-FLEET-MEMBER) echo 'the membership of the kubeconfig'\''s address is gone: register the cluster, or take a fresh kubeconfig' ;;
	CW-GCP-CREDENTIALS) echo 'Google does not take the access token: it lives one hour; sign in again, or give a fresh one' ;;
	CW-GCP-API-DISABLED) echo 'turn the API that the message names on: gcloud services enable' ;;
	CW-PROBE-ANONYMOUS) echo 'the API server sees no credential: a proxy that ends TLS drops client certificates; use a token, or --mode passthrough' ;;
	CW-PROBE-RIGHTS) echo 'bind a role that has them: causeway kubeconfig --role' ;;
	CW-PROBE-FORBIDDEN) echo 'the identity is known but may not do this: causeway kubeconfig --role' ;;
	CW-PROBE-LIST) echo 'the API server did not give the list: try it with kubectl -v=6' ;;
	CW-PROBE-WATCH) echo 'the watch was not opened: try kubectl get --watch -v=6' ;;
	CW-PROBE-WATCH-HELD) echo 'the proxy holds back the headers of a quiet watch: nginx 1.22 does over HTTP/2; use a newer nginx or leave HTTP/2 off' ;;
	CW-PROBE-UPGRADE) echo 'the proxy does not pass upgrades: it needs HTTP/1.1 upstream and the Upgrade and Connection headers' ;;
	CW-PROBE-EXEC-TARGET) echo 'name a Pod and a container that run' ;;
	CW-PROBE-EXEC-BACKEND) echo 'the API server does not reach the node'\''s kubelet: not the proxy; check firewall and konnectivity' ;;
	CW-PROBE-EXEC) echo 'the stream was cut: look at the proxy'\''s timeouts and log' ;;
	CW-PROBE-BODY-LIMIT) echo 'raise the proxy'\''s limit above the API server'\''s 3 MiB: client_max_body_size 0' ;;
	CW-PROBE-IDLE-CUT) echo 'something on the way ends quiet connections: raise proxy_read_timeout and proxy_send_timeout, or the firewall'\''s idle time' ;;
	CW-PROBE-IDLE-LOST) echo 'a firewall or NAT forgot the quiet connection without a word: raise its idle time above the length of your watches' ;;
	*) ;;
	esac
}

# ---- report ----
# (the plain case first: a process for each word would make the script slow)
json_string() {
	case $1 in
	*[\\\"]* | *[[:cntrl:]]*) ;;
	*) printf '"%s"' "$1" && return ;;
	esac
	printf '"%s"' "$(printf '%s' "$1" | tr '\000-\037\177' ' ' | sed -e 's/\\/\\\\/g' -e 's/"/\\"/g')"
}

# fact NAME VALUE: kept for the next call of hop.
fact() {
	[ -n "$2" ] || return 0
	[ -z "$facts" ] || facts="$facts, "
	facts="$facts$(json_string "$1"): $(json_string "$2")"
}

# hop NAME STATUS MILLISECONDS CODE DETAIL
hop() {
	h_hint=$(hint_for "$4")
	[ "$2" != fail ] || [ -n "$failed" ] || failed=$1 failed_code=$4
	[ "$2" != warn ] || warned=$((warned + 1))
	h_detail=$5
	case $5 in
	*[[:cntrl:]]*) h_detail=$(printf '%s' "$5" | tr '\000-\037\177' ' ' | cut -c1-1000) ;;
	esac
	{
		[ ! -s "$work/hops" ] || printf ',\n'
		printf '    {"hop": "%s", "status": "%s", "took_ms": %s, "detail": %s, "code": "%s", "hint": %s' \
			"$1" "$2" "$3" "$(json_string "$h_detail")" "$4" "$(json_string "$h_hint")"
		[ -z "$facts" ] || printf ', "facts": {%s}' "$facts"
		printf '}'
	} >>"$work/hops"
	facts=
	[ "$output" = table ] || return 0
	h_mark=$2 h_took="$3 ms"
	[ "$2" != fail ] || h_mark=FAIL
	[ "$2" != skip ] || h_took=-
	printf '  %-4s  %-14s  %9s  %s\n' "$h_mark" "$1" "$h_took" "$h_detail"
	[ -z "$4" ] || printf '%33s%s: %s\n' '' "$4" "$h_hint"
}

# skip_after NAME REASON: every hop behind NAME is skipped for the reason.
skip_after() {
	s_on=
	for s_hop in resolve connect tls http identity rights list watch exec-websocket exec-spdy large-body idle; do
		[ -z "$s_on" ] || hop "$s_hop" skip 0 "" "$2"
		[ "$s_hop" != "$1" ] || s_on=1
	done
}

finish() {
	if [ "$output" = json ]; then
		printf '{\n  "tool": "verify.sh",\n  "from": %s,\n  "server": %s,\n  "context": %s,\n' \
			"$(json_string "$from")" "$(json_string "$server")" "$(json_string "$context")"
		printf '  "started": "%s",\n  "ok": %s,\n  "failed_hop": "%s",\n  "hops": [\n' \
			"$started" "$([ -z "$failed" ] && echo true || echo false)" "$failed"
		cat "$work/hops"
		printf '\n  ],\n  "times": {"namelookup": %s, "connect": %s, "appconnect": %s, "starttransfer": %s, "total": %s},\n' \
			"$t_name" "$t_connect" "$t_app" "$t_start" "$t_total"
		printf '  "curl": %s\n}\n' "$(json_string "$curl_line")"
	else
		printf 'times   namelookup %s  connect %s  appconnect %s  starttransfer %s  total %s s\n' \
			"$t_name" "$t_connect" "$t_app" "$t_start" "$t_total"
		printf 'curl    %s\n' "$curl_line"
		if [ -n "$failed" ]; then
			printf 'result  fails at %s; more: causeway explain %s\n' "$failed" "$failed_code"
		elif [ "$warned" -gt 0 ]; then
			printf 'result  works, with %s to look at\n' "$warned"
		else
			printf 'result  works\n'
		fi
	fi
	[ -z "$failed" ] || exit 5
	exit 0
}

# stop HOP MS CODE DETAIL: the hop failed and nothing behind it can be tried.
stop() {
	hop "$1" fail "$2" "$3" "$4"
	skip_after "$1" "not tried: $1 failed"
	finish
}

# ---- small tools ----
ms() { awk -v a="$1" -v b="${2:-0}" 'BEGIN { d = (a - b) * 1000; printf "%d", d < 0 ? 0 : d + 0.5 }'; }
more() { awk -v a="$1" -v b="$2" 'BEGIN { exit !(a > b) }'; }
quote() {
	case $1 in
	*[!a-zA-Z0-9@%+=:,./_-]* | '') printf "'%s'" "$(printf '%s' "$1" | sed "s/'/'\\\\''/g")" ;;
	*) printf '%s' "$1" ;;
	esac
}
# a string in curl's configuration file
conf() { printf '%s = "%s"\n' "$1" "$(printf '%s' "$2" | sed -e 's/\\/\\\\/g' -e 's/"/\\"/g')"; }
decode64() { if [ -n "$openssl" ]; then openssl base64 -d -A; else base64 -d; fi; }
clip() { tr '\000-\037\177' ' ' | sed 's/ *$//' | cut -c1-"$1"; }

# "Nov 21 04:34:00 2027 GMT" to seconds since 1970: date -d is not POSIX.
epoch_of() {
	printf '%s\n' "$1" | awk '{
		m = (index("JanFebMarAprMayJunJulAugSepOctNovDec", $1) + 2) / 3; split($3, t, ":"); y = $4 - (m <= 2)
		doy = int((153 * (m + (m > 2 ? -3 : 9)) + 2) / 5) + $2 - 1
		days = y * 365 + int(y / 4) - int(y / 100) + int(y / 400) + doy - 719468
		printf "%.0f", days * 86400 + t[1] * 3600 + t[2] * 60 + t[3] }'
}
# seconds since 1970 to RFC 3339
iso_of() {
	awk -v s="$1" 'BEGIN {
		z = int(s / 86400) + 719468; s = s % 86400; era = int(z / 146097); doe = z - era * 146097
		yoe = int((doe - int(doe / 1460) + int(doe / 36524) - int(doe / 146096)) / 365); y = yoe + era * 400
		doy = doe - (365 * yoe + int(yoe / 4) - int(yoe / 100)); mp = int((5 * doy + 2) / 153)
		d = doy - int((153 * mp + 2) / 5) + 1; m = mp < 10 ? mp + 3 : mp - 9
		printf "%04d-%02d-%02dT%02d:%02d:%02dZ", y + (m <= 2), m, d, int(s / 3600), int(s % 3600 / 60), s % 60 }'
}

# ---- arguments ----
kubeconfig='' context='' server='' ca='' token_file='' server_name='' client_cert='' client_key='' namespace='' named=''
rights='' exec_in='' large='' idle=0 min_days=0 timeout=10 from=local output=table proxy_url='' insecure=''
failed='' failed_code='' warned=0 facts='' t_name=0 t_connect=0 t_app=0 t_start=0 t_total=0 curl_line=''

while [ $# -gt 0 ]; do
	case $1 in
	-h | --help) usage && exit 0 ;;
	--large-body) large=1 && shift && continue ;;
	--*=*) option=${1%%=*} value=${1#*=} && shift ;;
	-*)
		[ $# -ge 2 ] || die "$1 needs a value; see --help"
		option=$1 value=$2 && shift 2
		;;
	*) die "unknown argument $1; see --help" ;;
	esac
	case $option in
	--kubeconfig | -k) kubeconfig=$value ;;
	--context) context=$value ;;
	--server) server=$value ;;
	--ca) ca=$value ;;
	--token-file) token_file=$value ;;
	--tls-server-name) server_name=$value ;;
	--client-cert) client_cert=$value ;;
	--client-key) client_key=$value ;;
	--namespace | -n) namespace=$value named=1 ;;
	--right) rights="$rights$value
" ;;
	--exec) exec_in=$value ;;
	--idle) idle=${value%s} ;;
	--min-days) min_days=$value ;;
	--timeout) timeout=${value%s} ;;
	--from) from=$value ;;
	-o | --output) output=$value ;;
	*) die "unknown option $option; see --help" ;;
	esac
done
for number in "$idle" "$min_days" "$timeout"; do
	case $number in '' | *[!0-9]*) die "\"$number\" is no whole number" ;; esac
done
case $output in table | json) ;; *) die "-o takes table or json, not \"$output\"" ;; esac
command -v curl >/dev/null 2>&1 || die "curl is not installed"
openssl=$(command -v openssl 2>/dev/null) || openssl=
[ -n "$kubeconfig$server" ] || die "give --kubeconfig FILE or --server URL; see --help"
for file in "$kubeconfig" "$ca" "$token_file" "$client_cert" "$client_key"; do
	[ -z "$file" ] || [ -r "$file" ] || die "can't read $file"
done

work=$(mktemp -d "${TMPDIR:-/tmp}/causeway-verify.XXXXXX") || die "can't make a directory in ${TMPDIR:-/tmp}"
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM HUP

# ---- the kubeconfig, as causeway and kubectl write it: block YAML, two levels below
# an item. Secrets go from awk into files, never through a variable. ----
read_kubeconfig() {
	IFS= read -r line <"$kubeconfig"
	case $line in '{'*) die "$kubeconfig is JSON; this script reads the YAML that causeway writes" ;; esac
	awk -v want="$context" -v dir="$work" '
	function plain(v) {
		if (v ~ /^".*"$/) { v = substr(v, 2, length(v) - 2); gsub(/\\"/, "\"", v); gsub(/\\\\/, "\\", v) }
		else if (v ~ /^\047.*\047$/) { v = substr(v, 2, length(v) - 2); gsub(/\047\047/, "\047", v) }
		return v
	}
	function flush(k) { if (name != "") for (k in item) data[section, name, k] = item[k]; for (k in item) delete item[k]; name = ""; deep = 0 }
	function save(file, v) { if (v != "") { printf "%s", v > (dir "/" file); close(dir "/" file) } }
	function tell(key, v) { if (v != "") print key "=" v }
	{ sub(/\r$/, ""); sub(/[ \t]+$/, "") }
	/^[ \t]*(#.*)?$/ || /^---$/ { next }
	{
		match($0, /^ */); indent = RLENGTH; rest = substr($0, indent + 1)
		if (indent == 0 && rest !~ /^- /) { flush(); section = rest; sub(/:.*/, "", section); start = -1
			if (section == "current-context") { v = rest; sub(/^[^:]*: */, "", v); current = plain(v) }
			next }
		if (rest ~ /^- / && (start < 0 || indent == start)) { flush(); start = indent; indent += 2; rest = substr(rest, 3); sub(/^ */, "", rest) }
		key = rest; sub(/:.*/, "", key); v = rest; if (!sub(/^[^:]*: */, "", v)) v = ""
		if (v ~ /^[|>]/) { print "bad=" key; next }
		if (indent == start + 2) { if (key == "name") name = plain(v); next }
		if (deep == 0) deep = indent
		if (indent == deep && rest !~ /^- /) item[key] = (key == "exec") ? "yes" : plain(v)
	}
	END {
		flush(); if (want == "") want = current
		tell("context", want); c = data["contexts", want, "cluster"]; u = data["contexts", want, "user"]
		tell("cluster", c); tell("namespace", data["contexts", want, "namespace"])
		tell("server", data["clusters", c, "server"]); tell("name", data["clusters", c, "tls-server-name"])
		tell("proxy", data["clusters", c, "proxy-url"]); tell("insecure", data["clusters", c, "insecure-skip-tls-verify"])
		tell("ca", data["clusters", c, "certificate-authority"]); tell("tokenfile", data["users", u, "tokenFile"])
		tell("cert", data["users", u, "client-certificate"]); tell("key", data["users", u, "client-key"]); tell("exec", data["users", u, "exec"])
		save("ca.b64", data["clusters", c, "certificate-authority-data"]); save("token", data["users", u, "token"])
		save("crt.b64", data["users", u, "client-certificate-data"]); save("key.b64", data["users", u, "client-key-data"])
	}' "$kubeconfig" >"$work/settings" || die "can't read $kubeconfig"
	k_cluster='' k_exec='' k_dir=$(dirname "$kubeconfig")
	while IFS= read -r line; do
		value=${line#*=}
		case ${line%%=*} in
		context) context=$value ;;
		cluster) k_cluster=$value ;;
		namespace) [ -n "$namespace" ] || namespace=$value ;;
		server) [ -n "$server" ] || server=$value ;;
		name) [ -n "$server_name" ] || server_name=$value ;;
		proxy) proxy_url=$value ;;
		insecure) [ "$value" != true ] || insecure=1 ;;
		ca) [ -n "$ca" ] || ca=$(beside "$value") ;;
		tokenfile) [ -n "$token_file" ] || token_file=$(beside "$value") ;;
		cert) [ -n "$client_cert" ] || client_cert=$(beside "$value") ;;
		key) [ -n "$client_key" ] || client_key=$(beside "$value") ;;
		exec) k_exec=1 ;;
		bad) die "$kubeconfig: $value has a block of text, which this script does not read" ;;
		esac
	done <"$work/settings"
	[ -n "$k_cluster" ] || die "$kubeconfig has no context \"$context\""
	[ -n "$server" ] || die "$kubeconfig has no server for the cluster \"$k_cluster\""
	for pair in ca.b64:ca.crt crt.b64:client.crt key.b64:client.key; do
		[ ! -s "$work/${pair%:*}" ] || decode64 <"$work/${pair%:*}" >"$work/${pair#*:}" || die "$kubeconfig: can't decode ${pair#*:}"
	done
	[ -n "$ca" ] || [ ! -s "$work/ca.crt" ] || ca=$work/ca.crt
	[ -n "$client_cert" ] || [ ! -s "$work/client.crt" ] || client_cert=$work/client.crt
	[ -n "$client_key" ] || [ ! -s "$work/client.key" ] || client_key=$work/client.key
	[ -n "$token_file" ] || [ ! -s "$work/token" ] || token_file=$work/token
	[ -z "$k_exec" ] || [ -n "$token_file" ] || die "$kubeconfig gets its token from a program; give one by --token-file"
}
beside() { case $1 in /*) printf '%s' "$1" ;; *) printf '%s' "$k_dir/$1" ;; esac; }

started=$(date -u +%Y-%m-%dT%H:%M:%SZ)
[ -z "$kubeconfig" ] || read_kubeconfig
[ -n "$namespace" ] || namespace=default

# ---- the server, the CA and the credential, in curl's configuration files ----
server=${server%/}
rest=${server#*://}
authority=${rest%%/*}
case $authority in
\[*\]:*) host=${authority%%\]*} host=${host#\[} port=${authority##*:} ;;
\[*\]) host=${authority#\[} host=${host%\]} port=443 ;;
*:*) host=${authority%%:*} port=${authority##*:} ;;
*) host=$authority port=443 ;;
esac
is_address() { case $1 in *:*) true ;; *[!0-9.]*) false ;; *) true ;; esac; }
bracket() { case $1 in *:*) printf '[%s]' "$1" ;; *) printf '%s' "$1" ;; esac; }
# Connect Gateway has paths of its own before the API server's
gateway=
! printf '%s\n' "${rest#"$authority"}" | grep -Eq '^/v1/projects/[^/]+/locations/[^/]+/(gkeM|m)emberships/[^/]+$' || gateway=1
name=${server_name:-$host}
base=$server connect_to=
if [ "$name" != "$host" ]; then
	# curl has no option for the TLS name alone: ask for the name, connect to the
	# address, and send the Host header that kubectl sends.
	connect_to=$(bracket "$name"):$port:$(bracket "$host"):$port
	base=https://$(bracket "$name"):$port${rest#"$authority"}
fi
{
	printf 'silent\nshow-error\nproto = "=https"\nconnect-timeout = %s\n' "$timeout"
	conf user-agent causeway-verify
	[ -z "$ca" ] || conf cacert "$ca"
	[ -z "$client_cert" ] || conf cert "$client_cert"
	[ -z "$client_key" ] || conf key "$client_key"
	[ -z "$proxy_url" ] || conf proxy "$proxy_url"
	if [ -n "$connect_to" ]; then
		conf connect-to "$connect_to"
		conf header "Host: $authority"
	fi
} >"$work/base.conf"
if [ -n "$token_file" ]; then
	# The shell's printf and cat only: no program gets the token as an argument.
	{ printf 'header = "Authorization: Bearer '; tr -d '\r\n \t"\\' <"$token_file"; printf '"\n'; } >"$work/auth.conf"
else
	: >"$work/auth.conf"
fi

make_curl_line() {
	c_file() { case $1 in "$work"/*) printf '%s' "${1##*/}" ;; *) printf '%s' "$1" ;; esac; }
	# shellcheck disable=SC2016 # it is to be expanded by whoever pastes the line
	[ -z "$token_file" ] || printf 'printf '\''Authorization: Bearer %%s'\'' "$(cat %s)" | ' "$(quote "$(c_file "$token_file")")"
	printf 'curl -sS -o /dev/null'
	[ -z "$token_file" ] || printf ' -H @-'
	[ -z "$ca" ] || printf ' --cacert %s' "$(quote "$(c_file "$ca")")"
	[ -z "$client_cert" ] || printf ' --cert %s --key %s' "$(quote "$(c_file "$client_cert")")" "$(quote "$(c_file "$client_key")")"
	[ -z "$connect_to" ] || printf ' --connect-to %s -H %s' "$(quote "$connect_to")" "$(quote "Host: $authority")"
	[ -z "$proxy_url" ] || printf ' --proxy %s' "$(quote "$(hide_login "$proxy_url")")"
	printf " -w 'namelookup %%{time_namelookup} connect %%{time_connect} appconnect %%{time_appconnect} starttransfer %%{time_starttransfer} total %%{time_total}\\\\n'"
	printf ' %s' "$(quote "$base/version")"
}
hide_login() { printf '%s' "$1" | sed 's#://\([^:@/]*\):[^@/]*@#://\1:xxxxx@#'; }
curl_line=$(make_curl_line)

# fetch NAME SECONDS ARGUMENTS...: one request; its parts land in $work/NAME.* and in
# rc, code, n_* (the times). The token is sent unless NAME is "version".
fetch() {
	f=$work/$1 f_max=$2
	shift 2
	: >"$f.body"
	: >"$f.head"
	set -- -q -K "$work/base.conf" "$@"
	[ "$f" = "$work/version" ] || set -- "$@" -K "$work/auth.conf"
	curl "$@" -m "$f_max" -o "$f.body" -D "$f.head" -w '%{http_code} %{time_namelookup} %{time_connect} %{time_appconnect} %{time_pretransfer} %{time_starttransfer} %{time_total} %{http_version} %{remote_ip} \n' \
		>"$f.times" 2>"$f.err"
	echo $? >"$f.rc"
	loaded "$f"
}
loaded() {
	f=$1
	rc=$(cat "$f.rc")
	code=000 n_name=0 n_connect=0 n_app=0 n_pre=0 n_start=0 n_total=0 n_http='' n_ip=''
	read -r code n_name n_connect n_app n_pre n_start n_total n_http n_ip <"$f.times" || :
}
# json FIELD: the first string of that name in the answer
json() { sed "s/\\\\\"/'/g" "$f.body" | sed -n 's/.*"'"$1"'": *"\([^"]*\)".*/\1/p' | head -n 1 | clip 300; }
from_kube() { grep -q '"gitVersion"' "$f.body" || { grep -q '"kind"' "$f.body" && grep -q '"apiVersion"' "$f.body"; } || grep -qi '^audit-id:' "$f.head"; }
who() {
	w_text=$code
	w_server=$(sed -n 's/^[Ss]erver: *//p' "$f.head" | tail -n 1 | clip 60)
	w_title=$(tr '\n' ' ' <"$f.body" | sed -n 's/.*<[Tt][Ii][Tt][Ll][Ee]>\([^<]*\)<.*/\1/p' | clip 80)
	w_to=$(sed -n 's/^[Ll]ocation: *//p' "$f.head" | tail -n 1 | clip 120)
	[ -z "$w_server" ] || w_text="$w_text from $w_server"
	[ -z "$w_title" ] || w_text="$w_text, a page titled \"$w_title\""
	[ -z "$w_to" ] || w_text="$w_text, redirects to $w_to"
	printf '%s' "$w_text"
}
message() { m_text=$(json message) && if [ -n "$m_text" ]; then printf '%s: %s' "$code" "$m_text"; else who; fi; }

# at_front: Google's front ends of a DNS endpoint refused, or the API server behind them.
at_front() { case $code:$host in 40[13]:*.gke.goog) ;; *) return 1 ;; esac }

# from_gateway: Connect Gateway refused, or something behind it did in words that it is
# known for; sets r_code, and r_detail where it spoke itself.
from_gateway() {
	[ -n "$gateway" ] || return 1
	g_code=
	g_said=$(tr 'A-Z\n\t' 'a-z  ' <"$f.body" | tr -d "\\\\\"'" | cut -c1-8000)
	case $g_said in
	*gkehub.gateway.stream*) g_code=CW-GATEWAY-STREAM ;;
	*gkehub.gateway.*) g_code=CW-GATEWAY-ROLE ;;
	*'has not been used in project'* | *service_disabled*) g_code=CW-GCP-API-DISABLED ;;
	*'failed to connect to the cluster'*status=403*) g_code=CW-GATEWAY-RBAC ;;
	*'failed to connect to the cluster'*'api server with response'* | *'error encountered within the cluster'*) g_code=CW-GATEWAY-WEBSOCKET ;;
	*active_streams* | *generic::resource_exhausted*) g_code=CW-GATEWAY-STREAMS ;;
	*'connection to agent'*) g_code=CW-GATEWAY-AGENT ;;
	*connect-agent-sa*'cannot impersonate'*) g_code=CW-GATEWAY-IMPERSONATE ;;
	*'no active connection'*) g_code=CW-GATEWAY-NO-AGENT ;;
	*gke-security-groups*8kb* | *'8kb http header size limit'* | *'header fields too large'* | *'header or cookie too large'*) g_code=CW-GATEWAY-HEADER ;;
	*' cannot '*' resource pods/exec'* | *' cannot '*' resource pods/attach'* | *' cannot '*' resource pods/portforward'*) g_code=CW-GATEWAY-RBAC ;;
	*'user '*' cannot '*' resource '* | *'user '*' cannot '*' path '*) g_code=CW-GATEWAY-FORBIDDEN ;;
	*'not found on this server'*) g_code=CW-GATEWAY-ADDRESS ;;
	*memberships/*'not found'*) g_code=CW-FLEET-MEMBER ;;
	esac
	if ! from_kube; then
		[ -z "$(json message)" ] || r_detail="Connect Gateway refuses: $(message)"
		case $code:$g_code:$f in
		401:*) g_code=CW-GCP-CREDENTIALS ;;
		400::*/exec-websocket)
			g_minor=${git_version#v1.}
			case ${g_minor%%.*} in [0-9] | [12][0-9]) g_code=CW-GATEWAY-VERSION ;; *) g_code=CW-GATEWAY-CLIENT ;; esac
			;;
		400::*) g_code=CW-GATEWAY-ADDRESS ;;
		esac
	fi
	[ -n "$g_code" ] && r_code=$g_code
}
# reads_alone: the gateway refused a POST, as it does a reader; reviews are sent by POST
reads_alone() { [ -n "$gateway" ] && [ "$code" = 403 ] && grep -q 'gkehub\.gateway\.post' "$f.body"; }

# judge OTHER WHAT: sets r_code and r_detail for a request that did not go well; OTHER is
# the code of what has none of its own. Empty r_code: it went well.
judge() {
	r_code='' r_detail=''
	if [ "$rc" != 0 ]; then
		r_text=$(sed -n 's/^curl: ([0-9]*) //p' "$f.err" | tail -n 1 | clip 200)
		r_detail="$2: $r_text"
		case $rc:$r_text in
		*"certificate required"* | *"bad certificate"* | *"alert unknown ca"* | *"alert certificate expired"*) r_code=CW-PROBE-CLIENT-CERT ;;
		28:*) r_code=CW-PROBE-TIMEOUT r_detail="$2: no answer in time" ;;
		*) r_code=$1 ;;
		esac
		return
	fi
	case $code in 2??) return ;; esac
	r_code=$1 r_detail=$(message)
	if from_gateway; then
		:
	elif [ "$code" = 400 ] && grep -q 'SSL certificate' "$f.body"; then
		r_code=CW-PROBE-CLIENT-CERT
	elif [ "$code" = 413 ]; then
		r_code=CW-PROBE-BODY-LIMIT
	elif { [ "$code" = 400 ] || [ "$code" = 426 ]; } && grep -qi upgrade "$f.body"; then
		r_code=CW-PROBE-UPGRADE
	elif at_front && grep -q 'container\.clusters\.connect' "$f.body"; then
		r_code=CW-DNS-CONNECT r_detail="IAM does not let this identity connect: $r_detail"
	elif at_front && [ "$code" = 401 ] && [ "$account" = yes ] && { [ -z "$token_end" ] || [ "$token_end" -ge "$now" ]; }; then
		r_code=CW-DNS-TOKENS r_detail="$r_detail: the DNS endpoint did not take the ServiceAccount's token"
	elif at_front && [ "$code" = 403 ] && ! from_kube; then
		r_code=CW-KUBE-DNS-ENDPOINT r_detail="the DNS endpoint refuses: $r_detail"
	elif at_front && [ "$code" = 401 ] && [ -z "$account" ] && ! from_kube; then
		r_code=CW-GCP-CREDENTIALS r_detail="the DNS endpoint does not take the token: $r_detail"
	elif [ "$code" = 401 ] && { at_front || from_kube; }; then
		r_code=CW-PROBE-UNAUTHORIZED
		[ -z "$token_end" ] || [ "$token_end" -ge "$now" ] || { r_code=CW-PROBE-TOKEN-EXPIRED && r_detail="$r_detail: the token ended at $(iso_of "$token_end")"; }
	elif [ "$code" = 403 ] && grep -q 'system:anonymous' "$f.body"; then
		r_code=CW-PROBE-ANONYMOUS
	elif [ "$code" = 403 ] && from_kube; then
		r_code=CW-PROBE-FORBIDDEN
	elif ! from_kube; then
		case $code in 50[0-9]) r_code=CW-PROBE-UPSTREAM ;; *) r_code=CW-PROBE-NOT-KUBE ;; esac
	fi
}

now=$(date +%s)
token_end='' account=''
if [ -n "$token_file" ]; then # what a JWT says of itself, read and not trusted
	claims=$(cut -d. -f2 "$token_file" | tr '_-' '/+' | awk '{ while (length($0) % 4) $0 = $0 "="; print }' | tr -d '\n' |
		decode64 2>/dev/null | tr ',}' '\n\n')
	token_end=$(printf '%s\n' "$claims" | sed -n 's/.*"exp": *\([0-9]*\).*/\1/p' | head -n 1)
	case $claims in *'"sub":"system:serviceaccount:'*) account=yes ;; esac
fi
[ "$output" = json ] || printf 'probe of %s%s, from %s\n' "$server" "${context:+, context $context}" "$from"

# ---- resolve, connect, tls: one request without the token, looked at closely ----
case $server in https://?*) ;; *) stop resolve 0 CW-PROBE-NOT-HTTPS "the server is $server: not https" ;; esac
if [ -n "$insecure" ]; then
	hop resolve pass 0 "" "not looked up"
	hop connect pass 0 "" "not tried"
	stop tls 0 CW-PROBE-INSECURE "the kubeconfig says insecure-skip-tls-verify: anyone on the way could read the token; not tried"
fi
fetch version "$((timeout + 2))" -v "$base/version"
t_name=$n_name t_connect=$n_connect t_app=$n_app t_start=$n_start t_total=$n_total
said() { grep -Eqi "$1" "$work/version.err"; }
trouble=$(sed -n 's/^curl: ([0-9]*) //p' "$work/version.err" | tail -n 1 | clip 200)

proxy_used=$proxy_url
[ -n "$proxy_used" ] || proxy_used=$(sed -n "s/^\* Uses proxy env variable [A-Za-z_]* == '\(.*\)'.*/\1/p" "$work/version.err" | grep '://' | tail -n 1)
# older curl says the variable of NO_PROXY in the same words, without a URL in it
[ -n "$proxy_used" ] || ! said 'uses proxy env variable (https|all)_proxy' || proxy_used='a proxy of the environment'
proxy_shown=$(hide_login "$proxy_used")

case $rc in
5 | 6) stop resolve "$(ms "$n_total")" CW-PROBE-RESOLVE "$trouble" ;;
28) ! said 'resolving timed out' || stop resolve "$(ms "$n_total")" CW-PROBE-RESOLVE "the DNS server does not answer" ;;
1 | 3 | 77) die "curl: $trouble" ;;
esac
r_detail="$host is ${n_ip:-known}"
! is_address "$host" || r_detail="$host is an address, no name to look up"
[ -z "$proxy_used" ] || r_detail="the proxy $proxy_shown was found"
fact addresses "$n_ip"
hop resolve pass "$(ms "$n_name")" "" "$r_detail"

where=$host:$port
[ -z "$proxy_used" ] || where="the proxy $proxy_shown"
no_connect() { stop connect "$(ms "$n_total" "$n_name")" "$1" "$2"; }
if said 'connect tunnel failed|http code [345][0-9][0-9] from proxy|socks.*(fail|refus|unreach|can.t)'; then
	no_connect CW-PROBE-PROXY-REFUSED "$where gives no way to $host:$port: $trouble"
elif [ "$rc" = 97 ]; then
	no_connect CW-PROBE-PROXY-REFUSED "$where: $trouble"
elif [ "$rc" = 7 ]; then
	if said 'connection refused'; then
		no_connect CW-PROBE-REFUSED "$where refused the connection"
	elif said 'no route to host|unreachable'; then
		no_connect CW-PROBE-NO-ROUTE "no route to $where"
	elif said 'timed out'; then
		no_connect CW-PROBE-TIMEOUT "$where did not answer in time"
	fi
	no_connect CW-PROBE-CONNECT "$trouble"
elif [ "$rc" = 28 ] && ! said '^\* Connected to|^\* Established connection'; then
	no_connect CW-PROBE-TIMEOUT "$where did not answer in time"
fi
c_took=$(ms "$n_connect" "$n_name")
if [ -n "$proxy_url" ]; then
	hop connect pass "$c_took" "" "through $where (proxy-url in the kubeconfig); tools that ignore proxy-url will not get there"
elif [ -n "$proxy_used" ]; then
	hop connect warn "$c_took" CW-PROBE-PROXY "through $where: every tool with this environment goes that way"
else
	hop connect pass "$c_took" "" "$where"
fi

# holds [-CAfile FILE]: the signatures of the chain hold, whatever its dates and names.
holds() { openssl verify -no_check_time "$@" -untrusted "$work/chain.pem" "$work/chain.pem" >/dev/null 2>&1; }

# look_at_certificate fills cert_* from what the server presents. This only reads: no
# request crosses this connection, and nothing goes on without curl's verification.
cert_names='' cert_issuer='' cert_subject='' cert_end='' cert_begin='' cert_note=''
look_at_certificate() {
	if [ -z "$openssl" ]; then
		cert_note='; no openssl here: its names are not listed'
	elif [ -n "$proxy_used" ]; then
		cert_note='; through a proxy: its names are not listed'
	else
		sni=$name
		! is_address "$name" || sni=
		openssl s_client -connect "$(bracket "$host"):$port" ${sni:+-servername "$sni"} -showcerts </dev/null >"$work/chain.pem" 2>/dev/null
		openssl x509 -in "$work/chain.pem" -noout -subject -issuer -startdate -enddate -text >"$work/cert" 2>/dev/null || return 0
		cert_subject=$(sed -n 's/ = /=/g;s/^subject= *//p' "$work/cert" | head -n 1 | clip 120)
		cert_issuer=$(sed -n 's/ = /=/g;s/^issuer= *//p' "$work/cert" | head -n 1 | clip 120)
		cert_begin=$(epoch_of "$(sed -n 's/^notBefore=//p' "$work/cert")")
		cert_end=$(epoch_of "$(sed -n 's/^notAfter=//p' "$work/cert")")
		cert_names=$(sed -n '/Subject Alternative Name/{n;s/, */,/g;s/^ *//;p;}' "$work/cert" | tr ',' '\n' | awk '
			/^IP Address:/ { ip = ip ", " substr($0, 12) } /^DNS:/ { dns = dns ", " substr($0, 5) }
			END { print substr(ip dns, 3) }' | clip 600)
		[ -n "$cert_names" ] || cert_names='no name at all (a common name alone does not count)'
	fi
	if [ -z "$cert_end" ]; then # curl's own words, with most of its TLS libraries
		cert_end=$(sed -n 's/^\* *expire date: *//p' "$work/version.err" | tail -n 1)
		[ -z "$cert_end" ] || cert_end=$(epoch_of "$cert_end")
		cert_issuer=$(sed -n 's/^\* *issuer: *//p' "$work/version.err" | tail -n 1 | clip 120)
	fi
}
certificate_facts() {
	fact names "$cert_names"
	fact issuer "$cert_issuer"
	fact subject "$cert_subject"
	[ -z "$cert_end" ] || fact not_after "$(iso_of "$cert_end")"
}
# refused_certificate names every fault, as causeway does, not only the first.
refused_certificate() {
	look_at_certificate
	x_code='' x_text=''
	add() { [ -n "$x_code" ] || x_code=$1; [ -z "$x_text" ] || x_text="$x_text; and "; x_text=$x_text$2; }
	if [ -n "$cert_subject" ]; then
		x_check=-checkhost
		! is_address "$name" || x_check=-checkip
		x_match=$(openssl x509 -in "$work/chain.pem" -noout "$x_check" "$name" 2>/dev/null | grep 'does match')
		# openssl falls back to the common name, Go clients don't
		case $cert_names in 'no name'*) x_match= ;; esac
		[ -n "$x_match" ] || add CW-PROBE-TLS-SAN "the certificate is not for $name but for $cert_names"
		if [ "$cert_end" -lt "$now" ]; then
			add CW-PROBE-TLS-EXPIRED "the certificate ended at $(iso_of "$cert_end")"
		elif [ "$cert_begin" -gt "$now" ]; then
			add CW-PROBE-TLS-EXPIRED "the certificate begins only at $(iso_of "$cert_begin"), and this machine's clock says $started"
		fi
		if holds ${ca:+-CAfile "$ca"}; then
			:
		elif [ -z "$ca" ]; then
			add CW-PROBE-TLS-INSPECTED "signed by $cert_issuer, which is no public CA that this machine trusts: something on the way opens TLS, or this machine has no roots"
		elif holds; then
			add CW-PROBE-TLS-PINNED "it is a public one, signed by $cert_issuer, and the kubeconfig pins another CA"
		else
			add CW-PROBE-TLS-CA "signed by $cert_issuer, which the CA at hand does not cover"
		fi
	elif said 'expired|not yet valid'; then
		add CW-PROBE-TLS-EXPIRED "$trouble"
	elif said 'subject name|no alternative|does not match|hostname mismatch'; then
		add CW-PROBE-TLS-SAN "$trouble"
	else
		add CW-PROBE-TLS-CA "$trouble"
	fi
	[ -n "$x_code" ] || add CW-PROBE-TLS "$trouble"
	certificate_facts
	stop tls "$tls_took" "$x_code" "$x_text$cert_note"
}

tls_took=$(ms "$n_app" "$n_connect")
[ "$rc" = 0 ] || ! more 0.000001 "$n_app" || tls_took=$(ms "$n_total" "$n_connect")
no_client_certificate() { stop tls "$tls_took" CW-PROBE-CLIENT-CERT "the server asked for a client certificate and refused: $trouble"; }
case $rc in
51 | 60) refused_certificate ;;
58) stop tls "$tls_took" CW-PROBE-CLIENT-CERT "the client certificate at hand can't be used: $trouble" ;;
28) ! more 0.000001 "$n_app" || stop tls "$tls_took" CW-PROBE-TLS-TIMEOUT "TCP connects, and the TLS handshake gets no answer" ;;
16 | 35 | 52 | 55 | 56)
	if more 0.000001 "$n_app"; then
		if said 'wrong version number|packet length too long|unknown protocol|unexpected tls packet|http request'; then
			stop tls "$tls_took" CW-PROBE-NOT-TLS "the answer is not TLS: $trouble"
		elif said 'certificate required|bad certificate' || { said 'request cert' && said 'alert'; }; then
			no_client_certificate
		fi
		stop tls "$tls_took" CW-PROBE-TLS "the handshake failed: $trouble"
	fi
	# With TLS 1.3 the server judges after the handshake, and its alert may get lost.
	! said 'request cert' || { [ -n "$client_cert" ] && ! said 'alert'; } || no_client_certificate
	;;
esac
look_at_certificate
case $cert_names in
'no name'*) # curl takes the common name, kubectl and other Go clients don't
	certificate_facts
	stop tls "$tls_took" CW-PROBE-TLS-SAN "the certificate is not for $name but for $cert_names"
	;;
esac
protocol=$(sed -n 's/^\* SSL connection using TLSv\([0-9.]*\) .*/TLS \1/p' "$work/version.err" | tail -n 1)
cipher=$(sed -n 's/^\* SSL connection using [^ ]* \/ \([^ ]*\).*/\1/p' "$work/version.err" | tail -n 1)
alpn=$(sed -n 's/^\* ALPN.* accepted \(to use \)*\([a-z0-9./]*\).*/\2/p' "$work/version.err" | tail -n 1)
t_detail="${protocol:-TLS}, ${cipher:-cipher not told}, ${alpn:-no ALPN}"
t_status=pass t_code=
fact protocol "$protocol"
fact cipher "$cipher"
fact alpn "$alpn"
if [ -n "$cert_end" ]; then
	days=$(((cert_end - now) / 86400))
	[ -z "$cert_names" ] || t_detail="$t_detail; certificate for $cert_names"
	t_detail="$t_detail; by $cert_issuer, ends $(iso_of "$cert_end") ($days days left)"
	fact days_left "$days"
	[ "$min_days" -eq 0 ] || [ "$days" -ge "$min_days" ] || t_status=warn t_code=CW-PROBE-TLS-SOON
fi
certificate_facts
hop tls "$t_status" "$tls_took" "$t_code" "$t_detail$cert_note"

# ---- http: who answers? ----
# Google's front ends of a DNS endpoint, and Connect Gateway, pass nobody on without a token.
if [ "$rc" = 0 ] && { at_front || [ -n "$gateway" ]; } && ! from_kube && [ -n "$token_file" ]; then
	fetch known "$timeout" "$base/version"
fi
h_took=$(ms "$n_total" "$n_app")
git_version=$(json gitVersion)
if [ "$rc" = 0 ] && [ "$code" = 200 ] && [ -n "$git_version" ]; then
	fact version "$git_version"
	fact http "HTTP/$n_http"
	hop http pass "$h_took" "" "kube-apiserver $git_version answers over HTTP/$n_http"
elif [ "$rc" = 0 ] && { [ "$code" = 401 ] || [ "$code" = 403 ]; } && from_kube; then
	fact http "HTTP/$n_http"
	hop http pass "$h_took" "" "kube-apiserver answers over HTTP/$n_http ($code to /version)"
else
	judge CW-PROBE-HTTP "GET /version"
	[ -n "$r_code" ] || r_code=CW-PROBE-NOT-KUBE r_detail="not kube-apiserver: $(who)"
	stop http "$h_took" "$r_code" "$r_detail"
fi

# ---- identity ----
review=apis/authentication.k8s.io/v1/selfsubjectreviews
review_body='{"kind":"SelfSubjectReview","apiVersion":"authentication.k8s.io/v1"}'
# Over HTTP/1.1: the API server refuses a stranger before it has read the body and
# then resets the HTTP/2 stream, which curl (7.88, say) takes for a cut answer.
fetch identity "$timeout" --http1.1 -H 'Content-Type: application/json' -d "$review_body" "$base/$review"
took=$(ms "$n_total")
user=$(json username)
judge CW-PROBE-UNAUTHORIZED "ask who I am"
if [ "$rc" = 0 ] && [ "$code" = 404 ] && from_kube; then
	hop identity pass "$took" "" "the API server is older than 1.28 and does not tell who calls"
elif reads_alone; then
	hop identity skip "$took" "" "can't be asked for without gkehub.gateway.post, which readers lack; the gateway itself knows the caller and lets him read"
elif [ -n "$r_code" ]; then
	stop identity "$took" "$r_code" "$r_detail"
elif [ -z "$user" ]; then
	stop identity "$took" CW-PROBE-NOT-KUBE "the answer to SelfSubjectReview names nobody: $(who)"
elif [ "$user" = system:anonymous ]; then
	stop identity "$took" CW-PROBE-ANONYMOUS "the API server takes the caller for $user: the credential did not arrive, or there is none"
else
	r_detail=$user
	fact user "$user"
	if [ -n "$token_end" ]; then
		fact token_ends "$(iso_of "$token_end")"
		r_detail="$user; the token ends $(iso_of "$token_end") (in $(((token_end - now) / 3600)) h)"
	fi
	hop identity pass "$took" "" "$r_detail"
fi

# ---- rights ----
# may VERB GROUP RESOURCE SUBRESOURCE NAMESPACE: true when it is allowed; sets r_code
# when the question itself failed.
may() {
	printf '{"kind":"SelfSubjectAccessReview","apiVersion":"authorization.k8s.io/v1","spec":{"resourceAttributes":{"verb":%s,"group":%s,"resource":%s,"subresource":%s,"namespace":%s}}}' \
		"$(json_string "$1")" "$(json_string "$2")" "$(json_string "$3")" "$(json_string "$4")" "$(json_string "$5")" >"$work/question"
	fetch may "$timeout" --http1.1 -H 'Content-Type: application/json' -d "@$work/question" "$base/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
	total=$(awk -v a="$total" -v b="$n_total" 'BEGIN { print a + b }')
	! reads_alone || guessed=1
	judge CW-PROBE-RIGHTS "ask for $1 $3"
	grep -q '"allowed": *true' "$f.body"
}
total=0 quiet='' collection='' guessed=''
if may list '' namespaces '' '' && may watch '' namespaces '' ''; then
	quiet=api/v1/namespaces collection=namespaces
elif may list '' pods '' "$namespace" && may watch '' pods '' "$namespace"; then
	quiet=api/v1/namespaces/$namespace/pods collection="pods in $namespace"
fi
asked=0 allowed=0 missing='' wanted='' trouble_code=$r_code trouble_detail=$r_detail
while [ -n "$rights" ]; do
	right=${rights%%
*} rights=${rights#*
} optional=
	case $right in *\?) right=${right%\?} optional=1 ;; esac
	verb=${right%%:*} what=${right#*:} in=
	case $right in *:*) ;; *) die "--right $right: write VERB:RESOURCE" ;; esac
	case $what in *:*) in=${what#*:} what=${what%%:*} ;; esac
	sub='' group=''
	case $what in */*) sub=${what#*/} what=${what%%/*} ;; esac
	case $what in *.*) group=${what#*.} what=${what%%.*} ;; esac
	asked=$((asked + 1))
	if may "$verb" "$group" "$what" "$sub" "$in"; then
		allowed=$((allowed + 1))
	else
		text="$verb $what${group:+.$group}${sub:+/$sub}${in:+ in $in}"
		if [ -n "$optional" ]; then wanted="$wanted${wanted:+, }$text"; else missing="$missing${missing:+, }$text"; fi
	fi
	[ -n "$trouble_code" ] || trouble_code=$r_code trouble_detail=$r_detail
done
took=$(ms "$total")
if [ -n "$guessed" ]; then
	quiet=api/v1/namespaces collection=namespaces
	[ -z "$named" ] || quiet=api/v1/namespaces/$namespace/pods collection="pods in $namespace"
	hop rights skip "$took" "" "can't be asked for without gkehub.gateway.post, which readers lack; whether it may list $collection is tried"
elif [ -n "$trouble_code" ]; then
	hop rights fail "$took" "$trouble_code" "$trouble_detail"
elif [ -n "$missing" ]; then
	fact missing "$missing"
	hop rights fail "$took" CW-PROBE-RIGHTS "$allowed of $asked; not allowed: $missing${wanted:+, $wanted}"
elif [ -n "$wanted" ]; then
	hop rights warn "$took" CW-PROBE-RIGHTS "$allowed of $asked; not allowed, and not needed by all: $wanted"
elif [ "$asked" -gt 0 ]; then
	hop rights pass "$took" "" "all $asked"
elif [ -n "$quiet" ]; then
	hop rights pass "$took" "" "none asked for; may list and watch $collection"
else
	hop rights pass "$took" "" "none asked for; may list and watch neither namespaces nor pods in $namespace"
fi

# ---- list ----
if [ -z "$quiet" ]; then
	hop list skip 0 "" "the identity may list neither namespaces nor pods in $namespace"
else
	fetch list "$timeout" -H 'Accept: application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1, application/json' "$base/$quiet?limit=500"
	judge CW-PROBE-LIST "list $collection"
	[ -n "$r_code" ] || grep -q '"items"' "$f.body" || r_code=CW-PROBE-LIST r_detail="the answer is no list: $(who)"
	if [ -n "$guessed" ] && [ "$code" = 403 ] && from_kube; then
		hop list skip "$(ms "$n_total")" "" "the identity may not list $collection, and what else it may can't be asked for"
		quiet=
	elif [ -n "$r_code" ]; then
		hop list fail "$(ms "$n_total")" "$r_code" "$r_detail"
	else
		count=$(awk '{ n += gsub(/"metadata": *[{] *"name"/, "") } END { print n + 0 }' "$f.body")
		size=$(($(wc -c <"$f.body")))
		fact count "$count"
		hop list pass "$(ms "$n_total")" "" "$collection: $count, $size bytes"
	fi
fi

# ---- watch: the headers of a watch on which nothing happens. The server ends it after
# a second; headers that come no sooner than its end were held back, or a packet was
# lost: a second, longer try decides. ----
open_watch() { # VERSION SECONDS
	fetch "watch-$1" "$(($2 + 4))" --"$1" "$base/$quiet?watch=true&fieldSelector=metadata.name%3Dcauseway-probe-nobody&timeoutSeconds=$2"
}
# headers_held SECONDS: the loaded watch had none until nearly its end, or none at all
headers_held() {
	# cut by a read timeout before they came: held back as well
	[ "$code" != 000 ] || { more "$n_pre" 0 && more "$(awk -v a="$n_total" -v b="$n_pre" 'BEGIN { print a - b }')" 0.8 && return 0; }
	[ "$code" = 200 ] && more "$(awk -v a="$n_start" -v b="$n_pre" 'BEGIN { print a - b }')" "$(awk -v a="$1" 'BEGIN { print a * 0.8 }')"
}
watch_over() { # VERSION LABEL
	loaded "$work/watch-$1"
	if headers_held 1; then
		open_watch "$1" 4
		if headers_held 4; then
			w_code=CW-PROBE-WATCH-HELD r_detail="no response headers within 3 s over $2 on a watch where nothing happens${seen:+ (after $seen)}"
			return
		fi
	fi
	! more "$n_total" "$w_total" || w_total=$n_total
	[ "$code" != 200 ] || rc=0 # the headers came; how it ended is the idle hop's business
	judge CW-PROBE-WATCH "watch over $2"
	w_code=$r_code
	fact "headers_ms_$(printf '%s' "$2" | tr -d /)" "$(ms "$n_start" "$n_pre")"
	seen="$seen${seen:+, }$(ms "$n_start" "$n_pre") ms over $2"
}
if [ -z "$quiet" ]; then
	hop watch skip 0 "" "the identity may watch neither namespaces nor pods in $namespace"
else
	seen='' w_code='' w_total=0
	if [ "$alpn" = h2 ]; then
		(open_watch http2 1) &
	fi
	(open_watch http1.1 1)
	wait
	watch_over http1.1 http/1.1
	if [ "$alpn" != h2 ]; then
		seen="$seen (HTTP/2 is not offered)"
	elif [ -z "$w_code" ]; then
		watch_over http2 h2
	fi
	if [ -n "$w_code" ]; then
		facts=
		hop watch fail "$(ms "$w_total")" "$w_code" "$r_detail"
	else
		hop watch pass "$(ms "$w_total")" "" "headers of a quiet watch on $collection after $seen"
	fi
fi

# ---- exec: the handshake only; the command's output needs kubectl or causeway ----
upgrade() { # HOP TRANSPORT ARGUMENTS...
	u_hop=$1 u_transport=$2
	shift 2
	if [ -z "$exec_in" ]; then
		hop "$u_hop" skip 0 "" "not asked for"
		return
	elif [ -n "$gateway" ] && [ "$u_transport" = SPDY ]; then
		hop "$u_hop" skip 0 "" "Connect Gateway passes streams over WebSocket alone"
		return
	fi
	pod=${exec_in#*/} u_container=
	case $pod in */*) u_container="&container=${pod#*/}" pod=${pod%%/*} ;; esac
	fetch "$u_hop" 4 --http1.1 -H 'Connection: Upgrade' "$@" "$base/api/v1/namespaces/${exec_in%%/*}/pods/$pod/exec?command=true&stdout=true$u_container"
	if grep -q '^HTTP/1.1 101' "$f.head"; then
		hop "$u_hop" pass "$(ms "$n_start")" "" "101 Switching Protocols for $u_transport (the handshake only)"
		return
	fi
	judge CW-PROBE-EXEC "exec over $u_transport"
	case $r_code in CW-GATEWAY-* | CW-GCP-* | CW-FLEET-*)
		hop "$u_hop" fail "$(ms "$n_total")" "$r_code" "$r_detail"
		return
		;;
	esac
	if [ -z "$r_code" ] || { [ "$rc" = 0 ] && ! from_kube; }; then
		r_code=CW-PROBE-UPGRADE r_detail="the $u_transport upgrade did not arrive: $(who)"
	elif grep -q 'error dialing backend' "$f.body"; then
		r_code=CW-PROBE-EXEC-BACKEND
	elif [ "$code" = 404 ] && from_kube || { [ "$code" = 400 ] && grep -q 'container' "$f.body"; }; then
		r_code=CW-PROBE-EXEC-TARGET
	fi
	hop "$u_hop" fail "$(ms "$n_total")" "$r_code" "$r_detail"
}
upgrade exec-websocket WebSocket -H 'Upgrade: websocket' -H 'Sec-WebSocket-Version: 13' \
	-H 'Sec-WebSocket-Key: Y2F1c2V3YXktcHJvYmUwMA==' -H 'Sec-WebSocket-Protocol: v5.channel.k8s.io'
upgrade exec-spdy SPDY -X POST -d '' -H 'Upgrade: SPDY/3.1' -H 'X-Stream-Protocol-Version: v4.channel.k8s.io'

# ---- large-body: 2.5 MiB, below the API server's own limit of 3 MiB; white space in a
# review, which everybody may send and nobody stores ----
if [ -z "$large" ]; then
	hop large-body skip 0 "" "not asked for"
else
	{ printf '%s' "${review_body%\}}"; dd if=/dev/zero bs=1024 count=2560 2>/dev/null | tr '\000' ' '; printf '}'; } >"$work/large"
	fetch large-body "$((timeout * 3))" -H 'Content-Type: application/json' -H 'Expect:' --data-binary "@$work/large" "$base/$review"
	judge CW-PROBE-HTTP "send 2.5 MiB"
	if [ -n "$r_code" ]; then
		hop large-body fail "$(ms "$n_total")" "$r_code" "$r_detail"
	else
		hop large-body pass "$(ms "$n_total")" "" "2.5 MiB went through"
	fi
fi

# ---- idle: the server ends a quiet watch; only its end proves that the way lives ----
if [ "$idle" -eq 0 ]; then
	hop idle skip 0 "" "not asked for"
elif [ -z "$quiet" ]; then
	hop idle skip 0 "" "the identity may watch neither namespaces nor pods in $namespace"
else
	fetch idle "$((idle + timeout))" "$base/$quiet?watch=true&fieldSelector=metadata.name%3Dcauseway-probe-nobody&timeoutSeconds=$idle"
	took=$(ms "$n_total")
	if [ "$rc" = 28 ] && [ "$code" = 200 ]; then
		hop idle fail "$took" CW-PROBE-IDLE-LOST "after $idle s of silence the end of the watch did not arrive: the connection was dropped without a word"
	elif [ "$code" = 200 ] && { [ "$rc" != 0 ] || more "$((idle - 1))" "$n_total"; }; then
		hop idle fail "$took" CW-PROBE-IDLE-CUT "a quiet watch was cut after $took ms of $idle s"
	else
		judge CW-PROBE-IDLE-CUT "hold a watch"
		if [ -n "$r_code" ]; then
			hop idle fail "$took" "$r_code" "$r_detail"
		else
			hop idle pass "$took" "" "a quiet watch lived for $took ms, and its end arrived"
		fi
	fi
fi

finish

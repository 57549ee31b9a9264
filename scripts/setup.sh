#!/bin/sh
# Installs the Debian packages that the tests, the lab and the benchmarks need
# and this machine lacks. What is there, from whichever package, is left alone.
#
# Without root, or on a machine without apt, it says what is missing and what
# works all the same, and ends well: the rest of `make` then does what it can.
#
# usage: scripts/setup.sh [--check]      --check only tells, and fails when something is missing
set -eu

check=no
case ${1:-} in
'') ;;
--check) check=yes ;;
*) sed -n '2,/^set -eu/p' "$0" | sed '$d; s/^# \{0,1\}//' >&2; exit 2 ;;
esac
say() { echo "setup: $*" >&2; }
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

has() { command -v "$1" >/dev/null 2>&1; }
has_stream() { # a module of its own on Debian, built in elsewhere
	has nginx || return 1
	[ -e /usr/lib/nginx/modules/ngx_stream_module.so ] || nginx -V 2>&1 | grep -Eq -- '--with-stream( |$)'
}
has_cni() { [ -x /usr/lib/cni/ptp ] || [ -x /opt/cni/bin/ptp ] || [ -x /usr/libexec/cni/ptp ]; }

# Looked for by what they bring, not by name: a machine with Docker's own
# containerd has no Debian containerd, and installing that would remove Docker.
tests="" lab="" bench=""
has nginx || tests="$tests nginx"
has_stream || tests="$tests libnginx-mod-stream"
has curl || tests="$tests curl"
has openssl || tests="$tests openssl"
has debootstrap || tests="$tests debootstrap"
has bird || tests="$tests bird2" # the lab's BGP speaker too
has vtysh || tests="$tests frr"
has swanctl || tests="$tests strongswan-swanctl"
has charon-systemd || tests="$tests charon-systemd" # holds the other half of swanctl's parser
{ has containerd && has ctr && has containerd-shim-runc-v2; } || lab="$lab containerd"
has runc || lab="$lab runc"
has_cni || lab="$lab containernetworking-plugins"
{ has iptables && has iptables-save; } || lab="$lab iptables"
has ip || lab="$lab iproute2"
has conntrack || lab="$lab conntrack"
has haproxy || bench="$bench haproxy"
missing="$tests$lab$bench"

has go || {
	say "go is not on PATH: causeway needs Go 1.26 (https://go.dev/dl)"
	exit 1
}
if [ -z "$missing" ]; then
	[ "$check" = no ] || say "all is there"
	exit 0
fi

cannot() { # why
	say "$1. Missing:$missing"
	[ -z "$tests" ] || say "without$tests, \`make test\` fails in the tests that need them (nginx's and the far side's configurations, openssl, curl)"
	[ -z "$lab" ] || say "without$lab, the lab can't run a node; its smaller form can do without: cd lab && go run . demo --small"
	[ -z "$bench" ] || say "without$bench, \`make bench\` leaves that comparison out"
	say "\`make build\` and causeway itself need none of them"
	[ "$check" = no ] || exit 1
	exit 0
}
[ "$check" = no ] || cannot "something is missing"
[ "$(id -u)" = 0 ] || cannot "installing packages needs root: run \`sudo make setup\` or install them yourself"
has apt-get || cannot "this machine has no apt-get; install the like of these packages by its own means"

say "installing:$missing"
# The programs are wanted, not the services: nginx on port 80, or a container
# daemon that starts at boot, would be a change that nobody asked for.
policy=/usr/sbin/policy-rc.d
ours=no
if [ ! -e "$policy" ]; then
	ours=yes
	trap 'rm -f "$policy"' EXIT INT TERM
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod 755 "$policy"
fi
log=$(mktemp)
install() {
	# shellcheck disable=SC2086 # a list of names
	DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing >>"$log" 2>&1
}
if ! install; then
	say "the package lists are old or empty: apt-get update"
	if ! apt-get update -q >>"$log" 2>&1 || ! install; then
		say "apt-get failed; its last lines:"
		tail -n 15 "$log" >&2
		rm -f "$log"
		exit 1
	fi
fi
rm -f "$log"
[ "$ours" = no ] || rm -f "$policy"
if [ -d /run/systemd/system ]; then
	for pair in nginx:nginx haproxy:haproxy containerd:containerd bird2:bird frr:frr charon-systemd:strongswan; do
		case " $missing " in *" ${pair%%:*} "*) systemctl disable --quiet "${pair#*:}" 2>/dev/null || true ;; esac
	done
	say "installed; their services are neither started nor enabled"
else
	say "installed"
fi

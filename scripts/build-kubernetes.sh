#!/bin/sh
# Builds what the lab and the tests run: etcd, Kubernetes, kubectl and the
# lab's pause, from the published Go modules that lab/build/*/go.mod pin.
#
#   scripts/build-kubernetes.sh apiserver   etcd and kube-apiserver: enough for `make test`
#   scripts/build-kubernetes.sh all         everything that the lab needs (the default)
#
# The binaries go to ${CAUSEWAY_CACHE:-${XDG_CACHE_HOME:-~/.cache}/causeway}/bin.
# What is there and was built from the same pins by the same Go is left alone.
set -eu

want=${1:-all}
case $want in
apiserver) groups="etcd kube-apiserver" ;;
all) groups="etcd kube-apiserver node kubectl pause" ;;
*) echo "usage: $0 [apiserver|all]" >&2; exit 2 ;;
esac

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
cache=${CAUSEWAY_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/causeway}
bin=$cache/bin
stamps=$bin/.stamps
command -v go >/dev/null 2>&1 || { echo "build-kubernetes: go is not on PATH" >&2; exit 1; }
mkdir -p "$stamps"

# The release is read from the pins, so that an upgrade is one change in one file.
kube=$(sed -n 's/^[[:space:]]*k8s.io\/kubernetes \(v[0-9.]*\).*/\1/p' "$root/lab/build/kubernetes/go.mod" | head -n 1)
[ -n "$kube" ] || { echo "build-kubernetes: lab/build/kubernetes/go.mod names no k8s.io/kubernetes version" >&2; exit 1; }
major=$(echo "$kube" | sed 's/^v\([0-9]*\).*/\1/')
minor=$(echo "$kube" | sed 's/^v[0-9]*\.\([0-9]*\).*/\1/')
v=k8s.io/component-base/version
# Without these, version checks (kubelet against API server, kubectl) fail.
kubeld="-s -w -X $v.gitVersion=$kube -X $v.gitMajor=$major -X $v.gitMinor=$minor"

key_of() { # what the group is made from; a change of it means a new build
	{
		go env GOVERSION GOOS GOARCH
		echo "$kubeld"
		case $1 in
		etcd) cat "$root/lab/build/etcd/go.mod" ;;
		pause) cat "$root/lab/pause/main.go" ;;
		# The tool lines decide what is built, not how.
		*) sed '/^tool/,/^)/d' "$root/lab/build/kubernetes/go.mod" ;;
		esac
	} | cksum | tr ' ' '-'
}

binaries_of() {
	case $1 in
	node) echo "kube-controller-manager kube-scheduler kubelet kube-proxy" ;;
	*) echo "$1" ;;
	esac
}

fresh() { # is the group built already, from these pins?
	[ "$(cat "$stamps/$1" 2>/dev/null)" = "$(key_of "$1")" ] || return 1
	for b in $(binaries_of "$1"); do [ -x "$bin/$b" ] || return 1; done
}

build() { # group, build directory, linker flags, packages...
	group=$1 dir=$2 ld=$3
	shift 3
	out=$(mktemp -d "$cache/build.XXXXXX")
	trap 'rm -rf "$out"' EXIT
	(cd "$root/$dir" && CGO_ENABLED=0 go build -trimpath -ldflags "$ld" -o "$out/" "$@")
	for f in "$out"/*; do
		name=$(basename "$f")
		# etcd's main package lies in a directory named after its major version.
		[ "$group" = etcd ] && name=etcd
		[ "$group" = pause ] && name=pause
		mv -f "$f" "$bin/$name"
	done
	rm -rf "$out"
	trap - EXIT
	key_of "$group" >"$stamps/$group"
}

# Long silence looks like a hang: a line every 20 seconds says it is not.
with_progress() { # text, command...
	text=$1 began=$(date +%s)
	shift
	echo "building $text ..." >&2
	("$@") &
	job=$!
	trap 'kill "$job" 2>/dev/null; exit 130' INT TERM
	ticks=0
	while kill -0 "$job" 2>/dev/null; do
		sleep 1
		ticks=$((ticks + 1))
		[ $((ticks % 20)) -ne 0 ] || echo "  $text: $(($(date +%s) - began)) s" >&2
	done
	trap - INT TERM
	wait "$job" || { echo "build-kubernetes: building $text failed" >&2; exit 1; }
	echo "  $text: done in $(($(date +%s) - began)) s" >&2
}

cmds=k8s.io/kubernetes/cmd
for group in $groups; do
	fresh "$group" && continue
	case $group in
	etcd) with_progress "etcd (about 20 s)" build etcd lab/build/etcd "-s -w" go.etcd.io/etcd/server/v3 ;;
	kube-apiserver) with_progress "kube-apiserver $kube (about 3 min the first time)" \
		build kube-apiserver lab/build/kubernetes "$kubeld" $cmds/kube-apiserver ;;
	node) with_progress "kubelet, kube-proxy, scheduler, controller manager (about 80 s)" \
		build node lab/build/kubernetes "$kubeld" $cmds/kube-controller-manager $cmds/kube-scheduler $cmds/kubelet $cmds/kube-proxy ;;
	kubectl) with_progress "kubectl (about 15 s)" build kubectl lab/build/kubernetes "$kubeld" $cmds/kubectl ;;
	pause) with_progress "pause" build pause lab "-s -w" ./pause ;;
	esac
done
echo "etcd and Kubernetes $kube ($want) are in $bin" >&2

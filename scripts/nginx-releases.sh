#!/bin/sh
# Makes root file systems with newer releases of nginx than the machine's, for
# the tests and the benchmarks: <cache>/nginx/<version>/.
#
# Each is a Debian suite installed by debootstrap from the mirror that the
# machine's own apt sources name. The nginx in it is run from outside, through
# the root's own dynamic loader, so that only this script needs root.
#
# Idempotent: a suite whose root is there is left alone (--again makes it anew).
# A machine that cannot do it (no root, no debootstrap, no Debian keyring or
# mirror) is told so, and goes on with its own nginx: exit 0. With --strict it is
# an error.
#
# usage: scripts/nginx-releases.sh [--strict] [--again] [SUITE ...]
#        default suites: trixie forky (sid where the mirror has no forky)
set -eu

cache=${CAUSEWAY_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/causeway}
roots=$cache/nginx
keyring=${DEBIAN_KEYRING:-/usr/share/keyrings/debian-archive-keyring.gpg}
strict=no
again=no
suites=

while [ $# -gt 0 ]; do
	case $1 in
	--strict) strict=yes ;;
	--again) again=yes ;;
	-h | --help) sed -n '2,/^set -eu/p' "$0" | sed '$d; s/^# \{0,1\}//'; exit 0 ;;
	-*) echo "nginx-releases: unknown option $1" >&2; exit 2 ;;
	*) suites="$suites $1" ;;
	esac
	shift
done

say() { echo "nginx-releases: $*" >&2; }

# cannot ends the script: tests go on with the machine's own nginx.
cannot() {
	say "$*"
	own=$(PATH=$PATH:/usr/sbin nginx -v 2>&1 | sed 's/^nginx version: //') || own=
	say "going on without newer releases; the machine's own: ${own:-none}"
	[ "$strict" = no ] || exit 1
	exit 0
}

# mirrors prints the addresses that the machine's apt sources name, deb822 files
# and one-line files alike. The one that has Debian's newer suites is found by
# asking it, so security and third-party archives fall out by themselves.
mirrors() {
	{
		cat /etc/apt/sources.list.d/*.sources 2>/dev/null |
			sed -n 's/^[Uu][Rr][Ii][Ss]:[[:space:]]*//p' | tr ' ' '\n'
		cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null |
			sed -n 's/^deb[[:space:]]\{1,\}\(\[[^]]*\][[:space:]]*\)\{0,1\}\([^[:space:]]*\).*/\2/p'
	} | sed 's,/*$,,' | awk 'NF && !seen[$0]++'
}

fetch() { # url: to stdout, fails when it is not there
	if command -v curl >/dev/null; then curl -fsSL --max-time 30 "$1"; else wget -q -T 30 -O - "$1"; fi
}

# mirror_of prints the first mirror whose Release file of the suite is Debian's.
mirror_of() {
	for mirror in $(mirrors); do
		case $mirror in http://* | https://*) ;; *) continue ;; esac
		if fetch "$mirror/dists/$1/Release" 2>/dev/null | head -n 5 | grep -q '^Origin: Debian$'; then
			echo "$mirror"
			return 0
		fi
	done
	return 1
}

# is_there says whether a suite's root was made before, without asking any mirror.
is_there() {
	[ -s "$roots/.suite-$1" ] && [ -x "$roots/$(cat "$roots/.suite-$1")/usr/sbin/nginx" ]
}

# make_root installs one suite, beside the place where it will lie, and moves it
# there under the name of the version that it turned out to hold.
make_root() {
	suite=$1
	stamp=$roots/.suite-$suite
	if [ "$again" = no ] && is_there "$suite"; then
		say "$suite: nginx $(cat "$stamp") is there"
		return 0
	fi
	mirror=$(mirror_of "$suite") || { say "$suite: no mirror of the apt sources has it"; return 1; }
	work=$roots/.making-$suite
	rm -rf "$work"
	mkdir -p "$work"
	# A debootstrap older than the suite does not know its name; all of Debian's
	# suites are installed the way sid is.
	script=/usr/share/debootstrap/scripts/$suite
	[ -e "$script" ] || script=/usr/share/debootstrap/scripts/sid
	say "$suite: debootstrap (about half a minute)"
	if ! debootstrap --variant=minbase --keyring="$keyring" \
		--include=nginx,libnginx-mod-stream "$suite" "$work" "$mirror" "$script" >"$roots/$suite.log" 2>&1; then
		say "$suite: debootstrap failed, the last lines of $roots/$suite.log:"
		tail -n 5 "$roots/$suite.log" >&2
		rm -rf "$work"
		return 1
	fi
	version=$(chroot "$work" /usr/sbin/nginx -v 2>&1 | sed -n 's,^nginx version: nginx/\([0-9.]*\).*,\1,p')
	if [ -z "$version" ]; then
		say "$suite: the nginx in it does not say its version"
		rm -rf "$work"
		return 1
	fi
	rm -rf "$work"/var/cache/apt "$work"/var/lib/apt/lists "$work"/usr/share/doc "$work"/usr/share/locale
	rm -rf "${roots:?}/$version"
	mv "$work" "$roots/$version"
	# Readable without root, as the tests are.
	chmod 755 "$roots/$version"
	echo "$version" >"$stamp"
	say "$suite: nginx $version"
}

[ "$(id -u)" = 0 ] || cannot "needs root for debootstrap"
command -v debootstrap >/dev/null || cannot "debootstrap is not installed (make setup installs it)"
command -v curl >/dev/null || command -v wget >/dev/null || cannot "neither curl nor wget is installed"
# Without the archive's keys debootstrap would verify nothing; that is not wanted.
[ -r "$keyring" ] || cannot "no Debian archive keyring at $keyring (package debian-archive-keyring)"
mkdir -p "$roots"

if [ -z "$suites" ]; then
	newest=sid
	if is_there forky || { ! is_there sid && mirror_of forky >/dev/null; }; then newest=forky; fi
	suites="trixie $newest"
fi
made=0
for suite in $suites; do
	if make_root "$suite"; then made=$((made + 1)); fi
done
[ "$made" -gt 0 ] || cannot "none of these suites could be installed: $suites"

#!/usr/bin/env bash
# Runs go test with the given arguments and closes with a count: how many tests
# passed, failed and stepped aside. The first argument may be -C DIR.
set -uo pipefail
dir=.
if [ "${1:-}" = -C ]; then dir=$2; shift 2; fi
log=$(mktemp)
# Tests that need a tool that is not on the machine say so here instead of failing.
export CAUSEWAY_NOT_RUN_FILE=$log.not-run
trap 'rm -f "$log" "$CAUSEWAY_NOT_RUN_FILE"' EXIT
cd "$dir" || exit 1
# -vet=off: make lint vets all of it, more strictly.
go test -count=1 -timeout 25m -vet=off -v "$@" 2>&1 | tee "$log" |
  grep --line-buffered -E '^(ok|FAIL|panic:|---? FAIL|\s+--- FAIL|.*_test\.go:[0-9]+:|#|.*\.go:[0-9]+:[0-9]+:|NOTE)' 
status=${PIPESTATUS[0]}
count() { grep -cE "^ *--- $1:" "$log"; }
if [ "$status" -ne 0 ] && [ "$(count FAIL)" -eq 0 ]; then tail -60 "$log"; fi
# What a failed test said, whole: its own lines lie among those of tests that ran at
# the same time, under "=== NAME" lines.
failures() {
  awk '
    /^=== (RUN|CONT|NAME|PAUSE) / { name = $3; next }
    /^ *--- (PASS|FAIL|SKIP): /   { name = ""; if ($2 == "FAIL:") failed[++n] = name = $3; next }
    /^(ok|FAIL|\?)[ \t]+[^ ]+/     {
      for (i = 1; i <= n; i++) if (failed[i] in said) printf "\n== %s of %s said:\n%s", failed[i], $2, said[failed[i]]
      delete said; delete failed; n = 0; name = ""; next
    }
    name != "" { said[name] = said[name] $0 "\n" }
  ' "$log"
}
if [ "$status" -ne 0 ]; then failures; fi
if [ -s "$CAUSEWAY_NOT_RUN_FILE" ]; then echo "NOT RUN, for want of a tool:"; sort -u "$CAUSEWAY_NOT_RUN_FILE"; fi
printf '%s passed, %s failed, %s skipped\n' "$(count PASS)" "$(count FAIL)" "$(count SKIP)"
exit "$status"

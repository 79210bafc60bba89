#!/bin/sh
# Runs a command and prints how long it took: scripts/timed.sh "label" command argument...
label=$1
shift
start=$(date +%s)
"$@"
status=$?
if [ "$status" -eq 0 ]; then
    echo "$label: $(($(date +%s) - start)) s"
else
    echo "$label: failed after $(($(date +%s) - start)) s" >&2
fi
exit "$status"

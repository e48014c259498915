#!/bin/bash
# Imports images with a containerd of its own and ends it in order, so that its data can be copied.
# Runs in mount and process namespaces of its own.
set -eu
config=$1 log=$2
shift 2

mount -t tmpfs tmpfs /run
containerd --config "$config" >"$log" 2>&1 &
containerd=$!
for attempt in $(seq 300); do
  ctr version >/dev/null 2>&1 && break
  kill -0 "$containerd" # ends the script if containerd has ended
  sleep 0.1
done
for archive; do ctr --namespace k8s.io images import --all-platforms=false "$archive" >&2; done
kill "$containerd"
wait "$containerd" || true

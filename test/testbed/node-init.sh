#!/bin/bash
# The first process of a node. Runs in the node's own network, mount, process, host name and IPC
# namespaces; killing it is pulling the node's plug. It keeps three programs running:
# containerd, kubelet and kube-proxy. A file NAME.stopped in the node's folder holds NAME back.
set -eu
name=$1 address=$2 folder=$3 logs=$4 binaries=$5 kubeconfig=$6 volumes=$7

hostname "$name"
mount --make-rshared /

# What the node writes outside its folder goes here and ends with it.
for path in /run /var/lib /var/log; do mount -t tmpfs tmpfs "$path"; done

# kubelet sets these for the whole machine, and won't start if it can't: it gets files of its own.
for setting in vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 kernel/panic_on_oops=1 \
  kernel/keys/root_maxkeys=1000000 kernel/keys/root_maxbytes=25000000; do
  file=${setting%=*}
  [ -e "/proc/sys/$file" ] || continue
  mkdir -p "/run/sysctl/${file%/*}"
  echo "${setting#*=}" >"/run/sysctl/$file"
  mount --bind "/run/sysctl/$file" "/proc/sys/$file"
done

# Each boot has an ID of its own, as on a machine: Kubernetes tells a boot by it.
cp /proc/sys/kernel/random/uuid /run/boot_id
mount --bind /run/boot_id /proc/sys/kernel/random/boot_id

# The node's disk: what is still there after a loss of power.
disk() {
  mkdir -p "$folder/disk/$1" "$2"
  mount --bind "$folder/disk/$1" "$2"
}
disk kubelet /var/lib/kubelet
mount --make-shared /var/lib/kubelet
disk containerd /var/lib/containerd
disk pods /var/log/pods
disk volumes "$volumes"
mkdir -p /run/containerd /run/netns /var/log/containers /var/lib/cni

# Runs a command again whenever it ends. Its number is in NAME.pid while it runs.
keep() {
  component=$1
  shift
  while :; do
    if [ ! -e "$folder/$component.stopped" ]; then
      "$@" >>"$logs/$name-$component.log" 2>&1 &
      echo $! >"$folder/$component.pid"
      wait $! || true
      rm -f "$folder/$component.pid"
    fi
    sleep 0.2
  done
}

rm -f "$folder"/*.pid
keep containerd containerd --config "$folder/containerd.toml" &
keep kubelet "$binaries/kubelet" --config="$folder/kubelet.yaml" --kubeconfig="$kubeconfig" \
  --hostname-override="$name" --node-ip="$address" --root-dir=/var/lib/kubelet &
keep kube-proxy "$binaries/kube-proxy" --config="$folder/kube-proxy.yaml" &

# The first process also buries the orphans of all others.
while :; do
  wait || true
  sleep 1
done

#!/usr/bin/env bash
# Runs emojax on TPUs of a GKE cluster, through xpk; TPU7x too.
#
#   bash launch/gke.sh create CONFIG [FLAG...]    sends the run to the cluster
#   bash launch/gke.sh logs CONFIG                follows the log of worker 0
#   bash launch/gke.sh fetch CONFIG [FOLDER]      copies the results here
#   bash launch/gke.sh delete CONFIG              takes the run off the cluster
#
# With --dry-run each prints its commands and runs none. docs/tpu.md has more.
# Needs xpk (pip install xpk, in an environment of its own), gcloud, kubectl.
#
# Which launcher: this one for TPU7x (the Cloud TPU API, which is in
# maintenance, has none) and for a cluster that you have already. For a slice of
# v2 to v6e without a cluster, tpu_vm.sh is less to set up.
#
# Settings, from the environment:
#   CLUSTER, ZONE    made by `xpk cluster create`               all but fetch
#   TPU_TYPE         such as tpu7x-128, v6e-64                  create
#   BUCKET           where results go, NAME or NAME/FOLDER      create, fetch
#   RUN_NAME         the folder there (the config's name)
#   WORKLOAD         the name in the cluster (emojax- and the run's name)
#   DOCKER_IMAGE     one that has emojax, and its checkout as working directory
#   BASE_IMAGE       else HEAD is added to this one (python:3.12) and installed
#                    when it starts
#   MAX_RESTARTS     how often a stopped run may go on (100)
#   GRACE_SECONDS    that it has for saving when it is told to stop (120)
#   XPK_FLAGS        more flags for xpk, such as --env-file=FILE
set -euo pipefail

# shellcheck source=launch/environment.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/environment.sh"
# shellcheck source=launch/commands.sh
source "$root/launch/commands.sh"

need_cluster() {
  (: "${CLUSTER:?set it to the name of a GKE cluster with TPUs}" \
    "${ZONE:?set it to the zone of its TPUs, such as us-central1-c}") || exit 2
}

need_command() {  # NAME HOW
  [[ -n "$dry_run" ]] || command -v "$1" >/dev/null ||
    fail 2 "$1 is missing: $2."
}

# Prints a name that Kubernetes accepts: a-z, 0-9 and -, at most 40.
workload() {  # CONFIG
  local name
  if [[ -n "${WORKLOAD:-}" ]]; then
    printf '%s' "$WORKLOAD"
    return
  fi
  name=$(run_name "$1" | LC_ALL=C tr '[:upper:]' '[:lower:]')
  name=$(printf '%s' "$name" | LC_ALL=C tr -cs '[:lower:][:digit:]' '-')
  name=emojax-${name#-}
  name=${name:0:40}
  printf '%s' "${name%-}"
}

# Prints the command that becomes emojax, so that it gets the SIGTERM.
container_command() {  # CONFIG FLAG...
  local config=$1 start
  shift
  start=(bash launch/tpu_worker.sh exec)
  if [[ -n "${DOCKER_IMAGE:-}" ]]; then
    start=(emojax)
  fi
  quote exec env JAX_COMPILATION_CACHE_DIR="$(compilation_cache)" \
    "${start[@]}" --config="$config" \
    --workdir="$(remote_workdir "$config")" --distributed "$@"
}

create() {  # CONFIG FLAG...
  local checkout=${TMPDIR:-/tmp}/emojax-checkout failed=0 image more
  need_cluster
  (: "${TPU_TYPE:?set it to a type of slice, such as tpu7x-128}") || exit 2
  need_bucket
  check_run "$@"
  need_command xpk 'pip install xpk, in an environment of its own'
  image=(--docker-image="${DOCKER_IMAGE:-}")
  if [[ -z "${DOCKER_IMAGE:-}" ]]; then
    if [[ -z "$dry_run" ]]; then
      checkout=$(mktemp -d)
    fi
    image=(--base-docker-image="${BASE_IMAGE:-python:3.12}"
      --script-dir="$checkout")
    # What is committed, and nothing else of this machine.
    call mkdir -p "$checkout"
    call git -C "$root" archive --format=tar --output="$checkout.tar" HEAD
    call tar -xf "$checkout.tar" -C "$checkout"
  fi
  read -ra more <<<"${XPK_FLAGS:-}"
  # 75: told to stop, and has saved.
  call xpk workload create --cluster="$CLUSTER" --zone="$ZONE" \
    --workload="$(workload "$1")" --tpu-type="$TPU_TYPE" "${image[@]}" \
    --restart-on-exit-codes=75 --max-restarts="${MAX_RESTARTS:-100}" \
    --termination-grace-period-seconds="${GRACE_SECONDS:-120}" \
    --command="$(container_command "$@")" ${more[@]+"${more[@]}"} || failed=$?
  if [[ -z "${DOCKER_IMAGE:-}" ]]; then
    call rm -r "$checkout" "$checkout.tar"
  fi
  return "$failed"
}

logs() {  # CONFIG
  local worker=batch.kubernetes.io/job-completion-index=0
  need_cluster
  [[ $# -gt 0 ]] || fail 2 'name the config of the run.'
  need_command kubectl 'gcloud components install kubectl'
  # xpk's clusters are those of the zone's region.
  call gcloud container clusters get-credentials "$CLUSTER" \
    --location="${CLUSTER_LOCATION:-${ZONE%-*}}"
  call kubectl logs --follow --tail=100 --prefix \
    --selector="xpk.google.com/workload=$(workload "$1"),$worker"
}

fetch() {  # CONFIG [FOLDER]
  need_bucket
  fetch_workdir "$@"
}

delete() {  # CONFIG
  need_cluster
  [[ $# -gt 0 ]] || fail 2 'name the config of the run.'
  need_command xpk 'pip install xpk, in an environment of its own'
  # Without a name, xpk would delete every workload of the cluster.
  call xpk workload delete --cluster="$CLUSTER" --zone="$ZONE" \
    --workload="$(workload "$1")" --force
}

main 'create logs fetch delete' "$@"

#!/usr/bin/env bash
# Runs emojax on a slice of Cloud TPUs (v2 to v6e), from your own machine.
#
#   bash launch/tpu_vm.sh create                  asks for it, waits for it
#   bash launch/tpu_vm.sh setup                   copies HEAD to all workers
#   bash launch/tpu_vm.sh run CONFIG [FLAG...]    starts emojax on all workers
#   bash launch/tpu_vm.sh run --keep CONFIG ...   and sees to it until it ends
#   bash launch/tpu_vm.sh logs [WORKER]           follows the log of worker 0
#   bash launch/tpu_vm.sh stop                    has it save and end
#   bash launch/tpu_vm.sh fetch CONFIG [FOLDER]   copies the results here
#   bash launch/tpu_vm.sh delete                  gives the slice back
#
# With --dry-run each prints its commands and runs none. docs/tpu.md has more.
#
# Which launcher: this one uses the Cloud TPU API, which is in maintenance and
# has no TPU7x. For TPU7x, or with a cluster that you have already, take gke.sh
# (GKE, through xpk); Compute Engine has TPU7x too, without a launcher here.
#
# Settings, from the environment:
#   TPU_NAME, ZONE   the slice                                  all but fetch
#   ACCELERATOR      such as v5litepod-64                       create, run
#   BUCKET           where results go, NAME or NAME/FOLDER      run, fetch
#   RUN_NAME         the folder there (the config's name)       run, fetch
#   SPOT=1           cheaper, and may be taken away at any time
#   HF_TOKEN_PATH    file of a token for gated models, copied by setup
#   RUNTIME_VERSION  the image (else by ACCELERATOR)
#   CREATE_FLAGS, SSH_FLAGS   more flags for gcloud, such as --internal-ip
#   POLL_SECONDS     between two looks at the slice (30)
#   WAIT_SECONDS     how long to wait for a slice (86400)
#   TRIES            failures in a row after which run --keep gives up (20)
# gcloud takes the project from its own configuration.
set -euo pipefail

# shellcheck source=launch/environment.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/environment.sh"
# shellcheck source=launch/commands.sh
source "$root/launch/commands.sh"

readonly POLL_SECONDS=${POLL_SECONDS:-30}
readonly WAIT_SECONDS=${WAIT_SECONDS:-86400}
readonly TRIES=${TRIES:-20}
readonly WORKER_SCRIPT=emojax/launch/tpu_worker.sh

need_slice() {
  (: "${TPU_NAME:?set it to a name for the slice, such as emojax}" \
    "${ZONE:?set it to a zone with TPUs, such as us-west4-a}") || exit 2
}

need_accelerator() {
  (: "${ACCELERATOR:?set it to a type of slice, such as v5litepod-64}") ||
    exit 2
  runtime_version >/dev/null
}

# Prints the image that the accelerator needs.
runtime_version() {
  if [[ -n "${RUNTIME_VERSION:-}" ]]; then
    printf '%s\n' "$RUNTIME_VERSION"
    return
  fi
  case "$ACCELERATOR" in
    v[234]-*) echo tpu-ubuntu2204-base ;;
    v5litepod-*) echo v2-alpha-tpuv5-lite ;;
    v5p-*) echo v2-alpha-tpuv5 ;;
    v6e-*) echo v2-alpha-tpuv6e ;;
    tpu7x-* | v7x-*)
      fail 2 "ACCELERATOR=$ACCELERATOR: the Cloud TPU API has no TPU7x: take" \
        'launch/gke.sh.'
      ;;
    *)
      fail 2 "ACCELERATOR=$ACCELERATOR: not v2- to v4-, v5litepod-, v5p- or" \
        'v6e-; correct it or set RUNTIME_VERSION.'
      ;;
  esac
}

ask_for_slice() {
  local flags=${CREATE_FLAGS:-} more
  if [[ "${SPOT:-0}" != 0 ]]; then
    flags="--spot $flags"
  fi
  read -ra more <<<"$flags"
  call gcloud compute tpus queued-resources create "$TPU_NAME" \
    --node-id="$TPU_NAME" --zone="$ZONE" --accelerator-type="$ACCELERATOR" \
    --runtime-version="$(runtime_version)" ${more[@]+"${more[@]}"}
}

# Prints the state of the queued resource, or nothing if there is none.
slice_state() {
  call gcloud compute tpus queued-resources list --zone="$ZONE" \
    --filter="name~/queuedResources/$TPU_NAME\$" \
    --format='value(state.state)' --verbosity=error
}

# With its machines, whatever it is doing.
delete_slice() {
  call gcloud compute tpus queued-resources delete "$TPU_NAME" \
    --zone="$ZONE" --force --quiet
}

# Makes sure of an active slice. Fails if gcloud does, exits if waiting is vain.
provide_slice() {
  local asked='' said='' state deadline=$((SECONDS + WAIT_SECONDS))
  while ((SECONDS <= deadline)); do
    state=$(slice_state) || return 1
    if [[ "$state" != "$said" ]]; then
      say "$TPU_NAME: ${state:-there is none yet}."
      said=$state
    fi
    case "$state" in
      ACTIVE) return ;;
      '')
        ask_for_slice || return 1
        asked=1
        ;;
      SUSPENDED) delete_slice || return 1 ;;
      FAILED)
        if [[ -n "$asked" ]]; then
          fail 1 "$TPU_NAME cannot be had: gcloud compute tpus" \
            "queued-resources describe $TPU_NAME --zone=$ZONE says why."
        fi
        delete_slice || return 1
        ;;
    esac
    sleep "$POLL_SECONDS"
  done
  fail 1 "$TPU_NAME is still ${state:-missing}: create goes on waiting," \
    'delete gives it up.'
}

on_workers() {  # WORKER COMMAND
  local more
  read -ra more <<<"${SSH_FLAGS:-}"
  call gcloud compute tpus tpu-vm ssh "$TPU_NAME" --zone="$ZONE" \
    --worker="$1" --command="$2" ${more[@]+"${more[@]}"}
}

copy_to_workers() {  # FILE PLACE
  local more
  read -ra more <<<"${SSH_FLAGS:-}"
  call gcloud compute tpus tpu-vm scp "$1" "$TPU_NAME:$2" --zone="$ZONE" \
    --worker=all ${more[@]+"${more[@]}"}
}

# Copies what is committed, and nothing else of this machine.
set_up_workers() {
  local archive=${TMPDIR:-/tmp}/emojax.tar.gz failed='' token
  if [[ -z "$dry_run" ]]; then
    archive=$(mktemp)
  fi
  call git -C "$root" archive --format=tar.gz --output="$archive" HEAD &&
    copy_to_workers "$archive" emojax.tar.gz || failed=1
  call rm "$archive"
  if [[ -z "$failed" && -n "${HF_TOKEN_PATH:-}" ]]; then
    token=.cache/huggingface/token
    on_workers all "mkdir -p ${token%/*} && (umask 077 && : >>$token)" &&
      copy_to_workers "$HF_TOKEN_PATH" "$token" || failed=1
  fi
  [[ -z "$failed" ]] && on_workers all "mkdir -p emojax emojax-run && \
{ flock --nonblock emojax-run/lock rm -r emojax || \
{ echo 'emojax: a run is going on: stop it first.' >&2; exit 2; }; } && \
mkdir emojax && tar -xzf emojax.tar.gz -C emojax && \
bash $WORKER_SCRIPT install"
}

start_on_workers() {  # CONFIG FLAG...
  local config=$1
  shift
  on_workers all "$(quote env \
    JAX_COMPILATION_CACHE_DIR="$(compilation_cache)" \
    bash "$WORKER_SCRIPT" start --config="$config" \
    --workdir="$(remote_workdir "$config")" --distributed "$@")"
}

# Prints what each worker is doing, a line each.
ask_workers() {
  on_workers all "if [ -f $WORKER_SCRIPT ]; then bash $WORKER_SCRIPT status; \
else echo bare; fi"
}

# Prints the answer that something is to be done about first.
most_urgent() {  # ANSWERS
  local word
  for word in bare failed stopped ready running finished; do
    if grep -m 1 -E "^$word( [0-9]+)?\$" <<<"$1"; then
      return
    fi
  done
  echo silent
}

# Whether the machines are gone, though the queued resource has not noticed.
is_preempted() {
  local state
  state=$(call gcloud compute tpus tpu-vm describe "$TPU_NAME" \
    --zone="$ZONE" --format='value(state)') || return 1
  [[ "$state" == PREEMPTED || "$state" == TERMINATED ]]
}

# Looks at the slice again and again and does what is missing, until the run
# ends; so it goes on after a preemption, and where another `run` was cut off.
keep_running() {  # CONFIG FLAG...
  local answer own='' failures=0
  while ((failures < TRIES)); do
    answer=silent
    if provide_slice; then
      answer=$(most_urgent "$(ask_workers)")
    fi
    if [[ -z "$own" && "$answer" =~ ^(failed|stopped|finished) ]]; then
      answer=ready  # That was an earlier run.
    fi
    case "$answer" in
      bare | ready)
        if { [[ "$answer" == ready ]] || set_up_workers; } &&
          start_on_workers "$@"; then
          own=1
        else
          failures=$((failures + 1))
        fi
        ;;
      running) own=1 failures=0 ;;
      finished)
        say 'the run is finished: fetch it, and delete the slice.'
        return
        ;;
      stopped) fail 75 'the run was stopped; the same command goes on.' ;;
      failed*)
        on_workers 0 'tail -n 20 emojax-run/log' || :
        fail "${answer#failed }" "emojax ended with ${answer#failed }; the" \
          'log of worker 0 is above.'
        ;;
      silent)
        failures=$((failures + 1))
        if is_preempted; then
          delete_slice || :
        fi
        ;;
    esac
    sleep "$POLL_SECONDS"
  done
  fail 1 "$TRIES things in a row did not work; what gcloud said is above."
}

create() {
  need_slice
  need_accelerator
  if [[ -n "$dry_run" ]]; then
    slice_state
    ask_for_slice
    return
  fi
  provide_slice || fail 1 'gcloud did not manage; what it said is above.'
  say "next: bash launch/tpu_vm.sh setup."
}

setup() {
  need_slice
  if [[ -z "$dry_run" ]]; then
    say "copying $(git -C "$root" log -1 --format=%h) and nothing that" \
      'is not committed.'
  fi
  set_up_workers || fail 1 'not set up; what gcloud said is above.'
}

run() {
  local keep=''
  if [[ "${1:-}" == --keep ]]; then
    keep=1
    shift
  fi
  need_slice
  need_bucket
  check_run "$@"
  if [[ -z "$keep" ]]; then
    start_on_workers "$@" ||
      fail 1 'not started: create and setup come first. If the slice was' \
        'preempted, run --keep makes another and goes on.'
    return
  fi
  need_accelerator
  if [[ -z "$dry_run" ]]; then
    keep_running "$@"
    return
  fi
  slice_state
  ask_for_slice
  ask_workers
  set_up_workers
  start_on_workers "$@"
  echo '# and, if the slice is SUSPENDED, first:'
  delete_slice
}

logs() {
  need_slice
  on_workers "${1:-0}" 'tail -n 100 -F emojax-run/log'
}

stop() {
  need_slice
  on_workers all "bash $WORKER_SCRIPT stop"
}

fetch() {
  need_bucket
  fetch_workdir "$@"
}

delete() {
  local state
  need_slice
  if [[ -n "$dry_run" ]]; then
    slice_state
    delete_slice
    return
  fi
  state=$(slice_state) || fail 1 'gcloud could not say whether there is one.'
  if [[ -z "$state" ]]; then
    say "there is no $TPU_NAME in $ZONE."
    return
  fi
  delete_slice
}

main 'create setup run logs stop fetch delete' "$@"

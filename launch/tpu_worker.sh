#!/usr/bin/env bash
# What tpu_vm.sh and gke.sh have done on the machines of a TPU slice.
#
#   tpu_worker.sh install          what the lock pins, and emojax with TPU
#   tpu_worker.sh start FLAG...    emojax in the background, kept going
#   tpu_worker.sh status           bare, ready, running, stopped, finished or
#                                  failed STATUS
#   tpu_worker.sh stop             has it save and end
#   tpu_worker.sh exec FLAG...     install, then emojax in the foreground
#
# Everything but the checkout lies in ~/emojax-run: the environment, the log.
set -euo pipefail

# shellcheck source=launch/environment.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/environment.sh"

readonly LOCK=requirements.txt
readonly SAVED=75  # emojax was told to stop, and did.
folder=$HOME/emojax-run
venv=$folder/venv

# The image may have no Python that is new enough: uv brings its own.
get_python() {
  local uv=$folder/uv
  if (find_python) >/dev/null 2>&1; then
    return
  fi
  say 'the image has no Python that will do: fetching one.'
  python3 -m pip install --quiet --target "$uv" "$UV" ||
    fail 1 'pip could not fetch uv: choose another image (RUNTIME_VERSION).'
  "$uv/bin/uv" python install '>=3.12' ||
    fail 1 'uv could not fetch Python: choose another image (RUNTIME_VERSION).'
  PYTHON=$("$uv/bin/uv" python find --managed-python '>=3.12')
}

install_emojax() {
  if is_current "$venv" "$LOCK"; then
    return
  fi
  get_python
  make_environment "$venv" "$LOCK"
  say 'installing what only a TPU and gs:// need.'
  # With the lock again, so that nothing which it pins can change.
  install "$venv" --requirement "$root/launch/$LOCK" \
    --editable "${root}[tpu,gcs]"
  mark_current "$venv" "$LOCK"
  say 'this machine is ready.'
}

# Whoever runs emojax holds the lock, so a second one cannot start.
is_running() { ! flock --nonblock "$folder/lock" true; }

start() {  # FLAG...
  local command
  command=$(printf '%q ' "${JAX_COMPILATION_CACHE_DIR:-}" "$@")
  exec 9>"$folder/lock"
  if ! flock --nonblock 9; then
    # ssh may ask twice, when the connection breaks.
    [[ "$command" == "$(cat "$folder/command")" ]] ||
      fail 2 'another run is going on here: stop it first.'
    say 'it is running already.'
    return
  fi
  [[ -x "$venv/bin/emojax" ]] ||
    fail 2 'emojax is not installed here: setup comes first.'
  rm -f "$folder/status" "$folder/stopped"
  printf '%s\n' "$command" >"$folder/command"
  # It inherits the lock.
  setsid bash "${BASH_SOURCE[0]}" loop "$@" >>"$folder/log" 2>&1 </dev/null &
  say 'started.'
}

# Runs emojax, and again for as long as it, but not this script, was told to
# stop: who stops this script wants the machine.
loop() {  # FLAG...
  child='' told='' result=$SAVED
  printf '%s\n' "$$" >"$folder/pid"
  trap 'told+=1; kill -TERM "$child" 2>/dev/null || :' TERM
  cd -- "$root"
  while [[ -z "$told" ]]; do
    "$venv/bin/emojax" "$@" &
    child=$!
    if [[ -n "$told" ]]; then
      kill -TERM "$child"
    fi
    await_child
    if [[ "$result" != "$SAVED" ]]; then
      break
    fi
    say 'emojax was told to stop, and has saved.'
    sleep "${RESTART_SECONDS:-10}"
  done
  printf '%s\n' "$result" >"$folder/status"
  say "emojax ended with $result."
}

# A signal ends the wait, but not yet the child.
await_child() {
  local before
  while true; do
    before=$told
    result=0
    wait "$child" || result=$?
    if [[ "$told" == "$before" ]]; then
      return
    fi
  done
}

status() {
  local status
  if is_running; then
    echo running
  elif ! is_current "$venv" "$LOCK"; then
    echo bare
  elif [[ -e "$folder/stopped" ]]; then
    echo stopped
  elif [[ ! -e "$folder/status" ]]; then
    echo ready
  else
    status=$(<"$folder/status")
    case "$status" in
      0) echo finished ;;
      "$SAVED") echo ready ;;
      *) echo "failed $status" ;;
    esac
  fi
}

stop() {
  is_running || fail 0 'nothing is running here.'
  : >"$folder/stopped"
  kill -TERM "$(<"$folder/pid")"
  say 'told it to save and end.'
}

mkdir -p "$folder"
command=${1:-}
shift || :
case "$command" in
  install) install_emojax ;;
  start | loop | status | stop) "$command" "$@" ;;
  exec)
    install_emojax
    cd -- "$root"
    exec "$venv/bin/emojax" "$@"
    ;;
  *) fail 2 'users call tpu_vm.sh or gke.sh.' ;;
esac

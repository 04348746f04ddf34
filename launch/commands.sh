# What tpu_vm.sh and gke.sh share; sourced by them after environment.sh.
# shellcheck shell=bash

dry_run=''

# Prints words so that a shell reads them as they are.
quote() {  # WORD...
  local word between='' escaped="'\\''"
  for word in "$@"; do
    if [[ -z "$word" || "$word" == *[!a-zA-Z0-9_./:=@,+-]* ]]; then
      word="'${word//\'/$escaped}'"
    fi
    printf '%s%s' "$between" "$word"
    between=' '
  done
}

# Runs a command, or prints it.
call() {  # COMMAND...
  if [[ -z "$dry_run" ]]; then
    "$@"
  else
    quote "$@"
    echo
  fi
}

need_bucket() {
  (: "${BUCKET:?set it to a bucket or a folder in one, NAME or NAME/FOLDER}") ||
    exit 2
  BUCKET=${BUCKET#gs://}
  BUCKET=${BUCKET%/}
}

# Prints the name of the run: RUN_NAME, or that of the config.
run_name() {  # CONFIG
  local name=${1%%:*}
  name=${name##*/}
  printf '%s' "${RUN_NAME:-${name%.py}}"
}

remote_workdir() {  # CONFIG
  printf 'gs://%s/%s' "$BUCKET" "$(run_name "$1")"
}

compilation_cache() {
  printf '%s' "${JAX_COMPILATION_CACHE_DIR:-gs://$BUCKET/jax_cache}"
}

# Refuses what would only fail on the workers.
check_run() {  # CONFIG FLAG...
  local flag name
  [[ $# -gt 0 && "$1" != -* ]] || fail 2 'name a config: run configs/NAME.py.'
  [[ "$1" != /* && -f "${root:?}/${1%%:*}" ]] ||
    fail 2 "there is no config $1 in the checkout: name it as configs/NAME.py."
  check_name "$1"
  shift
  for flag in "$@"; do
    name=${flag%%=*}
    name=${name#-}
    case "${name#-}" in
      workdir | distributed | nodistributed)
        fail 2 "$flag: leave it out; BUCKET and RUN_NAME make the workdir."
        ;;
    esac
  done
}

check_name() {  # CONFIG
  # gcloud storage would read some of these as patterns.
  case "$(run_name "$1")" in
    *[*?[]* | *[]#]* | *$'\n'* | */ | /*)
      fail 2 "RUN_NAME=$(run_name "$1"): without * ? [ ] # and / at the ends."
      ;;
  esac
}

fetch_workdir() {  # CONFIG [FOLDER]
  local folder
  [[ $# -gt 0 && "$1" != -* ]] || fail 2 'name the config of the run.'
  check_name "$1"
  folder=${2:-runs/$(run_name "$1")}
  call mkdir -p "$folder"
  call gcloud storage rsync --recursive "$(remote_workdir "$1")" "$folder"
}

# Prints the comment at the top of the script.
usage() {
  sed -e '1d' -e '/^[^#]/,$d' -e 's/^# \{0,1\}//' "$0"
}

# Runs the subcommand that is the first argument.
main() {  # SUBCOMMANDS ARGUMENT...
  local subcommands=$1 argument arguments=()
  shift
  for argument in "$@"; do
    if [[ "$argument" == --dry-run ]]; then
      dry_run=1
    else
      arguments+=("$argument")
    fi
  done
  set -- ${arguments[@]+"${arguments[@]}"}
  for argument in $subcommands; do
    if [[ "${1:-}" == "$argument" ]]; then
      "$@"
      return
    fi
  done
  usage >&2
  [[ "${1:-}" == --help ]] ||
    fail 2 "${1:-nothing} is no subcommand: give one of $subcommands."
}

# Makes virtual environments from the locks; sourced by the other scripts.
# shellcheck shell=bash

root=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)

# uv installs the lock in a quarter of pip's time; pip can do without it.
readonly UV='uv==0.13.9'

say() { printf 'emojax: %s\n' "$*" >&2; }

fail() {  # STATUS MESSAGE...
  local status=$1
  shift
  say "$*"
  exit "$status"
}

# Prints the first interpreter that can make environments; PYTHON overrides.
find_python() {
  local candidate old='' bare=''
  local candidates=(python3 python3.14 python3.13 python3.12 python3.11)
  if [[ -n "${PYTHON:-}" ]]; then
    candidates=("$PYTHON")
  fi
  for candidate in "${candidates[@]}"; do
    # A version manager's shim may be on the PATH and yet refuse to run.
    if ! "$candidate" -c 'import sys' >/dev/null 2>&1; then
      continue
    elif ! "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))'
    then
      old=$candidate
    elif ! "$candidate" -c 'import ensurepip, venv' >/dev/null 2>&1; then
      bare=$candidate
    else
      command -v -- "$candidate"
      return
    fi
  done
  if [[ -n "$bare" ]]; then
    fail 2 "$bare has no venv or no pip: install them (Debian, Ubuntu:" \
      "apt install python3-venv) or set PYTHON to another Python >= 3.11."
  elif [[ -n "$old" ]]; then
    fail 2 "$old is $("$old" -V 2>&1): install Python >= 3.11 or set PYTHON."
  fi
  fail 2 "${PYTHON:-python3} does not run:" \
    'install Python >= 3.11 or set PYTHON.'
}

identity() { "$1" -c 'import sys; print(sys.base_prefix, sys.version)'; }

same_interpreter() {  # PYTHON PYTHON
  [[ "$(identity "$1" 2>/dev/null)" == "$(identity "$2" 2>/dev/null)" ]]
}

# Makes VENV, or keeps it if it works and is of the interpreter asked for.
create_environment() {  # VENV
  local venv=$1 python
  if [[ -e "$venv" && ! -f "$venv/pyvenv.cfg" ]]; then
    fail 2 "$venv is there and is no virtual environment: name another place."
  fi
  python=$(find_python)
  if "$venv/bin/python" -m pip -V >/dev/null 2>&1 && {
    [[ -z "${PYTHON:-}" ]] || same_interpreter "$venv/bin/python" "$python"
  }; then
    return
  fi
  say "making the environment $venv with $("$python" -V 2>&1)."
  "$python" -m venv --clear "$venv" ||
    fail 1 "$python could not make the environment $venv."
}

# Hands pip's package indexes to uv, which does not read pip's configuration.
use_indexes_of_pip() {  # PYTHON
  local name value
  while IFS='=' read -r name value; do
    if [[ -z "${!name:-}" ]]; then
      export "$name=$value"
    fi
  done < <("$1" -m pip config list 2>/dev/null | "$1" -c '
import ast
import sys

names = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "no-index": "UV_NO_INDEX",
}
sections = ("global", "install", ":env:")  # The later wins, as in pip.
found = {}
for line in sys.stdin:
  key, _, value = line.strip().partition("=")
  section, _, option = key.rpartition(".")
  if option in names and section in sections:
    rank, words = sections.index(section), ast.literal_eval(value).split()
    found[option] = max(found.get(option, (-1, [])), (rank, words))
for option, (_, words) in found.items():
  between = "," if option == "find-links" else " "
  print(names[option] + "=" + between.join(words))
if "extra-index-url" in found:
  print("UV_INDEX_STRATEGY=unsafe-best-match")  # What pip does.
')
}

# Puts uv into VENV if it can be had.
get_uv() {  # VENV
  local python=$1/bin/python
  if "$python" -m pip install --no-input "$UV" >>"$1/install.log" 2>&1; then
    use_indexes_of_pip "$python"
  else
    say 'uv cannot be had: using pip, which takes longer.'
  fi
}

# Installs into VENV, by uv if it is there, or else by pip.
install() {  # VENV ARGUMENT...
  local venv=$1 python=$1/bin/python log=$1/install.log
  shift
  if [[ -x "$venv/bin/uv" ]]; then
    if "$venv/bin/uv" pip install --python "$python" "$@" >>"$log" 2>&1; then
      return
    fi
    say 'uv did not manage: trying pip.'
  fi
  install_by_pip "$venv" "$@"
}

install_by_pip() {  # VENV ARGUMENT...
  local venv=$1 log=$1/install.log
  shift
  "$venv/bin/python" -m pip install --no-input "$@" >>"$log" 2>&1 ||
    fail 1 'installing failed: is the network, or the package index that pip' \
      "is configured for, reachable? The details are in $log."
}

# A hash of all that VENV depends on; fails if VENV does not run.
fingerprint() {  # VENV LOCK
  "$1/bin/python" -c '
import hashlib
import pathlib
import sys

digest = hashlib.sha256(repr((sys.version, sys.prefix, sys.argv)).encode())
for name in sys.argv[1:]:
  digest.update(pathlib.Path(name).read_bytes())
print(digest.hexdigest())
' "$root/pyproject.toml" "$root/launch/$2" 2>/dev/null
}

is_current() {  # VENV LOCK
  local stamp=$1/emojax.stamp
  if [[ -n "${PYTHON:-}" ]]; then
    same_interpreter "$1/bin/python" "$PYTHON" || return 1
  fi
  [[ -f "$stamp" && "$(fingerprint "$1" "$2")" == "$(<"$stamp")" ]]
}

# Makes VENV hold the lock and emojax itself, unless it does already.
make_environment() {  # VENV LOCK
  local venv=$1 lock=$2
  if is_current "$venv" "$lock"; then
    return
  fi
  create_environment "$venv"
  rm -f "$venv/emojax.stamp" "$venv/install.log"
  get_uv "$venv"
  say "installing what launch/$lock pins into $venv."
  install "$venv" --requirement "$root/launch/$lock"
  say "installing emojax into $venv."
  install "$venv" --no-deps --editable "$root"
}

# To be called when VENV is complete: the next run has nothing to install.
mark_current() {  # VENV LOCK
  fingerprint "$1" "$2" >"$1/emojax.stamp"
}

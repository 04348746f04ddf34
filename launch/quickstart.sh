#!/usr/bin/env bash
# From a fresh clone to emotion vectors and a report.
#
#   bash launch/quickstart.sh [WORKDIR] [FLAG...]
#
# Needs Python >= 3.11 with pip and venv; the rest is fetched. WORKDIR is
# runs/quickstart in the clone; flags go to emojax. PYTHON names another
# interpreter, EMOJAX_VENV another place for the environment (.venv).
set -euo pipefail

# shellcheck source=launch/environment.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/environment.sh"

venv=${EMOJAX_VENV:-$root/.venv}
workdir=$root/runs/quickstart
config=$root/configs/quickstart.py
if [[ $# -gt 0 && "$1" != -* ]]; then
  workdir=$1
  shift
fi

make_environment "$venv" requirements.txt
mark_current "$venv" requirements.txt

# Relative paths where they do: they read better in logs and artefacts.
workdir=${workdir#"$PWD/"}
say "running configs/quickstart.py in $workdir."
exec "$venv/bin/emojax" --config="${config#"$PWD/"}" --workdir="$workdir" "$@"

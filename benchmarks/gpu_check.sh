#!/usr/bin/env bash
# All that a GPU has to show, in nine minutes; options and steps are those of gpu_check.py.
set -euo pipefail
cd "$(dirname "$0")/.."
exec "${PYTHON:-python3}" -m benchmarks.gpu_check "$@"

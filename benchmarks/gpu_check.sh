#!/usr/bin/env bash
# All that a GPU has to show, in under ten minutes: correctness, speed of each precision, memory,
# one setting of 50 seeds trained and scored. Run from the project's folder; results are in OUT.
set -euo pipefail
OUT=${OUT:-/tmp/priorbench-gpu}
PYTHON=${PYTHON:-python3}
export PRIORBENCH_DATA=${PRIORBENCH_DATA:-$OUT/data} PYTHONPATH=$PWD
mkdir -p "$OUT"
nvidia-smi --query-gpu=name,memory.total,driver_version --format=csv
echo "== the step on the GPU is the step on the CPU; recorded, fused; no synchronisation"
$PYTHON -m benchmarks.agreement
echo "== speed against the plain loop and the products alone"
timeout 240 $PYTHON -m bench.speed --device cuda --rounds 5 --precision fp32 --precision tf32 \
    --precision bf16 --only training --only scoring --json "$OUT/gpu.json" \
    || echo "not done within 240 s"
echo "== one setting of 50 seeds: two of the twenty epochs, and the scores"
time timeout 150 $PYTHON -m bench.run --grid dsprites_beta --only ISA-VAE --set "beta=[4.0]" \
    --set training.epochs=2 --device cuda --precision bf16 --out "$OUT/runs" \
    || echo "not done within 150 s"
echo "== whether precisions change results: 50 seeds, small networks"
timeout 150 $PYTHON -m benchmarks.precision --device cuda --out "$OUT/precision" \
    || echo "not done within 150 s"
nvidia-smi --query-gpu=memory.used --format=csv

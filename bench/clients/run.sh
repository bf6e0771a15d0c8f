#!/usr/bin/env bash
# Runs the real client libraries against winnow with the built-in model:
#   bench/clients/run.sh            PyPI and npm libraries, and the page in Chromium
#   bench/clients/run.sh llama.cpp  also llama.cpp's own server tests
# Requires python3, node and, for the page, Chromium (Debian: chromium). Versions are
# pinned in requirements.txt and package-lock.json.
set -euo pipefail
cd "$(dirname "$0")"
here=$PWD

work=$(mktemp -d)
servers=()
cleanup() {
  [ ${#servers[@]} = 0 ] || kill "${servers[@]}" 2>/dev/null || true
  rm -rf "$work"
}
trap cleanup EXIT

(cd ../.. && CGO_ENABLED=0 go build -o "$work/winnow" ./cmd/winnow)
ln "$work/winnow" "$work/llama-server"

python=.venv/bin/python
if ! cmp -s requirements.txt .venv/installed; then
  python3 -m venv .venv
  .venv/bin/pip install -q uv==0.13.9
  .venv/bin/uv pip install -q --python "$python" -r requirements.txt
  cp requirements.txt .venv/installed
fi
if [ ! -d node_modules ] || [ package-lock.json -nt node_modules ]; then
  npm ci --silent --no-fund --no-audit
  touch node_modules
fi

# serve NAME ARGUMENT… starts winnow and sets url to its address.
serve() {
  local log="$work/$1"
  shift
  "$work/winnow" serve --port 0 "$@" >"$log" 2>&1 &
  servers+=($!)
  for _ in $(seq 100); do
    url=$(sed -n 's/.*url=\(http:[^ ]*\).*/\1/p' "$log" | head -1)
    [ -n "$url" ] && curl -sf "$url/health" >/dev/null && break
    sleep 0.1
  done
}
serve embedder -m ../../testdata/embed-bge
export WINNOW_EMBEDDER=$url
serve log
base=$url
minilm=../../models/ms-marco-MiniLM-L12-v2-Q8_0.gguf
head -c 1000000 "$minilm" >"$work/broken.gguf"
serve models -m minilm="$minilm" -m small=../../testdata/bert-minilm -m list=../../testdata/jina-v3 -m embeds=../../testdata/embed-bge \
  -m broken="$work/broken.gguf"
several=$url
serve keyed -m small=../../testdata/bert-minilm --api-key sesame
export WINNOW_KEYED=$url
echo "== winnow at $base, with an embedding model at $WINNOW_EMBEDDER"

status=0
echo "== PyPI"
"$python" clients.py "$base" || status=1
echo "== PyPI, cohere 7"
.venv/bin/uv run -q --no-project --with cohere==7.3.1 python clients.py "$base" cohere_v1 cohere_v2 || status=1
echo "== npm"
node clients.mjs "$base" || status=1
chromium=${CHROMIUM:-$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)}
if [ -n "$chromium" ]; then
  echo "== the page"
  CHROMIUM=$chromium node page.mjs "$several" "${SCREENSHOTS:-$here/screenshots}" || status=1
else
  echo "== no Chromium: skipping the page"
  [ -z "${WINNOW_REQUIRE_DATA:-}" ] || status=1
fi
if [ "${1:-}" = llama.cpp ]; then
  ./llamacpp.sh "$work/llama-server" || status=1
fi
exit $status

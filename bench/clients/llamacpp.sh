#!/usr/bin/env bash
# Runs llama.cpp's own server tests against winnow under the name llama-server:
#   bench/clients/llamacpp.sh PATH/llama-server
# The tests come from llama-cpp-python's source package on PyPI, or from the existing
# tree LLAMA_CPP. llamacpp_plugin.py lists the excluded tests with reasons.
set -euo pipefail
cd "$(dirname "$0")"
binary=$(realpath "$1")
version=0.3.36

tree=${LLAMA_CPP:-$PWD/.venv/llama.cpp-$version}
if [ ! -d "$tree" ]; then
  mkdir -p "$tree.part"
  # The build backend only provides the package name; nothing is built.
  python3 -m pip download -q --no-deps --no-binary llama-cpp-python -d "$tree.part" "llama-cpp-python==$version"
  tar xzf "$tree.part"/*.tar.gz -C "$tree.part" --strip-components=3 --wildcards '*/vendor/llama.cpp/tools/server/tests'
  mv "$tree.part" "$tree"
fi

pytest=.venv/llamacpp/bin/pytest
if [ ! -x "$pytest" ]; then
  python3 -m venv .venv/llamacpp
  .venv/llamacpp/bin/pip install -q 'pytest==8.3.5' 'openai==2.14.0' 'requests==2.32.5' 'filelock==3.20.0' 'wget==3.2' 'aiohttp==3.13.2' \
    'prometheus-client==0.20.0' 'numpy==2.2.6'
fi

cd "$tree/tools/server/tests"
LLAMA_SERVER_BIN_PATH=$binary PYTHONPATH="$OLDPWD" "$OLDPWD/$pytest" -p llamacpp_plugin -q -rs --color=no \
  unit/test_{rerank,basic,security,tokenize,embedding,metrics,ignore_eos,completion,chat_completion,ctx_shift}.py

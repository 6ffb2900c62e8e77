#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Compiles the emulated libraries of CUDA, for tests only.
# Usage: build.sh FOLDER. Libraries newer than every source are not rebuilt; processes take turns.
# Version definitions are those of the real libraries: without them the loader ends a process whose glue asks for one.
# Without a compiler nothing is built, and the tests say so.
set -euo pipefail
command -v "${CXX:-g++}" >/dev/null || { echo "the emulated libraries of CUDA are not built: no C++ compiler"; exit 0; }
mkdir -p "$1"
target=$(cd "$1" && pwd)
cd "$(dirname "${BASH_SOURCE[0]}")"
here=$PWD
exec 9>"$target/lock"
flock 9
stamp=$target/built
[ -f "$stamp" ] && [ -z "$(find . -newer "$stamp" -print -quit)" ] && exit 0

# library SONAME VERSIONED SOURCES [options]
library() {
  local soname=$1 versioned=$2 script=()
  shift 2
  if [ "$versioned" = versioned ]; then
    echo "$soname { global: cu*; nvrtc*; ls_*; local: *; };" > "$target/$soname.map"
    script=("-Wl,--version-script=$target/$soname.map")
  fi
  "${CXX:-g++}" -std=c++17 -O2 -g1 -fPIC -shared -fvisibility=hidden -ffp-contract=off -pthread -Wall -Wextra -Werror \
    -Wl,-soname,"$soname" "${script[@]}" -Wl,-rpath,'$ORIGIN' -o "$target/$soname.new" "$@"
  mv "$target/$soname.new" "$target/$soname"
}

library libcuda.so.1 plain driver.cpp memory.cpp streams.cpp kernels.cpp
needs=("-L$target" -l:libcuda.so.1)
library libcublasLt.so.13 versioned cublas_lt.cpp "${needs[@]}" &
lt=$!
library libnccl.so.2 plain nccl.cpp "${needs[@]}"
library libcudart.so.13 versioned runtime.cpp
library libcublas.so.13 versioned cublas.cpp
library libnvrtc.so.13 versioned nvrtc.cpp "-DLS_SOURCES=\"$(dirname "$here")\""
# A minor version that no real NVRTC asks for.
library libnvrtc-builtins.so.13.9 plain builtins.cpp
wait $lt
touch "$stamp"

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Compiles every *.cpp of this folder into one library per instruction set.
# Usage: build.sh FOLDER. Called by the build; writes FOLDER/liblockstep-VARIANT.so.
# A library newer than every source is not rebuilt. Without a usable compiler the Vector API kernels
# are used.
set -euo pipefail
mkdir -p "$1"
target=$(cd "$1" && pwd)
cd "$(dirname "${BASH_SOURCE[0]}")"
cxx=${CXX:-g++}

flags_of() {
  case $1 in
    avx2) echo "-march=x86-64-v3" ;;
    avxvnni) echo "-march=x86-64-v3 -mavxvnni" ;;
    avx512) echo "-march=x86-64-v4" ;;
    avx512vnni) echo "-march=x86-64-v4 -mavx512vnni" ;;
    avx512bf16) echo "-march=x86-64-v4 -mavx512vnni -mavx512bf16" ;;
  esac
}

without() {
  rm -f "$target"/liblockstep-*.so
  echo "native kernels are not built ($1): the Vector API kernels are used instead"
  exit 0
}

[ "$(uname -sm)" = "Linux x86_64" ] || without "they are for Linux on x86-64"
command -v "$cxx" >/dev/null || without "no C++ compiler: install g++ 11 or newer"
"$cxx" -mavxvnni $(flags_of avx512bf16) -x c++ -E /dev/null >/dev/null 2>&1 || without "$cxx has no AVX-512 BF16 or no AVX-VNNI: install g++ 11 or newer"

compile() {
  local library=$target/liblockstep-$1.so
  [ -f "$library" ] && [ -z "$(find . -newer "$library" -print -quit)" ] && return
  # gcc 12 warns that its own AVX-512 headers use a value uninitialized.
  # No -ffast-math and no contraction: every fused operation is written as one, so that the source defines the bits.
  # Vectorized by hand: gcc 12 would put the pointers to the activations of some tokens into a vector.
  "$cxx" -std=c++17 -O3 -fno-tree-slp-vectorize $(flags_of "$1") -mtune=generic -mprefer-vector-width=512 \
    -fno-math-errno -ffp-contract=off -fno-exceptions -fno-rtti -fvisibility=hidden -fPIC -shared \
    -static-libgcc -static-libstdc++ -Wl,--build-id=none -Wl,-s \
    -Wall -Wextra -Wno-uninitialized -Wno-maybe-uninitialized -Werror \
    -o "$library.tmp" *.cpp
  mv "$library.tmp" "$library"
}

# As many at once as there are processors.
running=0
for variant in avx512bf16 avx512vnni avx512 avxvnni avx2; do
  compile "$variant" &
  running=$((running + 1))
  if [ "$running" -ge "$(nproc)" ]; then
    wait -n
    running=$((running - 1))
  fi
done
while [ "$running" -gt 0 ]; do
  wait -n
  running=$((running - 1))
done

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
command -v "$cxx" >/dev/null || without "no C++ compiler: install g++ 10 or newer"
"$cxx" $(flags_of avx512bf16) -x c++ -E /dev/null >/dev/null 2>&1 || without "$cxx has no AVX-512 BF16: install g++ 10 or newer"

compile() {
  local library=$target/liblockstep-$1.so
  [ -f "$library" ] && [ -z "$(find . -newer "$library" -print -quit)" ] && return
  # gcc 12 warns that its own AVX-512 headers use a value uninitialized.
  # No -ffast-math and no contraction: every fused operation is written as one, so that the source defines the bits.
  "$cxx" -std=c++17 -O3 $(flags_of "$1") -mtune=generic -mprefer-vector-width=512 \
    -fno-math-errno -ffp-contract=off -fno-exceptions -fno-rtti -fvisibility=hidden -fPIC -shared \
    -static-libgcc -static-libstdc++ -Wl,--build-id=none -Wl,-s \
    -Wall -Wextra -Wno-uninitialized -Wno-maybe-uninitialized -Werror \
    -o "$library.tmp" *.cpp
  mv "$library.tmp" "$library"
}

compile avx512vnni &
first=$!
compile avx512bf16
wait $first

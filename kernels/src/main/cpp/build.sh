#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Compiles every *.cpp of this folder into one library per instruction set.
# Usage: build.sh FOLDER. Called by the build; writes FOLDER/liblockstep-VARIANT.so for the machine that $CXX compiles for.
# A library newer than every source is not rebuilt. Without a usable compiler the Vector API kernels
# are used.
set -euo pipefail
mkdir -p "$1"
target=$(cd "$1" && pwd)
cd "$(dirname "${BASH_SOURCE[0]}")"
cxx=${CXX:-g++}

flags_of() {
  local x86="-mtune=generic -mprefer-vector-width=512"
  case $1 in
    avx2) echo "$x86 -march=x86-64-v3" ;;
    avxvnni) echo "$x86 -march=x86-64-v3 -mavxvnni" ;;
    avx512) echo "$x86 -march=x86-64-v4" ;;
    avx512vnni) echo "$x86 -march=x86-64-v4 -mavx512vnni" ;;
    avx512bf16) echo "$x86 -march=x86-64-v4 -mavx512vnni -mavx512bf16" ;;
    neon) echo "-march=armv8.2-a+dotprod+i8mm" ;;
  esac
}

without() {
  rm -f "$target"/liblockstep-*.so
  echo "native kernels are not built ($1): the Vector API kernels are used instead"
  exit 0
}

command -v "$cxx" >/dev/null || without "no C++ compiler: install g++ 11 or newer"
case $("$cxx" -dumpmachine) in
  x86_64-*linux*) variants="avx512bf16 avx512vnni avx512 avxvnni avx2" ;;
  aarch64-*linux*) variants=neon ;;
  *) without "they are for Linux on x86-64 and ARM64" ;;
esac
for variant in $variants; do
  "$cxx" $(flags_of "$variant") -x c++ -E /dev/null >/dev/null 2>&1 || without "$cxx does not know $variant: install g++ 11 or newer"
done

compile() {
  local library=$target/liblockstep-$1.so
  [ -f "$library" ] && [ -z "$(find . -newer "$library" -print -quit)" ] && return
  # gcc 12 warns that its own AVX-512 headers use a value uninitialized.
  # No -ffast-math and no contraction: every fused operation is written as one, so that the source defines the bits.
  # Vectorized by hand: gcc 12 would put the pointers to the activations of some tokens into a vector.
  "$cxx" -std=c++17 -O3 -fno-tree-slp-vectorize $(flags_of "$1") \
    -fno-math-errno -ffp-contract=off -fno-exceptions -fno-rtti -fvisibility=hidden -fPIC -shared \
    -static-libgcc -static-libstdc++ -Wl,--build-id=none -Wl,-s \
    -Wall -Wextra -Wno-uninitialized -Wno-maybe-uninitialized -Werror \
    -o "$library.tmp" *.cpp
  mv "$library.tmp" "$library"
}

compilations=()
for variant in $variants; do
  compile "$variant" &
  compilations+=($!)
done
for compilation in "${compilations[@]}"; do
  wait "$compilation"
done

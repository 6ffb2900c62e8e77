#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Compiles every *.cpp of this folder into one library per instruction set.
# Usage: build.sh FOLDER. Called by the build; writes FOLDER/liblockstep-VARIANT.so for the machine that $CXX compiles for.
# A library newer than every source is not rebuilt. What the compiler or its assembler does not know is left out; without
# any library the Vector API kernels are used.
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

# An instruction of its own for each: older assemblers do not know all that the compiler may use.
instruction_of() {
  case $1 in
    avx2) echo "vfmadd231ps %ymm0, %ymm1, %ymm2" ;;
    avxvnni) echo "{vex} vpdpbusd %ymm0, %ymm1, %ymm2" ;;
    avx512) echo "vpternlogd \$0xCA, %zmm0, %zmm1, %zmm2" ;;
    avx512vnni) echo "vpdpbusd (%rax){1to16}, %zmm1, %zmm2" ;;
    avx512bf16) echo "vdpbf16ps %zmm0, %zmm1, %zmm2" ;;
    neon) echo "usdot v0.4s, v1.16b, v2.16b" ;;
  esac
}

# Prints why a variant cannot be compiled or assembled; nothing if it can.
obstacle() {
  local object=$target/liblockstep-$1.probe output
  output=$(echo "asm(\"$(instruction_of "$1")\");" |
    "$cxx" -std=c++17 $(flags_of "$1") -x c++ -c -o "$object" - 2>&1) || grep -im1 error <<<"$output" || echo "$cxx fails"
  rm -f "$object"
}

built=() left_out=()
for variant in $variants; do
  why=$(obstacle "$variant")
  if [ -z "$why" ]; then
    built+=("$variant")
  else
    rm -f "$target/liblockstep-$variant.so"
    left_out+=("$variant ($why)")
  fi
done
remedy="install g++ 11 and binutils 2.36 or newer"
[ ${#built[@]} -gt 0 ] || without "$cxx cannot compile ${left_out[*]}: $remedy"
[ ${#left_out[@]} -eq 0 ] || echo "native kernels are built without ${left_out[*]}: $remedy"

# The grids of GGUF's IQ types, which the checkpoint module reads too: 16 bits an entry, the lower byte first.
grids=../../../../checkpoint/src/main/resources/dev/lockstep/checkpoint/gguf-grids.txt
generated=$(mktemp -d)
trap 'rm -rf "$generated"' EXIT
while read -r name hexadecimal; do
  echo "constexpr uint16_t ${name}_GRID[] = {$(sed 's/\(..\)\(..\)/0x\2\1,/g' <<<"$hexadecimal")};"
done <"$grids" >"$generated/gguf_grids.h"

compile() {
  local library=$target/liblockstep-$1.so
  [ -f "$library" ] && [ -z "$(find . "$grids" -newer "$library" -print -quit)" ] && return
  # gcc 12 warns that its own AVX-512 headers use a value uninitialized.
  # No -ffast-math and no contraction: every fused operation is written as one, so that the source defines the bits.
  # Vectorized by hand: gcc 12 would put the pointers to the activations of some tokens into a vector.
  "$cxx" -std=c++17 -O3 -fno-tree-slp-vectorize $(flags_of "$1") \
    -fno-math-errno -ffp-contract=off -fno-exceptions -fno-rtti -fvisibility=hidden -fPIC -shared \
    -static-libgcc -static-libstdc++ -Wl,--build-id=none -Wl,-s \
    -Wall -Wextra -Wno-uninitialized -Wno-maybe-uninitialized -Werror -I"$generated" \
    -o "$library.tmp" *.cpp
  mv "$library.tmp" "$library"
}

compilations=()
for variant in "${built[@]}"; do
  compile "$variant" &
  compilations+=($!)
done
for compilation in "${compilations[@]}"; do
  wait "$compilation"
done

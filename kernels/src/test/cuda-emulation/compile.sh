#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Compiles a .cu file into a shared object that runs its kernels on the CPU.
# Usage: compile.sh SOURCE.cu OBJECT.so RUNTIME.o [g++ options, such as -DACTIVATION=BF16]
# RUNTIME.o is what all objects share; it is compiled where it does not exist.
# No contraction: a fused operation is written as one, as for --fmad=false. Every access to memory checks its alignment,
# which the CPU does not need; device_runtime.cpp is told of a wrong one, so that no library of the compiler's is linked.
set -euo pipefail
source=$1 object=$2 runtime=$3
shift 3
here=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
temporary=$(mktemp "$object.XXXXXX")
trap 'rm -f "$temporary" "$temporary.o"' EXIT
compile=("${CXX:-g++}" -c -std=c++17 -O2 -mavx2 -mfma -ffp-contract=off -fno-exceptions -fno-strict-aliasing -fvisibility=hidden
  -fvisibility-inlines-hidden -fno-gnu-unique -fPIC -Wall -Wextra -Wno-unused-parameter -Wno-unknown-pragmas -o "$temporary.o")
if [ ! -e "$runtime" ]; then
  "${compile[@]}" "$here/device_runtime.cpp"
  mv "$temporary.o" "$runtime"
fi
"${compile[@]}" -fsanitize=alignment -I"${LS_HEADERS:-$here/../../main/cuda}" -include "$here/device.h" "$@" -x c++ "$source"
"${CXX:-g++}" -shared -nostartfiles -Wl,-z,start-stop-visibility=hidden "$temporary.o" "$runtime" -o "$temporary"
mv "$temporary" "$object"

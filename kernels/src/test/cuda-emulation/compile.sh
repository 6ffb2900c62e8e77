#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Compiles a .cu file into a shared object that runs its kernels on the CPU.
# Usage: compile.sh SOURCE.cu OBJECT.so [g++ options, such as -DACTIVATION=BF16]
# No contraction: a fused operation is written as one, as for --fmad=false. Every access to memory checks its alignment,
# which the CPU does not need; device_exports.h is told of a wrong one, so that no library of the compiler's is linked.
set -euo pipefail
source=$1 object=$2
shift 2
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
temporary=$(mktemp "$object.XXXXXX")
trap 'rm -f "$temporary" "$temporary.o"' EXIT
"${CXX:-g++}" -c -std=c++17 -O2 -fsanitize=alignment -mavx2 -mfma -ffp-contract=off -fno-exceptions -fno-strict-aliasing -fvisibility=hidden \
  -fvisibility-inlines-hidden -fno-gnu-unique -fPIC -Wall -Wextra -Wno-unused-parameter -Wno-unknown-pragmas -I"${LS_HEADERS:-$here/../../main/cuda}" \
  -include "$here/device.h" "$@" -x c++ "$source" -o "$temporary.o"
"${CXX:-g++}" -shared -Wl,-z,start-stop-visibility=hidden "$temporary.o" -o "$temporary"
mv "$temporary" "$object"

// SPDX-License-Identifier: Apache-2.0
/// Kernels on CPU cores: C++ kernels chosen by CPU flags, and a Vector API twin that needs no
/// compiler.
///
/// Laws of this package:
/// - An op has a driver that checks sizes and divides the work (`Matmul`), an interface of
///   per-thread bodies (`MatmulOps`), and its two implementations (`NativeMatmulOps` over a C++
///   file, `VectorMatmulOps`). [CpuOps] lists the families.
/// - Bodies accept raw addresses without checks; drivers check every size first.
/// - Work is divided among the team by output rows, tokens or heads, never along a sum (law 6). The
///   only sum that is cut, attention over a long sequence, is cut at fixed positions on any number
///   of threads.
/// - Once its scratch memory has grown, an op allocates a few small objects on the heap at most,
///   none whose size depends on the model.
@NullMarked
package dev.lockstep.kernels.cpu;

import org.jspecify.annotations.NullMarked;

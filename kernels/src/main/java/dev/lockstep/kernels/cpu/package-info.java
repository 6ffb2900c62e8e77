/// Computes on CPU cores: C++ kernels chosen by CPUID, over a Vector API twin that needs no
/// compiler.
///
/// Laws of this package:
/// - An op lives in three files: a driver that checks sizes and cuts the work (`Matmul`), an
///   interface of per-thread bodies (`MatmulOps`), and its two implementations (`NativeMatmulOps`
///   over a C++ file, `VectorMatmulOps`). [CpuOps] lists the families.
/// - Bodies take raw addresses and trust them; drivers check every size before.
/// - Work is cut over the team by output rows, tokens or heads, never along a sum (law 6). The one
///   sum that is cut, attention over a long sequence, is cut at fixed positions whoever computes
///   it.
/// - Once its scratch memory has grown, an op allocates a few small objects on the heap at most,
///   none whose size depends on the model.
@NullMarked
package dev.lockstep.kernels.cpu;

import org.jspecify.annotations.NullMarked;

// SPDX-License-Identifier: Apache-2.0
/// Kernels on a GPU, and the calls into CUDA that they make: driver, cuBLASLt and NVRTC.
///
/// Laws of this package:
/// - [Cuda], [CublasLt] and [Nvrtc] are the only callers of native code here; `Nccl` of the
///   communicator is the only other one. They call nothing newer than CUDA 13.0, driver 580 and
///   NCCL 2.27, since a missing symbol ends the process.
/// - No Bytedeco class is touched before [CudaProbe] has found a device and [CudaLibraries] has
///   opened the libraries: a class whose initialization failed stays broken until the process ends.
/// - The address of device memory is a `DevicePointer`, which the host cannot read.
/// - An op is a [CudaOp]: a kernel of `src/main/cuda`, loaded once, with the struct of its
///   parameters. Nothing is loaded, planned or allocated in a step.
/// - A [CudaStream] is used by one thread at a time. Calls that a step makes allocate nothing on
///   the heap.
@NullMarked
package dev.lockstep.kernels.cuda;

import org.jspecify.annotations.NullMarked;

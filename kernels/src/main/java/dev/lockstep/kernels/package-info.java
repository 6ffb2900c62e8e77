// SPDX-License-Identifier: Apache-2.0
/// The operations that a model runs on hardware, and the memory they work on.
///
/// Laws of this package:
/// - [Kernels] is the only entry point; a model does not know whether a CPU or a GPU implements it.
/// - Ops run in the order they are called, on the stream of their [Kernels]; nothing on the host
///   may read a result before [Kernels#synchronize] or [Kernels#copyToHost].
/// - What the host knows is refused when an op is called. An index out of range that only device
///   memory has is refused with an [IndexException] by the op or, if the device finds it, by the
///   next wait, once; nothing outside the op's tensors is written.
/// - One thread calls the ops of one [Kernels]: the step runner.
/// - The code that allocates a [DeviceBuffer] closes it; a [Tensor] is a borrowed view.
/// - On a CPU each output element has one reduction order, independent of the batch, the chunk and
///   the thread count (law 6).
@NullMarked
package dev.lockstep.kernels;

import org.jspecify.annotations.NullMarked;

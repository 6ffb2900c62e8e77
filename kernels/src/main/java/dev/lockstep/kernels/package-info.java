/// Everything a model may ask of hardware, and the memory it works on.
///
/// Laws of this package:
/// - [Kernels] is the only door; a model never learns whether a CPU or a GPU stands behind it.
/// - Ops run in the order they are called, on the stream of their [Kernels]; nothing on the host
///   may read a result before [Kernels#synchronize] or [Kernels#copyToHost].
/// - One thread calls the ops of one [Kernels]: the step runner.
/// - Whoever allocates a [DeviceBuffer] closes it; a [Tensor] is a borrowed view.
/// - On a CPU each output element has one reduction order, whatever the batch, the chunk and the
///   thread count (law 6).
@NullMarked
package dev.lockstep.kernels;

import org.jspecify.annotations.NullMarked;

/// Ops on CPU and CUDA, device memory.
@NullMarked
package dev.lockstep.kernels;

import org.jspecify.annotations.NullMarked;

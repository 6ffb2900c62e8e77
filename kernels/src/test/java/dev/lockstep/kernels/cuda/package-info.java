// SPDX-License-Identifier: Apache-2.0
/// Tests of the CUDA kernels, and the emulation that they run on where there is no GPU.
@NullMarked
package dev.lockstep.kernels.cuda;

import org.jspecify.annotations.NullMarked;

// SPDX-License-Identifier: Apache-2.0
/// Tests of the CPU kernels: their contracts, the thread team, packing and the twins.
@NullMarked
package dev.lockstep.kernels.cpu;

import org.jspecify.annotations.NullMarked;

// SPDX-License-Identifier: Apache-2.0
/// The contract that every [Kernels] implementation passes, one interface per op family; references
/// are plain loops in double.
@NullMarked
package dev.lockstep.kernels;

import org.jspecify.annotations.NullMarked;

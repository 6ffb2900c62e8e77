// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

/// The layout in which kernels pack weights.
///
/// @param kernels the key of the instruction set
/// @param version incremented whenever they pack other bytes
record PackedLayout(String kernels, int version) {}

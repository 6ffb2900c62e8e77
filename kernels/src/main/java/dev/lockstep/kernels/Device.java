// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels;

/// The compute device, as the start screen and the handshake report it.
///
/// @param name the CPU's or GPU's name
/// @param instructionSet results are bit-equal only between equal instruction sets
public record Device(String name, String instructionSet, int threads) {}

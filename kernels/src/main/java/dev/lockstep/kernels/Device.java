// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels;

import java.util.Map;

/// The compute device, as the start screen and the handshake report it.
///
/// @param name the CPU's or GPU's name
/// @param instructionSet of the CPU, or the GPU's architecture: results are bit-equal only between
///   equal ones
/// @param id what tells apart devices that a process uses alone, such as a GPU's UUID; empty for
///   one that processes share
/// @param versions what else decides the bits of a result, by the name that users see: versions of
///   libraries, digests of kernel sources
public record Device(
        String name, String instructionSet, int threads, String id, Map<String, String> versions) {

    public Device {
        versions = Map.copyOf(versions);
    }

    /// Creates a device that processes share and whose kernels are part of the build: a CPU.
    public Device(String name, String instructionSet, int threads) {
        this(name, instructionSet, threads, "", Map.of());
    }
}

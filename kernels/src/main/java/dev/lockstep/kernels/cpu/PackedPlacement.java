// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import java.io.IOException;

/// How the segments of a file come to memory, each piece checked by a thread that computes with it.
/// [PackedOptions.Access] names the implementations.
interface PackedPlacement extends AutoCloseable {

    /// Returns the address of a segment, at which it stays until the kernels are closed.
    ///
    /// @throws PackedFileException if a piece is damaged
    long place(PackedFile.Segment segment) throws IOException;

    /// Returns the bytes that [CpuMemory] does not count.
    long mappedBytes();

    @Override
    void close();

    static PackedPlacement of(
            PackedOptions.Access access, PackedFile file, CpuMemory memory, ThreadTeam team)
            throws IOException {
        return switch (access) {
            case READ -> new ReadPlacement(file, memory, team);
            case MAP -> new MappedPlacement(file, team);
        };
    }
}

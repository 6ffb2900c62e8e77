// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.Owned;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.model.ActivationBuffers;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.function.BooleanSupplier;
import java.util.zip.CRC32C;

/// Copies the residual of a step to the host behind the step's other ops, and reduces it to a
/// checksum there.
///
/// After the last layer the residual is equal on all ranks, bit by bit: each has added the same
/// sums. Of a step with more than [#MAX_BYTES], it copies a part that moves from step to step.
/// Belongs to the step thread. The session that creates it closes it.
final class ResidualReader implements AutoCloseable {
    private static final int MAX_BYTES = 1 << 20;

    private final Kernels kernels;
    private final ActivationBuffers activations;
    private final BooleanSupplier flips;
    private final Owned owned = new Owned();
    private final int maxRows;
    // One for each step in flight.
    private final MemorySegment[] hosts = new MemorySegment[StepsInFlight.DEPTH];
    private int nextHost;

    /// @param maxTokens of a step that is read
    ResidualReader(
            Kernels kernels, ActivationBuffers activations, int maxTokens, BooleanSupplier flips) {
        this.kernels = kernels;
        this.activations = activations;
        this.flips = flips;
        long perRow = activations.residual(1).bytes();
        this.maxRows = Math.clamp(MAX_BYTES / perRow, 1, maxTokens);
        Arena arena = owned.add(Arena.ofShared(), Arena::close);
        try {
            for (int i = 0; i < hosts.length; i++) {
                hosts[i] = kernels.allocateHost(perRow * maxRows, arena);
            }
        } catch (RuntimeException failure) {
            throw owned.closedAfter(failure);
        }
    }

    /// A residual on its way to the host, which holds it once a mark made since is reached.
    record Coming(MemorySegment host) {}

    /// Copies the residual of the step whose ops were called last.
    ///
    /// @param tokens of the step, without padding
    /// @param step its number, which chooses the part
    Coming later(int tokens, long step) {
        int rows = Math.min(tokens, maxRows);
        int from = (int) (step % (tokens - rows + 1));
        Tensor residual = activations.residual(from + rows).rows(from, from + rows);
        if (flips.getAsBoolean()) {
            flip(residual.rows(0, 1));
        }
        MemorySegment host = hosts[nextHost].asSlice(0, residual.bytes());
        nextHost = (nextHost + 1) % hosts.length;
        kernels.copyToHostLater(residual, host);
        return new Coming(host);
    }

    static int read(Coming residual) {
        var sum = new CRC32C();
        sum.update(residual.host.asByteBuffer());
        return (int) sum.getValue();
    }

    /// Flips the lowest bit of the first value: the fault that a test injects.
    private void flip(Tensor row) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment host = arena.allocate(row.bytes(), 64);
            kernels.copyToHost(row, host);
            byte first = host.get(ValueLayout.JAVA_BYTE, 0);
            host.set(ValueLayout.JAVA_BYTE, 0, (byte) (first ^ 1));
            kernels.copyToDevice(host, row);
        }
    }

    @Override
    public void close() {
        owned.close();
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.nccl;

import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.DeviceBuffer;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.kernels.cuda.CudaStream;
import java.util.Arrays;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/// Concatenates the columns of all ranks on a root: a peer sends its part of some rows in one
/// message, and the root copies what has arrived to its columns. As many rows travel together as
/// the root has memory for.
///
/// The communicator closes it. The first gather of a root allocates this memory, so that it cannot
/// be recorded.
final class NcclGather implements AutoCloseable {
    /// The memory of a root for what arrives.
    static final int MAX_BYTES = 8 << 20;

    private final Nccl nccl;
    private final CudaStream stream;
    private final Kernels kernels;
    private final int rank;
    private @Nullable DeviceBuffer arrived;

    NcclGather(Nccl nccl, CudaStream stream, Kernels kernels, int rank) {
        this.nccl = nccl;
        this.stream = stream;
        this.kernels = kernels;
        this.rank = rank;
    }

    /// Gathers; the arguments are checked.
    ///
    /// @param enqueue makes a call of NCCL and waits until it has enqueued what it was given
    void run(Tensor part, int[] columns, int root, Tensor out, Consumer<BooleanSupplier> enqueue) {
        int total = Arrays.stream(columns).sum();
        int together = rowsTogether(total);
        for (int from = 0; from < part.rows() && total > columns[root]; from += together) {
            int to = Math.min(from + together, part.rows());
            if (rank == root) {
                receive(columns, out.rows(from, to), enqueue);
            } else if (part.columns() > 0) {
                Tensor rows = part.rows(from, to);
                enqueue.accept(() -> nccl.send(rows.pointer(), rows.bytes(), root, stream));
            }
        }
        if (rank == root && part.elements() > 0 && !part.equals(out)) {
            int start = start(columns, root);
            kernels.copy(part, out.columns(start, start + columns[root]));
        }
    }

    /// Returns how many rows of that many columns travel at a time, the same on all ranks.
    static int rowsTogether(int columns) {
        long rowBytes = (long) columns * DType.F32.bytes();
        if (rowBytes > MAX_BYTES) {
            throw new IllegalArgumentException(
                    "columns are %d together, at most %d can be gathered"
                            .formatted(columns, MAX_BYTES / DType.F32.bytes()));
        }
        return (int) (MAX_BYTES / Math.max(rowBytes, 1));
    }

    private void receive(int[] columns, Tensor out, Consumer<BooleanSupplier> enqueue) {
        Tensor[] parts = new Tensor[columns.length];
        long at = 0;
        for (int from = 0; from < columns.length; from++) {
            int own = from == rank ? 0 : columns[from];
            parts[from] = memory().tensor(at, DType.F32, out.rows(), own);
            at += parts[from].bytes();
        }
        enqueue.accept(() -> receive(parts));
        for (int from = 0; from < columns.length; from++) {
            int start = start(columns, from);
            if (parts[from].elements() > 0) {
                kernels.copy(parts[from], out.columns(start, start + columns[from]));
            }
        }
    }

    private boolean receive(Tensor[] parts) {
        boolean done;
        nccl.beginGroup();
        try {
            for (int from = 0; from < parts.length; from++) {
                if (parts[from].elements() > 0) {
                    nccl.receive(parts[from].pointer(), parts[from].bytes(), from, stream);
                }
            }
        } finally {
            done = nccl.endGroup();
        }
        return done;
    }

    private DeviceBuffer memory() {
        DeviceBuffer memory = arrived;
        if (memory == null) {
            memory = kernels.allocate(MAX_BYTES);
            arrived = memory;
        }
        return memory;
    }

    private static int start(int[] columns, int rank) {
        int start = 0;
        for (int each = 0; each < rank; each++) {
            start += columns[each];
        }
        return start;
    }

    @Override
    public void close() {
        if (arrived != null) {
            arrived.close();
        }
    }
}

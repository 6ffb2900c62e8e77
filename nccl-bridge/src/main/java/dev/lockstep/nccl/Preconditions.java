// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.nccl;

import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.Tensor;
import java.util.Arrays;

/// The argument checks of every communicator, with the same messages.
final class Preconditions {
    private Preconditions() {}

    static void requireRank(String name, int rank, int size) {
        if (rank < 0 || rank >= size) {
            throw new IllegalArgumentException(
                    "%s is rank %d, the group has ranks 0 to %d".formatted(name, rank, size - 1));
        }
    }

    static void requirePeer(int peer, int rank, int size) {
        requireRank("peer", peer, size);
        if (peer == rank) {
            throw new IllegalArgumentException("peer is rank %d itself".formatted(rank));
        }
    }

    static void requireDense(String name, Tensor x) {
        if (!x.isDense()) {
            throw new IllegalArgumentException(
                    "%s is [%d, %d] with stride %d, needs to be dense"
                            .formatted(name, x.rows(), x.columns(), x.stride()));
        }
    }

    static void requireGather(
            Tensor part, int[] columns, int root, int rank, int size, Tensor out) {
        requireRank("root", root, size);
        if (columns.length != size) {
            throw new IllegalArgumentException(
                    "columns has %d entries, the group has %d ranks"
                            .formatted(columns.length, size));
        }
        requireDense("part", part);
        part.require("part", DType.F32, part.rows(), columns[rank]);
        if (rank == root) {
            out.require("out", DType.F32, part.rows(), Arrays.stream(columns).sum());
        }
    }
}

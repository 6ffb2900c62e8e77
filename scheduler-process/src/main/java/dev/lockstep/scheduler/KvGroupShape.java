// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

/// Layers of the model that share one block table. Groups with equal bytes per block share a pool.
///
/// @param bytesPerBlock of a group of states: of the state of a sequence
public record KvGroupShape(Kind kind, int window, long bytesPerBlock, int layers) {
    public enum Kind {
        FULL,
        WINDOW,
        STATE,
        /// Nothing is kept: a sequence is computed whole in one step.
        NONE
    }

    public KvGroupShape {
        if (bytesPerBlock < 1) {
            throw new IllegalArgumentException(
                    "bytes per block of a KV group are " + bytesPerBlock + ", the least is 1");
        }
    }

    /// Whether its layers attend to keys and values of positions; those of an encoder keep none.
    public boolean isPaged() {
        return kind != Kind.STATE;
    }

    public static KvGroupShape full(long bytesPerBlock) {
        return new KvGroupShape(Kind.FULL, 0, bytesPerBlock, 1);
    }
}

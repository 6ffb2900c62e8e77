// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

/// The host memory that a rank needs, in bytes, computed before any of it is allocated.
///
/// @param weights with the tables of ropes
public record MemoryBill(long weights, long kv, long activations) {
    public long total() {
        return weights + kv + activations;
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.nccl;

/// How a rank waits for its peers inside a collective.
public enum Waiting {
    /// Spin about 50 µs, then sleep until woken: for a separate core for every rank.
    SPIN,

    /// Sleep at once: with more ranks than cores a spinning rank uses the time its peer needs.
    BLOCK
}

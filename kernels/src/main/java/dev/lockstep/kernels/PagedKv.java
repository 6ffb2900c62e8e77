// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels;

/// The KV blocks of one KV group on one rank; allocated by [Kernels#allocateKv], closed by its
/// caller.
///
/// Block 0 is the null block: never written, and never read for a live position.
public interface PagedKv extends AutoCloseable {
    KvLayout layout();

    int blocks();

    @Override
    void close();
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels;

/// Ops that were recorded once by [Kernels#record] and run as one, on the same tensors; the code
/// that recorded them closes it.
public interface Recording extends AutoCloseable {

    /// Runs the ops, in stream order. They read what the tensors hold then.
    void launch();

    @Override
    void close();
}

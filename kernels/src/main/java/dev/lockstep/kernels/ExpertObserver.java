// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels;

/// Sees the products within [Kernels#experts], each before it is computed.
@FunctionalInterface
public interface ExpertObserver {

    /// Sees a product of the tokens that chose an expert.
    ///
    /// @param x `[tokens, columns]`, only to be read, and only during the call
    void product(Tensor x, PackedWeight weight);
}

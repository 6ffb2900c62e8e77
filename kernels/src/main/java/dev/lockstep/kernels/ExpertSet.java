// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels;

/// The experts of a layer as [Kernels#experts] reads them; created by [Kernels#prepareExperts],
/// usable only with the same [Kernels], which own its memory.
public interface ExpertSet {
    ExpertLayer layer();
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import dev.lockstep.kernels.ExpertLayer;
import dev.lockstep.kernels.ExpertScratch;
import dev.lockstep.kernels.ExpertSet;
import dev.lockstep.kernels.Tensor;
import java.util.List;

/// Mixtures of experts.
final class CudaExperts implements AutoCloseable {

    CudaExperts(CudaContext context) {}

    /// The weights of the experts are [CudaWeight]s.
    ExpertSet prepare(ExpertLayer layer) {
        throw new UnsupportedOperationException("CudaExperts");
    }

    /// Returns the scratch memory for the largest step.
    List<ScratchNeed> scratchNeeds(int maxTokens) {
        return List.of();
    }

    void run(ExpertSet set, Tensor x, Tensor routerLogits, ExpertScratch scratch, Tensor out) {
        throw new UnsupportedOperationException("CudaExperts");
    }

    @Override
    public void close() {}
}

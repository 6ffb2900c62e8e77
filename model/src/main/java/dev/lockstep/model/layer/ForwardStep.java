// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.layer;

import dev.lockstep.kernels.Tensor;
import dev.lockstep.model.ActivationBuffers;
import dev.lockstep.model.ForwardBatch;
import java.util.List;

/// One step while it runs through the layers. Used by the step thread only.
///
/// @param attention the planned attention of each KV group
public record ForwardStep(
        ForwardBatch batch,
        ActivationBuffers activations,
        List<List<PagedAttention.Rows>> attention) {

    public int tokens() {
        return batch.tokens();
    }

    /// Returns the residual `[T, H]`: the sum of the embedding and of all branches added so far.
    public Tensor residual() {
        return activations.residual(tokens());
    }

    /// Returns the normed input `[T, H]` of the next branch.
    public Tensor x() {
        return activations.hidden(tokens());
    }
}

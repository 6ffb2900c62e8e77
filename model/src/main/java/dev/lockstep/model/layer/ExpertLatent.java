// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.layer;

import dev.lockstep.kernels.PackedWeight;
import dev.lockstep.model.Weights;

/// What is before and after experts whose inputs and outputs are a latent of the hidden size
/// (NVIDIA 2025), whole on every rank:
///
/// ```
/// out = up · experts(down · x)
/// ```
///
/// A rank multiplies its partial sum of the experts by `up`, so that one sum over the ranks is
/// left.
///
/// @param down `[latent, H]`
/// @param up `[H, latent]`
public record ExpertLatent(PackedWeight down, PackedWeight up) {

    /// Loads the two matrices by their names, without `.weight`.
    public static ExpertLatent load(Weights weights, String down, String up) {
        int hidden = weights.config().hiddenSize();
        int latent = weights.config().details().experts().orElseThrow().latentSize();
        return new ExpertLatent(
                weights.packWhole(down, latent, hidden), weights.packWhole(up, hidden, latent));
    }
}

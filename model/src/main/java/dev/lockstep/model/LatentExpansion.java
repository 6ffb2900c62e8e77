// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import dev.lockstep.checkpoint.LatentConfig;
import dev.lockstep.checkpoint.ModelConfig;
import dev.lockstep.kernels.ExpandedHeads;

/// Which positions of a sequence have expanded keys and values in latent attention: those of
/// aligned spans that lie wholly within the prompt. So what computes a position follows from it and
/// from the length of its prompt, never from chunks, cached prefixes or preemptions.
public final class LatentExpansion {

    /// Positions of a span; a multiple of all block sizes. An expansion costs `rank · (plain +
    /// value)` multiply-adds for each position of the sequence and each head, and saves `2 · (rank
    /// + rotated) − (plain + rotated + value)` for each of them and each token that attends. If a
    ///   product needed as long for a multiply-add as attention does, it would pay from 158 tokens
    ///   on with DeepSeek's dimensions (512, 64, 128, 128), from 128 with those of Mistral 4 and
    ///   from 358 with those of GLM-4.7-Flash; products are faster. A shorter span is expanded
    ///   where it does not pay if it alone follows a long cached prefix, a longer one makes more
    ///   prompts absorb, and the next turn of a conversation compute more of them again.
    public static final int SPAN = 256;

    private LatentExpansion() {}

    /// Returns the heads of a rank.
    ///
    /// @param scale of the scores
    public static ExpandedHeads heads(ModelConfig config, Shard shard, float scale) {
        LatentConfig latent = config.attention().latent().orElseThrow();
        return new ExpandedHeads(
                shard.queryHeads().size(),
                latent.rank(),
                latent.plainDim(),
                latent.rotaryDim(),
                latent.valueDim(),
                scale);
    }
}

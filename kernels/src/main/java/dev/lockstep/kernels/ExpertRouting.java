// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels;

import java.util.Optional;

/// How a token chooses among a layer's experts by its router logits:
///
/// ```
/// score[e]  = softmax(logits)[e] or sigmoid(logits[e])
/// choice[e] = score[e] + correction[e]
/// chosen    = the perToken greatest choices of the kept groups, the lower number first among ties
/// weight[e] = factor[e] · scale · score[e] / (renormalized ? Σ over chosen of score : 1)
/// ```
///
/// A group consists of consecutive experts; the groups with the greatest rank are kept, the lower
/// number first among ties (DeepSeek-AI 2024).
///
/// @param renormalized whether the weights of a token's experts are scaled to sum to `scale`
/// @param correction `[1, experts]` F32, of finite values
/// @param groups equally large groups of experts, 1 for no choice among them
/// @param keptGroups groups that a token chooses its experts from
/// @param factors `[1, experts]` F32; all are 1 if it is empty
public record ExpertRouting(
        int perToken,
        Score score,
        boolean renormalized,
        float scale,
        Optional<Tensor> correction,
        int groups,
        int keptGroups,
        GroupRank rank,
        Optional<Tensor> factors) {

    public enum Score {
        SOFTMAX,
        SIGMOID
    }

    /// The rank of a group among the others.
    public enum GroupRank {
        /// The greatest choice in it.
        BEST,
        /// The sum of the two greatest choices in it.
        BEST_TWO
    }

    /// Creates a routing without factors of single experts.
    public ExpertRouting(
            int perToken,
            Score score,
            boolean renormalized,
            float scale,
            Optional<Tensor> correction,
            int groups,
            int keptGroups,
            GroupRank rank) {
        this(
                perToken,
                score,
                renormalized,
                scale,
                correction,
                groups,
                keptGroups,
                rank,
                Optional.empty());
    }

    /// Returns this routing with a factor for each expert.
    public ExpertRouting withFactors(Tensor added) {
        return new ExpertRouting(
                perToken,
                score,
                renormalized,
                scale,
                correction,
                groups,
                keptGroups,
                rank,
                Optional.of(added));
    }

    /// Chooses the greatest shares of the softmax.
    public static ExpertRouting softmax(int perToken, boolean renormalized) {
        return new ExpertRouting(
                perToken, Score.SOFTMAX, renormalized, 1, Optional.empty(), 1, 1, GroupRank.BEST);
    }

    /// Returns the bits of the correction's address, 0 for none.
    public long correctionAddress() {
        return correction.map(each -> each.pointer().address()).orElse(0L);
    }

    /// Returns the bits of the factors' address, 0 for none.
    public long factorsAddress() {
        return factors.map(each -> each.pointer().address()).orElse(0L);
    }

    void requireFit(int experts) {
        if (perToken < 1 || perToken > experts) {
            throw new IllegalArgumentException(
                    "%d experts a token of %d".formatted(perToken, experts));
        }
        int least = rank == GroupRank.BEST_TWO && groups > 1 ? 2 : 1;
        if (groups < 1 || experts % groups != 0 || experts / groups < least) {
            throw new IllegalArgumentException(
                    "%d experts in %d groups".formatted(experts, groups));
        }
        if (keptGroups < 1 || keptGroups > groups || perToken > experts / groups * keptGroups) {
            throw new IllegalArgumentException(
                    "%d experts a token of %d groups out of %d with %d experts each"
                            .formatted(perToken, keptGroups, groups, experts / groups));
        }
        correction.ifPresent(each -> each.require("correction", DType.F32, 1, experts));
        factors.ifPresent(each -> each.require("factors", DType.F32, 1, experts));
    }
}

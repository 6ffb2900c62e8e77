// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

/// Groups of consecutive experts, of which a token uses the best (DeepSeek-AI 2024).
///
/// @param count groups of equally many experts, 1 for no choice among groups
/// @param kept groups from which a token chooses its experts
/// @param rank what makes a group better than another
public record ExpertGroups(int count, int kept, Rank rank) {

    /// The score of a group, from those of its experts.
    public enum Rank {
        /// The greatest.
        BEST,
        /// The sum of the two greatest.
        BEST_TWO
    }

    public ExpertGroups {
        ModelConfig.requireBetween("groups of experts", count, 1, 1 << 16);
        ModelConfig.requireBetween("groups of a token", kept, 1, count);
    }

    public static ExpertGroups one() {
        return new ExpertGroups(1, 1, Rank.BEST);
    }

    /// Throws unless so many experts divide into these groups, and those of a token have enough.
    void requireFit(int experts, int perToken) {
        if (experts % count != 0) {
            throw new IllegalArgumentException(
                    "%d experts do not divide into %d groups".formatted(experts, count));
        }
        if (perToken > experts / count * kept) {
            throw new IllegalArgumentException(
                    "%d experts per token of %d groups with %d experts each"
                            .formatted(perToken, kept, experts / count));
        }
        if (count > 1 && rank == Rank.BEST_TWO && experts / count < 2) {
            throw new IllegalArgumentException(
                    "%d groups of 1 expert, ranked by their best two".formatted(count));
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.util.Optional;
import java.util.Set;

/// What some families do with positions besides one rope for all layers; most models have [#plain].
///
/// @param withoutRope layers that rotate nothing
/// @param queryScale a factor of the queries that grows with the position
public record PositionConfig(Set<Integer> withoutRope, Optional<QueryScale> queryScale) {

    /// The factor `1 + beta · ln(1 + ⌊(position + offset) / originalContext⌋)` of a query, which
    /// counters the flattening of the softmax over long contexts (Llama 4, Ministral 3).
    ///
    /// @param offset 1 where positions count from 1
    public record QueryScale(double beta, int originalContext, int offset) {
        public QueryScale {
            if (!(beta >= 0) || Double.isInfinite(beta)) {
                throw new IllegalArgumentException(
                        "query scale beta " + beta + " is negative or not finite");
            }
            if (originalContext < 1) {
                throw new IllegalArgumentException(
                        "query scale from position " + originalContext + ", expected at least 1");
            }
        }

        public QueryScale(double beta, int originalContext) {
            this(beta, originalContext, 0);
        }

        /// Returns the factor of the queries at a position.
        public float at(int position) {
            int contexts = Math.floorDiv(position + offset, originalContext);
            return (float) (1 + beta * Math.log1p(contexts));
        }
    }

    public PositionConfig {
        withoutRope = Set.copyOf(withoutRope);
    }

    public static PositionConfig plain() {
        return new PositionConfig(Set.of(), Optional.empty());
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels;

import java.util.List;

/// The experts of a layer and how a token chooses among them: the `perToken` largest shares of the
/// softmax of its router logits, the lower expert number first among ties.
///
/// @param experts of equal shape
/// @param renormalized whether the weights of a token's experts are scaled to sum to 1
public record ExpertLayer(
        List<ExpertWeights> experts, Activation activation, int perToken, boolean renormalized) {

    public ExpertLayer {
        experts = List.copyOf(experts);
        if (perToken < 1 || perToken > experts.size()) {
            throw new IllegalArgumentException(
                    "%d experts a token of %d".formatted(perToken, experts.size()));
        }
        ExpertWeights first = experts.getFirst();
        for (int i = 1; i < experts.size(); i++) {
            ExpertWeights each = experts.get(i);
            if (each.hiddenSize() != first.hiddenSize() || each.columns() != first.columns()) {
                throw new IllegalArgumentException(
                        "expert %d has %d columns for a hidden size of %d, expert 0 %d for %d"
                                .formatted(
                                        i,
                                        each.columns(),
                                        each.hiddenSize(),
                                        first.columns(),
                                        first.hiddenSize()));
            }
        }
    }

    public int hiddenSize() {
        return experts.getFirst().hiddenSize();
    }

    /// Returns the feed-forward columns of this rank.
    public int columns() {
        return experts.getFirst().columns();
    }
}

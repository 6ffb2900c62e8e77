// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels;

import java.util.List;

/// The experts of a layer and how a token chooses among them.
///
/// @param experts of equal shape, all with the same biases or none
/// @param weighsInputs whether a token's weight multiplies the input of an expert instead of its
///   output
public record ExpertLayer(
        List<ExpertWeights> experts,
        Activation activation,
        ExpertRouting routing,
        boolean weighsInputs) {

    public ExpertLayer {
        experts = List.copyOf(experts);
        routing.requireFit(experts.size());
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
            if (each.isGated() != first.isGated()) {
                throw new IllegalArgumentException(
                        "expert %d has another gate than expert 0".formatted(i));
            }
            if (each.gateUpBias().isPresent() != first.gateUpBias().isPresent()
                    || each.downBias().isPresent() != first.downBias().isPresent()) {
                throw new IllegalArgumentException(
                        "expert %d has other biases than expert 0".formatted(i));
            }
        }
    }

    /// Creates experts whose outputs are weighted.
    public ExpertLayer(List<ExpertWeights> experts, Activation activation, ExpertRouting routing) {
        this(experts, activation, routing, false);
    }

    /// Creates experts without groups, chosen by the softmax of their logits.
    public ExpertLayer(
            List<ExpertWeights> experts,
            Activation activation,
            int perToken,
            boolean renormalized) {
        this(experts, activation, ExpertRouting.softmax(perToken, renormalized));
    }

    public int perToken() {
        return routing.perToken();
    }

    public int hiddenSize() {
        return experts.getFirst().hiddenSize();
    }

    /// Returns the feed-forward columns of this rank.
    public int columns() {
        return experts.getFirst().columns();
    }
}

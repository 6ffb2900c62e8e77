// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.layer;

import dev.lockstep.checkpoint.KvGroup;
import dev.lockstep.kernels.PagedBatch;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.model.ForwardBatch;
import dev.lockstep.model.Span;
import dev.lockstep.model.Weights;
import java.util.ArrayList;
import java.util.List;

/// A layer that keeps a state of each sequence in place of keys and values, cut by heads. The line
/// of a row in the block tables is also that of its state.
public sealed interface StateLayer extends ResidualBranch.Sublayer
        permits GatedDeltaNet, Mamba2, ShortConvolution {

    /// Consecutive rows of a step. Those that keep no keys and values use a state too, of which
    /// nothing is read later.
    record Rows(PagedBatch batch, int firstToken) {

        static List<Rows> of(ForwardBatch step) {
            List<Rows> rows = new ArrayList<>();
            PagedBatch kept = step.kv().getFirst();
            if (kept.tokens() > 0) {
                rows.add(new Rows(kept, 0));
            }
            step.withoutKv().ifPresent(batch -> rows.add(new Rows(batch, kept.tokens())));
            return rows;
        }

        /// Returns the tokens of these rows.
        Tensor of(Tensor step) {
            return step.rows(firstToken, firstToken + batch.tokens());
        }
    }

    /// Returns the rates −e^A of some heads, from `A_log`; or from `A` of GGUF files, which are the
    /// rates.
    static Tensor rates(Weights weights, String prefix, int heads, Span some) {
        if (weights.has(prefix + ".A")) {
            return weights.vector(weights.values(prefix + ".A", heads, some));
        }
        float[] rates = weights.values(prefix + ".A_log", heads, some);
        for (int i = 0; i < rates.length; i++) {
            rates[i] = (float) -Math.exp(rates[i]);
        }
        return weights.vector(rates);
    }

    /// Returns the number of a layer among those that keep a state.
    static int number(Weights weights, int layer) {
        int number =
                weights.config().stateGroup().map(KvGroup::layers).orElse(List.of()).indexOf(layer);
        if (number < 0) {
            throw new IllegalArgumentException("layer " + layer + " keeps no state");
        }
        return number;
    }
}

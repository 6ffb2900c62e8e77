// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.evaluate;

import java.util.Map;
import java.util.Optional;

/// What was measured over the windows of a text.
///
/// @param comparison with the reference, if there is one
record Evaluation(int windows, Perplexity model, Optional<Comparison> comparison) {

    /// The reference's own perplexity, and the model's distance from it.
    ///
    /// @param layers the relative error of each layer's input; empty unless requested
    record Comparison(Perplexity reference, Divergence divergence, Map<Integer, Double> layers) {}
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.evaluate;

/// The perplexity of a text: `exp` of the mean negative log-probability of its tokens.
///
/// @param tokens the number of tokens scored
/// @param value the perplexity
/// @param error its standard error, from the spread of the tokens' log-probabilities
public record Perplexity(long tokens, double value, double error) {

    /// Adds tokens one by one.
    static final class Sum {
        private long tokens;
        private double sum;
        private double squares;

        /// @param next the id that follows
        void add(float[] logits, int next) {
            double negative = Distributions.logSum(logits) - logits[next];
            tokens++;
            sum += negative;
            squares += negative * negative;
        }

        Perplexity result() {
            double mean = sum / tokens;
            double value = Math.exp(mean);
            double variance = Math.max(0, squares / tokens - mean * mean);
            double error = tokens < 2 ? 0 : value * Math.sqrt(variance / (tokens - 1));
            return new Perplexity(tokens, value, error);
        }
    }
}

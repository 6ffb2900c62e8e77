// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import java.util.List;

/// Keeps a step as short as one of the largest number of tokens at the beginning of their
/// sequences.
///
/// ```
/// cost of tokens [p, p + n) = n · (1 + (p + n / 2) / d)      d: where a token takes twice the time
/// ```
///
/// When what the micro-batch scheduler divided costs more, prefills get proportionally less of it,
/// so that long prompts do not slow down those that decode.
final class StepTime {
    /// A prefill row with fewer tokens is not worth its cost.
    static final int MIN_CHUNK = 16;

    private final int doublingPosition;
    private final double max;

    StepTime(GroupShape shape) {
        this.doublingPosition = shape.doublingPosition();
        this.max = doublingPosition == 0 ? 0 : cost(0, shape.maxBatchedTokens());
    }

    private double cost(int position, int count) {
        return count * (1 + (position + count / 2.0) / doublingPosition);
    }

    /// Lowers `tokens[i]`, those of `batch[i]`, where the step would take too long.
    void limit(List<Sequence> batch, int[] tokens) {
        if (doublingPosition == 0) {
            return;
        }
        double decodes = 0;
        double prefills = 0;
        for (int i = 0; i < batch.size(); i++) {
            double cost = cost(batch.get(i).computed(), tokens[i]);
            if (batch.get(i).prefilling()) {
                prefills += cost;
            } else {
                decodes += cost;
            }
        }
        if (decodes + prefills <= max) {
            return;
        }
        double share = Math.max(0, max - decodes) / prefills;
        for (int i = 0; i < batch.size(); i++) {
            if (batch.get(i).prefilling()) {
                int less = Math.max(MIN_CHUNK, (int) (tokens[i] * share));
                tokens[i] = Math.min(tokens[i], less);
            }
        }
    }
}

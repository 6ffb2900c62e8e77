// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import java.util.List;

/// Decides how many tokens each chosen sequence runs in a step. Implementations are found by
/// [java.util.ServiceLoader] and chosen by name; each group gets a new instance.
public interface MicroBatchScheduler {
    /// The value of `--micro-batch` that chooses it.
    String name();

    /// Whether a step of `budget` tokens has room for one more sequence, when it has `sequences`
    /// sequences with `tokens` tokens to run.
    boolean wantsMore(int sequences, long tokens, int budget);

    /// Sets `tokens[i]` to a number from 0 to the [Sequence#rowLimit] of `batch[i]`. Their sum is
    /// at least 1 and at most `budget`.
    void divide(List<Sequence> batch, int budget, int[] tokens);
}

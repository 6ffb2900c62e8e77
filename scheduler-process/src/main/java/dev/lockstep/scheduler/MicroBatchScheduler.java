package dev.lockstep.scheduler;

import java.util.List;

/// Decides how many tokens each chosen sequence runs in a step. Chosen by name; a user's own is
/// found by [java.util.ServiceLoader], made anew for each group.
public interface MicroBatchScheduler {
    /// What `--micro-batch` calls it.
    String name();

    /// Whether a step of so many sequences, which have so many tokens to run, has room for one
    /// more.
    boolean wantsMore(int sequences, long tokens, int budget);

    /// Sets `tokens[i]`, from 0 to what `batch[i]` has remaining; their sum is at most `budget`,
    /// and at least 1.
    void divide(List<Sequence> batch, int budget, int[] tokens);
}

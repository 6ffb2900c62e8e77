package dev.lockstep.scheduler;

import java.util.List;

/// Decides how many tokens each chosen sequence runs in a step: first come first served under one
/// budget, so a long prefill takes what the decodes before it left, chunk by chunk.
final class MicroBatchScheduler {
    /// Sets `tokens[i]` for `batch[i]`; their sum is at most `budget`.
    void divide(List<Sequence> batch, int budget, int[] tokens) {
        int left = budget;
        for (int i = 0; i < batch.size(); i++) {
            tokens[i] = Math.min(batch.get(i).remaining(), left);
            left -= tokens[i];
        }
    }
}

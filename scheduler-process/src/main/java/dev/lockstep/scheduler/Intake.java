package dev.lockstep.scheduler;

import java.util.List;

/// Decides whether a request may queue: whether it can run at all, whether the queue has room, and
/// whether its turn comes before its deadline.
final class Intake {
    private final WaitingLimits limits;
    private final int maxModelLength;
    private final KvCacheManager kv;
    private final WaitingRoom waiting;
    private final AdmissionPace pace;
    private long refused;

    Intake(
            WaitingLimits limits,
            int maxModelLength,
            KvCacheManager kv,
            WaitingRoom waiting,
            AdmissionPace pace) {
        this.limits = limits;
        this.maxModelLength = maxModelLength;
        this.kv = kv;
        this.waiting = waiting;
        this.pace = pace;
    }

    /// Requests that found the queue full, or too long for their deadline.
    long refused() {
        return refused;
    }

    /// What is to become of the choices of a request: all or none queue. An empty queue takes any
    /// request that can run, so that no limit makes one unservable.
    Submission judge(List<Sequence> choices, long nanos) {
        long more = 0;
        for (var sequence : choices) {
            var unfit = unfit(sequence);
            if (!unfit.isEmpty()) {
                return new Submission.Unservable(unfit);
            }
            more += sequence.knownLength();
        }
        if (!waiting.isEmpty()) {
            var full = full(choices.size(), more);
            if (!full.isEmpty()) {
                refused++;
                return new Submission.QueueFull(full);
            }
        }
        long wait = waiting.isEmpty() ? 0 : pace.waitNanos(waiting.tokens());
        long deadline = choices.getFirst().terms().deadlineNanos();
        if (deadline != Terms.NO_DEADLINE && deadline - nanos <= wait) {
            refused++;
            return new Submission.TooLate(
                    "deadline_ms is over in "
                            + (deadline - nanos) / 1_000_000
                            + " ms, the queue takes about "
                            + wait / 1_000_000
                            + " ms",
                    wait);
        }
        return new Submission.Queued();
    }

    private String full(int sequences, long more) {
        if (waiting.size() + sequences > limits.sequences()) {
            return waiting.size() + " sequences wait, the limit is " + limits.sequences();
        }
        if (waiting.tokens() + more > limits.tokens()) {
            return waiting.tokens()
                    + " tokens wait and "
                    + more
                    + " would come, the limit is "
                    + limits.tokens();
        }
        return "";
    }

    private String unfit(Sequence sequence) {
        int prompt = sequence.promptLength();
        int most = sequence.sampling().maxTokens();
        long length = (long) prompt + most;
        var sum = "prompt of " + prompt + " tokens and max_tokens " + most + " make " + length;
        if (length > maxModelLength) {
            return sum + ", the model's context is " + maxModelLength;
        }
        if (sequence.finalLength() > kv.mostTokens()) {
            return sum + ", the KV cache holds " + kv.mostTokens();
        }
        return "";
    }
}

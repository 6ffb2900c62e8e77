// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import java.util.List;

/// Decides whether a request may queue: whether it can run at all, whether the queue has room, and
/// whether its first token can come in time.
final class AdmissionCheck {
    private final WaitingLimits limits;
    private final GroupShape shape;
    private final KvCacheManager kv;
    private final WaitingRoom waiting;
    private final AdmissionPace pace;
    private final QueueDelay delay;
    private long refused;
    private long refusedByEstimate;

    AdmissionCheck(
            WaitingLimits limits,
            GroupShape shape,
            KvCacheManager kv,
            WaitingRoom waiting,
            AdmissionPace pace,
            QueueDelay delay) {
        this.limits = limits;
        this.shape = shape;
        this.kv = kv;
        this.waiting = waiting;
        this.pace = pace;
        this.delay = delay;
    }

    /// Requests refused because the queue was full, or too long for their deadline.
    long refused() {
        return refused;
    }

    /// Requests refused because the queue took too long for the limit or their deadline.
    long refusedByEstimate() {
        return refusedByEstimate;
    }

    /// Checks the choices of a request: all or none of them queue.
    Submission check(List<Sequence> choices, long nanos) {
        if (fit(choices) instanceof Submission.Unservable unservable) {
            return unservable;
        }
        long more = 0;
        for (Sequence sequence : choices) {
            more += sequence.knownLength();
        }
        String full = limits.full(waiting.size(), waiting.tokens(), choices.size(), more);
        if (!full.isEmpty()) {
            refused++;
            return new Submission.QueueFull(full);
        }
        return inTime(choices.getFirst(), nanos);
    }

    /// Checks only whether the group can ever run the choices of a request.
    Submission fit(List<Sequence> choices) {
        for (Sequence sequence : choices) {
            String unfit = unfit(sequence);
            if (!unfit.isEmpty()) {
                return new Submission.Unservable(unfit);
            }
        }
        return new Submission.Queued();
    }

    /// Checks that the prompts before it take no longer than the limit, and that its first token
    /// can come before its deadline.
    private Submission inTime(Sequence first, long nanos) {
        long deadline = first.options().deadlineNanos();
        boolean hasDeadline = deadline != SchedulingOptions.NO_DEADLINE;
        if (!hasDeadline && limits.delayNanos() == WaitingLimits.NO_DELAY_LIMIT) {
            return new Submission.Queued();
        }
        waiting.expect(first);
        long wait = delay.waitNanos(first, nanos);
        if (wait > limits.delayNanos()) {
            return tooLate(
                    "the prompts before it take about "
                            + millis(wait)
                            + ", the limit is "
                            + millis(limits.delayNanos()),
                    wait - limits.delayNanos());
        }
        if (!hasDeadline) {
            return new Submission.Queued();
        }
        wait = Math.max(wait, waiting.isEmpty() ? 0 : pace.waitNanos(waiting.tokens()));
        long compute = delay.promptNanos(first, nanos);
        long left = deadline - nanos;
        if (left > 0 && left > wait + compute) {
            return new Submission.Queued();
        }
        return tooLate(
                "deadline_ms expires in "
                        + millis(left)
                        + ", the queue takes about "
                        + millis(wait)
                        + " and the prompt "
                        + millis(compute),
                wait);
    }

    private Submission tooLate(String message, long waitNanos) {
        refused++;
        refusedByEstimate++;
        return new Submission.TooLate(message, waitNanos);
    }

    /// A model whose tokens attend to later ones needs all of them in a step, and has none to add.
    private String unfitForOneStep(Sequence sequence) {
        if (sequence.generates()) {
            return "max_tokens is "
                    + sequence.choice().maxTokens()
                    + ", an embedding model generates none: it must be 0";
        }
        return sequence.promptLength() > shape.maxBatchedTokens()
                ? "prompt of "
                        + sequence.promptLength()
                        + " tokens, an embedding model computes it in one step of at most max-num-batched-tokens "
                        + shape.maxBatchedTokens()
                : "";
    }

    private static String millis(long nanos) {
        return nanos / 1_000_000 + " ms";
    }

    private String unfit(Sequence sequence) {
        int prompt = sequence.promptLength();
        int maxTokens = sequence.choice().maxTokens();
        long length = (long) prompt + maxTokens;
        String sum =
                "prompt of " + prompt + " tokens and max_tokens " + maxTokens + " make " + length;
        if (length > shape.maxModelLength()) {
            return sum + ", the model's context is " + shape.maxModelLength();
        }
        if (shape.keepsNothing()) {
            return unfitForOneStep(sequence);
        }
        if (sequence.finalLength() > kv.maxTokens()) {
            return sum + ", the KV cache holds " + kv.maxTokens();
        }
        return "";
    }
}

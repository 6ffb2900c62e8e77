// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import java.util.List;

/// Decides whether a request may queue: whether it can run at all, whether the queue has room, and
/// whether it can start before its deadline.
final class AdmissionCheck {
    private final WaitingLimits limits;
    private final GroupShape shape;
    private final KvCacheManager kv;
    private final WaitingRoom waiting;
    private final AdmissionPace pace;
    private final PrefillPace prefill;
    private long refused;
    private long refusedByEstimate;

    AdmissionCheck(
            WaitingLimits limits,
            GroupShape shape,
            KvCacheManager kv,
            WaitingRoom waiting,
            AdmissionPace pace,
            PrefillPace prefill) {
        this.limits = limits;
        this.shape = shape;
        this.kv = kv;
        this.waiting = waiting;
        this.pace = pace;
        this.prefill = prefill;
    }

    /// Requests refused because the queue was full, or too long for their deadline.
    long refused() {
        return refused;
    }

    /// Requests refused because the queue was too long for their deadline.
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

    /// Checks that the first token can come before the deadline: the waiting tokens are admitted
    /// first, then the part of the prompt that is not cached is computed.
    private Submission inTime(Sequence first, long nanos) {
        long deadline = first.options().deadlineNanos();
        if (deadline == SchedulingOptions.NO_DEADLINE) {
            return new Submission.Queued();
        }
        long wait = waiting.isEmpty() ? 0 : pace.waitNanos(waiting.tokens());
        long cached = (long) kv.cachedPrefix(first) * shape.blockSize();
        long compute = prefill.prefillNanos(first.promptLength() - cached, nanos);
        long left = deadline - nanos;
        if (left > 0 && left > wait + compute) {
            return new Submission.Queued();
        }
        refused++;
        refusedByEstimate++;
        return new Submission.TooLate(
                "deadline_ms expires in "
                        + left / 1_000_000
                        + " ms, the queue takes about "
                        + wait / 1_000_000
                        + " ms and the prompt "
                        + compute / 1_000_000
                        + " ms",
                wait);
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
        if (sequence.finalLength() > kv.maxTokens()) {
            return sum + ", the KV cache holds " + kv.maxTokens();
        }
        return "";
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

/// Limits of what may wait: sequences (a request of n choices counts n), their token ids, and how
/// long the prompts before a request may take.
///
/// @param delayNanos [#NO_DELAY_LIMIT] for none
public record WaitingLimits(int sequences, long tokens, long delayNanos) {
    public static final long NO_DELAY_LIMIT = Long.MAX_VALUE;

    public WaitingLimits(int sequences, long tokens) {
        this(sequences, tokens, NO_DELAY_LIMIT);
    }

    /// As the canonical constructor, where a delay of 0 is no limit.
    public static WaitingLimits of(int sequences, long tokens, long delayNanos) {
        return new WaitingLimits(sequences, tokens, delayNanos == 0 ? NO_DELAY_LIMIT : delayNanos);
    }

    public WaitingLimits {
        if (sequences < 1 || tokens < 1 || delayNanos < 1) {
            throw new IllegalArgumentException(
                    "waiting limits are "
                            + sequences
                            + " sequences and "
                            + tokens
                            + " tokens and "
                            + delayNanos
                            + " ns, the least is 1 each");
        }
    }

    /// Returns why a request of `more` sequences and `moreTokens` tokens may not wait with the
    /// others; empty when it may. Where no sequence waits any request is accepted, so that no limit
    /// makes one unservable.
    public String full(int waiting, long waitingTokens, int more, long moreTokens) {
        if (waiting == 0) {
            return "";
        }
        if (waiting + more > sequences) {
            return waiting + " sequences wait, the limit is " + sequences;
        }
        if (waitingTokens + moreTokens > tokens) {
            return waitingTokens
                    + " tokens wait and the request has "
                    + moreTokens
                    + ", the limit is "
                    + tokens;
        }
        return "";
    }
}

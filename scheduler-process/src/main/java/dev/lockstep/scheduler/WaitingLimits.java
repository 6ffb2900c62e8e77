// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

/// Limits of what may wait: sequences (a request of n choices counts n) and their token ids.
public record WaitingLimits(int sequences, long tokens) {
    public WaitingLimits {
        if (sequences < 1 || tokens < 1) {
            throw new IllegalArgumentException(
                    "waiting limits are "
                            + sequences
                            + " sequences and "
                            + tokens
                            + " tokens, the least is 1 each");
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

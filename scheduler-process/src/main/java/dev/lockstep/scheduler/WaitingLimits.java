package dev.lockstep.scheduler;

/// How much may wait: sequences (a request of n choices counts n) and their token ids.
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

    /// Why so many more may not come to those that wait; empty when they may. Where nobody waits
    /// any request is taken, so that no limit makes one unservable.
    public String full(int waiting, long waitingTokens, int more, long moreTokens) {
        if (waiting == 0) {
            return "";
        }
        if (waiting + more > sequences) {
            return waiting + " sequences wait, the limit is " + sequences;
        }
        if (waitingTokens + moreTokens > tokens) {
            return waitingTokens
                    + " tokens wait and "
                    + moreTokens
                    + " would come, the limit is "
                    + tokens;
        }
        return "";
    }
}

package dev.lockstep.scheduler;

/// How much may wait: sequences (a request of n choices counts n) and their token ids.
record WaitingLimits(int sequences, long tokens) {
    WaitingLimits {
        if (sequences < 1 || tokens < 1) {
            throw new IllegalArgumentException(
                    "waiting limits are "
                            + sequences
                            + " sequences and "
                            + tokens
                            + " tokens, the least is 1 each");
        }
    }
}

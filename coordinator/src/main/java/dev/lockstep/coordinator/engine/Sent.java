package dev.lockstep.coordinator.engine;

import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;

/// What was sent to a scheduler since it last told how it stands, so that requests that come
/// together do not all go to the same one. Any thread adds.
final class Sent {
    private final AtomicInteger choices = new AtomicInteger();
    private final AtomicLong tokens = new AtomicLong();

    /// @param promptTokens those it has to compute
    void add(int moreChoices, long promptTokens) {
        choices.addAndGet(moreChoices);
        tokens.addAndGet(promptTokens);
    }

    int choices() {
        return choices.get();
    }

    long tokens() {
        return tokens.get();
    }

    /// The scheduler's own numbers hold it now.
    void reset() {
        choices.set(0);
        tokens.set(0);
    }
}

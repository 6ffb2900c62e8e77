package dev.lockstep.coordinator.engine;

import java.util.concurrent.atomic.LongAdder;

/// What was sent to a scheduler since it was found; for the metrics. Any thread adds.
public final class Routed {
    private final LongAdder requests = new LongAdder();
    private final LongAdder promptTokens = new LongAdder();
    private final LongAdder cachedTokens = new LongAdder();

    /// @param expected tokens of the prompt that its index had
    void add(int prompt, long expected) {
        requests.increment();
        promptTokens.add(prompt);
        cachedTokens.add(expected);
    }

    public long requests() {
        return requests.sum();
    }

    public long promptTokens() {
        return promptTokens.sum();
    }

    /// Where there was a choice of groups; else nobody looked.
    public long cachedTokens() {
        return cachedTokens.sum();
    }
}

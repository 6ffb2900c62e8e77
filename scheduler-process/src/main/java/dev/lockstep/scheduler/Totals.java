package dev.lockstep.scheduler;

/// What only grows, over the groups of a process.
public record Totals(
        long preemptions,
        long steps,
        long mixedSteps,
        long promptTokens,
        long cachedTokens,
        long generatedTokens,
        long expired,
        long refused) {
    public static final Totals NONE = new Totals(0, 0, 0, 0, 0, 0, 0, 0);

    public Totals plusRefused(long more) {
        return new Totals(
                preemptions,
                steps,
                mixedSteps,
                promptTokens,
                cachedTokens,
                generatedTokens,
                expired,
                refused + more);
    }

    public Totals plus(Totals more) {
        return new Totals(
                preemptions + more.preemptions,
                steps + more.steps,
                mixedSteps + more.mixedSteps,
                promptTokens + more.promptTokens,
                cachedTokens + more.cachedTokens,
                generatedTokens + more.generatedTokens,
                expired + more.expired,
                refused + more.refused);
    }
}

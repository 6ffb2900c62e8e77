package dev.lockstep.scheduler;

/// What a request asks of scheduling and caching, beside its tokens.
///
/// @param tenant whom fairness counts it to
/// @param priority higher goes first where the waiting order heeds it
/// @param guaranteed starts only when it can finish, and is never preempted
/// @param deadlineNanos on the scheduler's clock; [#NO_DEADLINE] is none
/// @param cacheDomain sequences of different domains share no blocks
/// @param cachePriority of its blocks once they are free, 1 to 100
/// @param cacheTtlSeconds how long that priority counts; 0 is without end
public record SchedulingOptions(
        String tenant,
        int priority,
        boolean guaranteed,
        long deadlineNanos,
        Domain cacheDomain,
        int cachePriority,
        int cacheTtlSeconds) {

    public static final long NO_DEADLINE = Long.MAX_VALUE;

    public static final SchedulingOptions NONE =
            new SchedulingOptions(
                    "", 0, false, NO_DEADLINE, Domain.COMMON, BlockPool.DEFAULT_PRIORITY, 0);

    /// The words of a hash chain's root.
    public record Domain(long high, long low, boolean common) {
        public static final Domain COMMON = new Domain(0, 0, true);

        public static Domain of(long[] words) {
            return words.length == 0 ? COMMON : new Domain(words[0], words[1], false);
        }

        public long[] words() {
            return common ? new long[0] : new long[] {high, low};
        }
    }

    public SchedulingOptions {
        if (cachePriority <= BlockPool.WORTHLESS || cachePriority > BlockPool.MOST_PRIORITY) {
            throw new IllegalArgumentException(
                    "cache_priority is "
                            + cachePriority
                            + ", it must lie in 1 to "
                            + BlockPool.MOST_PRIORITY);
        }
        if (cacheTtlSeconds < 0) {
            throw new IllegalArgumentException(
                    "cache_ttl is " + cacheTtlSeconds + " s, the least is 0");
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

/// The scheduling and caching options of a request.
///
/// @param tenant charged by the fair order
/// @param priority higher goes first in waiting orders that use it
/// @param guaranteed starts only when it can finish, and is never preempted
/// @param deadlineNanos on the scheduler's clock; [#NO_DEADLINE] for none
/// @param cacheDomain sequences of different domains share no blocks
/// @param cachePriority retention priority of its blocks once they are free, 1 to 100
/// @param cacheTtlSeconds how long that priority lasts; 0 for no limit
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

    /// The words of the root of a hash chain.
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
        if (cachePriority <= BlockPool.WORTHLESS || cachePriority > BlockPool.MAX_PRIORITY) {
            throw new IllegalArgumentException(
                    "cache_priority is "
                            + cachePriority
                            + ", it must lie in 1 to "
                            + BlockPool.MAX_PRIORITY);
        }
        if (cacheTtlSeconds < 0) {
            throw new IllegalArgumentException(
                    "cache_ttl is " + cacheTtlSeconds + " s, the least is 0");
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator.engine;

import java.util.OptionalLong;

/// The scheduling and caching options of a request; every value was checked by
/// `RequestOptionFields`.
///
/// @param tenant the tenant whose fair share it uses and whose cached blocks it may reuse; may be
///   empty
/// @param priority higher ones go first where the waiting order respects priorities
/// @param guaranteed whether it is never preempted while it runs
/// @param deadlineNanos on the coordinator's clock; empty for none
/// @param cacheSalt requests with different salts share no cached block
/// @param cachePriority the priority of its blocks once they are free, 1 to 100; 0 for the
///   scheduler's default
/// @param cacheTtlMillis the duration of that priority; 0 for no limit
public record RequestOptions(
        String tenant,
        int priority,
        boolean guaranteed,
        OptionalLong deadlineNanos,
        String cacheSalt,
        int cachePriority,
        long cacheTtlMillis) {

    static final RequestOptions NONE =
            new RequestOptions("", 0, false, OptionalLong.empty(), "", 0, 0);

    public boolean isExpired(long nowNanos) {
        return deadlineNanos.isPresent() && deadlineNanos.getAsLong() - nowNanos <= 0;
    }

    /// Returns the milliseconds until the deadline, at least 1; 0 where there is no deadline.
    long millisLeft(long nowNanos) {
        return deadlineNanos.isPresent()
                ? Math.max(1, (deadlineNanos.getAsLong() - nowNanos) / 1_000_000)
                : 0;
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.client;

import java.time.Duration;
import java.util.Optional;
import java.util.OptionalInt;

/// Scheduling and caching options of a request. An empty option gets the server's default. The
/// server checks the ranges: a value outside its range fails the request with a
/// [LockstepException].
///
/// @param tenant the tenant for fairness and prefix caching, at most 128 printable ASCII characters
///   without spaces; empty for none
/// @param priority higher runs first where the server's waiting order uses priorities; default 0
/// @param deadline from the arrival at the server, rounded down to milliseconds but at least 1 ms,
///   at most 7 days; default none. The server refuses a request that cannot meet it, and fails one
///   that exceeds it
/// @param guaranteed whether the request is never preempted once it runs; default false
/// @param cacheSalt requests with different salts share no cached block, at most 256 characters;
///   empty for none
/// @param cachePriority retention priority of the request's freed blocks, 1 to 100: higher is kept
///   longer; default 35
/// @param cacheTtl how long `cachePriority` applies, rounded down to milliseconds but at least 1
///   ms, at most 7 days; default without limit
public record CompletionOptions(
        String tenant,
        OptionalInt priority,
        Optional<Duration> deadline,
        boolean guaranteed,
        String cacheSalt,
        OptionalInt cachePriority,
        Optional<Duration> cacheTtl) {

    /// Leaves every option to the server.
    public static final CompletionOptions DEFAULT =
            new CompletionOptions(
                    "",
                    OptionalInt.empty(),
                    Optional.empty(),
                    false,
                    "",
                    OptionalInt.empty(),
                    Optional.empty());

    /// Sets the tenant; an empty name for none.
    public CompletionOptions withTenant(String name) {
        return new CompletionOptions(
                name, priority, deadline, guaranteed, cacheSalt, cachePriority, cacheTtl);
    }

    /// Sets the scheduling priority: higher runs first.
    public CompletionOptions withPriority(int value) {
        return new CompletionOptions(
                tenant,
                OptionalInt.of(value),
                deadline,
                guaranteed,
                cacheSalt,
                cachePriority,
                cacheTtl);
    }

    /// Sets the deadline, from the arrival of the request at the server.
    public CompletionOptions withDeadline(Duration time) {
        return new CompletionOptions(
                tenant,
                priority,
                Optional.of(time),
                guaranteed,
                cacheSalt,
                cachePriority,
                cacheTtl);
    }

    /// Asks that the request is never preempted once it runs.
    public CompletionOptions withGuarantee() {
        return new CompletionOptions(
                tenant, priority, deadline, true, cacheSalt, cachePriority, cacheTtl);
    }

    /// Sets the cache salt; an empty salt for none.
    public CompletionOptions withCacheSalt(String salt) {
        return new CompletionOptions(
                tenant, priority, deadline, guaranteed, salt, cachePriority, cacheTtl);
    }

    /// Sets the retention priority of the request's freed blocks, 1 to 100.
    public CompletionOptions withCachePriority(int value) {
        return new CompletionOptions(
                tenant, priority, deadline, guaranteed, cacheSalt, OptionalInt.of(value), cacheTtl);
    }

    /// Limits how long the cache priority applies.
    public CompletionOptions withCacheTtl(Duration time) {
        return new CompletionOptions(
                tenant,
                priority,
                deadline,
                guaranteed,
                cacheSalt,
                cachePriority,
                Optional.of(time));
    }
}

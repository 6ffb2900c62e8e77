package dev.lockstep.client;

import java.time.Duration;
import java.util.Optional;
import java.util.OptionalInt;

/// What a request asks of scheduling and caching. What is left empty gets the server's default.
///
/// @param tenant whom the server counts the request to; empty for none
/// @param priority higher goes first where the server heeds it
/// @param deadline counted from when the request arrives; later the answer is worth nothing
/// @param guaranteed never preempted once it runs
/// @param cacheSalt requests of different salts share no cached block; empty for none
/// @param cachePriority 1 to 100: higher is kept longer
/// @param cacheTtl how long that priority counts
public record CompletionOptions(
        String tenant,
        OptionalInt priority,
        Optional<Duration> deadline,
        boolean guaranteed,
        String cacheSalt,
        OptionalInt cachePriority,
        Optional<Duration> cacheTtl) {

    /// Everything as the server has it.
    public static final CompletionOptions DEFAULT =
            new CompletionOptions(
                    "",
                    OptionalInt.empty(),
                    Optional.empty(),
                    false,
                    "",
                    OptionalInt.empty(),
                    Optional.empty());

    public CompletionOptions withTenant(String name) {
        return new CompletionOptions(
                name, priority, deadline, guaranteed, cacheSalt, cachePriority, cacheTtl);
    }

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

    public CompletionOptions withGuarantee() {
        return new CompletionOptions(
                tenant, priority, deadline, true, cacheSalt, cachePriority, cacheTtl);
    }

    public CompletionOptions withCacheSalt(String salt) {
        return new CompletionOptions(
                tenant, priority, deadline, guaranteed, salt, cachePriority, cacheTtl);
    }

    /// Keeps the request's blocks longer or shorter than others'.
    public CompletionOptions withCachePriority(int value) {
        return new CompletionOptions(
                tenant, priority, deadline, guaranteed, cacheSalt, OptionalInt.of(value), cacheTtl);
    }

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

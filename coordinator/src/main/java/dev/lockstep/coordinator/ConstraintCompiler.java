// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.google.protobuf.ByteString;
import dev.lockstep.cluster.process.Sha256;
import dev.lockstep.grammar.CompiledGrammar;
import dev.lockstep.grammar.GrammarException;
import dev.lockstep.grammar.GrammarLimits;
import dev.lockstep.proto.v1.TextConstraint;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/// Compiles the constraints of requests on threads of its own, few and with a bounded queue, and
/// keeps what it compiled.
///
/// A tenant finds only what was compiled for itself, here and in the workers, so that no time tells
/// it what others sent. Thread-safe.
final class ConstraintCompiler implements AutoCloseable {
    /// The code of the error for a constraint that cannot be compiled.
    static final String INVALID = "invalid_constraint";

    /// Of one compiled grammar: a step that admits all sequences of a group stays within the
    /// largest message.
    private static final int MAX_BYTES = 256 << 10;

    private static final int QUEUE = 64;

    /// Grammars may nest as deep as their limits allow.
    private static final long STACK_BYTES = 4 << 20;

    private static final int DOMAIN_BYTES = 16;

    private final Duration timeout;
    private final ThreadPoolExecutor threads;
    private final ConstraintCache cache = new ConstraintCache(256, 256 << 20);
    private final Map<ConstraintCache.Key, CompletableFuture<ByteString>> running = new HashMap<>();

    /// A constraint that is refused; its field is not known here.
    private static final class Refused extends RuntimeException {
        private static final long serialVersionUID = 1;

        Refused(String message) {
            super(message, null, false, false);
        }
    }

    /// @param timeout the longest wait of a request, which starts behind other ones
    ConstraintCompiler(int threadCount, Duration timeout) {
        this.timeout = timeout;
        this.threads =
                new ThreadPoolExecutor(
                        threadCount,
                        threadCount,
                        0,
                        TimeUnit.SECONDS,
                        new ArrayBlockingQueue<>(QUEUE),
                        Thread.ofPlatform()
                                .daemon()
                                .name("constraints-", 0)
                                .stackSize(STACK_BYTES)
                                .factory());
    }

    /// Returns an encoded `TextConstraint`.
    ///
    /// @throws ApiError if it is refused, or too many others are being compiled
    ByteString compile(String tenant, ConstraintSource source) {
        byte[] hash = Sha256.of(source.content());
        var key = new ConstraintCache.Key(tenant, ByteString.copyFrom(hash));
        CompletableFuture<ByteString> compiled;
        synchronized (this) {
            Optional<ByteString> known = cache.find(key);
            if (known.isPresent()) {
                return known.get();
            }
            compiled = running.get(key);
            if (compiled == null) {
                compiled = start(key, source);
            }
        }
        return await(compiled, source.field());
    }

    private CompletableFuture<ByteString> start(ConstraintCache.Key key, ConstraintSource source) {
        var result = new CompletableFuture<ByteString>();
        try {
            threads.execute(() -> run(key, source, result));
        } catch (RejectedExecutionException e) {
            throw overloaded();
        }
        running.put(key, result);
        return result;
    }

    private void run(
            ConstraintCache.Key key,
            ConstraintSource source,
            CompletableFuture<ByteString> result) {
        try {
            ByteString compiled = encoded(key.tenant(), source);
            synchronized (this) {
                cache.put(key, compiled);
                running.remove(key);
            }
            result.complete(compiled);
        } catch (RuntimeException | StackOverflowError e) {
            synchronized (this) {
                running.remove(key);
            }
            result.completeExceptionally(e);
        }
    }

    private static ByteString encoded(String tenant, ConstraintSource source) {
        byte[] grammar;
        try {
            grammar =
                    CompiledGrammar.compile(source.grammar().get(), GrammarLimits.DEFAULT).encode();
        } catch (IllegalArgumentException | GrammarException e) {
            throw new Refused(String.valueOf(e.getMessage()));
        } catch (StackOverflowError e) {
            throw new Refused("it nests too deeply");
        }
        if (grammar.length > MAX_BYTES) {
            throw new Refused(
                    "it compiles to %d bytes, more than %d".formatted(grammar.length, MAX_BYTES));
        }
        return TextConstraint.newBuilder()
                .setDomain(ByteString.copyFrom(Sha256.of(tenant), 0, DOMAIN_BYTES))
                .setGrammar(ByteString.copyFrom(grammar))
                .build()
                .toByteString();
    }

    private ByteString await(CompletableFuture<ByteString> compiled, String field) {
        try {
            return compiled.get(timeout.toMillis(), TimeUnit.MILLISECONDS);
        } catch (ExecutionException e) {
            if (e.getCause() instanceof Refused refused) {
                throw ApiError.invalid(
                        field,
                        INVALID,
                        field + ": " + Json.explained(String.valueOf(refused.getMessage())));
            }
            throw new IllegalStateException("a constraint was not compiled", e.getCause());
        } catch (TimeoutException e) {
            throw overloaded();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw ApiError.internal("the request was interrupted");
        }
    }

    private static ApiError overloaded() {
        return ApiError.tooMany(
                "overloaded", "too many constraints are being compiled", ApiError.SOON);
    }

    @Override
    public void close() {
        threads.shutdownNow();
    }
}

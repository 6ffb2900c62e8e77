// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.ByteString;
import dev.lockstep.grammar.CompiledGrammar;
import dev.lockstep.grammar.Expression;
import dev.lockstep.grammar.Grammar;
import dev.lockstep.grammar.GrammarLimits;
import dev.lockstep.grammar.Regex;
import dev.lockstep.grammar.TextMatcher;
import dev.lockstep.proto.v1.TextConstraint;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
final class ConstraintCompilerTest {
    private final AtomicInteger made = new AtomicInteger();
    private final ConstraintCompiler compiler = new ConstraintCompiler(1, Duration.ofSeconds(50));

    @AfterEach
    void close() {
        compiler.close();
    }

    private ConstraintSource source(String content) {
        return new ConstraintSource(
                "guided_regex",
                content,
                () -> {
                    made.incrementAndGet();
                    return Grammar.of(Expression.text(content));
                });
    }

    private static ConstraintSource blocked(String content, CountDownLatch release) {
        return new ConstraintSource(
                "guided_json",
                content,
                () -> {
                    try {
                        release.await();
                    } catch (InterruptedException e) {
                        throw new IllegalArgumentException("stopped", e);
                    }
                    return Grammar.of(Expression.text(content));
                });
    }

    @Test
    void whatATenantSentBeforeIsNotCompiledAgain() {
        ByteString first = compiler.compile("a", source("x"));
        assertSame(first, compiler.compile("a", source("x")));
        assertEquals(1, made.get());
        compiler.compile("b", source("x"));
        assertEquals(2, made.get(), "another tenant's");
        compiler.compile("a", source("y"));
        assertEquals(3, made.get());
    }

    @Test
    void aRefusalNamesTheFieldOfItsRequest() {
        var refused =
                new ConstraintSource(
                        "guided_json",
                        "x",
                        () -> {
                            throw new IllegalArgumentException("'enum' at '#/a': no");
                        });
        ApiError error = assertThrows(ApiError.class, () -> compiler.compile("", refused));
        assertEquals(400, error.status());
        assertEquals("guided_json", error.param());
        assertEquals("guided_json: 'enum' at '#/a': no", error.message());
    }

    @Test
    void whatNestsTooDeeplyIsRefused() {
        var deep =
                new ConstraintSource(
                        "guided_json",
                        "x",
                        () -> {
                            throw new StackOverflowError();
                        });
        ApiError error = assertThrows(ApiError.class, () -> compiler.compile("", deep));
        assertTrue(error.message().contains("too deeply"), error.message());
    }

    @Test
    void aFullQueueRefusesFurtherOnes() throws Exception {
        var release = new CountDownLatch(1);
        List<Future<ByteString>> all = new ArrayList<>();
        try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
            for (int i = 0; i < 200; i++) {
                String content = "x" + i;
                all.add(threads.submit(() -> compiler.compile("", blocked(content, release))));
            }
            int refused = 0;
            while (refused < 200 - 65) {
                refused = (int) all.stream().filter(Future::isDone).count();
                Thread.onSpinWait();
            }
            release.countDown();
        }
        int served = 0;
        for (Future<ByteString> each : all) {
            if (each.state() == Future.State.SUCCESS) {
                served++;
            } else {
                assertEquals(429, ((ApiError) each.exceptionNow()).status());
            }
        }
        assertEquals(65, served, "one at work and 64 in the queue");
    }

    @Test
    void equalOnesAtTheSameTimeAreCompiledOnce() throws Exception {
        var release = new CountDownLatch(1);
        List<Future<ByteString>> all = new ArrayList<>();
        try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
            for (int i = 0; i < 200; i++) {
                all.add(threads.submit(() -> compiler.compile("", blocked("x", release))));
            }
            release.countDown();
        }
        for (Future<ByteString> each : all) {
            assertSame(all.getFirst().get(), each.get());
        }
    }

    @Test
    void aPrefixComesBeforeTheConstrainedText() throws Exception {
        ConstraintSource behind =
                source("x").behind("</think>", Expression.terminal(Regex.until(Regex.text("/"))));
        byte[] grammar =
                TextConstraint.parseFrom(compiler.compile("", behind)).getGrammar().toByteArray();
        TextMatcher matcher = CompiledGrammar.decode(grammar, GrammarLimits.DEFAULT).text();
        assertTrue(matcher.matches("so y/x".getBytes(StandardCharsets.UTF_8)));
        assertFalse(matcher.matches("x".getBytes(StandardCharsets.UTF_8)));
        compiler.compile("", source("x"));
        assertEquals(2, made.get(), "the prefix is a part of the content");
    }

    @Test
    void theCacheStaysWithinItsBounds() {
        var cache = new ConstraintCache(3, 1_000);
        for (int i = 0; i < 10; i++) {
            cache.put(key(i), ByteString.copyFrom(new byte[100]));
            cache.put(key(0), ByteString.copyFrom(new byte[200]));
        }
        assertEquals(3, cache.size());
        assertTrue(cache.find(key(0)).isPresent());
        assertTrue(cache.find(key(9)).isPresent());
        assertTrue(cache.find(key(7)).isEmpty());
        assertEquals(400 + 3 * key(0).bytes(), cache.bytes());
        cache.put(key(11), ByteString.copyFrom(new byte[900]));
        assertEquals(1, cache.size());
        cache.put(key(12), ByteString.copyFrom(new byte[2_000]));
        assertEquals(0, cache.size());
        assertEquals(0, cache.bytes());
    }

    private static ConstraintCache.Key key(int i) {
        return new ConstraintCache.Key("a", ByteString.copyFromUtf8("hash" + i % 10));
    }
}

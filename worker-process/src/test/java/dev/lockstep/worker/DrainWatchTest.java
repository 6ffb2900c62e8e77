// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.cluster.process.ExitCode;
import dev.lockstep.kernels.Kernels;
import java.lang.reflect.Proxy;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

final class DrainWatchTest {
    private static final Duration LIMIT = Duration.ofMillis(200);
    private static final String NO_ANSWER = ", and does not answer: cuCtxSetCurrent failed";

    private final CompletableFuture<Throwable> unusable = new CompletableFuture<>();

    /// Whether the device does not answer; asked at each attempt.
    private volatile BooleanSupplier refuses = () -> false;

    private final DrainWatch watch = new DrainWatch(idleKernels(), LIMIT, unusable::complete);

    /// Kernels of a device that has nothing to do, where it answers.
    private Kernels idleKernels() {
        return (Kernels)
                Proxy.newProxyInstance(
                        Kernels.class.getClassLoader(),
                        new Class<?>[] {Kernels.class},
                        (_, called, _) ->
                                switch (called.getName()) {
                                    case "attachThread" -> {
                                        if (refuses.getAsBoolean()) {
                                            throw new IllegalStateException(
                                                    "cuCtxSetCurrent failed");
                                        }
                                        yield null;
                                    }
                                    case "progress" -> 7L;
                                    case "busy" -> false;
                                    default -> throw new AssertionError(called);
                                });
    }

    @AfterEach
    void close() {
        watch.close();
    }

    @Test
    void aDeviceThatDoesNotAnswerIsGivenUp() throws Exception {
        refuses = () -> true;
        watch.watch(() -> false);
        Throwable lost = unusable.get(TestScheduler.SECONDS, TimeUnit.SECONDS);
        assertEquals(ExitCode.DEVICE_LOST, WorkerMain.exitCode(lost));
        String message = lost.getMessage() + "";
        assertTrue(message.endsWith(NO_ANSWER), message);
    }

    @Test
    void oneThatAnswersLaterIsNot() throws Exception {
        var answered = new CountDownLatch(2);
        refuses =
                () -> {
                    answered.countDown();
                    return answered.getCount() > 0;
                };
        var asked = new CountDownLatch(6);
        watch.watch(
                () -> {
                    asked.countDown();
                    return asked.getCount() == 0;
                });
        asked.await(TestScheduler.SECONDS, TimeUnit.SECONDS);
        watch.close();
        assertEquals(0, asked.getCount());
        assertFalse(unusable.isDone());
    }
}

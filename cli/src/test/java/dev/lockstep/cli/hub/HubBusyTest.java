// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.hub;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.util.Optional;
import java.util.concurrent.BrokenBarrierException;
import java.util.concurrent.CyclicBarrier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Tests with hosts that answer with `Retry-After`.
@Tag("sweep")
class HubBusyTest {
    private static final String MODEL = TestHub.MODEL;

    @TempDir Path folder;
    private TestHub hub;

    @BeforeEach
    void serve() throws IOException {
        hub = new TestHub(folder.resolve("hub"));
    }

    @AfterEach
    void stop() {
        hub.close();
    }

    private Duration timed() throws Exception {
        long start = System.nanoTime();
        hub.assertWeightsAreThere(hub.fetch(MODEL));
        return Duration.ofNanos(System.nanoTime() - start);
    }

    private static void assertWaitedASecond(Duration took) {
        assertTrue(took.toMillis() >= 1000, took.toString());
        assertTrue(took.compareTo(TestHub.LONGEST_WAIT) < 0, took.toString());
    }

    @Test
    void retriesWaitAsLongAsABusyHubAsks() throws Exception {
        hub.server.busyStatus = 429;
        hub.server.retryAfter = "1";
        hub.server.busy.set(1);
        assertWaitedASecond(timed());
        assertTrue(
                hub.output().startsWith("127.0.0.1 answers 429 and asks to wait 1 s: waiting\n"),
                hub.output());
    }

    @Test
    void retriesWaitUntilADate() throws Exception {
        // Dates have no fractions: now plus 3 s, rounded down, is 2 to 3 s ahead.
        hub.server.retryAfter =
                DateTimeFormatter.RFC_1123_DATE_TIME.format(
                        ZonedDateTime.now(ZoneOffset.UTC).plusSeconds(3));
        hub.server.busy.set(1);
        assertWaitedASecond(timed());
    }

    @Test
    void retriesWaitForBusyStorage() throws Exception {
        hub.server.busyStatus = 503;
        hub.server.retryAfter = "1";
        hub.server.storageBusy.set(1);
        assertWaitedASecond(timed());
    }

    @Test
    void parallelDownloadsAnnounceTheSamePauseOnce() throws Exception {
        String once = "host answers 429 and asks to wait 1 s: waiting\n";
        // On a busy machine the second of two threads may come after the pause of the first.
        for (int i = 0; i < 3 && !hub.output().equals(once); i++) {
            hub.clearOutput();
            pauseTogether();
        }
        assertEquals(once, hub.output());
    }

    private void pauseTogether() throws Exception {
        var pause = new HubPause(TestHub.QUICK, hub.terminal());
        var busy = new HubBusyException("host", 429, Optional.of(Duration.ofSeconds(1)));
        var together = new CyclicBarrier(2);
        Thread other =
                Thread.ofPlatform()
                        .start(
                                () -> {
                                    try {
                                        together.await();
                                        pause.after(1, busy);
                                    } catch (IOException
                                            | InterruptedException
                                            | BrokenBarrierException e) {
                                        throw new IllegalStateException(e);
                                    }
                                });
        together.await();
        pause.after(1, busy);
        other.join();
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "soon"})
    void withoutRetryAfterTheBackOffApplies(String retryAfter) throws Exception {
        hub.server.retryAfter = retryAfter;
        hub.server.busy.set(2);
        assertTrue(timed().compareTo(TestHub.LONGEST_WAIT) < 0);
        assertFalse(hub.output().contains("waiting"), hub.output());
    }

    @Test
    void aTooLongRetryAfterIsNotWaitedFor() {
        hub.server.busyStatus = 429;
        hub.server.retryAfter = "61";
        hub.server.busy.set(1);
        assertEquals(
                "%s cannot be reached (127.0.0.1 answers 429 and asks to wait 61 s), and acme/tiny is not in %s: try again in 61 s, name a model folder or .gguf file with --model, or set HF_ENDPOINT to another hub"
                        .formatted(hub.server.endpoint(), hub.cache),
                hub.refusal(MODEL));
        assertEquals(1, hub.server.requests.size());
        assertEquals("", hub.output());
    }

    @Test
    void aTooLongRetryAfterOfStorageEndsTheDownload() throws Exception {
        hub.server.busyStatus = 503;
        hub.server.retryAfter = "3600";
        hub.server.storageBusy.set(1);
        assertEquals(
                "the download of acme/tiny into %s failed (127.0.0.1 answers 503 and asks to wait 3600 s): the received part is kept, try again in 3600 s"
                        .formatted(hub.cache),
                hub.refusal(MODEL));
        hub.assertWeightsAreThere(hub.fetch(MODEL));
    }

    @Test
    void theCacheIsUsedWhileTheHubIsBusy() throws Exception {
        Path snapshot = hub.fetch(MODEL);
        hub.server.busyStatus = 429;
        hub.server.retryAfter = "300";
        hub.server.busy.set(1);
        hub.clearOutput();
        assertEquals(snapshot, hub.fetch(MODEL));
        assertTrue(
                hub.output()
                        .contains("(127.0.0.1 answers 429 and asks to wait 300 s): acme/tiny is"),
                hub.output());
    }
}

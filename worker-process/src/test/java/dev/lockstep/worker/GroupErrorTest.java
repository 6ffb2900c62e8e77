// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.checkpoint.TinyCheckpoint;
import dev.lockstep.kernels.cuda.CudaLibrary;
import dev.lockstep.kernels.cuda.EmulatedCuda;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// An error of any one call of NCCL in an epoch of two ranks is reported to the scheduler, no rank
/// hangs, and the next epoch gives the same ids.
@Tag("processes")
@Timeout(value = 60, unit = TimeUnit.MINUTES, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
final class GroupErrorTest {
    private static final boolean LONG = Boolean.getBoolean("lockstep.long");
    private static final int UNHANDLED = 1;
    private static final int HANG_SECONDS = 240;

    /// How often it is called differs from run to run, so that a call may be one of an epoch's end.
    private static final String POLL = "ncclCommGetAsyncError";

    /// Calls of an epoch's end: what they find does not matter any more.
    private static final Set<String> OF_THE_END =
            Set.of("ncclCommFinalize", "ncclCommDestroy", "ncclCommAbort");

    @TempDir Path model;
    private final ExecutorService threads = Executors.newFixedThreadPool(2);
    private final List<String> met = new ArrayList<>();
    private long epoch = -1;

    @BeforeEach
    void write() throws IOException {
        TinyCheckpoint.write(model, 7);
        EmulatedCuda.open().close();
    }

    @AfterEach
    void stop() {
        threads.shutdownNow();
    }

    @Test
    void anErrorOfAnyCallOfNcclEndsTheEpochOfBothRanks() throws Exception {
        List<String> wrong = new ArrayList<>();
        try (var first = new EmulatedRunner(model, 0, 2);
                var second = new EmulatedRunner(model, 1, 2)) {
            List<EmulatedRunner> ranks = List.of(first, second);
            ranks.forEach(EmulatedRunner::start);
            List<EmulatedRunner.Ending> clean = together(ranks);
            List<Integer> ids = clean.getFirst().ids();
            assertEquals(EmulatedRunner.IDS, ids.size(), clean.toString());
            List<Integer> checksums = clean.getFirst().checksums();
            assertTrue(checksums.size() > 2, checksums::toString);
            assertEquals(checksums, clean.getLast().checksums(), "of the residual, on both ranks");
            NativeCall.Counts before = NativeCall.Counts.now();
            assertEquals(ids, together(ranks).getFirst().ids());
            NativeCall.Counts after = NativeCall.Counts.now();
            long allocated = first.loaded.kernels().allocatedBytes();
            List<NativeCall> calls = LONG ? before.sample(after, 14) : before.onceEach(after, 14);
            for (NativeCall call : calls) {
                if (call.library() != CudaLibrary.NCCL
                        || call.function().equals("ncclGetUniqueId")) {
                    continue;
                }
                long total = call.fail(UNHANDLED);
                List<EmulatedRunner.Ending> endings = together(ranks);
                boolean made = call.wasMade(total);
                call.heal();
                boolean named =
                        endings.stream()
                                .flatMap(each -> each.failure().stream())
                                .anyMatch(each -> isNamed(each.message(), call));
                boolean ofTheEnd =
                        OF_THE_END.contains(call.function())
                                || (call.function().equals(POLL)
                                        && endings.getFirst().ids().equals(ids));
                if (made && !named && !ofTheEnd) {
                    wrong.add(call + " ended with " + endings);
                }
                for (EmulatedRunner rank : ranks) {
                    assertFalse(rank.unusable.isDone(), "after " + call);
                }
                assertEquals(ids, together(ranks).getFirst().ids(), "after " + call);
                assertEquals(allocated, first.loaded.kernels().allocatedBytes(), "after " + call);
            }
        }
        assertEquals(List.of(), wrong);
    }

    private static boolean isNamed(String message, NativeCall call) {
        return message.contains(call.name()) && message.contains("(%d)".formatted(UNHANDLED));
    }

    /// Runs an epoch on both ranks. As a scheduler does, it ends the other rank's epoch when one
    /// has failed.
    private List<EmulatedRunner.Ending> together(List<EmulatedRunner> ranks) throws Exception {
        epoch += 2;
        byte[] id = ranks.getFirst().loaded.rank().connector().newCollectiveId();
        var over = new CountDownLatch(ranks.size());
        List<Future<EmulatedRunner.Ending>> running = new ArrayList<>();
        for (int i = 0; i < ranks.size(); i++) {
            EmulatedRunner own = ranks.get(i);
            EmulatedRunner other = ranks.get(1 - i);
            running.add(
                    threads.submit(
                            () -> {
                                EmulatedRunner.Ending ending =
                                        own.run(
                                                epoch,
                                                id,
                                                () -> {
                                                    over.countDown();
                                                    over.await();
                                                });
                                if (ending.failure().isPresent()) {
                                    other.abort();
                                    over.countDown();
                                }
                                return ending;
                            }));
        }
        List<EmulatedRunner.Ending> endings = new ArrayList<>();
        for (Future<EmulatedRunner.Ending> each : running) {
            endings.add(each.get(HANG_SECONDS, TimeUnit.SECONDS));
        }
        String name = new String(id, StandardCharsets.US_ASCII).trim();
        assertTrue(name.startsWith("lockstep-emulation-"), name);
        // What a failed epoch held is gone when the next one has joined.
        for (String earlier : met) {
            assertFalse(Files.exists(Path.of("/dev/shm", earlier)), earlier);
        }
        met.add(name);
        return endings;
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.checkpoint.TinyCheckpoint;
import dev.lockstep.cluster.process.ExitCode;
import dev.lockstep.kernels.cuda.CudaLibrary;
import dev.lockstep.kernels.cuda.EmulatedCuda;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// An error of any one native call of an epoch, from its forming to its end, is reported to the
/// scheduler. Where the device survives it, the next epoch gives the same ids and nothing is lost.
@Tag("processes")
@Timeout(value = 60, unit = TimeUnit.MINUTES, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
final class EpochErrorTest {
    private static final int INVALID = 1;
    private static final int ILLEGAL_ADDRESS = 700;

    /// The calls of a mark: without one, nobody can know whether a device has finished an epoch.
    private static final Set<String> OF_MARKS =
            Set.of("cuEventRecord", "cuMemcpyDtoHAsync_v2", "cuMemsetD8Async");

    /// Calls of an epoch's end: the next epoch finds what they found.
    private static final Set<String> FOUND_LATER = Set.of("cuMemFree_v2", "cuCtxSetCurrent");

    private static final int HANG_SECONDS = 120;

    @TempDir Path model;

    @BeforeEach
    void write() throws IOException {
        TinyCheckpoint.write(model, 7);
        EmulatedCuda.open().close();
    }

    @Test
    void anErrorOfAnyCallFailsTheEpochAndNoOther() throws Exception {
        List<String> wrong = new ArrayList<>();
        EmulatedRunner rank = started();
        try {
            long epoch = 1;
            List<Integer> ids = rank.run(epoch).ids();
            assertEquals(EmulatedRunner.IDS, ids.size());
            NativeCall.Counts before = NativeCall.Counts.now();
            assertEquals(ids, rank.run(epoch += 2).ids());
            NativeCall.Counts after = NativeCall.Counts.now();
            long allocated = rank.loaded.kernels().allocatedBytes();
            for (NativeCall call : before.sample(after, 12)) {
                long total = call.fail(INVALID);
                EmulatedRunner.Ending ending = rank.run(epoch += 2);
                // A slow step ends the warm-up early, so an epoch may have fewer calls than
                // another.
                boolean made = call.wasMade(total);
                call.heal();
                if (made && !isHarmless(call) && !isNamed(ending, call, INVALID)) {
                    wrong.add(call + " ended with " + ending);
                }
                // The reply precedes it.
                if (OF_MARKS.contains(call.function()) && ending.isAtItsEnd()) {
                    rank.unusable.get(HANG_SECONDS, TimeUnit.SECONDS);
                }
                if (rank.unusable.isDone()) {
                    if (!OF_MARKS.contains(call.function())) {
                        wrong.add(call + " ended the process: " + rank.unusable.join());
                    }
                    rank.close();
                    rank = started();
                }
                assertEquals(ids, rank.run(epoch += 2).ids(), "after " + call);
                long held = rank.loaded.kernels().allocatedBytes();
                assertEquals(allocated, held, "after " + call);
            }
        } finally {
            rank.close();
        }
        assertEquals(List.of(), wrong);
    }

    @Test
    void aLostDeviceEndsTheProcessWithItsOwnCode() throws Exception {
        List<String> wrong = new ArrayList<>();
        for (NativeCall call : callsOfTheFirstEpoch()) {
            if (call.library() != CudaLibrary.DRIVER) {
                continue;
            }
            try (var rank = new EmulatedRunner(model, 0, 1)) {
                long total = call.fail(ILLEGAL_ADDRESS);
                rank.start();
                EmulatedRunner.Ending ending = rank.run(1);
                boolean made = call.wasMade(total);
                call.heal();
                if (isNamed(ending, ILLEGAL_ADDRESS)) {
                    // The scheduler hears of it first.
                    Throwable failure = rank.unusable.get(HANG_SECONDS, TimeUnit.SECONDS);
                    assertEquals(ExitCode.DEVICE_LOST, WorkerMain.exitCode(failure));
                } else if (made
                        && !FOUND_LATER.contains(call.function())
                        && !isLate(call, ending)) {
                    wrong.add(call + " ended with " + ending);
                }
            }
            EmulatedCuda.renew();
        }
        assertEquals(List.of(), wrong);
    }

    /// How often events are asked differs from run to run, so that a question may be one of an
    /// epoch's end.
    private static boolean isLate(NativeCall call, EmulatedRunner.Ending ending) {
        return call.function().equals("cuEventQuery") && ending.ids().size() == EmulatedRunner.IDS;
    }

    /// Each thread that uses a device is attached to it first.
    @Test
    void aThreadThatCannotBeAttachedFailsWhatItIsFor() throws InterruptedException {
        for (NativeCall call : callsOfTheFirstEpoch()) {
            if (!call.function().equals("cuCtxSetCurrent")) {
                continue;
            }
            for (long number = 1; number <= 2; number++) {
                var each = new NativeCall(call.library(), call.function(), number);
                try (var rank = new EmulatedRunner(model, 0, 1)) {
                    each.fail(INVALID);
                    rank.start();
                    EmulatedRunner.Ending ending = rank.run(1);
                    each.heal();
                    assertTrue(isNamed(ending, each, INVALID), each + " ended with " + ending);
                }
            }
        }
    }

    private EmulatedRunner started() {
        var rank = new EmulatedRunner(model, 0, 1);
        rank.start();
        return rank;
    }

    private List<NativeCall> callsOfTheFirstEpoch() throws InterruptedException {
        try (var rank = new EmulatedRunner(model, 0, 1)) {
            NativeCall.Counts before = NativeCall.Counts.now();
            rank.start();
            rank.run(1);
            return before.onceEach(NativeCall.Counts.now(), 13);
        }
    }

    /// An error of a question is found by the wait that follows, and what an epoch that has ended
    /// waited for is nobody's.
    private static boolean isHarmless(NativeCall call) {
        // The thread that watches an epoch's end is needed only if the step thread waits.
        return call.function().equals("cuEventQuery")
                || call.function().equals("cuCtxSetCurrent")
                || (call.function().equals("cuEventSynchronize") && call.number() > 1);
    }

    private static boolean isNamed(EmulatedRunner.Ending ending, NativeCall call, int code) {
        return isNamed(ending, code)
                && ending.failure().orElseThrow().message().contains(call.name());
    }

    private static boolean isNamed(EmulatedRunner.Ending ending, int code) {
        return ending.failure()
                .filter(each -> each.message().contains("(%d)".formatted(code)))
                .isPresent();
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.nccl;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/// Tests that tick by hand instead of waiting for seconds.
final class CollectiveWatchTest {
    private static final int IDLE_TICKS =
            (int) CollectiveWatch.PATIENCE.dividedBy(CollectiveWatch.TICK);

    private final List<String> aborts = new ArrayList<>();
    private long progress;
    private boolean busy = true;
    private String error = "";

    private final CollectiveWatch watch =
            new CollectiveWatch(
                    1,
                    this::attach,
                    CollectiveWatch.PATIENCE,
                    this::progress,
                    () -> busy,
                    this::poll,
                    aborts::add);

    private boolean answers = true;
    private int attached;

    private void attach() {
        progress();
        attached++;
    }

    private long progress() {
        if (!answers) {
            throw new IllegalStateException("the device is lost");
        }
        return progress;
    }

    private void poll() {
        if (!error.isEmpty()) {
            throw new IllegalStateException(error);
        }
    }

    private void tick(int times) {
        for (int i = 0; i < times; i++) {
            watch.tick();
        }
    }

    @Test
    void aRankMayCompileForAMinuteWhileTheGroupForms() {
        int ticks = (int) CollectiveWatch.FORMING_PATIENCE.dividedBy(CollectiveWatch.TICK);
        tick(ticks - 1);
        assertEquals(List.of(), aborts);
        tick(1);
        assertEquals(
                List.of("rank 1 waits for its device, which finished no op for 60.0 s"), aborts);
    }

    @Test
    void aBusyDeviceWithoutProgressAborts() {
        watch.formed();
        tick(IDLE_TICKS - 1);
        assertEquals(List.of(), aborts);
        tick(1);
        assertEquals(
                List.of("rank 1 waits for its device, which finished no op for 5.0 s"), aborts);
    }

    @Test
    void aLongStepWithProgressIsNotAborted() {
        watch.formed();
        for (int layer = 0; layer < 100; layer++) {
            progress++;
            tick(IDLE_TICKS - 1);
        }
        assertEquals(List.of(), aborts);
    }

    @Test
    void anIdleRankIsNotAborted() {
        watch.formed();
        busy = false;
        tick(10 * IDLE_TICKS);
        busy = true;
        tick(IDLE_TICKS - 1);
        assertEquals(List.of(), aborts);
    }

    /// What its device answers is unknown, and other ranks may wait for this one.
    @Test
    void aDeviceThatDoesNotAnswerIsOneWithoutProgress() {
        watch.formed();
        answers = false;
        tick(IDLE_TICKS - 1);
        assertEquals(List.of(), aborts);
        assertEquals(0, attached);
        tick(1);
        assertEquals(
                List.of(
                        "rank 1 waits for its device, which finished no op for 5.0 s, and does not"
                                + " answer: the device is lost"),
                aborts);
        answers = true;
        progress++;
        tick(IDLE_TICKS);
        assertEquals(1, attached);
        assertEquals(1, aborts.size());
    }

    @Test
    void anErrorThatCameUpLaterAborts() {
        tick(1);
        error = "NCCL failed: unhandled system error (2)";
        tick(1);
        assertEquals(List.of(error), aborts);
    }
}

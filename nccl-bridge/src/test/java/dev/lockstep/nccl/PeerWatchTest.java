// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.nccl;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/// Tests that tick by hand instead of waiting for seconds.
final class PeerWatchTest {
    private final AtomicLong progress = new AtomicLong();
    private final AtomicInteger awaited = new AtomicInteger(-1);
    private HostGroup group;
    private List<SharedRegion> regions;
    private PeerWatch first;
    private PeerWatch second;

    @BeforeEach
    void formTwoRanks() throws Exception {
        group = new HostGroup();
        Rendezvous rendezvous = group.rendezvous(2);
        Callable<SharedRegion> zero =
                () -> new Formation(rendezvous, 0, 64, HostGroup.MEETING).join();
        Callable<SharedRegion> one =
                () -> new Formation(rendezvous, 1, 64, HostGroup.MEETING).join();
        regions = HostGroup.together(List.of(zero, one));
        first = new PeerWatch(regions.getFirst(), 0, () -> 0, awaited::get);
        second = new PeerWatch(regions.getLast(), 1, progress::get, () -> -1);
    }

    @AfterEach
    void close() throws IOException {
        regions.forEach(SharedRegion::close);
        group.close();
    }

    @Test
    void peersThatTickAreNotAborted() {
        tickBoth(100);
        assertEquals(Optional.empty(), regions.getFirst().abortReason());
    }

    @Test
    void aPeerWithoutHeartbeatIsAborted() {
        tickBoth(3);
        for (int i = 0; i <= PeerWatch.SILENT_TICKS; i++) {
            first.tick();
        }
        assertEquals(
                Optional.of(
                        "rank 1 (process %d) sent no heartbeat for 3.0 s"
                                .formatted(ProcessHandle.current().pid())),
                regions.getLast().abortReason());
    }

    @Test
    void aPeerThatLeftMayBeSilent() {
        regions.getLast()
                .writeInt(
                        regions.getLast().layout().rankLine(1) + RegionLayout.SEAT, Formation.LEFT);
        for (int i = 0; i < 100; i++) {
            first.tick();
        }
        assertEquals(Optional.empty(), regions.getFirst().abortReason());
    }

    @Test
    void aLongStepWithProgressIsNotAborted() {
        awaited.set(1);
        for (int i = 0; i < 100; i++) {
            progress.incrementAndGet();
            tickBoth(PeerWatch.IDLE_TICKS - 2);
        }
        assertEquals(Optional.empty(), regions.getFirst().abortReason());
    }

    @Test
    void aRankThatWaitsWithoutProgressAborts() {
        awaited.set(1);
        tickBoth(PeerWatch.IDLE_TICKS + 1);
        assertEquals(
                Optional.of("rank 0 waits for rank 1, and no rank finished an op for 4.5 s"),
                regions.getFirst().abortReason());
    }

    private void tickBoth(int count) {
        for (int i = 0; i < count; i++) {
            first.tick();
            second.tick();
        }
    }
}

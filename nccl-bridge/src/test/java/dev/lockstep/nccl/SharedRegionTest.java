// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.nccl;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.lockstep.cluster.Eventually;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;

final class SharedRegionTest {

    /// On a busy machine the rank that aborts loses its core between any two writes.
    @Test
    void theReasonOfAnAbortIsAwaitedFromARankThatHasNoCore() throws Exception {
        byte[] text = "rank 1 is gone".getBytes(StandardCharsets.UTF_8);
        try (var group = new HostGroup();
                SharedRegion region =
                        new Formation(group.rendezvous(1), 0, 64, HostGroup.MEETING).join()) {
            region.writeInt(RegionLayout.ABORT, SharedRegion.ABORT_WRITING);
            var reason = new CompletableFuture<Optional<String>>();
            Thread reader = Thread.ofPlatform().start(() -> reason.complete(region.abortReason()));
            Eventually.await(
                    "it sleeps, or has an answer",
                    () -> reason.isDone() || reader.getState() == Thread.State.TIMED_WAITING);
            MemorySegment.copy(
                    text,
                    0,
                    region.memory(),
                    ValueLayout.JAVA_BYTE,
                    RegionLayout.ABORT_TEXT,
                    text.length);
            region.writeInt(RegionLayout.ABORT_LENGTH, text.length);
            region.writeInt(RegionLayout.ABORT, SharedRegion.ABORTED);
            assertEquals(Optional.of("rank 1 is gone"), reason.join());
            reader.join();
        }
    }
}

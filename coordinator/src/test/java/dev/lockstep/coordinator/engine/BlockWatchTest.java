// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.google.protobuf.ByteString;
import dev.lockstep.cluster.BlockHash;
import dev.lockstep.cluster.Eventually;
import dev.lockstep.cluster.SocketIo;
import dev.lockstep.cluster.VirtualClock;
import dev.lockstep.coordinator.FakeScheduler;
import dev.lockstep.coordinator.TestCoordinator;
import dev.lockstep.proto.v1.BlockEvents;
import dev.lockstep.proto.v1.WatchBlocksRequest;
import io.grpc.ManagedChannel;
import io.grpc.Status;
import io.netty.channel.EventLoopGroup;
import java.time.Duration;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/// Tests of [BlockWatch] on a virtual clock.
final class BlockWatchTest {
    private static final BlockHash A = new BlockHash(1, 11);
    private static final BlockHash B = new BlockHash(2, 22);
    private static final BlockHash C = new BlockHash(3, 33);

    private final EventLoopGroup loop = SocketIo.eventLoop();
    private final ExecutorService owner = Executors.newSingleThreadExecutor();
    private final VirtualClock clock = new VirtualClock();
    private final BlockWatch watch = new BlockWatch("it", owner, clock);
    private FakeScheduler scheduler;
    private ManagedChannel channel;

    @BeforeEach
    void connect() throws Exception {
        scheduler = new FakeScheduler("default", "m", 10, 10);
        channel = SchedulerChannel.open(scheduler.member(), TestCoordinator.ACCESS, loop);
    }

    @AfterEach
    void disconnect() throws Exception {
        owner.submit(watch::close).get();
        owner.shutdown();
        channel.shutdownNow();
        scheduler.close();
        var _ = loop.shutdownGracefully(0, 100, TimeUnit.MILLISECONDS);
    }

    private boolean holds(BlockHash name) {
        return watch.index().prefixBlocks(new long[] {name.high(), name.low()}, 1) == 1;
    }

    private void tickAfter(Duration time) throws Exception {
        owner.submit(
                        () -> {
                            clock.advance(time);
                            watch.tick(channel);
                        })
                .get();
    }

    private void await(BooleanSupplier condition) throws Exception {
        Eventually.await(
                () -> watch.index().size() + " blocks, requests " + scheduler.blocks().requests(),
                condition::getAsBoolean);
    }

    /// Ticks until the scheduler has received as many requests.
    private void awaitRequests(int count) throws Exception {
        await(
                () -> {
                    try {
                        tickAfter(Duration.ofSeconds(5));
                    } catch (Exception e) {
                        throw new AssertionError(e);
                    }
                    return scheduler.blocks().requests().size() >= count;
                });
    }

    @Test
    void aStreamBeginsWithASnapshotAndContinuesWithChanges() throws Exception {
        scheduler.blocks().store(A);
        tickAfter(Duration.ZERO);
        await(() -> holds(A));
        scheduler.blocks().store(B, C);
        scheduler.blocks().remove(A);
        await(() -> holds(B) && holds(C) && !holds(A));
        assertEquals(2, watch.index().size());
        tickAfter(Duration.ofSeconds(5));
        assertEquals(1, scheduler.blocks().requests().size());
    }

    @Test
    void aNewStreamResumesAfterTheLastEvent() throws Exception {
        scheduler.blocks().store(A);
        tickAfter(Duration.ZERO);
        scheduler.blocks().store(B);
        await(() -> holds(B));
        scheduler.blocks().endStreams();
        scheduler.blocks().store(C);
        scheduler.blocks().remove(A);
        awaitRequests(2);
        WatchBlocksRequest resumed = scheduler.blocks().requests().get(1);
        assertEquals("epoch-1", resumed.getStream());
        assertEquals(2, resumed.getSequence());
        await(() -> holds(C) && !holds(A) && holds(B));
    }

    @Test
    void aSchedulerWithoutRoomForAStreamIsAskedAgainAfterAMinute() throws Exception {
        scheduler.blocks().store(A);
        tickAfter(Duration.ZERO);
        await(() -> holds(A));
        scheduler.blocks().endStreams(Status.RESOURCE_EXHAUSTED);
        await(() -> watch.index().size() == 0);
        tickAfter(Duration.ofSeconds(59));
        assertEquals(1, scheduler.blocks().requests().size());
        tickAfter(Duration.ofSeconds(1));
        await(() -> holds(A));
        assertEquals("", scheduler.blocks().requests().get(1).getStream());
    }

    @Test
    void aNewEpochBeginsWithASnapshot() throws Exception {
        scheduler.blocks().store(A);
        tickAfter(Duration.ZERO);
        await(() -> holds(A));
        scheduler.blocks().restart("epoch-2");
        scheduler.blocks().store(B);
        await(() -> holds(B) && !holds(A));
    }

    @Test
    void aWatcherThatMissedAnEpochReceivesASnapshot() throws Exception {
        scheduler.blocks().store(A);
        tickAfter(Duration.ZERO);
        await(() -> holds(A));
        scheduler.blocks().endStreams();
        scheduler.blocks().restart("epoch-2");
        scheduler.blocks().store(B);
        awaitRequests(2);
        await(() -> holds(B) && !holds(A));
    }

    @Test
    void repeatedEventsAreIgnored() throws Exception {
        scheduler.blocks().store(A);
        tickAfter(Duration.ZERO);
        await(() -> holds(A));
        scheduler
                .blocks()
                .sendRaw(
                        BlockEvents.newBuilder()
                                .setStream("epoch-1")
                                .setSequence(1)
                                .setRemoved(ByteString.copyFrom(A.toBytes()))
                                .build());
        scheduler.blocks().store(B);
        await(() -> holds(B));
        assertEquals(2, watch.index().size());
    }

    @Test
    void afterAnInvalidEventANewSnapshotIsRequested() throws Exception {
        scheduler.blocks().store(A);
        tickAfter(Duration.ZERO);
        await(() -> holds(A));
        scheduler
                .blocks()
                .sendRaw(BlockEvents.newBuilder().setStream("other").setSequence(9).build());
        await(() -> watch.index().size() == 0);
        awaitRequests(2);
        assertEquals("", scheduler.blocks().requests().get(1).getStream());
        await(() -> holds(A));
        scheduler
                .blocks()
                .sendRaw(
                        BlockEvents.newBuilder()
                                .setStream("epoch-1")
                                .setSequence(2)
                                .setStored(ByteString.copyFromUtf8("short"))
                                .build());
        awaitRequests(3);
        await(() -> holds(A));
    }

    @Test
    void aSchedulerWithoutBlockEventsIsNotAskedAgain() throws Exception {
        scheduler.blocks().refuseWatches();
        tickAfter(Duration.ZERO);
        await(() -> scheduler.blocks().requests().size() == 1);
        // The refusal may still be in transit.
        Thread.sleep(100);
        tickAfter(Duration.ofSeconds(60));
        Thread.sleep(100);
        assertEquals(1, scheduler.blocks().requests().size());
        assertEquals(0, watch.index().size());
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.cluster.Eventually;
import dev.lockstep.cluster.SocketIo;
import dev.lockstep.cluster.VirtualClock;
import dev.lockstep.coordinator.FakeScheduler;
import dev.lockstep.coordinator.TestCoordinator;
import dev.lockstep.proto.v1.GenerateRequest;
import dev.lockstep.proto.v1.SchedulerGrpc;
import io.netty.channel.EventLoopGroup;
import java.time.Duration;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/// Tests of [SchedulerLink] on a virtual clock.
final class SchedulerLinkTest {
    private final EventLoopGroup loop = SocketIo.eventLoop();
    private final ExecutorService owner = Executors.newSingleThreadExecutor();
    private final VirtualClock clock = new VirtualClock();
    private FakeScheduler scheduler;
    private SchedulerLink link;

    @BeforeEach
    void connect() throws Exception {
        scheduler = new FakeScheduler("default", "m", 10, 10);
        link =
                owner.submit(
                                () ->
                                        new SchedulerLink(
                                                scheduler.member(),
                                                member ->
                                                        SchedulerChannel.open(
                                                                member,
                                                                TestCoordinator.ACCESS,
                                                                loop),
                                                owner,
                                                () -> {},
                                                clock))
                        .get();
        await(() -> link.view().ready());
    }

    @AfterEach
    void disconnect() throws Exception {
        owner.submit(link::close).get();
        owner.shutdown();
        scheduler.close();
        var _ = loop.shutdownGracefully(0, 100, TimeUnit.MILLISECONDS);
    }

    /// Checks the condition on the owner's thread.
    private void await(BooleanSupplier condition) throws Exception {
        Eventually.await(
                () -> "the view is " + link.view(),
                () -> owner.submit(condition::getAsBoolean).get());
    }

    private void tickAfter(Duration time) throws Exception {
        owner.submit(
                        () -> {
                            clock.advance(time);
                            link.tick();
                        })
                .get();
    }

    @Test
    void theCallsOfASilentSchedulerFailAndItReconnects() throws Exception {
        scheduler.behave(FakeScheduler.Call::awaitCancelled);
        var inbox = new CompletionInbox();
        SchedulerGrpc.newStub(link.channel())
                .generate(
                        GenerateRequest.newBuilder().setChoices(1).build(),
                        new SchedulerCall(0, "r", inbox, "x").observer());
        FakeScheduler.Call call = scheduler.nextCall();
        scheduler.muteAfter(scheduler.status().toBuilder().setRunning(7).build());
        // The last status before the silence.
        await(() -> link.view().status().getRunning() == 7);
        tickAfter(Duration.ofMillis(2900));
        assertTrue(link.view().ready());
        tickAfter(Duration.ofMillis(200));
        assertEquals("its scheduler is silent", link.view().status().getReason());
        assertTrue(call.awaitCancelled());
        EngineEvent event = inbox.poll(Eventually.TIMEOUT).orElseThrow();
        assertTrue(
                event instanceof EngineEvent.Failed failed
                        && failed.failure().kind() == Failure.Kind.UNAVAILABLE);

        scheduler.unmute();
        tickAfter(Duration.ofSeconds(1));
        await(() -> link.view().ready());
    }

    @Test
    void aStoppedSchedulerStaysUnready() throws Exception {
        scheduler.close();
        await(() -> !link.view().alive());
        assertEquals("its scheduler cannot be reached", link.view().status().getReason());
        tickAfter(Duration.ofSeconds(2));
        tickAfter(Duration.ofSeconds(2));
        assertFalse(link.view().ready());
    }
}

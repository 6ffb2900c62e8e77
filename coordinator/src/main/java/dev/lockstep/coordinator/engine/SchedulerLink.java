// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator.engine;

import dev.lockstep.cluster.Member;
import dev.lockstep.cluster.process.Clock;
import dev.lockstep.proto.v1.GroupStatus;
import dev.lockstep.proto.v1.SchedulerGrpc;
import dev.lockstep.proto.v1.WatchGroupRequest;
import io.grpc.ManagedChannel;
import io.grpc.stub.ClientCallStreamObserver;
import io.grpc.stub.ClientResponseObserver;
import java.time.Duration;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import java.util.function.Function;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;

/// The connection to one scheduler, with its heartbeat and its block events. Confined to the thread
/// of [SchedulerClient], except that any thread makes calls on its channel.
final class SchedulerLink {
    /// Three heartbeats: a shorter limit would mistake a pause for a death.
    static final Duration MAX_SILENCE = Duration.ofSeconds(3);

    private static final Duration FIRST_RETRY = Duration.ofMillis(100);
    private static final Duration MAX_RETRY = Duration.ofSeconds(2);
    private static final Logger LOG = LogManager.getLogger(SchedulerLink.class);

    private final Member member;
    private final Function<Member, ManagedChannel> dial;
    private final Executor owner;
    private final Runnable changed;
    private final Clock clock;

    private final BlockWatch blocks;
    private final StepBytes stepBytes;
    private final SentRequests sent = new SentRequests();

    private volatile ManagedChannel channel;
    private GroupView view;
    private int watchNumber;
    private boolean watching;
    private boolean closed;
    private long lastStatusNanos;
    private long retryNanos;
    private Duration backoff = FIRST_RETRY;

    /// @param owner the thread that runs all callbacks
    /// @param changed runs after [#view] has changed
    SchedulerLink(
            Member member,
            Function<Member, ManagedChannel> dial,
            Executor owner,
            Runnable changed,
            Clock clock) {
        this.member = member;
        this.dial = dial;
        this.owner = owner;
        this.changed = changed;
        this.clock = clock;
        this.blocks = new BlockWatch(member.describe(), owner, clock);
        this.stepBytes = new StepBytes(clock);
        this.channel = dial.apply(member);
        this.view =
                new GroupView(
                        member.incarnation(),
                        false,
                        GroupStatus.newBuilder()
                                .setGroup(member.group())
                                .setReason("its scheduler has not answered yet")
                                .build(),
                        0,
                        blocks.index(),
                        sent);
        watch();
    }

    GroupView view() {
        return view;
    }

    Member member() {
        return member;
    }

    /// Returns the counts of its requests; safe for any thread.
    SentRequests sent() {
        return sent;
    }

    ManagedChannel channel() {
        return channel;
    }

    /// Gives up the connection if the scheduler is silent; reconnects once the retry delay is over.
    void tick() {
        long now = clock.nanoTime();
        if (watching && now - lastStatusNanos > MAX_SILENCE.toNanos()) {
            LOG.warn("{} is silent for {}, giving it up", member.describe(), MAX_SILENCE);
            giveUp("its scheduler is silent");
        } else if (!watching && now - retryNanos >= 0) {
            channel.resetConnectBackoff();
            watch();
        }
        if (view.alive()) {
            blocks.tick(channel);
        }
    }

    /// Gives up the connection because a request on it was not answered; another one is tried.
    void unanswered() {
        if (view.alive()) {
            giveUp("its scheduler does not answer");
        }
    }

    /// Ends the connection with its calls, which would never end.
    private void giveUp(String reason) {
        connectionLost(reason);
        channel.shutdownNow();
        channel = dial.apply(member);
    }

    void close() {
        blocks.close();
        closed = true;
        watching = false;
        watchNumber++;
        channel.shutdownNow();
    }

    private void watch() {
        watching = true;
        lastStatusNanos = clock.nanoTime();
        SchedulerGrpc.newStub(channel)
                .watchGroup(WatchGroupRequest.getDefaultInstance(), new Watch(++watchNumber));
    }

    private void receive(GroupStatus status) {
        lastStatusNanos = clock.nanoTime();
        backoff = FIRST_RETRY;
        blocks.tick(channel);
        double bytesPerStep = stepBytes.update(status);
        if (view.alive() && view.status().equals(status) && view.bytesPerStep() == bytesPerStep) {
            sent.clearPending();
            return;
        }
        boolean readyChanged = !view.alive() || view.status().getReady() != status.getReady();
        view = view.with(true, status, bytesPerStep);
        if (readyChanged) {
            LOG.info(
                    "group {} by {}: {}",
                    status.getGroup(),
                    member.describe(),
                    status.getReady() ? "ready, epoch " + status.getEpoch() : status.getReason());
        }
        changed.run();
        // After the status: until both are seen, a request counts twice rather than not at all.
        sent.clearPending();
    }

    private void connectionLost(String reason) {
        watching = false;
        watchNumber++;
        retryNanos = clock.nanoTime() + backoff.toNanos();
        backoff =
                backoff.multipliedBy(2).compareTo(MAX_RETRY) < 0
                        ? backoff.multipliedBy(2)
                        : MAX_RETRY;
        if (view.alive()) {
            LOG.warn("{}: {}", member.describe(), reason);
            GroupStatus unready =
                    view.status().toBuilder().setReady(false).setReason(reason).build();
            view = view.with(false, unready, 0);
            changed.run();
        }
    }

    /// One heartbeat stream; events of earlier streams are ignored.
    private final class Watch implements ClientResponseObserver<WatchGroupRequest, GroupStatus> {
        private final int number;

        Watch(int number) {
            this.number = number;
        }

        @Override
        public void beforeStart(ClientCallStreamObserver<WatchGroupRequest> requests) {}

        @Override
        public void onNext(GroupStatus status) {
            runOnOwner(() -> receive(status));
        }

        @Override
        public void onError(Throwable failure) {
            runOnOwner(() -> connectionLost("its scheduler cannot be reached"));
        }

        @Override
        public void onCompleted() {
            runOnOwner(() -> connectionLost("its scheduler ended the heartbeat"));
        }

        private void runOnOwner(Runnable action) {
            try {
                owner.execute(
                        () -> {
                            if (number == watchNumber && !closed) {
                                action.run();
                            }
                        });
            } catch (RejectedExecutionException e) {
                LOG.debug("the coordinator has stopped, the event is dropped", e);
            }
        }
    }
}

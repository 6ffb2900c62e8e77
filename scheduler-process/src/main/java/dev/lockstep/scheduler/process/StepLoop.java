// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler.process;

import dev.lockstep.cluster.process.Clock;
import dev.lockstep.cluster.process.Failpoint;
import dev.lockstep.cluster.process.Failpoints;
import dev.lockstep.scheduler.LostSequences;
import dev.lockstep.scheduler.Policies;
import dev.lockstep.scheduler.StepPlan;
import dev.lockstep.scheduler.StepResult;
import dev.lockstep.scheduler.Timeline;
import dev.lockstep.scheduler.WaitingLimits;
import io.grpc.Status;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;
import org.jspecify.annotations.Nullable;

/// The one thread that owns every sequence: it handles messages, plans, sends, and sleeps until
/// something happens. [#round] is one iteration.
///
/// All other threads use its [StepLoopInbox].
final class StepLoop implements AutoCloseable {
    static final Failpoint BEFORE_SEND = new Failpoint("scheduler.before-send");
    static final Failpoint AFTER_SEND = new Failpoint("scheduler.after-send");
    static final Failpoint BEFORE_APPLY = new Failpoint("scheduler.before-apply");

    /// Hit when a client asks for a timeline, so that a test chooses the moment.
    static final Failpoint BEFORE_DESCRIBE = new Failpoint("scheduler.before-describe");

    static final List<Failpoint> FAILPOINTS =
            List.of(BEFORE_SEND, AFTER_SEND, BEFORE_APPLY, BEFORE_DESCRIBE);

    private static final int TIMELINE_EVENTS = 1 << 16;
    private static final long TICK_NANOS = TimeUnit.SECONDS.toNanos(1);
    private static final long MIN_PUBLISH_NANOS = TimeUnit.MILLISECONDS.toNanos(100);
    private static final Logger LOG = LogManager.getLogger(StepLoop.class);

    private final Gate gate;
    private final StepLoopInbox inbox;
    private final CountDownLatch idle = new CountDownLatch(1);
    private final WaitingLimits limits;
    private final Clock clock;
    private final Failpoints failpoints;
    private final Consumer<SchedulerStatus> statusListener;
    private final Consumer<Throwable> fatal;
    private final BlockJournal journal;
    private final Timeline timeline = new Timeline(TIMELINE_EVENTS);
    private final CanaryTimer canaries;
    private final Epochs epochs;
    private final Requests requests;
    private final Thread thread;

    private final AtomicLong rounds = new AtomicLong();

    // Owned by the loop's thread.
    private @Nullable Epoch epoch;
    private Status unready = Status.UNAVAILABLE.withDescription("the scheduler is starting");
    private long stepBytes;
    private long expelled;
    private long tickNanos;
    private long publishedNanos;
    private boolean changed;
    private boolean draining;
    private boolean stopping;
    private boolean stopped;

    /// Creates the loop. `statusListener` and `fatal` are called on the loop's thread and must not
    /// block; after `fatal` the loop is dead.
    StepLoop(
            WaitingLimits limits,
            Policies policies,
            Duration resumeWindow,
            Duration streamInterval,
            Duration canaryInterval,
            byte[] hashKey,
            BlockJournal journal,
            Optional<Recording> recording,
            Clock clock,
            Failpoints failpoints,
            Consumer<SchedulerStatus> statusListener,
            Consumer<Throwable> fatal) {
        this.limits = limits;
        this.gate = new Gate(limits);
        this.inbox = new StepLoopInbox(gate);
        this.journal = journal;
        this.epochs = new Epochs(limits, policies, hashKey, journal, recording, timeline, clock);
        this.canaries = new CanaryTimer(canaryInterval);
        this.requests = new Requests(clock, limits, resumeWindow, streamInterval);
        this.clock = clock;
        this.failpoints = failpoints;
        this.statusListener = statusListener;
        this.fatal = fatal;
        this.thread = Thread.ofPlatform().name("step-loop").unstarted(this::run);
    }

    /// The inbox for all other threads.
    StepLoopInbox inbox() {
        return inbox;
    }

    void start() {
        thread.start();
    }

    /// Returns a number that changes at least once a second while the loop moves.
    long rounds() {
        return rounds.get();
    }

    private void run() {
        try {
            tickNanos = clock.nanoTime() + TICK_NANOS;
            publish();
            while (!stopped) {
                rounds.incrementAndGet();
                round();
            }
        } catch (InterruptedException e) {
            LOG.info("the step loop was interrupted");
        } catch (RuntimeException | Error e) {
            LOG.fatal("the step loop failed", e);
            fatal.accept(e);
        } finally {
            finish();
        }
    }

    /// Runs one iteration: sleeps until a message arrives or a time has come, handles all messages,
    /// and keeps the workers busy.
    private void round() throws InterruptedException {
        long until = changed ? Math.min(tickNanos, publishedNanos + MIN_PUBLISH_NANOS) : tickNanos;
        long now = clock.nanoTime();
        until = Math.min(until, requests.nextDelivery());
        if (epoch == null) {
            until = Math.min(until, requests.nextParkedDeadline());
        } else {
            until = Math.min(until, epoch.scheduler().nextDeadline());
            long planAt = epoch.scheduler().planAt();
            // At a time in the past, a plan was already attempted.
            until = planAt > now ? Math.min(until, planAt) : until;
        }
        StepLoopMessage message = inbox.poll(until - now);
        for (; message != null && !stopped; message = inbox.poll()) {
            handle(message);
            changed = true;
        }
        if (epoch == null) {
            requests.expireParked();
        } else {
            requests.expired(epoch.scheduler().expire(clock.nanoTime()));
        }
        requests.deliverDue();
        planAndSend();
        // A draining scheduler refuses requests for another reason than a full queue.
        gate.update(draining ? Gate.Queue.OPEN : requests.queue());
        tick();
        // Without a group nothing finishes here, and coordinators give the requests to another one.
        if (stopping && (requests.isEmpty() || epoch == null)) {
            idle.countDown();
        }
    }

    private void planAndSend() {
        while (epoch != null && epoch.scheduler().canPlan(clock.nanoTime())) {
            StepPlan plan = epoch.scheduler().plan(clock.nanoTime());
            if (plan.isEmpty()) {
                return;
            }
            failpoints.hit(BEFORE_SEND);
            stepBytes += epoch.group().workers().send(plan);
            canaries.worked(clock.nanoTime());
            failpoints.hit(AFTER_SEND);
        }
    }

    private void handle(StepLoopMessage message) {
        switch (message) {
            case StepLoopMessage.Submit(var stream) -> submit(stream);
            case StepLoopMessage.Left(var reader, var lost) -> requests.left(reader, lost);
            case StepLoopMessage.Attach(var reader, var request) ->
                    requests.attach(reader, request);
            case StepLoopMessage.Search(var question, var answer) ->
                    answer.complete(requests.search(question));
            case StepLoopMessage.Describe(var id, var tenant, var answer) -> {
                failpoints.hit(BEFORE_DESCRIBE);
                answer.complete(timeline.describe(id, tenant));
            }
            case StepLoopMessage.Formed(var group) -> formed(group);
            case StepLoopMessage.Unready(var status) -> unready(status);
            case StepLoopMessage.Completed(var group, var result) -> completed(group, result);
            case StepLoopMessage.Lost(var group, var loss) -> lost(group, loss);
            case StepLoopMessage.Snapshot(var answer) ->
                    answer.complete(
                            new BlockWatcher.Snapshot(
                                    journal.position(),
                                    epoch == null ? List.of() : epoch.scheduler().cachedNames()));
            case StepLoopMessage.Inspect(var answer) -> answer.complete(facts());
            case StepLoopMessage.SetDraining(var wanted, var answer) ->
                    answer.complete(setDraining(wanted));
            case StepLoopMessage.Drain() -> {
                stopping = true;
                draining = true;
            }
            case StepLoopMessage.Stop() -> stopped = true;
        }
    }

    private Status setDraining(boolean wanted) {
        if (stopping || unready.getCode() == Status.Code.FAILED_PRECONDITION) {
            return stopping
                    ? Status.UNAVAILABLE.withDescription("the scheduler is stopping")
                    : unready;
        }
        LOG.info("the group is {}", wanted ? "drained" : "in service again");
        draining = wanted;
        publish();
        return Status.OK;
    }

    private void submit(RequestStream stream) {
        if (stream.hasEnded()) {
            return;
        }
        if (draining && !stream.request().accepted()) {
            stream.fail(Status.UNAVAILABLE.withDescription("the scheduler is draining"));
            return;
        }
        Optional<FormedGroup> group = group();
        if (group.isPresent()) {
            requests.submit(stream, group.get());
        } else {
            stream.fail(unready);
        }
    }

    /// Returns the group that requests run in, or wait for.
    private Optional<FormedGroup> group() {
        return epoch == null ? requests.resizing().before() : Optional.of(epoch.group());
    }

    private void completed(WorkerGroup group, StepResult result) {
        if (epoch == null || !epoch.isOf(group)) {
            return;
        }
        failpoints.hit(BEFORE_APPLY);
        try {
            requests.deliver(epoch.scheduler().apply(result, clock.nanoTime()));
        } catch (IllegalStateException e) {
            LOG.error(
                    "the result of step {} of epoch {} is invalid",
                    result.number(),
                    group.epoch(),
                    e);
            group.lose("the result of a step is invalid: " + e.getMessage());
        }
    }

    private void formed(FormedGroup group) {
        if (group.workers().isLost()) {
            return;
        }
        Epoch fresh = epochs.begin(group);
        epoch = fresh;
        canaries.worked(clock.nanoTime());
        unready = Status.OK;
        requests.formed(group, fresh.scheduler());
        publish();
    }

    private void lost(WorkerGroup group, GroupLoss loss) {
        // Also of a group that was not formed yet.
        expelled += loss.expelled();
        if (epoch == null || !epoch.isOf(group)) {
            return;
        }
        canaries.lost(group);
        LostSequences lost = epochs.end(epoch, loss.cause());
        FormedGroup ended = epoch.group();
        epoch = null;
        unready = Status.UNAVAILABLE.withDescription("the group was lost: " + loss.reason());
        requests.lost(lost, ended, loss.cause());
        LOG.warn(
                "epoch {} is lost, {} sequences wait for the next group: {}",
                group.epoch(),
                requests.parkedCount(),
                loss.reason());
        publish();
    }

    private void unready(Status status) {
        if (epoch != null) {
            return;
        }
        boolean isNew = !status.toString().equals(unready.toString());
        unready = status;
        if (status.getCode() == Status.Code.FAILED_PRECONDITION) {
            requests.resizing().end();
            requests.failAll(status);
        }
        if (isNew) {
            publish();
        }
    }

    private void finish() {
        Status status = Status.UNAVAILABLE.withDescription("the scheduler stopped");
        requests.failAll(status);
        epochs.close();
        for (StepLoopMessage left = inbox.poll(); left != null; left = inbox.poll()) {
            if (left instanceof StepLoopMessage.Submit(var stream)) {
                stream.fail(status);
            } else if (left instanceof StepLoopMessage.Attach(var reader, var _)) {
                reader.out().onError(status.asRuntimeException());
            } else if (left instanceof StepLoopMessage.Search(var _, var answer)) {
                answer.completeExceptionally(status.asRuntimeException());
            } else if (left instanceof StepLoopMessage.Describe(var _, var _, var answer)) {
                answer.complete(List.of());
            } else if (left instanceof StepLoopMessage.Inspect(var answer)) {
                answer.complete(facts());
            } else if (left instanceof StepLoopMessage.SetDraining(var _, var answer)) {
                answer.complete(status);
            } else if (left instanceof StepLoopMessage.Snapshot(var answer)) {
                answer.completeExceptionally(status.asRuntimeException());
            }
        }
    }

    private void tick() {
        long now = clock.nanoTime();
        if (now >= tickNanos) {
            tickNanos = now + TICK_NANOS;
            if (epoch != null) {
                epoch.group().workers().beat();
                if (requests.isEmpty()) {
                    canaries.idle(epoch.group().workers(), now);
                }
            }
            requests.endWaitingTooLong(unready);
            requests.endUnread();
            publish();
        } else if (changed && now - publishedNanos >= MIN_PUBLISH_NANOS) {
            publish();
        }
    }

    private void publish() {
        publishedNanos = clock.nanoTime();
        changed = false;
        statusListener.accept(status());
    }

    private SchedulerStatus status() {
        String reason =
                draining
                        ? "draining"
                        : group().isEmpty() ? String.valueOf(unready.getDescription()) : "";
        Optional<Epoch> current = Optional.ofNullable(epoch);
        return new SchedulerStatus(
                group(),
                reason,
                draining,
                epochs.load(current, gate.refused()).withParked(requests.parkedCount()),
                new GroupHistory(
                        epochs.formations(),
                        epochs.losses(),
                        requests.migrations(),
                        requests.poisoned(),
                        requests.parkedCount()),
                epoch == null ? 0 : epoch.scheduler().stepTokens(),
                stepBytes,
                limits.sequences(),
                epoch == null ? canaries.good() : canaries.good(epoch),
                expelled,
                current.flatMap(each -> each.group().workers().slowRank()));
    }

    private SchedulerFacts facts() {
        return SchedulerFacts.of(
                status(), epoch == null ? 0 : epoch.scheduler().stepsInFlight(), requests.facts());
    }

    /// Refuses new requests from now on, and waits until those accepted earlier have ended, or the
    /// group is lost.
    ///
    /// @return whether it did not wait in vain
    boolean drain(Duration timeout) throws InterruptedException {
        inbox.drain();
        return idle.await(timeout.toNanos(), TimeUnit.NANOSECONDS);
    }

    /// Ends every request with an error, and the thread.
    @Override
    public void close() {
        inbox.stop();
        try {
            thread.join(Duration.ofSeconds(1));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}

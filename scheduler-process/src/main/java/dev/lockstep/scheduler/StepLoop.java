package dev.lockstep.scheduler;

import dev.lockstep.cluster.BlockHasher;
import dev.lockstep.cluster.Clock;
import dev.lockstep.cluster.Failpoint;
import dev.lockstep.cluster.Failpoints;
import io.grpc.Status;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;
import org.jspecify.annotations.Nullable;

/// The one thread that owns every sequence: take what others sent, plan, send, and sleep until
/// something happens. [#round] is the whole of it.
///
/// Everybody else talks to it through the inbox. Requests in it are bounded by
/// [#MAX_UNREAD_REQUESTS]; the rest is bounded by what it is about: a cancel per request, the steps
/// in flight, and news of the group.
final class StepLoop implements WorkerGroup.Listener, AutoCloseable {
    static final Failpoint BEFORE_SEND = new Failpoint("scheduler.before-send");
    static final Failpoint AFTER_SEND = new Failpoint("scheduler.after-send");
    static final Failpoint BEFORE_APPLY = new Failpoint("scheduler.before-apply");
    static final List<Failpoint> FAILPOINTS = List.of(BEFORE_SEND, AFTER_SEND, BEFORE_APPLY);

    private static final int MAX_UNREAD_REQUESTS = 4096;
    private static final int TIMELINE_EVENTS = 1 << 16;
    private static final long TICK_NANOS = TimeUnit.SECONDS.toNanos(1);
    private static final long MIN_PUBLISH_NANOS = TimeUnit.MILLISECONDS.toNanos(100);
    private static final Logger LOG = LogManager.getLogger(StepLoop.class);

    private sealed interface Message {
        record Submit(RequestStream stream) implements Message {}

        record Cancel(RequestStream stream) implements Message {}

        record Formed(FormedGroup group) implements Message {}

        record Unready(Status status) implements Message {}

        record Completed(WorkerGroup group, StepResult result) implements Message {}

        record Lost(WorkerGroup group, String reason) implements Message {}

        record Describe(String requestId, CompletableFuture<List<Timeline.Choice>> answer)
                implements Message {}

        record Snapshot(CompletableFuture<BlockWatcher.Snapshot> answer) implements Message {}

        record Drain() implements Message {}

        record Stop() implements Message {}
    }

    /// A formed group and the scheduler of its epoch.
    private record Active(FormedGroup group, Scheduler scheduler) {}

    private final BlockingQueue<Message> inbox = new LinkedBlockingQueue<>();
    private final CountDownLatch idle = new CountDownLatch(1);
    private final AtomicInteger unreadRequests = new AtomicInteger();
    private final WaitingLimits limits;
    private final byte[] hashKey;
    private final BlockHasher hasher;
    private final Optional<Recording> recording;
    private final Clock clock;
    private final Failpoints failpoints;
    private final Consumer<Standing> standingListener;
    private final Consumer<Throwable> fatal;
    private final Policies policies;
    private final BlockJournal journal;
    private final Timeline timeline = new Timeline(TIMELINE_EVENTS);
    private final Requests requests;
    private final Thread thread;

    // Owned by the loop's thread.
    private @Nullable Active active;
    private Status unready = Status.UNAVAILABLE.withDescription("the scheduler is starting");
    private Scheduler.Totals before = Scheduler.Totals.NONE;
    private long stepBytes;
    private long tickNanos;
    private long publishedNanos;
    private boolean changed;
    private boolean draining;
    private boolean stopped;

    /// `standingListener` and `fatal` are called on the loop's thread and must not block; after
    /// `fatal` the loop is dead.
    StepLoop(
            WaitingLimits limits,
            Policies policies,
            byte[] hashKey,
            BlockJournal journal,
            Optional<Recording> recording,
            Clock clock,
            Failpoints failpoints,
            Consumer<Standing> standingListener,
            Consumer<Throwable> fatal) {
        this.limits = limits;
        this.policies = policies;
        this.journal = journal;
        this.requests = new Requests(clock);
        this.hashKey = hashKey.clone();
        this.hasher = new BlockHasher(hashKey);
        this.recording = recording;
        this.clock = clock;
        this.failpoints = failpoints;
        this.standingListener = standingListener;
        this.fatal = fatal;
        this.thread = Thread.ofPlatform().name("step-loop").unstarted(this::run);
    }

    void start() {
        thread.start();
    }

    private void run() {
        try {
            tickNanos = clock.nanoTime() + TICK_NANOS;
            publish();
            while (!stopped) {
                round();
            }
        } catch (InterruptedException e) {
            LOG.info("the step loop was interrupted");
        } catch (RuntimeException | Error e) {
            LOG.fatal("the step loop died", e);
            fatal.accept(e);
        } finally {
            finish();
        }
    }

    /// One turn: sleep until there is news, take all of it, keep the workers busy.
    private void round() throws InterruptedException {
        long until = changed ? Math.min(tickNanos, publishedNanos + MIN_PUBLISH_NANOS) : tickNanos;
        if (active != null) {
            until = Math.min(until, active.scheduler().nextDeadline());
        }
        var message = inbox.poll(until - clock.nanoTime(), TimeUnit.NANOSECONDS);
        for (; message != null && !stopped; message = inbox.poll()) {
            take(message);
            changed = true;
        }
        if (active != null) {
            active.scheduler().expire(clock.nanoTime()).forEach(requests::tell);
        }
        planAndSend();
        tick();
        if (draining && requests.isEmpty()) {
            idle.countDown();
        }
    }

    private void planAndSend() {
        while (active != null && active.scheduler().canPlan()) {
            var plan = active.scheduler().plan(clock.nanoTime());
            if (plan.isEmpty()) {
                return;
            }
            failpoints.hit(BEFORE_SEND);
            stepBytes += active.group().workers().send(plan);
            failpoints.hit(AFTER_SEND);
        }
    }

    private void take(Message message) {
        switch (message) {
            case Message.Submit(var stream) -> {
                unreadRequests.decrementAndGet();
                submit(stream);
            }
            case Message.Cancel(var stream) -> requests.cancel(stream);
            case Message.Describe(var id, var answer) -> answer.complete(timeline.describe(id));
            case Message.Formed(var group) -> formed(group);
            case Message.Unready(var status) -> unready(status);
            case Message.Completed(var group, var result) -> completed(group, result);
            case Message.Lost(var group, var reason) -> lost(group, reason);
            case Message.Snapshot(var answer) ->
                    answer.complete(
                            new BlockWatcher.Snapshot(
                                    journal.position(),
                                    active == null ? List.of() : active.scheduler().cachedNames()));
            case Message.Drain() -> draining = true;
            case Message.Stop() -> stopped = true;
        }
    }

    private void submit(RequestStream stream) {
        if (stream.hasEnded()) {
            return;
        }
        if (draining) {
            stream.fail(Status.UNAVAILABLE.withDescription("the scheduler is draining"));
            return;
        }
        if (active == null) {
            stream.fail(unready);
            return;
        }
        requests.submit(stream, active.group());
    }

    private void completed(WorkerGroup group, StepResult result) {
        if (active == null || active.group().workers() != group) {
            return;
        }
        failpoints.hit(BEFORE_APPLY);
        try {
            active.scheduler().apply(result, clock.nanoTime()).forEach(requests::tell);
        } catch (IllegalStateException e) {
            LOG.error(
                    "step {} of epoch {} was answered wrongly", result.number(), group.epoch(), e);
            group.lose("a step was answered wrongly: " + e.getMessage());
        }
    }

    private void formed(FormedGroup group) {
        if (group.workers().isLost()) {
            return;
        }
        journal.begin(group.shape().epoch());
        var scheduler = new Scheduler(group.shape(), limits, policies, hasher, journal, timeline);
        recording.ifPresent(
                to -> {
                    to.formed(
                            group.shape(),
                            limits,
                            policies,
                            hashKey,
                            group.held(),
                            clock.nanoTime());
                    scheduler.recordTo(to);
                });
        for (var block : group.held().blocks()) {
            scheduler.adopt(block.kvGroup(), block.block(), block.name());
        }
        active = new Active(group, scheduler);
        unready = Status.OK;
        requests.formed(group, scheduler);
        publish();
    }

    private void lost(WorkerGroup group, String reason) {
        if (active == null || active.group().workers() != group) {
            return;
        }
        before = before.plus(active.scheduler().load().totals());
        var loss = active.scheduler().lose();
        var digest = active.group().modelDigest();
        active = null;
        unready = Status.UNAVAILABLE.withDescription("the group was lost: " + reason);
        int ended = requests.lost(loss, digest, reason);
        LOG.warn(
                "epoch {} is lost, {} requests aborted, {} sequences wait on: {}",
                group.epoch(),
                ended,
                requests.parkedCount(),
                reason);
        publish();
    }

    private void unready(Status status) {
        if (active != null) {
            return;
        }
        boolean changed = !status.toString().equals(unready.toString());
        unready = status;
        if (status.getCode() == Status.Code.FAILED_PRECONDITION) {
            requests.failAll(status);
        }
        if (changed) {
            publish();
        }
    }

    private void finish() {
        var status = Status.UNAVAILABLE.withDescription("the scheduler stopped");
        requests.failAll(status);
        recording.ifPresent(Recording::close);
        for (var left = inbox.poll(); left != null; left = inbox.poll()) {
            if (left instanceof Message.Submit(var stream)) {
                stream.fail(status);
            } else if (left instanceof Message.Describe(var _, var answer)) {
                answer.complete(List.of());
            }
        }
    }

    private void tick() {
        long now = clock.nanoTime();
        if (now >= tickNanos) {
            tickNanos = now + TICK_NANOS;
            if (active != null) {
                active.group().workers().beat();
            }
            requests.expireParked(unready);
            publish();
        } else if (changed && now - publishedNanos >= MIN_PUBLISH_NANOS) {
            publish();
        }
    }

    private void publish() {
        publishedNanos = clock.nanoTime();
        changed = false;
        var reason =
                draining
                        ? "draining"
                        : active == null ? String.valueOf(unready.getDescription()) : "";
        standingListener.accept(
                new Standing(
                        Optional.ofNullable(active).map(Active::group),
                        reason,
                        total(),
                        stepBytes,
                        limits.sequences()));
    }

    private Scheduler.Load total() {
        var load = active == null ? Scheduler.Load.NONE : active.scheduler().load();
        return new Scheduler.Load(
                load.running(),
                load.waiting() + requests.parkedCount(),
                load.waitingTokens(),
                load.blocks(),
                load.freeBlocks(),
                load.cachedBlocks(),
                before.plus(load.totals()));
    }

    /// Hands a request over; false when the loop has too many to read already.
    boolean trySubmit(RequestStream stream) {
        if (unreadRequests.incrementAndGet() > MAX_UNREAD_REQUESTS) {
            unreadRequests.decrementAndGet();
            return false;
        }
        return inbox.add(new Message.Submit(stream));
    }

    void cancelled(RequestStream stream) {
        inbox.add(new Message.Cancel(stream));
    }

    /// What happened to a request lately; empty when it is unknown or forgotten.
    CompletableFuture<List<Timeline.Choice>> describe(String requestId) {
        var answer = new CompletableFuture<List<Timeline.Choice>>();
        inbox.add(new Message.Describe(requestId, answer));
        return answer;
    }

    /// What the prefix cache holds.
    CompletableFuture<BlockWatcher.Snapshot> snapshot() {
        var answer = new CompletableFuture<BlockWatcher.Snapshot>();
        inbox.add(new Message.Snapshot(answer));
        return answer;
    }

    void groupFormed(FormedGroup group) {
        inbox.add(new Message.Formed(group));
    }

    /// Says why there is no group; FAILED_PRECONDITION when this scheduler does not lead.
    void groupUnready(Status status) {
        inbox.add(new Message.Unready(status));
    }

    @Override
    public void stepCompleted(WorkerGroup group, StepResult result) {
        inbox.add(new Message.Completed(group, result));
    }

    @Override
    public void groupLost(WorkerGroup group, String reason) {
        inbox.add(new Message.Lost(group, reason));
    }

    /// Takes no new requests from now on, and waits until those it has are done.
    ///
    /// @return whether they are
    boolean drain(Duration timeout) throws InterruptedException {
        inbox.add(new Message.Drain());
        return idle.await(timeout.toNanos(), TimeUnit.NANOSECONDS);
    }

    /// Ends every request with an error, and the thread.
    @Override
    public void close() {
        inbox.add(new Message.Stop());
        try {
            thread.join(Duration.ofSeconds(1));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}

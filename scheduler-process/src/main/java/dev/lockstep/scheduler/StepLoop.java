package dev.lockstep.scheduler;

import dev.lockstep.cluster.BlockHasher;
import dev.lockstep.cluster.Clock;
import dev.lockstep.cluster.Failpoint;
import dev.lockstep.cluster.Failpoints;
import dev.lockstep.proto.v1.FinishReason;
import io.grpc.Metadata;
import io.grpc.Status;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.BlockingQueue;
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

    static final Metadata.Key<String> RETRY_AFTER_MS =
            Metadata.Key.of("retry-after-ms", Metadata.ASCII_STRING_MARSHALLER);

    /// Requests whose group was lost before they started wait so long for the next one.
    static final Duration MAX_PARKED = Duration.ofSeconds(30);

    private static final int MAX_UNREAD_REQUESTS = 4096;
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

        record Drain() implements Message {}

        record Stop() implements Message {}
    }

    /// A formed group and the scheduler of its epoch.
    private record Active(FormedGroup group, Scheduler scheduler) {}

    private final BlockingQueue<Message> inbox = new LinkedBlockingQueue<>();
    private final CountDownLatch idle = new CountDownLatch(1);
    private final AtomicInteger unreadRequests = new AtomicInteger();
    private final WaitingLimits limits;
    private final BlockHasher hasher;
    private final Clock clock;
    private final Failpoints failpoints;
    private final Consumer<Standing> standingListener;
    private final Consumer<Throwable> fatal;
    private final RetryAfter retryAfter = new RetryAfter();
    private final Thread thread;

    // Owned by the loop's thread.
    private final Map<Sequence, RequestStream> owners = new HashMap<>();
    private final List<Sequence> parked = new ArrayList<>();
    private @Nullable Active active;
    private Status unready = Status.UNAVAILABLE.withDescription("the scheduler is starting");
    private Scheduler.Load before = new Scheduler.Load(0, 0, 0, 0, 0, 0, 0);
    private long arrivals;
    private String parkedDigest = "";
    private long parkedNanos;
    private long tickNanos;
    private long publishedNanos;
    private boolean changed;
    private boolean draining;
    private boolean stopped;

    /// `standingListener` and `fatal` are called on the loop's thread and must not block; after
    /// `fatal` the loop is dead.
    StepLoop(
            WaitingLimits limits,
            BlockHasher hasher,
            Clock clock,
            Failpoints failpoints,
            Consumer<Standing> standingListener,
            Consumer<Throwable> fatal) {
        this.limits = limits;
        this.hasher = hasher;
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
        var message = inbox.poll(until - clock.nanoTime(), TimeUnit.NANOSECONDS);
        for (; message != null && !stopped; message = inbox.poll()) {
            take(message);
            changed = true;
        }
        planAndSend();
        tick();
        if (draining && owners.isEmpty()) {
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
            active.group().workers().send(plan);
            failpoints.hit(AFTER_SEND);
        }
    }

    private void take(Message message) {
        switch (message) {
            case Message.Submit(var stream) -> {
                unreadRequests.decrementAndGet();
                submit(stream);
            }
            case Message.Cancel(var stream) -> cancel(stream);
            case Message.Formed(var group) -> formed(group);
            case Message.Unready(var status) -> unready(status);
            case Message.Completed(var group, var result) -> completed(group, result);
            case Message.Lost(var group, var reason) -> lost(group, reason);
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
        try {
            stream.request().requireVocabulary(active.group().vocabularySize());
        } catch (IllegalArgumentException e) {
            stream.fail(Status.INVALID_ARGUMENT.withDescription(e.getMessage()));
            return;
        }
        stream.sequences(sequences(stream.request(), active.group().endTokenIds()));
        queue(active.scheduler(), stream, stream.sequences());
    }

    private List<Sequence> sequences(GenerateRequest request, List<Integer> endTokenIds) {
        long[] domain = request.cacheDomain();
        var sequences = new ArrayList<Sequence>();
        for (var sampling : request.choices()) {
            var stops = new LinkedHashSet<>(sampling.stopTokenIds());
            if (!sampling.ignoreEndTokens()) {
                stops.addAll(endTokenIds);
            }
            sequences.add(
                    new Sequence(
                            arrivals++,
                            request.id(),
                            request.promptIds(),
                            sampling.withStopTokenIds(List.copyOf(stops)),
                            domain));
        }
        return sequences;
    }

    private void queue(Scheduler scheduler, RequestStream stream, List<Sequence> sequences) {
        switch (scheduler.submit(sequences)) {
            case Submission.Queued() -> {
                sequences.forEach(one -> owners.put(one, stream));
                LOG.debug("request {} queued", stream.request().id());
            }
            case Submission.QueueFull(var why) -> {
                var trailers = new Metadata();
                var wait = retryAfter.estimate(scheduler.load().waiting());
                trailers.put(RETRY_AFTER_MS, Long.toString(wait.toMillis()));
                end(stream, Status.RESOURCE_EXHAUSTED.withDescription(why), trailers);
            }
            case Submission.Unservable(var why) ->
                    end(stream, Status.INVALID_ARGUMENT.withDescription(why), new Metadata());
        }
    }

    private void cancel(RequestStream stream) {
        LOG.debug("request {} cancelled", stream.request().id());
        stream.abandon();
        drop(stream);
    }

    /// Fails a request and takes whatever is left of it out.
    private void end(RequestStream stream, Status status, Metadata trailers) {
        stream.fail(status, trailers);
        drop(stream);
    }

    private void drop(RequestStream stream) {
        for (var sequence : stream.sequences()) {
            boolean queued = owners.remove(sequence) != null && !parked.remove(sequence);
            if (queued && active != null) {
                active.scheduler().cancel(sequence);
            }
        }
    }

    private void completed(WorkerGroup group, StepResult result) {
        if (active == null || active.group().workers() != group) {
            return;
        }
        failpoints.hit(BEFORE_APPLY);
        try {
            active.scheduler().apply(result).forEach(this::tell);
        } catch (IllegalStateException e) {
            LOG.error(
                    "step {} of epoch {} was answered wrongly", result.number(), group.epoch(), e);
            group.lose("a step was answered wrongly: " + e.getMessage());
        }
    }

    private void tell(SequenceEvent event) {
        var stream = owners.get(event.sequence());
        if (stream == null) {
            return;
        }
        int choice = event.sequence().sampling().choice();
        switch (event) {
            case SequenceEvent.Generated(var sequence, var position, var token) -> {
                if (!stream.generated(choice, position, token)) {
                    LOG.warn("request {} ends: its reader is too slow", sequence.requestId());
                    var slow = "more than " + RequestStream.MAX_UNREAD + " tokens are unread";
                    end(stream, Status.CANCELLED.withDescription(slow), new Metadata());
                }
            }
            case SequenceEvent.Stopped(var sequence, var id) ->
                    finish(stream, sequence, FinishReason.FINISH_REASON_STOP, id);
            case SequenceEvent.LengthReached(var sequence) ->
                    finish(stream, sequence, FinishReason.FINISH_REASON_LENGTH, -1);
        }
    }

    private void finish(RequestStream stream, Sequence sequence, FinishReason reason, int id) {
        owners.remove(sequence);
        stream.finished(sequence.sampling().choice(), reason, id);
        retryAfter.finished(clock.nanoTime());
        LOG.debug("request {} finished: {}", sequence.requestId(), reason);
    }

    private void formed(FormedGroup group) {
        if (group.workers().isLost()) {
            return;
        }
        var scheduler = new Scheduler(group.shape(), limits, hasher);
        active = new Active(group, scheduler);
        unready = Status.OK;
        requeue(scheduler, group);
        publish();
    }

    /// Those that never started go on as if nothing had happened, in their old order.
    private void requeue(Scheduler scheduler, FormedGroup group) {
        var sequences = List.copyOf(parked);
        parked.clear();
        var streams = sequences.stream().map(owners::remove).toList();
        for (int i = 0; i < sequences.size(); i++) {
            var stream = streams.get(i);
            if (stream == null || stream.hasEnded()) {
                continue;
            }
            if (group.modelDigest().equals(parkedDigest)) {
                queue(scheduler, stream, List.of(sequences.get(i)));
            } else {
                var other = "the group came back with another model";
                end(stream, Status.UNAVAILABLE.withDescription(other), new Metadata());
            }
        }
    }

    private void lost(WorkerGroup group, String reason) {
        if (active == null || active.group().workers() != group) {
            return;
        }
        var load = total();
        var loss = active.scheduler().lose();
        parkedDigest = active.group().modelDigest();
        active = null;
        unready = Status.UNAVAILABLE.withDescription("the group was lost: " + reason);
        before =
                new Scheduler.Load(0, 0, 0, 0, load.preemptions(), load.steps(), load.mixedSteps());
        parked.addAll(loss.waiting());
        parkedNanos = clock.nanoTime();
        var aborted = Status.ABORTED.withDescription("the group was lost: " + reason);
        var streams = new LinkedHashSet<RequestStream>();
        for (var sequence : loss.aborted()) {
            var stream = owners.get(sequence);
            if (stream != null) {
                streams.add(stream);
            }
        }
        streams.forEach(stream -> end(stream, aborted, new Metadata()));
        LOG.warn(
                "epoch {} is lost, {} requests aborted, {} sequences wait on: {}",
                group.epoch(),
                streams.size(),
                parked.size(),
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
            failAll(status);
        }
        if (changed) {
            publish();
        }
    }

    private void failAll(Status status) {
        for (var stream : new LinkedHashSet<>(owners.values())) {
            end(stream, status, new Metadata());
        }
    }

    private void finish() {
        var status = Status.UNAVAILABLE.withDescription("the scheduler stopped");
        failAll(status);
        for (var left = inbox.poll(); left != null; left = inbox.poll()) {
            if (left instanceof Message.Submit(var stream)) {
                stream.fail(status);
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
            if (!parked.isEmpty() && now - parkedNanos > MAX_PARKED.toNanos()) {
                var status =
                        unready.augmentDescription(
                                "waited " + MAX_PARKED.toSeconds() + " s for the next");
                failAll(status);
            }
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
                        limits.sequences()));
    }

    private Scheduler.Load total() {
        var load =
                active == null
                        ? new Scheduler.Load(0, parked.size(), 0, 0, 0, 0, 0)
                        : active.scheduler().load();
        return new Scheduler.Load(
                load.running(),
                load.waiting(),
                load.blocks(),
                load.freeBlocks(),
                before.preemptions() + load.preemptions(),
                before.steps() + load.steps(),
                before.mixedSteps() + load.mixedSteps());
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

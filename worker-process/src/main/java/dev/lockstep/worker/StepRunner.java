// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import dev.lockstep.cluster.process.Failpoints;
import dev.lockstep.kernels.DeviceLostException;
import dev.lockstep.kernels.OutOfDeviceMemoryException;
import dev.lockstep.nccl.OutOfSharedMemoryException;
import java.time.Duration;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;
import org.jspecify.annotations.Nullable;

/// The one thread that owns the device: it runs commands in order and replies to the connection of
/// each.
///
/// A step is launched while the preceding one still runs on the device; a step that has finished
/// when its launch returns, as on a CPU, completes at once. A command that fails ends the epoch,
/// and every step in flight with it, with one error message to the scheduler; the thread goes on.
/// The inbox is bounded; a step that finds it full is refused with an error message. A correct
/// scheduler has two steps in flight.
final class StepRunner implements AutoCloseable {
    private static final Logger LOG = LogManager.getLogger(StepRunner.class);
    private static final int INBOX = 16;

    /// How long an aborted device may take to finish its ops before this process gives it up.
    private static final Duration DRAIN_LIMIT = Duration.ofSeconds(2);

    private final Rank rank;
    private final Failpoints failpoints;
    private final Consumer<Throwable> unusable;
    private final BlockingQueue<Command> inbox = new ArrayBlockingQueue<>(INBOX);
    private final Thread thread = Thread.ofPlatform().name("step-runner").unstarted(this::loop);

    private final CompletionWatcher watcher;
    private final DrainWatch drainWatch;
    private final StepsInFlight inFlight = new StepsInFlight();

    /// Written by the step thread; other threads read it only to abort.
    private volatile @Nullable Session session;

    /// Why the epoch is aborted; empty if it is not. A group that is forming has no session yet.
    private volatile String abortReason = "";

    private volatile long lastFinished;

    private final AtomicLong joinsQueued = new AtomicLong();
    private final AtomicLong joinsTaken = new AtomicLong();

    /// The join whose commands run; belongs to the step thread.
    private @Nullable Join joined;

    /// Why the device cannot be used any more; belongs to the step thread.
    private Optional<DeviceLostException> lost = Optional.empty();

    /// A command to the step thread.
    private sealed interface Command {
        record Form(Formation formation, Replies replies) implements Command {}

        record Run(Step step, Replies replies) implements Command {}

        record Canary(long epoch, long number, Replies replies) implements Command {}

        /// The watcher has seen the end of a step.
        record Ended(LaunchedStep step, Optional<Throwable> failure) implements Command {}

        record Stop() implements Command {}
    }

    /// A group joins with this epoch; until the next join, only its commands run.
    private record Join(long epoch, byte[] hashKey, Replies replies) implements Command {}

    /// The parameters of an epoch, on which all ranks have agreed.
    ///
    /// @param rendezvous name of the shared memory that rank 0 creates and the other ranks open
    /// @param collectiveId the id that rank 0's [Connector] created for this epoch; no code changes
    ///   it
    /// @param maxBatchedTokens empty if warm-up measures it
    /// @param keepBlocks whether blocks of an earlier epoch are kept, so that warm-up must not
    ///   write to them
    /// @param checkInterval steps whose number is a multiple of it report a checksum; 0 for none
    record Formation(
            long epoch,
            String rendezvous,
            byte[] collectiveId,
            long kvBlocks,
            int maxSequences,
            Optional<Integer> maxBatchedTokens,
            boolean keepBlocks,
            int checkInterval) {}

    /// The receiver of replies. The step thread calls it; it must not block.
    interface Replies {
        /// Reports that the device is free for the epoch. `held` has the full blocks of earlier
        /// epochs and is valid during the call only.
        void joined(long epoch, HeldBlocks held);

        void formed(long epoch, StepBudget budget, CanaryOutcome canary);

        void canary(long epoch, long number, CanaryOutcome canary);

        void finished(StepOutcome outcome);

        void failed(long epoch, long number, String message);
    }

    /// @param unusable receives what another attempt cannot mend
    StepRunner(Rank rank, Failpoints failpoints, Consumer<Throwable> unusable) {
        this.rank = rank;
        this.failpoints = failpoints;
        this.unusable = unusable;
        this.drainWatch = new DrainWatch(rank.kernels(), DRAIN_LIMIT, unusable);
        this.watcher =
                new CompletionWatcher(
                        rank.kernels(),
                        (step, failure) -> inbox.put(new Command.Ended(step, failure)));
    }

    void start() {
        thread.start();
    }

    /// Ends the session of a lower epoch and replies once the device is free.
    ///
    /// @param hashKey the key of block names
    void join(long epoch, byte[] hashKey, Replies replies) {
        abort("group epoch %d begins".formatted(epoch));
        joinsQueued.incrementAndGet();
        put(new Join(epoch, hashKey, replies));
    }

    /// Queues a formation; returns false if the inbox is full.
    boolean form(Formation formation, Replies replies) {
        return inbox.offer(new Command.Form(formation, replies));
    }

    /// Queues a step; returns false if the inbox is full.
    boolean run(Step step, Replies replies) {
        return inbox.offer(new Command.Run(step, replies));
    }

    /// Queues a canary step; returns false if the inbox is full.
    boolean canary(long epoch, long number, Replies replies) {
        return inbox.offer(new Command.Canary(epoch, number, replies));
    }

    /// Returns whether a later canary step of an epoch has the bits of the first one.
    boolean repeatsBits() {
        return rank.kernels().capabilities().repeatsBits();
    }

    /// Ends this process because its results were wrong.
    void expel(String reason) {
        unusable.accept(new ExpelledException(reason));
    }

    /// Makes the collectives of the current epoch fail, also of one that is forming, and gives up a
    /// device that does not come to its end. Any thread may call it.
    void abort(String reason) {
        abortReason = reason;
        Session current = session;
        if (current != null && current.abort(reason)) {
            drainWatch.watch(() -> session != current);
        }
    }

    /// Returns a number that changes unless the step thread leaves a group waiting that joins: what
    /// the thread did for another one is aborted then and must end soon. At any other time the
    /// scheduler of its group watches it.
    long moves() {
        long taken = joinsTaken.get();
        return taken < joinsQueued.get() ? -taken : System.nanoTime();
    }

    /// Returns the state of the step thread, without waiting for it.
    WorkerFacts.Steps facts() {
        Session current = session;
        return new WorkerFacts.Steps(
                current == null ? 0 : current.epoch(),
                lastFinished,
                inbox.size(),
                joinsQueued.get() - joinsTaken.get(),
                abortReason);
    }

    /// Returns the last step finished in the current epoch.
    long lastFinished() {
        return lastFinished;
    }

    @Override
    public void close() {
        abortReason = "the worker stops";
        Session current = session;
        if (current != null) {
            current.abort(abortReason);
        }
        put(new Command.Stop());
        try {
            thread.join(Duration.ofSeconds(5));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } finally {
            watcher.close();
            drainWatch.close();
        }
    }

    private void put(Command command) {
        try {
            if (!inbox.offer(command, 10, TimeUnit.SECONDS)) {
                throw new IllegalStateException(
                        "the step thread has not accepted a command for 10 s");
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted while the step thread was busy", e);
        }
    }

    private void loop() {
        try {
            rank.kernels().attachThread();
        } catch (RuntimeException e) {
            unusable.accept(e);
            return;
        }
        try {
            while (!Thread.currentThread().isInterrupted()) {
                switch (inbox.take()) {
                    case Join join -> {
                        joinsTaken.incrementAndGet();
                        join(join);
                    }
                    case Command.Form form -> form(form);
                    case Command.Run run -> run(run);
                    case Command.Canary canary -> canary(canary);
                    case Command.Ended ended -> ended(ended);
                    case Command.Stop stop -> {
                        return;
                    }
                }
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } finally {
            drop();
        }
    }

    private void join(Join join) {
        try {
            end();
            requireDevice();
            abortReason = "";
            joined = join;
            join.replies.joined(join.epoch, rank.held(join.hashKey));
        } catch (RuntimeException | Error e) {
            LOG.warn("epoch {} could not begin", join.epoch, e);
            join.replies.failed(join.epoch, 0, e.getMessage() + "");
            if (e instanceof DeviceLostException lostNow) {
                giveUp(lostNow);
            }
        }
    }

    private void form(Command.Form form) {
        Formation formation = form.formation;
        if (refuses(formation.epoch, 0, form.replies)) {
            return;
        }
        try {
            end();
            requireDevice();
            failpoints.hit(WorkerMain.BEFORE_FORM);
            long start = System.nanoTime();
            Session formed = rank.open(formation, () -> abortReason, this::flips);
            session = formed;
            String aborted = abortReason;
            if (!aborted.isEmpty()) {
                formed.abort(aborted);
            }
            StepBudget budget = rank.warm(formed, formation);
            CanaryOutcome canary = formed.canary();
            formed.communicator().formed();
            LOG.info(
                    "epoch {} formed in {} ms: {} KV blocks, at most {} tokens a step",
                    formation.epoch,
                    (System.nanoTime() - start) / 1_000_000,
                    formation.kvBlocks,
                    budget.tokens());
            form.replies.formed(formation.epoch, budget, canary);
        } catch (RuntimeException | Error e) {
            fail(formation.epoch, 0, form.replies, e);
        }
    }

    /// Returns whether another attempt of this process fails too. What it allocated before memory
    /// ran out is freed with it.
    private static boolean isUnusable(Throwable failure) {
        return failure instanceof OutOfSharedMemoryException
                || failure instanceof OutOfDeviceMemoryException
                || failure instanceof TooLittleMemoryException
                || failure instanceof DeviceLostException;
    }

    private void run(Command.Run run) {
        Step step = run.step;
        if (refuses(step.epoch(), step.number(), run.replies)) {
            return;
        }
        completeReached();
        while (inFlight.isFull() || inFlight.decide(step)) {
            completeOldest();
        }
        Session current = session;
        if (current == null || current.epoch() != step.epoch()) {
            run.replies.failed(
                    step.epoch(), step.number(), "epoch %d is not formed".formatted(step.epoch()));
            return;
        }
        LaunchedStep launched;
        try {
            failpoints.hit(WorkerMain.BEFORE_STEP);
            if (failpoints.isArmed(WorkerMain.POISON) && step.admitsPoison()) {
                failpoints.hit(WorkerMain.POISON);
            }
            launched = current.launch(step);
        } catch (RuntimeException | Error e) {
            fail(step.epoch(), step.number(), run.replies, e);
            return;
        }
        inFlight.add(launched, run.replies);
        if (launched.readBack().isPresent()) {
            completeThrough(launched);
        } else {
            completeReached();
        }
        if (inFlight.contains(launched)) {
            watcher.watch(launched);
        }
    }

    private void canary(Command.Canary canary) {
        if (refuses(canary.epoch, canary.number, canary.replies)) {
            return;
        }
        while (!inFlight.isEmpty()) {
            completeOldest();
        }
        Session current = session;
        if (current == null || current.epoch() != canary.epoch) {
            canary.replies.failed(
                    canary.epoch, canary.number, "epoch %d is not formed".formatted(canary.epoch));
            return;
        }
        try {
            failpoints.hit(WorkerMain.BEFORE_CANARY);
            canary.replies.canary(canary.epoch, canary.number, current.canary());
        } catch (RuntimeException | Error e) {
            LOG.warn("canary step {} failed", canary.number);
            fail(canary.epoch, canary.number, canary.replies, e);
        }
    }

    /// Returns whether a test wants a wrong residual: on the last rank alone, so that the ranks
    /// differ although they have the same failpoints.
    private boolean flips() {
        return rank.isLast() && failpoints.trips(WorkerMain.FLIP_BIT);
    }

    /// A step that completed without its watcher, or belongs to an epoch that has ended, needs
    /// nothing.
    private void ended(Command.Ended ended) {
        if (!inFlight.contains(ended.step)) {
            return;
        }
        if (ended.failure.isEmpty()) {
            completeThrough(ended.step);
            return;
        }
        StepsInFlight.Flight oldest = inFlight.removeOldest();
        fail(oldest.step().epoch(), oldest.step().number(), oldest.replies(), ended.failure.get());
    }

    private void completeReached() {
        while (inFlight.oldestReached()) {
            completeOldest();
        }
    }

    private void completeThrough(LaunchedStep step) {
        while (inFlight.contains(step)) {
            completeOldest();
        }
    }

    /// Completes the oldest step in flight, or fails it and ends the epoch.
    private void completeOldest() {
        Session current = Objects.requireNonNull(session, "steps are in flight without a session");
        StepsInFlight.Flight flight = inFlight.removeOldest();
        LaunchedStep step = flight.step();
        try {
            StepOutcome outcome = current.complete(step);
            failpoints.hit(WorkerMain.AFTER_STEP);
            lastFinished = step.number();
            flight.replies().finished(outcome);
        } catch (RuntimeException | Error e) {
            fail(step.epoch(), step.number(), flight.replies(), e);
        }
    }

    /// @param number of a step, or 0 if the epoch could not form
    private void fail(long epoch, long number, Replies replies, Throwable thrown) {
        Session current = session;
        Throwable failure = current == null ? thrown : current.cause(thrown);
        if (number == 0) {
            LOG.warn("epoch {} could not form", epoch, failure);
        } else {
            LOG.warn("step ({}, {}) failed", epoch, number, failure);
        }
        // The scheduler is notified first: it stops the other ranks, which may wait for this one.
        replies.failed(epoch, number, failure.getMessage() + "");
        if (failure instanceof DeviceLostException lostNow) {
            forget();
            giveUp(lostNow);
            return;
        }
        drop();
        if (isUnusable(failure)) {
            unusable.accept(failure);
        }
    }

    /// Refuses commands of a stream that was replaced or never joined.
    private boolean refuses(long epoch, long number, Replies replies) {
        boolean refuses =
                joined == null || joined.epoch != epoch || !joined.replies.equals(replies);
        if (refuses) {
            replies.failed(epoch, number, "this stream has not joined epoch %d".formatted(epoch));
        }
        return refuses;
    }

    /// Ends the session whatever fails meanwhile, and the process if the device is lost with it.
    private void drop() {
        try {
            end();
        } catch (DeviceLostException e) {
            LOG.error("an epoch leaves a device that cannot be used", e);
            giveUp(e);
        } catch (RuntimeException | Error e) {
            LOG.warn("an epoch that ends could not free all that it had", e);
        }
    }

    /// Ends the session. Steps in flight are abandoned; what they compute in is freed only once the
    /// device has finished them. Throws if it does not, or if not all is freed.
    private void end() {
        Session current = forget();
        if (current == null) {
            return;
        }
        if (!current.drained(DRAIN_LIMIT)) {
            throw new DeviceLostException(
                    "the device has not finished its ops %d s after they were aborted"
                            .formatted(DRAIN_LIMIT.toSeconds()));
        }
        current.close();
    }

    /// Ends the use of the device: until this process has ended, no epoch may begin here.
    private void giveUp(DeviceLostException failure) {
        if (lost.isEmpty()) {
            lost = Optional.of(failure);
            unusable.accept(failure);
        }
    }

    private void requireDevice() {
        if (lost.isPresent()) {
            throw lost.get();
        }
    }

    private @Nullable Session forget() {
        Session current = session;
        session = null;
        lastFinished = 0;
        inFlight.clear();
        return current;
    }
}

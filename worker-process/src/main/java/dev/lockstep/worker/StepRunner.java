package dev.lockstep.worker;

import dev.lockstep.cluster.process.Failpoints;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.TimeUnit;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;
import org.jspecify.annotations.Nullable;

/// The one thread that owns the device: takes commands in order and answers to the connection they
/// came from.
///
/// Whatever a command meets, the thread goes on: the scheduler hears of it and the epoch is over.
/// The inbox is bounded; a scheduler that has more than two steps in flight finds it full and loses
/// its connection.
final class StepRunner implements AutoCloseable {
    private static final Logger log = LogManager.getLogger(StepRunner.class);
    private static final int INBOX = 16;

    private final Rank rank;
    private final Failpoints failpoints;
    private final BlockingQueue<Command> inbox = new ArrayBlockingQueue<>(INBOX);
    private final Thread thread = Thread.ofPlatform().name("step-runner").unstarted(this::loop);

    /// Written by the step thread; read by others only to abort.
    private volatile @Nullable Session session;

    private volatile long lastFinished;

    /// Whose commands count; the step thread's.
    private @Nullable Join joined;

    /// What the step thread is told.
    private sealed interface Command {
        record Form(Formation formation, Replies replies) implements Command {}

        record Run(Step step, Replies replies) implements Command {}

        record Stop() implements Command {}
    }

    /// A group of this epoch wants this worker; until the next one, nobody else is served.
    private record Join(long epoch, byte[] hashKey, Replies replies) implements Command {}

    /// What a scheduler asks for once all ranks agreed.
    ///
    /// @param rendezvous what rank 0 creates and the others open
    /// @param maxBatchedTokens empty: measure
    /// @param keepBlocks blocks of an earlier epoch are taken over, so nothing may write to them
    record Formation(
            long epoch,
            String rendezvous,
            long kvBlocks,
            int maxSequences,
            Optional<Integer> maxBatchedTokens,
            boolean keepBlocks) {}

    /// Where answers go; called from the step thread, must not block.
    interface Replies {
        /// The device is free for the epoch; `held` is what is still there from earlier ones, and
        /// is valid during the call.
        void joined(long epoch, HeldBlocks held);

        void formed(long epoch, StepBudget budget);

        void finished(StepOutcome outcome);

        void failed(long epoch, long number, String message);
    }

    StepRunner(Rank rank, Failpoints failpoints) {
        this.rank = rank;
        this.failpoints = failpoints;
    }

    void start() {
        thread.start();
    }

    /// Ends what runs for a lower epoch and answers once the device is free.
    ///
    /// @param hashKey under which blocks are named
    void join(long epoch, byte[] hashKey, Replies replies) {
        abort("group epoch %d begins".formatted(epoch));
        put(new Join(epoch, hashKey, replies));
    }

    void form(Formation formation, Replies replies) {
        put(new Command.Form(formation, replies));
    }

    /// Runs a step after those before it. False when the inbox is full.
    boolean run(Step step, Replies replies) {
        return inbox.offer(new Command.Run(step, replies));
    }

    /// Makes the collectives of the present epoch fail, if there is one. Any thread.
    void abort(String reason) {
        Session current = session;
        if (current != null) {
            current.abort(reason);
        }
    }

    /// The last step finished in the present epoch.
    long lastFinished() {
        return lastFinished;
    }

    @Override
    public void close() {
        abort("the worker stops");
        put(new Command.Stop());
        try {
            thread.join(Duration.ofSeconds(5));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private void put(Command command) {
        try {
            if (!inbox.offer(command, 10, TimeUnit.SECONDS)) {
                throw new IllegalStateException("the step thread has not taken a command for 10 s");
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted while the step thread was busy", e);
        }
    }

    private void loop() {
        try {
            while (!Thread.currentThread().isInterrupted()) {
                switch (inbox.take()) {
                    case Join join -> join(join);
                    case Command.Form form -> form(form);
                    case Command.Run run -> run(run);
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
        drop();
        joined = join;
        join.replies.joined(join.epoch, rank.held(join.hashKey));
    }

    private void form(Command.Form form) {
        Formation formation = form.formation;
        if (refuses(formation.epoch, 0, form.replies)) {
            return;
        }
        try {
            drop();
            failpoints.hit(WorkerMain.BEFORE_FORM);
            long start = System.nanoTime();
            Session formed = rank.open(formation);
            session = formed;
            StepBudget budget = rank.warm(formed, formation);
            log.info(
                    "epoch {} formed in {} ms: {} KV blocks, at most {} tokens a step",
                    formation.epoch,
                    (System.nanoTime() - start) / 1_000_000,
                    formation.kvBlocks,
                    budget.tokens());
            form.replies.formed(formation.epoch, budget);
        } catch (RuntimeException | Error e) {
            log.warn("epoch {} could not form", formation.epoch, e);
            drop();
            form.replies.failed(formation.epoch, 0, e.getMessage() + "");
        }
    }

    private void run(Command.Run run) {
        Session current = session;
        Step step = run.step;
        if (refuses(step.epoch(), step.number(), run.replies)) {
            return;
        }
        if (current == null || current.epoch() != step.epoch()) {
            run.replies.failed(
                    step.epoch(), step.number(), "epoch %d is not formed".formatted(step.epoch()));
            return;
        }
        try {
            failpoints.hit(WorkerMain.BEFORE_STEP);
            StepOutcome outcome = current.run(step);
            failpoints.hit(WorkerMain.AFTER_STEP);
            lastFinished = step.number();
            run.replies.finished(outcome);
        } catch (RuntimeException | Error e) {
            log.warn("step ({}, {}) failed", step.epoch(), step.number(), e);
            drop();
            run.replies.failed(step.epoch(), step.number(), e.getMessage() + "");
        }
    }

    /// The fence: a stream that was replaced, or never joined, may still have sent something.
    private boolean refuses(long epoch, long number, Replies replies) {
        boolean refuses =
                joined == null || joined.epoch != epoch || !joined.replies.equals(replies);
        if (refuses) {
            replies.failed(epoch, number, "this stream has not joined epoch %d".formatted(epoch));
        }
        return refuses;
    }

    private void drop() {
        Session current = session;
        session = null;
        lastFinished = 0;
        if (current != null) {
            current.close();
        }
    }
}

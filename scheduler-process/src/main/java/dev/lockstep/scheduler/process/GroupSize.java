// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler.process;

import dev.lockstep.cluster.process.ProcessKeys;
import dev.lockstep.cluster.process.RankLine;
import dev.lockstep.proto.v1.GroupStatus;
import io.grpc.Status;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;
import java.util.function.Predicate;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;

/// The number of ranks that the group is formed with. The launcher decides it, since it starts the
/// workers: this scheduler passes on the wish of an operator, one at a time, and hears what the
/// launcher says to it.
final class GroupSize {
    private static final Logger LOG = LogManager.getLogger(GroupSize.class);

    private final Optional<Consumer<String>> launcher;

    // Guarded by this.
    private int ranks;
    private Runnable changed = () -> {};
    private Optional<Wish> wish = Optional.empty();

    private record Wish(int ranks, CompletableFuture<Status> answer) {}

    /// @param ranks at first
    /// @param launcher receives lines; empty for a scheduler that was started by itself
    GroupSize(int ranks, Optional<Consumer<String>> launcher) {
        this.ranks = ranks;
        this.launcher = launcher;
    }

    synchronized int ranks() {
        return ranks;
    }

    /// Sets what to call after each change.
    synchronized void onChange(Runnable listener) {
        changed = listener;
    }

    /// Passes on a wish. The answer is OK when the group serves with that number of ranks, or why
    /// it does not.
    ///
    /// @param status of the group now
    CompletableFuture<Status> want(int wanted, GroupStatus status) {
        String group = "group " + status.getGroup();
        if (wanted < 1) {
            return answer(Status.INVALID_ARGUMENT, "ranks is " + wanted + ", the least is 1");
        }
        if (wanted > ProcessKeys.MAX_RANKS) {
            return answer(
                    Status.INVALID_ARGUMENT,
                    "ranks is %d, the most is %d".formatted(wanted, ProcessKeys.MAX_RANKS));
        }
        if (status.getDraining()) {
            return answer(
                    Status.FAILED_PRECONDITION,
                    group + " drains: bring it back into service first");
        }
        CompletableFuture<Status> answer = new CompletableFuture<>();
        synchronized (this) {
            if (wish.isPresent()) {
                return answer(
                        Status.ABORTED,
                        "%s is being resized to %d ranks".formatted(group, wish.get().ranks()));
            }
            if (!status.getReady()) {
                return answer(Status.UNAVAILABLE, group + " does not serve: " + status.getReason());
            }
            if (wanted == status.getRanksCount()) {
                return CompletableFuture.completedFuture(Status.OK);
            }
            if (launcher.isEmpty()) {
                return answer(
                        Status.FAILED_PRECONDITION,
                        "%s was not started by lockstep serve, which starts the workers of another number of ranks: stop its workers and its scheduler, and start them with --tensor-parallel=%d"
                                .formatted(group, wanted));
            }
            wish = Optional.of(new Wish(wanted, answer));
        }
        LOG.info("{} is to have {} ranks", group, wanted);
        launcher.get().accept(new RankLine.Wanted(wanted).text());
        return answer;
    }

    private static CompletableFuture<Status> answer(Status status, String why) {
        return CompletableFuture.completedFuture(status.withDescription(why));
    }

    /// Takes a line of the launcher.
    void hear(String line) {
        Optional<RankLine> said = RankLine.parse(line);
        if (said.isEmpty()) {
            LOG.warn("the launcher says something unknown");
            return;
        }
        switch (said.get()) {
            case RankLine.Ranks(int told) -> set(told);
            case RankLine.Done(int told) -> end(wish -> wish.ranks() == told, Status.OK);
            case RankLine.Refused(String why) ->
                    end(_ -> true, Status.FAILED_PRECONDITION.withDescription(why));
            case RankLine.Failed(String why) -> end(_ -> true, Status.ABORTED.withDescription(why));
            case RankLine.Wanted _, RankLine.Unformed _ ->
                    LOG.warn("the launcher says what only a scheduler says");
        }
    }

    private void set(int told) {
        Runnable listener;
        synchronized (this) {
            LOG.info("the group has {} ranks from now on, {} before", told, ranks);
            ranks = told;
            listener = changed;
        }
        listener.run();
    }

    /// Tells the launcher that the group cannot be formed with these ranks.
    void refuse(String why) {
        launcher.ifPresent(it -> it.accept(new RankLine.Unformed(why).text()));
    }

    private void end(Predicate<Wish> answered, Status status) {
        Optional<Wish> ended;
        synchronized (this) {
            ended = wish.filter(answered);
            if (ended.isPresent()) {
                wish = Optional.empty();
            }
        }
        ended.ifPresent(it -> it.answer().complete(status));
    }
}

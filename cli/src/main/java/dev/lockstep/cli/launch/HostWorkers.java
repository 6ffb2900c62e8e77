// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.launch;

import dev.lockstep.cluster.Membership;
import dev.lockstep.cluster.process.RankLine;
import dev.lockstep.model.ModelSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;

/// The workers of a host, whose number an operator may change while they serve.
final class HostWorkers {
    private static final Logger LOG = LogManager.getLogger(HostWorkers.class);

    private static final String STOPS = "the cluster stops";

    private final List<Child> schedulers;
    private final Membership membership;
    private final Consumer<String> notices;

    // Guarded by this.
    private HostChildren children;
    private List<Child> serving;
    private Optional<ShapeChange> change = Optional.empty();
    private boolean stopping;

    /// @param children of the shape to begin with
    /// @param notices receives lines for the person who started the cluster
    HostWorkers(
            HostChildren children,
            List<Child> schedulers,
            Membership membership,
            Consumer<String> notices) {
        this.children = children;
        this.schedulers = List.copyOf(schedulers);
        this.membership = membership;
        this.notices = notices;
        this.serving = children.workers();
    }

    /// Returns those that serve, and those that are about to.
    synchronized List<Child> all() {
        List<Child> all = new ArrayList<>(serving);
        change.ifPresent(it -> all.addAll(it.next()));
        return all;
    }

    /// Takes a line of a scheduler.
    void hear(Child scheduler, RankLine line) {
        switch (line) {
            case RankLine.Wanted(int ranks) -> {
                // The thread reads the beats of the scheduler too.
                var _ =
                        Thread.ofPlatform()
                                .daemon()
                                .name("resize")
                                .start(() -> scheduler.say(resize(ranks).text()));
            }
            case RankLine.Unformed(String why) -> change().ifPresent(it -> it.unformed(why));
            case RankLine.Ranks _, RankLine.Done _, RankLine.Refused _, RankLine.Failed _ ->
                    LOG.warn("{} says what only its launcher says", scheduler.name());
        }
    }

    /// Whether this worker, which has ended, ends with a change that it failed.
    boolean isLeft(String worker, String why) {
        return change().filter(it -> it.isEndedBy(worker, why)).isPresent();
    }

    /// Ends a change that is under way, and accepts no other.
    void stop() {
        synchronized (this) {
            stopping = true;
        }
        change().ifPresent(ShapeChange::stop);
    }

    private synchronized Optional<ShapeChange> change() {
        return change;
    }

    RankLine resize(int ranks) {
        Optional<RankLine> answer = answerWithoutChange(ranks);
        if (answer.isPresent()) {
            return answer.get();
        }
        HostChildren next;
        List<Child> workers;
        try {
            next = next(ranks);
            workers = next.workers();
        } catch (RuntimeException e) {
            LOG.warn("the group keeps its ranks", e);
            return new RankLine.Refused(String.valueOf(e.getMessage()));
        }
        ShapeChange begun;
        synchronized (this) {
            // Another wish may have come first.
            answer = answerWithoutChange(ranks);
            if (answer.isPresent()) {
                return answer.get();
            }
            begun = new ShapeChange(next.groupName(), schedulers, membership, serving, workers);
            change = Optional.of(begun);
        }
        Optional<String> failure = Optional.of(STOPS);
        try {
            failure = begun.run();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } finally {
            synchronized (this) {
                change = Optional.empty();
                if (failure.isEmpty()) {
                    children = next;
                    serving = begun.next();
                }
            }
        }
        String group = "group " + next.groupName();
        if (failure.isPresent()) {
            notices.accept("%s keeps its ranks: %s".formatted(group, failure.get()));
            return new RankLine.Failed(failure.get());
        }
        notices.accept("%s has %d ranks, %d before".formatted(group, ranks, begun.before().size()));
        return new RankLine.Done(ranks);
    }

    private HostChildren next(int ranks) {
        HostChildren now;
        synchronized (this) {
            now = children;
        }
        LauncherConfig config = now.config();
        Shape shape =
                now.shape()
                        .resized(config.settings(), ModelSource.open(config.model().path()), ranks);
        return now.with(shape);
    }

    /// Returns the answer to a wish that is fulfilled already, or not possible now.
    private synchronized Optional<RankLine> answerWithoutChange(int ranks) {
        if (stopping) {
            return Optional.of(new RankLine.Refused(STOPS));
        }
        if (change.isPresent()) {
            return Optional.of(new RankLine.Failed("the group is being resized"));
        }
        return serving.size() == ranks ? Optional.of(new RankLine.Done(ranks)) : Optional.empty();
    }
}

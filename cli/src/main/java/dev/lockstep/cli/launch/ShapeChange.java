// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.launch;

import dev.lockstep.cluster.Member;
import dev.lockstep.cluster.Membership;
import dev.lockstep.cluster.process.RankLine;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;

/// One change of the number of ranks. The workers of the next number load beside those that serve;
/// then the schedulers form the group with them, and those of before end. Until these have ended
/// they can take the group back, with their weights and KV blocks: a change that fails costs a
/// moment, or nothing.
final class ShapeChange {
    /// Longest time to load the weights.
    private static final Duration LOADING = Duration.ofMinutes(10);

    /// Limits of the time to form the group, in which its sequences wait: as long as the weights
    /// took to load. They wait for twice the longest.
    private static final Duration LEAST_FORMING = Duration.ofSeconds(30);

    private static final Duration MOST_FORMING = Duration.ofSeconds(150);

    private static final Duration STEP_DOWN = Duration.ofSeconds(3);
    private static final long POLL_MILLIS = 50;
    private static final Logger LOG = LogManager.getLogger(ShapeChange.class);

    private final String group;
    private final List<Child> schedulers;
    private final Membership membership;
    private final List<Child> before;
    private final List<Child> next;

    // Guarded by this.
    private Optional<String> failure = Optional.empty();
    private boolean told;
    private boolean done;

    /// @param group the name of the group that they all are members of
    /// @param before the workers that serve
    /// @param next others, not started
    ShapeChange(
            String group,
            List<Child> schedulers,
            Membership membership,
            List<Child> before,
            List<Child> next) {
        this.group = group;
        this.schedulers = List.copyOf(schedulers);
        this.membership = membership;
        this.before = List.copyOf(before);
        this.next = List.copyOf(next);
    }

    List<Child> before() {
        return before;
    }

    List<Child> next() {
        return next;
    }

    /// Makes the change. Returns why it failed; then the workers of before serve. The others have
    /// ended in any case.
    Optional<String> run() throws InterruptedException {
        next.forEach(Child::start);
        long start = System.nanoTime();
        if (await(LOADING, "the new ranks are not loaded", this::loaded) && sameModel()) {
            Duration forming = forming(Duration.ofNanos(System.nanoTime() - start));
            tell(next.size());
            if (await(forming, "the group is not formed with the new ranks", this::formed)) {
                end(before);
                return Optional.empty();
            }
            tell(before.size());
        }
        end(next);
        synchronized (this) {
            return failure;
        }
    }

    /// Ends the change because a child has ended. Returns false if that child is none of the new
    /// ones, or the group is formed with them already: then it is to be started again.
    synchronized boolean isEndedBy(String child, String why) {
        if (done || next.stream().noneMatch(each -> each.name().equals(child))) {
            return false;
        }
        fail(why);
        return true;
    }

    /// Notes that a scheduler cannot form the group.
    synchronized void unformed(String why) {
        if (told) {
            fail(why);
        }
    }

    /// Ends the change because the cluster stops.
    synchronized void stop() {
        fail("the cluster stops");
    }

    private synchronized void fail(String why) {
        if (!done && failure.isEmpty()) {
            failure = Optional.of(why);
            notifyAll();
        }
    }

    static Duration forming(Duration loading) {
        if (loading.compareTo(LEAST_FORMING) < 0) {
            return LEAST_FORMING;
        }
        return loading.compareTo(MOST_FORMING) > 0 ? MOST_FORMING : loading;
    }

    private boolean loaded() {
        return next.stream().allMatch(child -> announced(child).isPresent());
    }

    /// Whether a scheduler serves with the new ranks: until it has checked what they compute, those
    /// of before may be needed. Processes of other hosts may have the same process id.
    private boolean formed() {
        String ranks = Integer.toString(next.size());
        return membership.snapshot().members(Member.Role.SCHEDULER, group).stream()
                .filter(Member::ready)
                .filter(member -> member.attribute(Member.RANKS).filter(ranks::equals).isPresent())
                .anyMatch(member -> schedulers.stream().anyMatch(it -> it.is(member.pid())));
    }

    /// Waits until something is the case. Returns false if the change has failed.
    private synchronized boolean await(Duration limit, String late, BooleanSupplier wanted)
            throws InterruptedException {
        long end = System.nanoTime() + limit.toNanos();
        while (failure.isEmpty()) {
            if (wanted.getAsBoolean()) {
                done = told;
                return true;
            }
            if (System.nanoTime() - end > 0) {
                fail("%s after %d s".formatted(late, limit.toSeconds()));
            }
            TimeUnit.MILLISECONDS.timedWait(this, POLL_MILLIS);
        }
        return false;
    }

    private Optional<Member> announced(Child worker) {
        return membership.snapshot().members(Member.Role.WORKER, group).stream()
                .filter(member -> worker.is(member.pid()))
                .findFirst();
    }

    /// Sequences of one model do not go on in another one.
    private boolean sameModel() {
        List<String> digests =
                List.of(before, next).stream()
                        .flatMap(List::stream)
                        .flatMap(child -> announced(child).stream())
                        .flatMap(member -> member.attribute("digest").stream())
                        .distinct()
                        .toList();
        if (digests.isEmpty()) {
            fail("the workers are not announced any more");
        } else if (digests.size() > 1) {
            fail("the files of the model have changed since the start");
        }
        return digests.size() == 1;
    }

    private void tell(int ranks) {
        synchronized (this) {
            told = true;
        }
        String line = new RankLine.Ranks(ranks).text();
        schedulers.forEach(each -> each.change("--tensor-parallel", "" + ranks, line));
    }

    private static void end(List<Child> children) throws InterruptedException {
        LOG.info("{} workers end", children.size());
        children.forEach(Child::drain);
        for (Child child : children) {
            child.awaitEnd(STEP_DOWN);
        }
    }
}

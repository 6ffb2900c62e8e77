// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.launch;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.cluster.Eventually;
import dev.lockstep.cluster.FixedCluster;
import dev.lockstep.cluster.Member;
import dev.lockstep.cluster.MemberAddress;
import dev.lockstep.cluster.Registration;
import dev.lockstep.cluster.process.Randomness;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Tests with shells as workers and as a scheduler, which writes down what it is told.
@Tag("processes")
class ShapeChangeTest {
    @TempDir Path folder;

    private final FixedCluster cluster = new FixedCluster(Runnable::run, Randomness.secure());
    private final List<Child> all = new ArrayList<>();
    private Optional<ShapeChange> change = Optional.empty();

    /// Does what a launcher does when a worker ends.
    private final class Listener extends QuietListener {
        @Override
        public boolean restart(String child, int exitCode, String lastLine) {
            return change.filter(it -> it.isEndedBy(child, child + " ended")).isEmpty();
        }
    }

    private Child child(String name, String script, String... arguments) {
        List<String> command = new ArrayList<>(List.of("sh", "-c", script, "sh"));
        command.addAll(List.of(arguments));
        var child = new Child(name, command, Map.of(), folder, new Listener());
        all.add(child);
        return child;
    }

    /// Ends when it is told to, after it has written down its process id.
    private Child worker(String name) {
        return child(
                name, "echo $$ > %s.tmp; mv %s.tmp %s; read word".replace("%s", "" + pidOf(name)));
    }

    private Path pidOf(String worker) {
        return folder.resolve(worker + ".pid");
    }

    private Child scheduler() {
        Child scheduler =
                child(
                        "scheduler",
                        "echo $$ > PID.tmp; mv PID.tmp PID; echo \"$@\" >> %s; while read word; do echo \"$word\" >> %s; done"
                                .replace("%s", "" + told())
                                .replace("PID", "" + pidOf("scheduler")),
                        "--tensor-parallel=1");
        scheduler.start();
        return scheduler;
    }

    private Path told() {
        return folder.resolve("told");
    }

    private void awaitTold(String... lines) throws Exception {
        Eventually.await(
                () -> "told something else",
                () -> Files.exists(told()) && Files.readAllLines(told()).equals(List.of(lines)));
    }

    /// Announces a worker once it runs.
    private Registration announce(String worker, int rank, int size, String digest)
            throws Exception {
        return announce(worker, rank, size, Map.of("digest", digest));
    }

    private Registration announce(String worker, int rank, int size, Map<String, String> attributes)
            throws Exception {
        return announce("g", worker, rank, size, attributes);
    }

    private Registration announce(
            String group, String worker, int rank, int size, Map<String, String> attributes)
            throws Exception {
        long pid = pid(worker);
        return cluster.register(
                new Member(
                        Member.Role.WORKER,
                        group,
                        rank,
                        size,
                        MemberAddress.tcp("h", 1),
                        Member.State.STARTING,
                        Randomness.secure().nextIncarnation(),
                        pid,
                        attributes));
    }

    private long pid(String child) throws Exception {
        Eventually.await(() -> child + " does not run", () -> Files.exists(pidOf(child)));
        return Long.parseLong(Files.readString(pidOf(child)).strip());
    }

    /// Announces that a scheduler serves with so many ranks.
    private void announceFormed(long pid, int ranks) {
        announceFormed("g", pid, ranks);
    }

    private void announceFormed(String group, long pid, int ranks) {
        Member member =
                Member.scheduler(
                        group, MemberAddress.tcp("h", 1), Randomness.secure().nextIncarnation());
        cluster.register(
                new Member(
                        member.role(),
                        member.group(),
                        0,
                        1,
                        member.address(),
                        Member.State.READY,
                        member.incarnation(),
                        pid,
                        Map.of(Member.RANKS, Integer.toString(ranks))));
    }

    private CompletableFuture<Optional<String>> change(
            Child scheduler, List<Child> before, List<Child> next) {
        var begun = new ShapeChange("g", List.of(scheduler), cluster.membership(), before, next);
        change = Optional.of(begun);
        return CompletableFuture.supplyAsync(
                () -> {
                    try {
                        return begun.run();
                    } catch (InterruptedException e) {
                        throw new CompletionException(e);
                    }
                });
    }

    @AfterEach
    void end() throws Exception {
        all.forEach(Child::closeInput);
        for (Child child : all) {
            child.awaitEnd(Duration.ofSeconds(5));
        }
    }

    @Test
    void theWorkersOfBeforeEndWhenTheGroupIsFormedWithTheNewOnes() throws Exception {
        Child scheduler = scheduler();
        Child old = worker("worker-0");
        old.start();
        announce("worker-0", 0, 1, "d");
        List<Child> two = List.of(worker("worker-0-of-2"), worker("worker-1-of-2"));
        CompletableFuture<Optional<String>> changed = change(scheduler, List.of(old), two);
        Registration first = announce("worker-0-of-2", 0, 2, "d");
        awaitTold("--tensor-parallel=1");
        Registration second = announce("worker-1-of-2", 1, 2, "d");
        awaitTold("--tensor-parallel=1", "ranks\t2");
        for (Registration rank : List.of(first, second)) {
            rank.update(rank.member().withState(Member.State.READY));
        }
        announceFormed(pid("scheduler"), 1);
        announceFormed(pid("worker-0"), 2);
        assertFalse(changed.isDone(), "the group is not formed");
        assertTrue(old.isAlive());
        announceFormed(pid("scheduler"), 2);
        assertEquals(Optional.empty(), changed.join());
        assertFalse(old.isAlive());
        assertTrue(two.stream().allMatch(Child::isAlive));
        // Its successor begins with the new number.
        Files.delete(told());
        kill(scheduler);
        awaitTold("--tensor-parallel=2");
        // From now on a new one is a worker like any other.
        assertFalse(change.orElseThrow().isEndedBy("worker-0-of-2", "ended"));
    }

    @Test
    void aNewWorkerThatEndsBeforeTheGroupIsToldChangesNothing() throws Exception {
        Child scheduler = scheduler();
        Child old = worker("worker-0");
        old.start();
        announce("worker-0", 0, 1, "d");
        List<Child> two = List.of(worker("worker-0-of-2"), child("worker-1-of-2", "exit 3"));
        assertEquals(
                Optional.of("worker-1-of-2 ended"), change(scheduler, List.of(old), two).join());
        assertTrue(old.isAlive());
        assertFalse(two.getFirst().isAlive());
        awaitTold("--tensor-parallel=1");
    }

    @Test
    void aGroupThatCannotBeFormedWithTheNewWorkersGoesBack() throws Exception {
        Child scheduler = scheduler();
        Child old = worker("worker-0");
        old.start();
        announce("worker-0", 0, 1, "d");
        List<Child> two = List.of(worker("worker-0-of-2"), worker("worker-1-of-2"));
        CompletableFuture<Optional<String>> changed = change(scheduler, List.of(old), two);
        change.orElseThrow().unformed("of the group of before");
        announce("worker-0-of-2", 0, 2, "d");
        announce("worker-1-of-2", 1, 2, "d");
        awaitTold("--tensor-parallel=1", "ranks\t2");
        change.orElseThrow().unformed("KV memory of 1 blocks");
        assertEquals(Optional.of("KV memory of 1 blocks"), changed.join());
        awaitTold("--tensor-parallel=1", "ranks\t2", "ranks\t1");
        assertTrue(old.isAlive());
        assertFalse(two.stream().anyMatch(Child::isAlive));
    }

    @Test
    void workersOfAnotherModelAreNotUsed() throws Exception {
        Child scheduler = scheduler();
        Child old = worker("worker-0");
        old.start();
        announce("worker-0", 0, 1, "d");
        List<Child> one = List.of(worker("worker-0-of-2"));
        CompletableFuture<Optional<String>> changed = change(scheduler, List.of(old), one);
        announce("worker-0-of-2", 0, 2, "another");
        assertEquals(
                Optional.of("the files of the model have changed since the start"), changed.join());
        assertTrue(old.isAlive());
        awaitTold("--tensor-parallel=1");
    }

    @Test
    void workersWhoseModelIsNotKnownAreNotUsed() throws Exception {
        Child scheduler = scheduler();
        Child old = worker("worker-0");
        old.start();
        List<Child> one = List.of(worker("worker-0-of-2"));
        CompletableFuture<Optional<String>> changed = change(scheduler, List.of(old), one);
        announce("worker-0-of-2", 0, 2, Map.of());
        assertEquals(Optional.of("the workers are not announced any more"), changed.join());
        assertTrue(old.isAlive());
        awaitTold("--tensor-parallel=1");
    }

    /// Process ids of containers are small, so those of two hosts are often equal.
    @Test
    void processesOfAnotherGroupAreNoneOfTheChange() throws Exception {
        Child scheduler = scheduler();
        Child old = worker("worker-0");
        old.start();
        announce("another", "worker-0", 0, 1, Map.of("digest", "another"));
        announce("worker-0", 0, 1, "d");
        List<Child> one = List.of(worker("worker-0-of-2"));
        CompletableFuture<Optional<String>> changed = change(scheduler, List.of(old), one);
        announceFormed("another", pid("scheduler"), 1);
        announce("another", "worker-0-of-2", 0, 1, Map.of("digest", "another"));
        announce("worker-0-of-2", 0, 1, "d");
        awaitTold("--tensor-parallel=1", "ranks\t1");
        change.orElseThrow().unformed("KV memory of 1 blocks");
        assertEquals(Optional.of("KV memory of 1 blocks"), changed.join());
        assertTrue(old.isAlive());
    }

    @Test
    void aClusterThatStopsEndsTheChange() throws Exception {
        Child old = worker("worker-0");
        old.start();
        CompletableFuture<Optional<String>> changed =
                change(scheduler(), List.of(old), List.of(worker("worker-0-of-2")));
        change.orElseThrow().stop();
        assertEquals(Optional.of("the cluster stops"), changed.join());
    }

    @Test
    void theGroupMayTakeAsLongToFormAsItsWeightsToLoad() {
        assertEquals(Duration.ofSeconds(30), ShapeChange.forming(Duration.ofSeconds(2)));
        assertEquals(Duration.ofSeconds(70), ShapeChange.forming(Duration.ofSeconds(70)));
        assertEquals(Duration.ofSeconds(150), ShapeChange.forming(Duration.ofMinutes(9)));
    }

    private static void kill(Child child) {
        ProcessHandle.allProcesses()
                .filter(process -> child.is(process.pid()))
                .forEach(ProcessHandle::destroyForcibly);
    }
}

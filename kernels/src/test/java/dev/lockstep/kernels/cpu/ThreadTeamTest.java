// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicIntegerArray;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

final class ThreadTeamTest {
    private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();

    /// Only a hang takes longer, however busy the machine is.
    private static final Duration HANG = Duration.ofMinutes(10);

    /// CPU time after which a thread that is not parked spins; the spin takes microseconds.
    private static final Duration SPINS = Duration.ofSeconds(1);

    @Test
    void everyShareOfEveryOpRunsOnce() {
        countRounds(CpuOptions.ofThreads(2), 30_000);
    }

    @Test
    @Tag("sweep")
    void moreThreadsThanCoresRunEveryShareOnce() {
        countRounds(CpuOptions.ofThreads(5), 10_000);
    }

    @Test
    @Tag("sweep")
    void parkedThreadsMissNoOp() {
        countRounds(CpuOptions.ofThreads(3).withoutSpinning(), 60_000);
    }

    @Test
    void anOpHasAsManySharesAsThreadsAreUsed() {
        assertTimeoutPreemptively(
                HANG,
                () -> {
                    try (var team = new ThreadTeam(CpuOptions.ofThreads(4))) {
                        long[] done = new long[4 * 16];
                        long[] expected = new long[done.length];
                        var random = new SplittableRandom(11);
                        var round = new Round(done);
                        for (int i = 0; i < 10_000; i++) {
                            int used = random.nextInt(1, 5);
                            round.delays = random.nextInt();
                            team.use(used);
                            team.run(round);
                            for (int share = 0; share < used; share++) {
                                expected[share * 16]++;
                            }
                            assertArrayEquals(expected, done);
                            assertEquals(used > 1, team.worthSharing(Long.MAX_VALUE));
                        }
                        assertEquals(4, team.size());
                    }
                });
    }

    @Test
    void workIsCutIntoMoreSharesThanThreadsWhereItIsEnough() {
        assertTimeoutPreemptively(
                HANG,
                () -> {
                    try (var team = new ThreadTeam(CpuOptions.ofThreads(3))) {
                        var random = new SplittableRandom(3);
                        for (int i = 0; i < 10_000; i++) {
                            int used = random.nextInt(1, 4);
                            long work = 1L << random.nextInt(10, 40);
                            var runs = new AtomicIntegerArray(3 * 4);
                            var counts = new AtomicInteger();
                            team.use(used);
                            team.runInPieces(
                                    (share, shares) -> {
                                        runs.incrementAndGet(share);
                                        counts.set(shares);
                                    },
                                    work);
                            int expected = used == 1 || work < 1 << 16 ? 1 : used;
                            assertEquals(0, counts.get() % expected);
                            assertEquals(
                                    work >= 1L << 30 && used > 1 ? 4 * used : counts.get(),
                                    counts.get());
                            assertTrue(work > 1 << 21 || counts.get() == expected);
                            for (int share = 0; share < 12; share++) {
                                assertEquals(share < counts.get() ? 1 : 0, runs.get(share));
                            }
                            // An op of one share for each thread follows at once.
                            var after = new AtomicInteger();
                            team.run((_, _) -> after.incrementAndGet());
                            assertEquals(used, after.get());
                        }
                    }
                });
    }

    /// A thread that stands still in its first share keeps nothing but that one.
    @Test
    void aThreadThatStandsStillLeavesItsSharesToTheOthers() {
        assertTimeoutPreemptively(
                HANG,
                () -> {
                    try (var team = new ThreadTeam(CpuOptions.ofThreads(2))) {
                        Thread slow = threadsOf(team)[1];
                        var done = new AtomicInteger();
                        var held = new AtomicBoolean();
                        var ofSlow = new AtomicInteger();
                        do {
                            done.set(0);
                            ofSlow.set(0);
                            team.runInPieces(
                                    (_, shares) -> {
                                        if (Thread.currentThread().equals(slow)) {
                                            ofSlow.incrementAndGet();
                                            while (done.get() < shares - 1) {
                                                held.set(true);
                                                Thread.onSpinWait();
                                            }
                                        }
                                        done.incrementAndGet();
                                    },
                                    Long.MAX_VALUE);
                        } while (!held.getAndSet(false));
                        assertEquals(8, done.get());
                        assertEquals(1, ofSlow.get());
                    }
                });
    }

    private static void countRounds(CpuOptions options, int rounds) {
        assertTimeoutPreemptively(
                HANG,
                () -> {
                    try (var team = new ThreadTeam(options)) {
                        long[] done = new long[options.threads() * 16];
                        var delays = new SplittableRandom(5);
                        var round = new Round(done);
                        for (int i = 1; i <= rounds; i++) {
                            round.delays = delays.nextInt();
                            team.run(round);
                            for (int thread = 0; thread < options.threads(); thread++) {
                                assertEquals(i, done[thread * 16]);
                            }
                        }
                    }
                });
    }

    /// A task that counts its runs and delays threads: by a few spins, or now and then long enough
    /// for the others to park.
    private static final class Round implements ThreadTeam.Task {
        private final long[] done;
        private int delays;

        Round(long[] done) {
            this.done = done;
        }

        @Override
        public void run(int thread, int threads) {
            int spins = Integer.rotateRight(delays, 8 * thread) & 0xFF;
            for (int i = 0; i < spins; i++) {
                Thread.onSpinWait();
            }
            if ((delays & 0x3FFFF) == thread) {
                LockSupport.parkNanos(200_000);
            }
            done[thread * 16]++;
        }
    }

    @Test
    void aThreadThatThrowsFailsOnlyItsOp() {
        for (int victim = 0; victim < 3; victim++) {
            int failing = victim;
            var cause = new ArithmeticException("on purpose");
            assertTimeoutPreemptively(
                    HANG,
                    () -> {
                        try (var team = new ThreadTeam(CpuOptions.ofThreads(3))) {
                            IllegalStateException failure =
                                    assertThrows(
                                            IllegalStateException.class,
                                            () ->
                                                    team.run(
                                                            (thread, _) -> {
                                                                if (thread == failing) {
                                                                    throw cause;
                                                                }
                                                            }));
                            assertSame(cause, failure.getCause());
                            boolean[] done = new boolean[3];
                            team.run((thread, _) -> done[thread] = true);
                            assertTrue(done[0] && done[1] && done[2]);
                        }
                    });
        }
    }

    @Test
    void betweenStepsEveryThreadIsParked() throws Throwable {
        try (var team = new ThreadTeam(CpuOptions.ofThreads(3))) {
            Thread[] members = threadsOf(team);
            for (Thread member : List.of(members[1], members[2])) {
                requireParks(member, () -> Thread.sleep(1));
            }
        }
    }

    @Test
    void aThreadThatIsNotUsedParksBesideTheOps() throws Throwable {
        try (var team = new ThreadTeam(CpuOptions.ofThreads(3))) {
            Thread[] members = threadsOf(team);
            team.use(2);
            requireParks(members[2], () -> team.run((_, _) -> {}));
            team.use(3);
            assertEquals(Set.of(members), Set.of(threadsOf(team)));
        }
    }

    private static void requireParks(Thread member, Executable meanwhile) throws Throwable {
        while (member.getState() != Thread.State.WAITING) {
            long used = THREADS.getThreadCpuTime(member.threadId());
            assertTrue(used < SPINS.toNanos(), "spins, " + member.getState());
            meanwhile.execute();
        }
    }

    /// Returns each thread: a share ends only once all have begun, so that no thread runs two.
    private static Thread[] threadsOf(ThreadTeam team) {
        var threads = new Thread[team.size()];
        var begun = new AtomicInteger();
        team.run(
                (share, shares) -> {
                    threads[share] = Thread.currentThread();
                    begun.incrementAndGet();
                    while (begun.get() < shares) {
                        Thread.onSpinWait();
                    }
                });
        return threads;
    }

    /// Member 1 is held in the share that it took first, for as long as the others take theirs.
    @Test
    void aShareWhoseThreadDoesNotComeIsRunByAnother() {
        assertTimeoutPreemptively(
                HANG,
                () -> {
                    try (var team = new ThreadTeam(CpuOptions.ofThreads(3))) {
                        Thread[] ran = new Thread[3];
                        Thread slow = threadsOf(team)[1];
                        var done = new AtomicInteger();
                        var held = new AtomicBoolean();
                        do {
                            done.set(0);
                            team.run(
                                    (share, _) -> {
                                        ran[share] = Thread.currentThread();
                                        while (Thread.currentThread().equals(slow)
                                                && done.get() < 2) {
                                            held.set(true);
                                            Thread.onSpinWait();
                                        }
                                        done.incrementAndGet();
                                    });
                        } while (!held.getAndSet(false));
                        for (int share = 0; share < 3; share++) {
                            assertTrue(ran[share] != null, "share " + share);
                        }
                        assertEquals(1, Stream.of(ran).filter(slow::equals).count());
                    }
                });
    }

    @Test
    void closingEndsTheThreads() {
        var team = new ThreadTeam(CpuOptions.ofThreads(3));
        Thread[] members = threadsOf(team);
        team.close();
        assertTrue(!members[1].isAlive() && !members[2].isAlive());
        assertThrows(IllegalStateException.class, () -> team.run((_, _) -> {}));
    }

    @Test
    void threadsRunWhereTheyArePinned() throws Exception {
        String[] seen = new String[2];
        String first = allowedCpus().replaceFirst("[,-].*", "");
        List<Integer> cpus = List.of(Integer.valueOf(first), Integer.valueOf(first));
        // A separate thread, since the caller is pinned too.
        var caller =
                new Thread(
                        () -> {
                            var options = new CpuOptions(2, cpus, Optional.empty(), true, false);
                            try (var team = new ThreadTeam(options)) {
                                var begun = new AtomicInteger();
                                team.run(
                                        (share, shares) -> {
                                            seen[share] = allowedCpus();
                                            begun.incrementAndGet();
                                            while (begun.get() < shares) {
                                                Thread.onSpinWait();
                                            }
                                        });
                            }
                        });
        caller.start();
        caller.join();
        assertEquals(first, seen[0]);
        assertEquals(first, seen[1]);
    }

    @Test
    void threadsThatComputeStepsDoNotKeepTheBatchPolicy() throws Exception {
        String[] before = new String[2];
        String[] seen = new String[2];
        var caller =
                new Thread(
                        () -> {
                            before[0] = policyAfter("chrt", "-b", "-p", "0", threadId());
                            try (var team = new ThreadTeam(CpuOptions.ofThreads(2))) {
                                team.run((_, _) -> {});
                                before[1] = policyAfter("true");
                                team.adoptStepThread();
                                var begun = new AtomicInteger();
                                team.run(
                                        (share, shares) -> {
                                            seen[share] = policyAfter("true");
                                            begun.incrementAndGet();
                                            while (begun.get() < shares) {
                                                Thread.onSpinWait();
                                            }
                                        });
                            }
                        });
        caller.start();
        caller.join();
        assertEquals("3", before[0]);
        assertEquals("3", before[1], "a thread that runs no steps keeps its policy");
        assertEquals("0", seen[0]);
        assertEquals("0", seen[1]);
    }

    /// Runs a command and returns the policy of the calling thread.
    private static String policyAfter(String... command) {
        try {
            assertEquals(0, new ProcessBuilder(command).start().waitFor());
            String stat = Files.readString(Path.of("/proc/thread-self/stat"));
            return stat.substring(stat.lastIndexOf(')') + 2).split(" ", -1)[38];
        } catch (IOException failure) {
            throw new UncheckedIOException(failure);
        } catch (InterruptedException _) {
            throw new AssertionError("interrupted");
        }
    }

    private static String threadId() {
        try {
            return Files.readSymbolicLink(Path.of("/proc/thread-self")).getFileName().toString();
        } catch (IOException failure) {
            throw new UncheckedIOException(failure);
        }
    }

    @Test
    void aCpuBeyondTheLargestIsRefusedWithItsNumber() {
        assertEquals(
                "CPU 1024, must be 0 to 1023",
                assertThrows(IllegalArgumentException.class, () -> Libc.pinThread(1024))
                        .getMessage());
    }

    private static String allowedCpus() {
        try (Stream<String> lines = Files.lines(Path.of("/proc/thread-self/status"))) {
            return lines.filter(line -> line.startsWith("Cpus_allowed_list:"))
                    .map(line -> line.substring(line.indexOf(':') + 1).strip())
                    .findFirst()
                    .orElseThrow();
        } catch (IOException failure) {
            throw new UncheckedIOException(failure);
        }
    }

    @Test
    void aSharedOpAllocatesNothing() {
        try (var team = new ThreadTeam(CpuOptions.ofThreads(2))) {
            ThreadTeam.Task task = (_, _) -> {};
            long before = 0;
            for (int i = 0; i < 2000; i++) {
                if (i == 1000) {
                    before = THREADS.getCurrentThreadAllocatedBytes();
                }
                team.run(task);
            }
            // Less than a byte per op: the rest is allocated by the JVM and the bean.
            assertTrue(THREADS.getCurrentThreadAllocatedBytes() - before < 1000);
        }
    }

    @Test
    void aNonexistentCpuIsRefusedWithItsNumber() {
        var options = new CpuOptions(2, List.of(0, 1023), Optional.empty(), true, false);
        RuntimeException failure =
                assertThrows(RuntimeException.class, () -> new ThreadTeam(options));
        assertTrue(failure.toString().contains("CPU 1023"), failure.toString());
    }

    @Test
    void sharesCoverEveryItemOnce() {
        for (int count : new int[] {0, 1, 5, 16, 1_000_000_000}) {
            assertEquals(0, ThreadTeam.share(count, 0, 7));
            assertEquals(count, ThreadTeam.share(count, 7, 7));
        }
    }
}

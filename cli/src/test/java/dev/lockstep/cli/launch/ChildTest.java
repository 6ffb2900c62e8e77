// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.launch;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.cli.TestTimeout;
import dev.lockstep.cluster.process.RankLine;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Tests with shells as child processes.
@Tag("processes")
class ChildTest {
    private static final Duration LONG = TestTimeout.HANG;

    /// An event of a child.
    private sealed interface Event {
        record Progress(String what, long done, long total) implements Event {}

        record Notice(String line) implements Event {}

        record Ranks(Child scheduler, RankLine line) implements Event {}

        record Terminated(Child child) implements Event {}

        record End(int exitCode, String lastLine, long nanos) implements Event {}
    }

    /// Records the events of a child and restarts it a number of times.
    private static final class Recorder implements Child.Listener {
        final BlockingQueue<Event> events = new LinkedBlockingQueue<>();
        private int restarts;

        Recorder(int restarts) {
            this.restarts = restarts;
        }

        @Override
        public void progress(String child, String what, long done, long total) {
            events.add(new Event.Progress(what, done, total));
        }

        @Override
        public void notice(String line) {
            events.add(new Event.Notice(line));
        }

        @Override
        public void ranks(Child scheduler, RankLine line) {
            events.add(new Event.Ranks(scheduler, line));
        }

        @Override
        public void terminated(Child child) {
            events.add(new Event.Terminated(child));
        }

        @Override
        public synchronized boolean restart(String child, int exitCode, String lastLine) {
            events.add(new Event.End(exitCode, lastLine, System.nanoTime()));
            return restarts-- > 0;
        }

        Event next() throws InterruptedException {
            Event next = events.poll(LONG.toSeconds(), TimeUnit.SECONDS);
            if (next == null) {
                throw new AssertionError("no event of the child");
            }
            return next;
        }

        Event.End end() throws InterruptedException {
            for (Event next = next(); ; next = next()) {
                if (next instanceof Event.End end) {
                    return end;
                }
            }
        }
    }

    @TempDir Path folder;

    private Child child(Recorder recorder, String script) {
        return new Child(
                "tester",
                List.of("sh", "-c", script),
                Map.of("LOCKSTEP_API_KEY", "k"),
                folder,
                recorder);
    }

    /// Waits until the child reports that it runs.
    private static void awaitRunning(Recorder recorder) throws InterruptedException {
        assertEquals(new Event.Progress("running", 1, 1), recorder.next());
    }

    private static final String RUNNING = "printf 'progress\\trunning\\t1\\t1\\n'; ";

    @Test
    void aChildThatEndsRestartsWithAGrowingDelay() throws Exception {
        var recorder = new Recorder(9);
        Child child = child(recorder, "echo boom >&2; exit 3");
        child.start();
        Event.End first = recorder.end();
        Event.End second = recorder.end();
        Event.End third = recorder.end();
        for (Event.End end : List.of(first, second, third)) {
            assertEquals(3, end.exitCode());
            assertEquals("boom", end.lastLine());
        }
        // 250 ms, then twice that.
        assertTrue(second.nanos() - first.nanos() >= 250_000_000L);
        assertTrue(third.nanos() - second.nanos() >= 500_000_000L);
        recorder.end();
        recorder.end();
        // From now on it waits longer.
        assertEquals(
                new Event.Notice(
                        "tester has failed: it ended 5 times in a row, and is started every 30 s until it stays: boom"),
                recorder.next());
        child.closeInput();
    }

    @Test
    void aChildThatNoLongerBeatsIsKilledAndOneThatNeverDidIsNot() throws Exception {
        var silent = new Recorder(0);
        Child never = child(silent, RUNNING + "exec sleep 600");
        never.start();
        awaitRunning(silent);
        var recorder = new Recorder(0);
        Child beating = child(recorder, "echo alive; " + RUNNING + "exec sleep 600");
        beating.start();
        awaitRunning(recorder);
        for (int i = 0; i < 2 * Child.MISSED_BEATS; i++) {
            never.expectBeat();
        }
        for (int i = 0; i < Child.MISSED_BEATS; i++) {
            beating.expectBeat();
        }
        beating.excuseBeats();
        for (int i = 0; i < Child.MISSED_BEATS; i++) {
            beating.expectBeat();
        }
        assertTrue(recorder.events.isEmpty() && silent.events.isEmpty());
        beating.expectBeat();
        assertEquals(137, recorder.end().exitCode());
        never.closeInput();
        never.awaitEnd(Duration.ZERO);
    }

    /// On a host that is too busy: it shares a core with three others that never rest.
    @Test
    void aChildThatWaitsForACoreHasMoreTime() throws Exception {
        var recorder = new Recorder(0);
        String busy = "timeout 30 taskset -c $core sh -c 'while :; do :; done'";
        String core = "core=$(taskset -pc $$ | grep -o '[0-9]*$'); ";
        String others = "for i in 1 2 3; do " + busy + " & done; ";
        Child starved =
                child(
                        recorder,
                        "echo alive; "
                                + core
                                + others
                                + RUNNING
                                + "exec "
                                + busy.replace("timeout 30 ", ""));
        starved.start();
        awaitRunning(recorder);
        for (int i = 0; i < Child.MISSED_BEATS + 3; i++) {
            starved.expectBeat();
            TimeUnit.SECONDS.sleep(1);
        }
        assertTrue(recorder.events.isEmpty());
        assertTrue(starved.isAlive());
        starved.closeInput();
        starved.awaitEnd(Duration.ZERO);
    }

    @Test
    void progressLinesAreReportedAndOthersIgnored() throws Exception {
        var recorder = new Recorder(0);
        child(
                        recorder,
                        """
                        echo hello
                        printf 'progress\\tloading\\tmany\\t9\\n'
                        printf 'progress\\tloading\\t99999999999999999999\\t9\\n'
                        printf 'progress\\tloading\\t3\\t9\\n'
                        printf 'notice\\tgroup a is formed\\n'
                        sleep 60
                        """)
                .start();
        assertEquals(new Event.Progress("loading", 3, 9), recorder.next());
        assertEquals(new Event.Notice("group a is formed"), recorder.next());
    }

    /// A log of days does not fit into this process's memory.
    @Test
    void onlyTheEndOfALongLogIsRead() throws Exception {
        var recorder = new Recorder(0);
        String log = folder.resolve("tester.log").toString();
        child(recorder, "truncate -s 3G " + log + "; printf '\\nlast\\n\\n' >>" + log + "; exit 1")
                .start();
        assertEquals("last", recorder.end().lastLine());
    }

    @Test
    void aChildGetsItsSecretsInTheEnvironmentAndNoOtherSettings() throws Exception {
        var recorder = new Recorder(0);
        child(recorder, "env | grep ^LOCKSTEP_ >&2; exit 1").start();
        assertEquals("LOCKSTEP_API_KEY=k", recorder.end().lastLine());
    }

    @Test
    void theReportedLineIsTheLastOfStandardErrorElseOfTheLog() throws Exception {
        var recorder = new Recorder(0);
        child(recorder, "echo first >&2; echo last >&2; echo >&2; exit 1").start();
        assertEquals("last", recorder.end().lastLine());

        child(
                        recorder,
                        "echo lockstep worker: no memory >&2; printf '\\t... 30 more\\n' >&2; exit 1")
                .start();
        assertEquals("lockstep worker: no memory", recorder.end().lastLine());

        Files.writeString(folder.resolve("tester.log"), "INFO started\nERROR no memory\n");
        child(recorder, "exit 1").start();
        assertEquals("ERROR no memory", recorder.end().lastLine());

        Files.delete(folder.resolve("tester.log"));
        child(recorder, "kill -9 $$").start();
        Event.End killed = recorder.end();
        assertEquals(137, killed.exitCode());
        assertEquals("ended with exit code 137 without a message", killed.lastLine());
    }

    @Test
    void aCommandThatCannotStartIsReported() throws Exception {
        var recorder = new Recorder(0);
        new Child(
                        "tester",
                        List.of(folder.resolve("absent").toString()),
                        Map.of(),
                        folder,
                        recorder)
                .start();
        Event.End end = recorder.end();
        assertTrue(end.lastLine().startsWith("cannot be started: "), end.lastLine());
        assertTrue(end.lastLine().contains("absent"), end.lastLine());
    }

    @Test
    void closingItsStandardInputEndsAChild() throws Exception {
        var recorder = new Recorder(5);
        Child child = child(recorder, RUNNING + "cat; exit 0");
        child.start();
        awaitRunning(recorder);
        long start = System.nanoTime();
        child.closeInput();
        child.awaitEnd(LONG);
        assertTrue(System.nanoTime() - start < LONG.toNanos());
        assertNull(recorder.events.poll(500, TimeUnit.MILLISECONDS), "the child was restarted");
    }

    private static final String READ = "read word; echo \"$word\" >&2; ";

    @Test
    void drainingEndsAChildForGood() throws Exception {
        var recorder = new Recorder(5);
        Child child = child(recorder, RUNNING + READ + "exit 9");
        child.start();
        awaitRunning(recorder);
        child.drain();
        child.awaitEnd(LONG);
        assertEquals(9, child.exitCode());
        assertEquals("drain", Files.readString(folder.resolve("tester.err")).strip());
        assertNull(recorder.events.poll(500, TimeUnit.MILLISECONDS), "the child was restarted");
    }

    /// Its end is expected: nobody is told of it, and the next start does not wait.
    @Test
    void aChildThatGotSigtermCanBeReplaced() throws Exception {
        var recorder = new Recorder(0);
        Child child =
                child(
                        recorder,
                        "trap 'echo terminated' TERM; kill -TERM $$; "
                                + "kill -TERM $$; "
                                + READ
                                + "exit 0");
        child.start();
        assertEquals(new Event.Terminated(child), recorder.next());
        child.replace("hand over");
        // The next one gets the signal too; the second signal of each is ignored.
        assertEquals(new Event.Terminated(child), recorder.next());
        child.drain();
        child.replace("hand over");
        child.closeInput();
        child.awaitEnd(LONG);
        assertNull(recorder.events.poll(500, TimeUnit.MILLISECONDS), "the child was restarted");
    }

    @Test
    void aChildThatDoesNotStopInTimeIsKilled() throws Exception {
        var recorder = new Recorder(5);
        Child child =
                child(
                        recorder,
                        RUNNING
                                + "echo $$ > '"
                                + folder.resolve("pid")
                                + "'; "
                                + RUNNING
                                + "exec sleep 60");
        child.start();
        awaitRunning(recorder);
        awaitRunning(recorder);
        long pid = Long.parseLong(Files.readString(folder.resolve("pid")).strip());
        child.drain();
        child.awaitEnd(Duration.ofMillis(200));
        assertTrue(ProcessHandle.of(pid).filter(ProcessHandle::isAlive).isEmpty());
    }

    @Test
    void aChildThatWaitsForItsRestartCanBeStopped() throws Exception {
        var recorder = new Recorder(5);
        Child child = child(recorder, "exit 1");
        child.start();
        recorder.end();
        child.drain();
        child.awaitEnd(LONG);
        // It may have ended again before it was told to.
        recorder.events.clear();
        assertNull(recorder.events.poll(600, TimeUnit.MILLISECONDS), "the child was restarted");
    }

    @Test
    void aChildThatWasNeverStartedStopsAtOnce() throws Exception {
        Child child = child(new Recorder(0), "exit 1");
        child.closeInput();
        child.drain();
        child.awaitEnd(LONG);
    }
}

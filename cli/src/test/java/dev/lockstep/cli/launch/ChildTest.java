package dev.lockstep.cli.launch;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Real children: shells that do what a process of ours might.
class ChildTest {
    private static final Duration LONG = Duration.ofSeconds(20);

    /// What a child was heard of.
    private sealed interface Heard {
        record Progress(String what, long done, long total) implements Heard {}

        record End(int exitCode, String lastWords, long nanos) implements Heard {}
    }

    /// Lets a child start again a few times.
    private static final class Ears implements Child.Listener {
        final BlockingQueue<Heard> heard = new LinkedBlockingQueue<>();
        private int restarts;

        Ears(int restarts) {
            this.restarts = restarts;
        }

        @Override
        public void progress(String child, String what, long done, long total) {
            heard.add(new Heard.Progress(what, done, total));
        }

        @Override
        public synchronized boolean restart(String child, int exitCode, String lastWords) {
            heard.add(new Heard.End(exitCode, lastWords, System.nanoTime()));
            return restarts-- > 0;
        }

        Heard next() throws InterruptedException {
            Heard next = heard.poll(LONG.toSeconds(), TimeUnit.SECONDS);
            if (next == null) {
                throw new AssertionError("nothing was heard of the child");
            }
            return next;
        }

        Heard.End end() throws InterruptedException {
            for (Heard next = next(); ; next = next()) {
                if (next instanceof Heard.End end) {
                    return end;
                }
            }
        }
    }

    @TempDir Path folder;

    private Child child(Ears ears, String script) {
        return new Child("tester", List.of("sh", "-c", script), folder, ears);
    }

    /// Waits for the child to say that it runs.
    private static void awaitRunning(Ears ears) throws InterruptedException {
        assertEquals(new Heard.Progress("running", 1, 1), ears.next());
    }

    private static final String RUNNING = "printf 'progress\\trunning\\t1\\t1\\n'; ";

    @Test
    void aChildThatEndsStartsAgainEachTimeLater() throws Exception {
        Ears ears = new Ears(2);
        child(ears, "echo boom >&2; exit 3").start();
        Heard.End first = ears.end();
        Heard.End second = ears.end();
        Heard.End third = ears.end();
        for (Heard.End end : List.of(first, second, third)) {
            assertEquals(3, end.exitCode());
            assertEquals("boom", end.lastWords());
        }
        // 250 ms, then twice that.
        assertTrue(second.nanos() - first.nanos() >= 250_000_000L);
        assertTrue(third.nanos() - second.nanos() >= 500_000_000L);
        assertNull(ears.heard.poll(700, TimeUnit.MILLISECONDS), "it was not to start again");
    }

    @Test
    void progressLinesAreHeardAndOthersPassedOver() throws Exception {
        Ears ears = new Ears(0);
        child(
                        ears,
                        """
                        echo hello
                        printf 'progress\\tloading\\tmany\\t9\\n'
                        printf 'progress\\tloading\\t99999999999999999999\\t9\\n'
                        printf 'progress\\tloading\\t3\\t9\\n'
                        sleep 60
                        """)
                .start();
        assertEquals(new Heard.Progress("loading", 3, 9), ears.next());
    }

    @Test
    void lastWordsAreTheLastLineOfStandardErrorThenOfTheLog() throws Exception {
        Ears ears = new Ears(0);
        child(ears, "echo first >&2; echo last >&2; echo >&2; exit 1").start();
        assertEquals("last", ears.end().lastWords());

        Files.writeString(folder.resolve("tester.log"), "INFO started\nERROR no memory\n");
        child(ears, "exit 1").start();
        assertEquals("ERROR no memory", ears.end().lastWords());

        Files.delete(folder.resolve("tester.log"));
        child(ears, "kill -9 $$").start();
        Heard.End killed = ears.end();
        assertEquals(137, killed.exitCode());
        assertEquals("ended with exit code 137 and said nothing", killed.lastWords());
    }

    @Test
    void aCommandThatCannotStartIsHeardOf() throws Exception {
        Ears ears = new Ears(0);
        new Child("tester", List.of(folder.resolve("absent").toString()), folder, ears).start();
        Heard.End end = ears.end();
        assertTrue(end.lastWords().startsWith("cannot be started: "), end.lastWords());
        assertTrue(end.lastWords().contains("absent"), end.lastWords());
    }

    @Test
    void hangingUpEndsAChildThatReadsItsStandardInput() throws Exception {
        Ears ears = new Ears(5);
        Child child = child(ears, RUNNING + "cat; exit 0");
        child.start();
        awaitRunning(ears);
        long start = System.nanoTime();
        child.hangUp();
        child.awaitEnd(LONG);
        assertTrue(System.nanoTime() - start < LONG.toNanos());
        assertNull(ears.heard.poll(500, TimeUnit.MILLISECONDS), "it was not to start again");
    }

    @Test
    void terminatingEndsAChildForGood() throws Exception {
        Ears ears = new Ears(5);
        Child child = child(ears, RUNNING + "exec sleep 60");
        child.start();
        awaitRunning(ears);
        child.terminate();
        child.awaitEnd(LONG);
        assertNull(ears.heard.poll(500, TimeUnit.MILLISECONDS), "it was not to start again");
    }

    @Test
    void aChildThatDoesNotStopInTimeIsKilled() throws Exception {
        Ears ears = new Ears(5);
        Child child =
                child(
                        ears,
                        "trap '' TERM; "
                                + RUNNING
                                + "echo $$ > '"
                                + folder.resolve("pid")
                                + "'; "
                                + RUNNING
                                + "exec sleep 60");
        child.start();
        awaitRunning(ears);
        awaitRunning(ears);
        long pid = Long.parseLong(Files.readString(folder.resolve("pid")).strip());
        child.terminate();
        child.awaitEnd(Duration.ofMillis(200));
        assertTrue(ProcessHandle.of(pid).filter(ProcessHandle::isAlive).isEmpty());
    }

    @Test
    void aChildThatWaitsForItsRestartCanBeStopped() throws Exception {
        Ears ears = new Ears(5);
        Child child = child(ears, "exit 1");
        child.start();
        ears.end();
        child.terminate();
        child.awaitEnd(LONG);
        assertNull(ears.heard.poll(600, TimeUnit.MILLISECONDS), "it was not to start again");
    }

    @Test
    void aChildThatWasNeverStartedStopsAtOnce() {
        Child child = child(new Ears(0), "exit 1");
        child.hangUp();
        child.terminate();
        child.awaitEnd(LONG);
    }
}

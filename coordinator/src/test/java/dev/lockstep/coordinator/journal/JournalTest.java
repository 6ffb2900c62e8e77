// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator.journal;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.ByteString;
import dev.lockstep.cluster.Eventually;
import dev.lockstep.cluster.process.Failpoints;
import dev.lockstep.cluster.process.FolderLock;
import dev.lockstep.proto.v1.AttachSearchRequest;
import dev.lockstep.proto.v1.ClientRecord;
import dev.lockstep.proto.v1.FinishReason;
import dev.lockstep.proto.v1.GenerateEvent;
import dev.lockstep.proto.v1.JournalRecord;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class JournalTest {
    private static final String OWNER = "a".repeat(64);
    private static final Duration WINDOW = Duration.ofSeconds(30);
    private static final Duration OFTEN = Duration.ofMillis(20);
    private static final int TORN = 5;
    private static final String FILE = "journal-0000000001.log";

    private final AtomicLong now = new AtomicLong(1_000_000);
    private final List<Journal> opened = new ArrayList<>();
    private long maxBytes = 1 << 20;
    private final MemoryDisk disk = new MemoryDisk();

    @AfterEach
    void close() {
        opened.forEach(Journal::close);
    }

    private Journal open(JournalDisk on) throws IOException {
        return open(on, Duration.ofHours(1));
    }

    /// @param tick after which it forgets, and tries to write again
    private Journal open(JournalDisk on, Duration tick) throws IOException {
        Journal journal =
                Journal.open(
                        on,
                        WINDOW,
                        maxBytes,
                        () -> Instant.ofEpochMilli(now.get()),
                        tick,
                        Duration.ZERO);
        opened.add(journal);
        return journal;
    }

    private static ClientRecord client(String id, String key) {
        return ClientRecord.newBuilder()
                .setOwner(OWNER)
                .setResponseId(id)
                .setKey(key)
                .setRecord(ByteString.copyFromUtf8("prompt of " + id))
                .build();
    }

    private static JournaledRun begin(Journal journal, ClientRecord client, Runnable displaced) {
        return journal.begin(client, "tenant", Duration.ZERO, displaced).orElseThrow();
    }

    private static JournaledRun begin(Journal journal, String id) throws Exception {
        JournaledRun run = begin(journal, client(id, ""), () -> {});
        try {
            run.durable().get(Eventually.TIMEOUT.toSeconds(), TimeUnit.SECONDS);
        } catch (ExecutionException e) {
            run.end(false);
            throw e;
        }
        return run;
    }

    private static Optional<JournaledResponse> find(Journal journal, String id) {
        return journal.find(
                AttachSearchRequest.newBuilder().setOwner(OWNER).setResponseId(id).build());
    }

    private static GenerateEvent.Tokens tokens(int choice, int position, int... ids) {
        GenerateEvent.Tokens.Builder tokens =
                GenerateEvent.Tokens.newBuilder().setChoice(choice).setPosition(position);
        for (int id : ids) {
            tokens.addIds(id);
        }
        return tokens.build();
    }

    /// What a process finds that opens the journal after this one died.
    private Journal afterDeath() throws IOException {
        return open(disk.copy());
    }

    private static List<Integer> ids(Journal journal, String id) {
        return find(journal, id).orElseThrow().tokens(0).stream()
                .flatMap(each -> each.getIdsList().stream())
                .toList();
    }

    @Test
    void anAcceptedRequestAndItsTokensSurvive() throws Exception {
        Journal journal = open(disk);
        JournaledRun run = begin(journal, "x");
        now.addAndGet(2000);
        run.commit(0, tokens(0, 0, 4, 5));
        run.commit(0, tokens(1, 0, 9).toBuilder().setCachedTokens(3).build());
        run.commit(0, tokens(0, 2, 6));
        GenerateEvent.Finished end =
                GenerateEvent.Finished.newBuilder()
                        .setChoice(1)
                        .setReason(FinishReason.FINISH_REASON_STOP)
                        .setStopTokenId(9)
                        .build();
        run.commit(0, tokens(1, 1).toBuilder().setFinished(end).build());
        begin(journal, "y");
        Journal next = afterDeath();
        assertEquals(2, next.unfinished().size());
        JournaledResponse found = find(next, "x").orElseThrow();
        assertEquals(client("x", ""), found.client());
        assertEquals("tenant", found.tenant());
        assertEquals(Duration.ofSeconds(2), found.age());
        assertEquals(
                List.of(
                        tokens(0, 0, 4, 5, 6),
                        tokens(1, 0, 9).toBuilder().setCachedTokens(3).setFinished(end).build()),
                found.tokens(0));
        assertTrue(find(next, "y").orElseThrow().tokens(0).isEmpty());
        assertTrue(find(next, "z").isEmpty());
    }

    @Test
    void repeatsAreNotWrittenAndGapsAreLeftOut() throws Exception {
        Journal journal = open(disk);
        JournaledRun run = begin(journal, "x");
        run.commit(0, tokens(0, 0, 4, 5));
        run.commit(0, tokens(0, 0, 4));
        run.commit(0, tokens(0, 1, 5, 6));
        run.commit(0, tokens(0, 4, 8));
        begin(journal, "y");
        assertEquals(List.of(4, 5, 6), ids(afterDeath(), "x"));
        run.commit(0, tokens(0, 3, 7));
        begin(journal, "z");
        assertEquals(List.of(4, 5, 6, 7), ids(afterDeath(), "x"));
    }

    @Test
    void logProbabilitiesSurvive() throws Exception {
        Journal journal = open(disk);
        JournaledRun run = begin(journal, "x");
        List<GenerateEvent.Tokens> all = new ArrayList<>();
        GenerateEvent.Tokens.Builder whole = GenerateEvent.Tokens.newBuilder();
        for (int i = 0; i < 3000; i++) {
            ByteString logprob = ByteString.copyFromUtf8("logprob " + i);
            run.commit(0, tokens(0, i, i).toBuilder().addLogprobs(logprob).build());
            whole.addIds(i).addLogprobs(logprob);
        }
        all.add(whole.build());
        begin(journal, "y");
        Journal next = afterDeath();
        assertEquals(all, find(next, "x").orElseThrow().tokens(0));
        next.close();
        assertEquals(all, find(open(disk.copy()), "x").orElseThrow().tokens(0));
    }

    /// Cut at any byte, the journal has a prefix of what was written.
    @Test
    void aTornTailLosesOnlyWhatIsTorn() throws Exception {
        Journal journal = open(disk);
        JournaledRun run = begin(journal, "x");
        int accepted = disk.only().length;
        for (int i = 0; i < TORN; i++) {
            run.commit(0, tokens(0, i, i));
        }
        begin(journal, "y");
        byte[] whole = disk.only();
        int known = 0;
        for (int length = accepted; length <= whole.length; length++) {
            Journal next = open(MemoryDisk.with(FILE, Arrays.copyOf(whole, length)));
            List<Integer> ids = ids(next, "x");
            assertEquals(IntStream.range(0, ids.size()).boxed().toList(), ids);
            assertTrue(ids.size() >= known);
            known = ids.size();
            assertEquals(length == whole.length, find(next, "y").isPresent());
            next.close();
        }
        assertEquals(TORN, known);
    }

    @Test
    void whatHasEndedIsFoundForTheWindowAndNotRunAgain() throws Exception {
        Journal journal = open(disk);
        JournaledRun run = begin(journal, "x");
        run.commit(0, tokens(0, 0, 4));
        run.end(true);
        begin(journal, "y").end(false);
        begin(journal, "z");
        Journal next = afterDeath();
        assertEquals(
                List.of("z"),
                next.unfinished().stream().map(each -> each.client().getResponseId()).toList());
        assertEquals(List.of(4), ids(next, "x"));
        now.addAndGet(WINDOW.toMillis() + 1);
        assertTrue(find(next, "x").isEmpty());
        assertTrue(find(next, "y").isEmpty());
        Journal late = afterDeath();
        assertTrue(late.unfinished().isEmpty(), "its clients have gone");
        assertTrue(find(late, "z").isEmpty());
    }

    @Test
    void aKeyIsKnownForTenMinutes() throws Exception {
        Journal journal = open(disk);
        JournaledRun run = begin(journal, client("x", "key"), () -> {});
        run.end(true);
        begin(journal, "y");
        AttachSearchRequest byKey =
                AttachSearchRequest.newBuilder().setOwner(OWNER).setKey("key").build();
        now.addAndGet(JournaledResponses.KEY_TIME.toMillis());
        Journal next = afterDeath();
        assertEquals("x", next.find(byKey).orElseThrow().client().getResponseId());
        assertTrue(
                next.find(byKey.toBuilder().setOwner("b".repeat(64)).build()).isEmpty(),
                "another owner");
        now.addAndGet(1);
        assertTrue(next.find(byKey).isEmpty());
    }

    @Test
    void whatWasRefusedIsForgottenUnlessAnotherGoesOnWithIt() throws Exception {
        Journal journal = open(disk);
        AttachSearchRequest byKey =
                AttachSearchRequest.newBuilder().setOwner(OWNER).setKey("key").build();
        begin(journal, client("x", "key"), () -> {}).refuse();
        assertTrue(journal.find(byKey).isEmpty());
        JournaledRun first = begin(journal, client("y", "key"), () -> {});
        JournaledRun second = begin(journal, client("y", "key"), () -> {});
        begin(journal, "z");
        first.refuse();
        Journal next = afterDeath();
        assertEquals(List.of("y", "z"), responses(next));
        assertEquals("y", next.find(byKey).orElseThrow().client().getResponseId());
        second.refuse();
        begin(journal, "last");
        next = afterDeath();
        assertEquals(List.of("z", "last"), responses(next));
        assertTrue(next.find(byKey).isEmpty());
    }

    @Test
    void whatIsForgottenLeavesTheDisk() throws Exception {
        Journal journal = open(disk, OFTEN);
        begin(journal, "secret").end(true);
        begin(journal, "other");
        assertTrue(disk.has("secret"));
        now.addAndGet(WINDOW.toMillis() + 1);
        Eventually.await("it is gone", () -> !disk.has("secret"));
        assertTrue(disk.has("other"));
        assertEquals(List.of("other"), responses(afterDeath()));
    }

    private static List<String> responses(Journal journal) {
        return journal.unfinished().stream().map(each -> each.client().getResponseId()).toList();
    }

    /// Commits tokens with log-probabilities that count as so many bytes.
    private static void grow(JournaledRun run, int bytes) {
        GenerateEvent.Tokens.Builder all = GenerateEvent.Tokens.newBuilder();
        for (int counted = 0; counted < bytes; counted += 55) {
            all.addIds(1).addLogprobs(ByteString.copyFromUtf8("ab"));
        }
        run.commit(0, all.build());
    }

    @Test
    void beyondItsLimitTheJournalForgetsEndedResponsesAndThenTheLargest() throws Exception {
        maxBytes = 100_000;
        Journal journal = open(disk);
        JournaledRun ended = begin(journal, "ended");
        grow(ended, 20_000);
        ended.end(true);
        JournaledRun large = begin(journal, "large");
        grow(large, 60_000);
        assertTrue(find(journal, "ended").isPresent());
        JournaledRun small = begin(journal, "small");
        grow(small, 30_000);
        assertTrue(find(journal, "ended").isEmpty());
        assertTrue(find(journal, "large").isPresent());
        JournalUnavailableException full =
                assertThrows(
                        JournalUnavailableException.class,
                        () -> begin(journal, "x".repeat(20_000)));
        assertTrue(String.valueOf(full.getMessage()).contains("at most 100000"), full::getMessage);
        JournaledRun last = begin(journal, "last");
        grow(last, 20_000);
        assertTrue(find(journal, "large").isEmpty());
        large.commit(0, tokens(0, 0, 1));
        large.end(true);
        begin(journal, "end");
        assertEquals(List.of("small", "last", "end"), responses(afterDeath()));
    }

    @Test
    void aJournalThatIsTooLargeIsReadWithinItsLimit() throws Exception {
        Journal journal = open(disk);
        JournaledRun ended = begin(journal, "ended");
        grow(ended, 20_000);
        ended.end(true);
        grow(begin(journal, "large"), 60_000);
        grow(begin(journal, "small"), 44_000);
        begin(journal, "last");
        maxBytes = 100_000;
        Journal next = afterDeath();
        assertTrue(find(next, "ended").isEmpty());
        assertEquals(List.of("small", "last"), responses(next));
        assertEquals(44_000 / 55, ids(next, "small").size());
    }

    @Test
    void requestsThatArriveTogetherShareAWrite() throws Exception {
        Journal journal = open(disk);
        begin(journal, "first");
        int before = disk.forced();
        disk.forces.drainPermits();
        JournaledRun slow = begin(journal, client("slow", ""), () -> {});
        Eventually.await("it is being written", () -> disk.forces.hasQueuedThreads());
        List<JournaledRun> more = new ArrayList<>();
        for (int i = 0; i < 100; i++) {
            more.add(begin(journal, client("more " + i, ""), () -> {}));
            more.getLast().commit(0, tokens(0, 0, i));
        }
        assertFalse(slow.durable().isDone());
        disk.forces.release(Integer.MAX_VALUE);
        for (JournaledRun each : more) {
            each.durable().get(Eventually.TIMEOUT.toSeconds(), TimeUnit.SECONDS);
        }
        assertEquals(before + 2, disk.forced());
        assertEquals(102, afterDeath().unfinished().size());
    }

    @Test
    void theCountsSayWhatWasWritten() throws Exception {
        Journal journal = open(disk);
        begin(journal, "x");
        begin(journal, "y").end(true);
        begin(journal, "z");
        JournalCounts counts = journal.counts();
        assertEquals(disk.forced(), counts.commits());
        assertEquals(disk.only().length, counts.bytes());
        // Of a new file that is, three that begin and one that ends.
        assertEquals(5, counts.records());
        assertEquals(0, counts.recovered());
        assertEquals(2, afterDeath().counts().recovered());
    }

    @Test
    void whatMovesToAnotherCoordinatorIsForgottenAndWhatMovesToAReaderHereIsNot() throws Exception {
        Journal journal = open(disk);
        begin(journal, "elsewhere").moved();
        assertTrue(find(journal, "elsewhere").isEmpty());
        for (boolean whole : new boolean[] {false, true}) {
            String id = "here " + whole;
            JournaledRun first = begin(journal, id);
            JournaledRun second =
                    begin(journal, client(id, "").toBuilder().setReader(1).build(), () -> {});
            second.end(whole);
            first.moved();
            assertTrue(find(journal, id).isPresent());
        }
        JournaledRun one = begin(journal, "twice");
        JournaledRun two = begin(journal, client("twice", ""), () -> {});
        one.moved();
        assertTrue(find(journal, "twice").isPresent());
        two.end(true);
        // With it the ends are on the disk.
        begin(journal, "last");
        Journal next = afterDeath();
        assertEquals(List.of("last"), responses(next));
        assertTrue(find(next, "elsewhere").isEmpty());
    }

    /// What its client was not told may be found too: the next coordinator goes on with it.
    @Test
    void aDeathBetweenAppendAndSyncLosesNothing() throws Exception {
        Journal journal = open(disk);
        JournaledRun told = begin(journal, "told");
        int forced = disk.forced();
        told.commit(0, tokens(0, 0, 4));
        Eventually.await("the tokens are on the disk", () -> disk.forced() > forced);
        disk.forces.drainPermits();
        JournaledRun untold = begin(journal, client("untold", ""), () -> {});
        Eventually.await("it waits for the disk", () -> disk.forces.hasQueuedThreads());
        assertFalse(untold.durable().isDone());
        Journal next = afterDeath();
        assertEquals(List.of(4), ids(next, "told"));
        assertEquals(List.of("told", "untold"), responses(next));
        disk.forces.release(Integer.MAX_VALUE);
    }

    @Test
    void whileTheDiskIsFullNewRequestsAreRefusedAndRunningOnesGoOn() throws Exception {
        Journal journal = open(disk, OFTEN);
        JournaledRun running = begin(journal, "running");
        running.commit(0, tokens(0, 0, 4));
        disk.room(20);
        assertRefused(journal);
        running.commit(0, tokens(0, 1, 5));
        assertRefused(journal);
        disk.room(Long.MAX_VALUE);
        awaitAccepted(journal);
        running.commit(0, tokens(0, 2, 6));
        begin(journal, "last");
        Journal next = afterDeath();
        assertEquals(List.of(4, 5, 6), ids(next, "running"));
        assertEquals(List.of("running", "accepted", "last"), responses(next));
    }

    @Test
    void afterAFailedForceTheFileIsWrittenAnew() throws Exception {
        Journal journal = open(disk, OFTEN);
        JournaledRun running = begin(journal, "running");
        disk.failForce(true);
        assertRefused(journal);
        running.commit(0, tokens(0, 0, 4));
        disk.failForce(false);
        awaitAccepted(journal);
        assertEquals(List.of(4), ids(afterDeath(), "running"));
    }

    @Test
    void aJournalThatCannotBeWrittenAtTheStartKeepsWhatItHas() throws Exception {
        begin(open(disk), "x");
        MemoryDisk full = disk.copy();
        full.room(0);
        Journal next = open(full, OFTEN);
        assertEquals(List.of("x"), responses(next));
        assertRefused(next);
        full.room(Long.MAX_VALUE);
        awaitAccepted(next);
        assertEquals(List.of("x", "accepted"), responses(open(full.copy())));
    }

    @Test
    void aFileThatCannotBeDeletedIsLeftBehind() throws Exception {
        begin(open(disk), "x");
        MemoryDisk next = disk.copy();
        next.failDelete(true);
        Journal journal = open(next, OFTEN);
        begin(journal, "y");
        assertEquals(2, next.names().size());
        assertEquals(List.of("x", "y"), responses(open(next.copy())));
    }

    /// A file that is written anew while there is no room is as large as the journal.
    @Test
    void theLongerTheDiskIsFullTheLessOftenItIsTried() throws Exception {
        var ticks = new AtomicInteger();
        JournalLog.State state =
                new JournalLog.State() {
                    @Override
                    public List<JournalRecord> records() {
                        return List.of(JournalRecord.getDefaultInstance());
                    }

                    @Override
                    public long bytes() {
                        return 0;
                    }

                    @Override
                    public boolean isStale() {
                        return false;
                    }

                    @Override
                    public List<JournalRecord> tick() {
                        ticks.incrementAndGet();
                        return List.of();
                    }
                };
        var full = new MemoryDisk();
        full.room(0);
        try (var log =
                new JournalLog(full, "test", state, 0, Duration.ofMillis(1), Duration.ZERO)) {
            log.start();
            // After 1, 2, 4, 8 and 16 of them, then after 30.
            Eventually.await("some time", () -> ticks.get() > 1 + 1 + 2 + 4 + 8 + 16 + 30);
            assertTrue(full.created() <= 2 + 5 + ticks.get() / 30, ticks::toString);
            full.room(Long.MAX_VALUE);
            Eventually.await("it is written", () -> full.names().size() == 1 && full.forced() > 0);
        }
    }

    @Test
    void theWindowOfWhatHasNotEndedBeginsWhenItMayGoOn() throws Exception {
        begin(open(disk), "x");
        MemoryDisk copy = disk.copy();
        Journal next = open(copy, OFTEN);
        now.addAndGet(10 * WINDOW.toMillis());
        int forced = copy.forced();
        Eventually.await("signs of life", () -> copy.forced() > forced + 1);
        assertTrue(find(next, "x").isPresent());
        assertEquals(List.of("x"), responses(open(copy.copy())));
        assertEquals(List.of("x"), responses(next));
        now.addAndGet(WINDOW.toMillis());
        assertTrue(find(next, "x").isPresent());
        now.addAndGet(1);
        assertTrue(find(next, "x").isEmpty());
    }

    private static void assertRefused(Journal journal) {
        Throwable refusal =
                assertThrows(Exception.class, () -> begin(journal, "refused " + System.nanoTime()));
        Throwable why =
                refusal instanceof ExecutionException
                        ? Objects.requireNonNull(refusal.getCause())
                        : refusal;
        assertEquals(JournalUnavailableException.class, why.getClass());
        assertTrue(
                String.valueOf(why.getMessage())
                        .matches("the journal journal-\\d{10}\\.log cannot be written"),
                why.getMessage());
    }

    private static void awaitAccepted(Journal journal) throws Exception {
        Eventually.await(
                "it is accepted",
                () -> {
                    try {
                        begin(journal, "accepted");
                        return true;
                    } catch (JournalUnavailableException | ExecutionException e) {
                        return false;
                    }
                });
    }

    @Test
    void aNewReaderEndsTheOneBefore() throws Exception {
        Journal journal = open(disk);
        List<String> displaced = new ArrayList<>();
        JournaledRun first = begin(journal, client("x", ""), () -> displaced.add("first"));
        JournaledRun second = begin(journal, client("x", ""), () -> displaced.add("second"));
        first.lead();
        assertEquals(List.of(), displaced);
        second.lead();
        assertEquals(List.of("first"), displaced);
        first.end(false);
        second.commit(0, tokens(0, 0, 4));
        begin(journal, "y");
        assertEquals(List.of("x", "y"), responses(afterDeath()));
        second.end(false);
        begin(journal, "z");
        assertEquals(List.of("y", "z"), responses(afterDeath()));
        JournaledRun third = begin(journal, client("x", ""), () -> {});
        begin(journal, "end");
        assertEquals(List.of("x", "y", "z", "end"), responses(afterDeath()));
        third.leave();
        begin(journal, "last");
        assertTrue(responses(afterDeath()).contains("x"), "its coordinator only stops");
        ClientRecord later = client("x", "").toBuilder().setReader(2).build();
        assertTrue(journal.begin(later, "", Duration.ZERO, () -> {}).isPresent());
        assertTrue(
                journal.begin(client("x", ""), "", Duration.ZERO, () -> {}).isEmpty(),
                "a later reader has it");
    }

    @Test
    void theFilesAreTheirOwnersAndLockedByOneProcess(@TempDir Path parent) throws Exception {
        Path folder = parent.resolve("a/journal");
        try (Journal journal = Journal.open("journal-folder", folder, WINDOW, Failpoints.NONE)) {
            begin(journal, "x");
            assertEquals(
                    "rwx------",
                    PosixFilePermissions.toString(Files.getPosixFilePermissions(folder)));
            try (Stream<Path> files = Files.list(folder)) {
                for (Path file : files.toList()) {
                    assertEquals(
                            "rw-------",
                            PosixFilePermissions.toString(Files.getPosixFilePermissions(file)),
                            file.toString());
                }
            }
            assertTrue(FolderLock.tryTake(folder.resolve("journal.lock")).isEmpty());
        }
        try (Journal journal = Journal.open("journal-folder", folder, WINDOW, Failpoints.NONE)) {
            assertEquals(List.of("x"), responses(journal));
        }
        byte[] other = {1, 2, 3};
        try (Stream<Path> files = Files.list(folder)) {
            for (Path file : files.filter(each -> each.toString().endsWith(".log")).toList()) {
                Files.write(file, other);
            }
        }
        UncheckedIOException refused =
                assertThrows(
                        UncheckedIOException.class,
                        () -> Journal.open("journal-folder", folder, WINDOW, Failpoints.NONE));
        assertTrue(
                String.valueOf(refused.getMessage()).endsWith("it is no journal of this version"),
                refused.getMessage());
        assertArrayEquals(other, Files.readAllBytes(folder.resolve("journal-0000000002.log")));
    }

    @Test
    void aFolderThatOthersMayReadIsRefused(@TempDir Path folder) throws Exception {
        Files.setPosixFilePermissions(folder, PosixFilePermissions.fromString("rwxr-x---"));
        UncheckedIOException refused =
                assertThrows(
                        UncheckedIOException.class,
                        () -> Journal.open("journal-folder", folder, WINDOW, Failpoints.NONE));
        assertTrue(String.valueOf(refused.getMessage()).contains("mode 0700"));
    }
}

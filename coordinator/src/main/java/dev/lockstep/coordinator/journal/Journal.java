// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator.journal;

import dev.lockstep.cluster.process.Failpoint;
import dev.lockstep.cluster.process.Failpoints;
import dev.lockstep.cluster.process.FolderLock;
import dev.lockstep.proto.v1.AttachSearchRequest;
import dev.lockstep.proto.v1.ClientRecord;
import dev.lockstep.proto.v1.GenerateEvent;
import dev.lockstep.proto.v1.JournalAccepted;
import dev.lockstep.proto.v1.JournalAlive;
import dev.lockstep.proto.v1.JournalRecord;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;

/// The requests that this coordinator has accepted, in memory and on the disk: those that run, and
/// those that ended not long ago. Safe for any thread; no method waits for the disk but [#open] and
/// [#close].
public final class Journal implements AutoCloseable {
    /// The limit of all responses: ended ones go before their time, then new ones are refused;
    /// where running ones grow, the largest goes.
    private static final long MAX_BYTES = 32 << 20;

    /// The time between two signs of life, and between two attempts to write again.
    private static final Duration TICK = Duration.ofSeconds(1);

    /// What was forgotten is removed from the disk after this time at most.
    private static final Duration REWRITE_PAUSE = Duration.ofSeconds(10);

    /// Of the thread that writes.
    public static final List<Failpoint> FAILPOINTS =
            List.of(FolderDisk.BEFORE_SYNC, FolderDisk.AFTER_SYNC);

    private static final Logger LOG = LogManager.getLogger(Journal.class);

    private final Duration window;
    private final InstantSource time;
    private final JournalLog log;
    private final Optional<FolderLock> lock;

    // Guarded by this.
    private final JournaledResponses responses;
    private List<JournaledResponse> unfinished = List.of();

    private Journal(
            JournalDisk disk,
            String folder,
            Duration window,
            long maxBytes,
            InstantSource time,
            Duration tick,
            Duration rewritePause,
            Optional<FolderLock> lock)
            throws IOException {
        this.window = window;
        this.responses = new JournaledResponses(window, maxBytes);
        this.time = time;
        this.lock = lock;
        long last = 0;
        for (String name : disk.names()) {
            last = Math.max(last, JournalLog.number(name).orElse(0L));
        }
        if (last > 0) {
            read(disk, folder, JournalLog.name(last));
        }
        this.log = new JournalLog(disk, folder, new Contents(), last, tick, rewritePause);
        log.start();
    }

    /// Opens the journal of a folder, which no other process can open then.
    ///
    /// @param key the setting that names the folder
    /// @param window how long a request goes on without a reader, and is kept after its end
    /// @throws dev.lockstep.cluster.process.SettingsException if another process has it
    /// @throws UncheckedIOException with one line, if the folder cannot be used
    public static Journal open(String key, Path folder, Duration window, Failpoints failpoints) {
        try {
            var disk = new FolderDisk(folder, failpoints);
            FolderLock lock = FolderLock.require(key, folder, "journal");
            try {
                return new Journal(
                        disk,
                        folder.toString(),
                        window,
                        MAX_BYTES,
                        InstantSource.system(),
                        TICK,
                        REWRITE_PAUSE,
                        Optional.of(lock));
            } catch (IOException e) {
                lock.close();
                throw e;
            }
        } catch (IOException e) {
            throw new UncheckedIOException(
                    "--%s: %s cannot be used: %s".formatted(key, folder, e.getMessage()), e);
        }
    }

    static Journal open(
            JournalDisk disk,
            Duration window,
            long maxBytes,
            InstantSource time,
            Duration tick,
            Duration rewritePause)
            throws IOException {
        return new Journal(
                disk, "test", window, maxBytes, time, tick, rewritePause, Optional.empty());
    }

    private synchronized void read(JournalDisk disk, String folder, String name)
            throws IOException {
        JournalFrames.Damage damage;
        long[] alive = {0};
        try {
            damage =
                    JournalFrames.read(
                            disk.read(name),
                            record -> {
                                alive[0] = Math.max(alive[0], add(record));
                                responses.removeExcess();
                            });
        } catch (IOException e) {
            throw new IOException(name + " cannot be read: " + e.getMessage(), e);
        }
        if (damage.any()) {
            LOG.warn(
                    "the journal {}/{} is damaged: {} bytes in the middle and {} at the end are skipped",
                    folder,
                    name,
                    damage.middle(),
                    damage.tail());
        }
        long now = time.millis();
        boolean late = now - alive[0] > window.toMillis();
        List<JournaledResponse> open = new ArrayList<>();
        for (JournaledResponse each : responses.all()) {
            if (each.state.getEnded() ? responses.isOver(each, now) : late) {
                responses.forget(each);
            } else if (!each.state.getEnded()) {
                each.state = each.state.toBuilder().setChangedMs(now).build();
                open.add(each);
            }
        }
        unfinished = List.copyOf(open);
        LOG.info(
                "the journal {}/{} has {} responses, {} of them not ended",
                folder,
                name,
                responses.all().size(),
                unfinished.size());
    }

    /// Adds what a record says. Returns a time at which its coordinator lived, or 0.
    private long add(JournalRecord record) {
        return switch (record.getRecordCase()) {
            case ACCEPTED -> {
                JournalAccepted accepted = record.getAccepted();
                if (responses.ofEntry(accepted.getEntry()).isEmpty()) {
                    responses.put(new JournaledResponse(this, accepted));
                }
                yield accepted.getArrivedMs();
            }
            case TOKENS -> {
                responses
                        .ofEntry(record.getTokens().getEntry())
                        .ifPresent(
                                response ->
                                        responses.add(
                                                response,
                                                record.getTokens().getPrompt(),
                                                record.getTokens().getTokens()));
                yield 0;
            }
            case STATE -> {
                responses
                        .ofEntry(record.getState().getEntry())
                        .ifPresent(response -> response.state = record.getState());
                yield record.getState().getChangedMs();
            }
            case ALIVE -> record.getAlive().getNowMs();
            // Of a later version.
            case RECORD_NOT_SET -> 0;
        };
    }

    long millis() {
        return time.millis();
    }

    public synchronized JournalCounts counts() {
        return log.counts(unfinished.size());
    }

    /// Returns the responses that had not ended when the journal was opened, to go on with them.
    public synchronized List<JournaledResponse> unfinished() {
        if (responses.goOn()) {
            long now = time.millis();
            for (JournaledResponse each : unfinished) {
                each.state = each.state.toBuilder().setChangedMs(now).build();
            }
        }
        return unfinished;
    }

    /// Returns the response that a question is about.
    public synchronized Optional<JournaledResponse> find(AttachSearchRequest question) {
        return responses.find(question, time.millis());
    }

    /// Forgets the response that a question is about. Returns whether there was one.
    public synchronized boolean forget(AttachSearchRequest question) {
        Optional<JournaledResponse> found = find(question);
        found.ifPresent(
                response -> {
                    appendOver(response);
                    responses.forget(response);
                });
        return found.isPresent();
    }

    /// Adds a response, or goes on with one.
    ///
    /// @param client with the number of its reader
    /// @param age since it was begun
    /// @param displaced called when another completion goes on with it
    /// @return empty if a later reader has it
    /// @throws JournalUnavailableException where a new one cannot be written
    public synchronized Optional<JournaledRun> begin(
            ClientRecord client, String tenant, Duration age, Runnable displaced) {
        Optional<JournaledResponse> before =
                responses
                        .ofId(client.getResponseId())
                        .filter(each -> each.client().getOwner().equals(client.getOwner()));
        if (before.isPresent()) {
            JournaledResponse known = before.get();
            if (client.getReader() < known.reader) {
                return Optional.empty();
            }
            known.reader = client.getReader();
            if (known.state.getEnded() && !known.state.getWhole()) {
                log.append(known.change(false, false, time.millis()));
            }
            CompletableFuture<Void> durable =
                    known.readers.isEmpty()
                            ? CompletableFuture.completedFuture(null)
                            : known.readers.getLast().durable();
            return join(known, durable, displaced);
        }
        log.requireAvailable();
        JournalAccepted accepted =
                JournalAccepted.newBuilder()
                        .setEntry(responses.nextEntry())
                        .setArrivedMs(time.millis() - age.toMillis())
                        .setTenant(tenant)
                        .setClient(client)
                        .build();
        responses.makeRoom(JournaledResponse.bytes(accepted));
        var response = new JournaledResponse(this, accepted);
        response.state = response.state.toBuilder().setChangedMs(time.millis()).build();
        responses.put(response);
        return join(
                response,
                log.commit(JournalRecord.newBuilder().setAccepted(accepted).build()),
                displaced);
    }

    private Optional<JournaledRun> join(
            JournaledResponse response, CompletableFuture<Void> durable, Runnable displaced) {
        var run = new JournaledRun(this, response, durable, displaced);
        response.readers.add(run);
        return Optional.of(run);
    }

    synchronized void commit(JournaledResponse response, int prompt, GenerateEvent.Tokens tokens) {
        if (responses.has(response)) {
            responses.add(response, prompt, tokens).ifPresent(log::append);
            responses.removeExcess().forEach(this::appendOver);
        }
    }

    /// Has it written that a response is not to be found any more.
    private void appendOver(JournaledResponse response) {
        // With a time that is over.
        log.append(response.change(true, false, 0));
    }

    void lead(JournaledRun run) {
        List<JournaledRun> earlier;
        synchronized (this) {
            earlier = run.response.readers.stream().takeWhile(each -> !each.equals(run)).toList();
        }
        earlier.forEach(each -> each.displaced.run());
    }

    synchronized void end(JournaledRun run, boolean whole) {
        JournaledResponse response = run.response;
        if (!response.readers.remove(run)) {
            return;
        }
        if (run.durable.isCompletedExceptionally()) {
            // Its client was told that it was not accepted.
            if (response.readers.isEmpty()) {
                responses.forget(response);
            }
        } else if (responses.has(response)
                && !response.state.getWhole()
                && (whole || response.readers.isEmpty())) {
            log.append(response.change(true, whole, time.millis()));
        }
    }

    synchronized void refuse(JournaledRun run) {
        JournaledResponse response = run.response;
        if (response.readers.remove(run) && response.readers.isEmpty()) {
            appendOver(response);
            responses.forget(response);
        }
    }

    synchronized void moved(JournaledRun run) {
        if (run.reader < run.response.reader || run.response.state.getWhole()) {
            end(run, false);
        } else {
            refuse(run);
        }
    }

    synchronized void leave(JournaledRun run) {
        if (run.response.readers.remove(run)
                && responses.has(run.response)
                && !run.response.state.getEnded()) {
            log.append(run.response.change(false, false, time.millis()));
        }
    }

    /// Writes what waits, and lets other processes open the folder.
    @Override
    public void close() {
        log.close();
        lock.ifPresent(FolderLock::close);
    }

    /// What the log writes.
    private final class Contents implements JournalLog.State {
        @Override
        public List<JournalRecord> records() {
            List<JournalRecord> records = new ArrayList<>();
            synchronized (Journal.this) {
                responses.written();
                records.add(alive());
                responses.all().forEach(each -> each.addTo(records));
            }
            return records;
        }

        @Override
        public long bytes() {
            synchronized (Journal.this) {
                return responses.bytes();
            }
        }

        @Override
        public boolean isStale() {
            synchronized (Journal.this) {
                return responses.isStale();
            }
        }

        @Override
        public List<JournalRecord> tick() {
            synchronized (Journal.this) {
                long now = time.millis();
                responses.removeOver(now);
                boolean runs =
                        !(responses.goesOn() || unfinished.isEmpty())
                                || responses.all().stream()
                                        .anyMatch(each -> !each.readers.isEmpty());
                return runs ? List.of(alive()) : List.of();
            }
        }

        private JournalRecord alive() {
            return JournalRecord.newBuilder()
                    .setAlive(JournalAlive.newBuilder().setNowMs(time.millis()))
                    .build();
        }
    }
}

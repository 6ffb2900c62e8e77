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
import java.util.Collections;
import java.util.Comparator;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;

/// The requests that this coordinator has accepted, in memory and on the disk: those that run, and
/// those that ended not long ago. Safe for any thread; no method waits for the disk but [#open] and
/// [#close].
public final class Journal implements AutoCloseable {
    /// How long a response that a client may repeat by its key is kept after its end, as by
    /// schedulers.
    static final Duration KEY_TIME = Duration.ofMinutes(10);

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
    private final long maxBytes;
    private final InstantSource time;
    private final JournalLog log;
    private final Optional<FolderLock> lock;

    // Guarded by this; in the order of arrival.
    private final Map<Long, JournaledResponse> entries = new LinkedHashMap<>();
    private final Map<String, JournaledResponse> byId = new LinkedHashMap<>();
    private List<JournaledResponse> unfinished = List.of();
    private boolean goesOn;
    private long numbers;
    private long bytes;
    private boolean stale;

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
        this.maxBytes = maxBytes;
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
                                removeExcess();
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
        for (JournaledResponse each : List.copyOf(entries.values())) {
            if (each.state.getEnded() ? isOver(each, now) : late) {
                forget(each);
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
                entries.size(),
                unfinished.size());
    }

    /// Adds what a record says. Returns a time at which its coordinator lived, or 0.
    private long add(JournalRecord record) {
        return switch (record.getRecordCase()) {
            case ACCEPTED -> {
                JournalAccepted accepted = record.getAccepted();
                if (!entries.containsKey(accepted.getEntry())) {
                    put(new JournaledResponse(this, accepted));
                }
                yield accepted.getArrivedMs();
            }
            case TOKENS -> {
                JournaledResponse response = entries.get(record.getTokens().getEntry());
                if (response != null) {
                    add(response, record.getTokens().getPrompt(), record.getTokens().getTokens());
                }
                yield 0;
            }
            case STATE -> {
                JournaledResponse response = entries.get(record.getState().getEntry());
                if (response != null) {
                    response.state = record.getState();
                }
                yield record.getState().getChangedMs();
            }
            case ALIVE -> record.getAlive().getNowMs();
            // Of a later version.
            case RECORD_NOT_SET -> 0;
        };
    }

    private void put(JournaledResponse response) {
        entries.put(response.accepted.getEntry(), response);
        byId.put(response.client().getResponseId(), response);
        numbers = Math.max(numbers, response.accepted.getEntry());
        bytes += response.bytes;
    }

    private Optional<JournalRecord> add(
            JournaledResponse response, int prompt, GenerateEvent.Tokens tokens) {
        long before = response.bytes;
        Optional<JournalRecord> added = response.add(prompt, tokens);
        bytes += response.bytes - before;
        return added;
    }

    private void forget(JournaledResponse response) {
        if (!entries.remove(response.accepted.getEntry(), response)) {
            return;
        }
        byId.remove(response.client().getResponseId(), response);
        bytes -= response.bytes;
        stale = true;
    }

    /// Forgets what is too much, and returns it: ended ones first, then the largest.
    private List<JournaledResponse> removeExcess() {
        removeEnded(0);
        List<JournaledResponse> removed = new ArrayList<>();
        while (bytes > maxBytes) {
            JournaledResponse largest =
                    Collections.max(entries.values(), Comparator.comparingLong(each -> each.bytes));
            forget(largest);
            largest.clear();
            removed.add(largest);
            LOG.warn(
                    "request {} would not survive this coordinator any more: the journal has at most {} bytes",
                    largest.client().getResponseId(),
                    maxBytes);
        }
        return removed;
    }

    /// Forgets ended ones until there is room.
    private void removeEnded(long room) {
        if (bytes + room <= maxBytes) {
            return;
        }
        for (Iterator<JournaledResponse> old = List.copyOf(entries.values()).iterator();
                bytes + room > maxBytes && old.hasNext(); ) {
            JournaledResponse each = old.next();
            if (each.state.getEnded() && each.readers.isEmpty()) {
                forget(each);
            }
        }
    }

    /// Whether the time is over for which a response without a reader is kept; that of one which
    /// has not ended begins with [#unfinished].
    private boolean isOver(JournaledResponse response, long nowMillis) {
        if (!goesOn && !response.state.getEnded()) {
            return false;
        }
        boolean repeatable = response.state.getEnded() && !response.client().getKey().isEmpty();
        Duration kept = repeatable ? KEY_TIME : window;
        return response.readers.isEmpty()
                && nowMillis - response.state.getChangedMs() > kept.toMillis();
    }

    long millis() {
        return time.millis();
    }

    public synchronized JournalCounts counts() {
        return log.counts(unfinished.size());
    }

    /// Returns the responses that had not ended when the journal was opened, to go on with them.
    public synchronized List<JournaledResponse> unfinished() {
        if (!goesOn) {
            goesOn = true;
            long now = time.millis();
            for (JournaledResponse each : unfinished) {
                each.state = each.state.toBuilder().setChangedMs(now).build();
            }
        }
        return unfinished;
    }

    /// Returns the response that a question is about.
    public synchronized Optional<JournaledResponse> find(AttachSearchRequest question) {
        long now = time.millis();
        return switch (question.getByCase()) {
            case RESPONSE_ID ->
                    Optional.ofNullable(byId.get(question.getResponseId()))
                            .filter(each -> isVisible(each, question, now));
            case KEY ->
                    entries.values().stream()
                            .filter(
                                    each ->
                                            each.client().getKey().equals(question.getKey())
                                                    && !question.getKey().isEmpty()
                                                    && isVisible(each, question, now))
                            .findFirst();
            case BY_NOT_SET -> Optional.empty();
        };
    }

    /// Forgets the response that a question is about. Returns whether there was one.
    public synchronized boolean forget(AttachSearchRequest question) {
        Optional<JournaledResponse> found = find(question);
        found.ifPresent(
                response -> {
                    appendOver(response);
                    forget(response);
                });
        return found.isPresent();
    }

    private boolean isVisible(
            JournaledResponse response, AttachSearchRequest question, long nowMillis) {
        return response.client().getOwner().equals(question.getOwner())
                && !isOver(response, nowMillis);
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
        JournaledResponse known = byId.get(client.getResponseId());
        if (known != null && known.client().getOwner().equals(client.getOwner())) {
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
                        .setEntry(numbers + 1)
                        .setArrivedMs(time.millis() - age.toMillis())
                        .setTenant(tenant)
                        .setClient(client)
                        .build();
        makeRoom(JournaledResponse.bytes(accepted));
        var response = new JournaledResponse(this, accepted);
        response.state = response.state.toBuilder().setChangedMs(time.millis()).build();
        put(response);
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

    private void makeRoom(long room) {
        removeEnded(room);
        if (bytes + room > maxBytes) {
            throw new JournalUnavailableException(
                    "the journal has %d bytes of running requests, at most %d are possible"
                            .formatted(bytes, maxBytes));
        }
    }

    synchronized void commit(JournaledResponse response, int prompt, GenerateEvent.Tokens tokens) {
        if (isKnown(response)) {
            add(response, prompt, tokens).ifPresent(log::append);
            removeExcess().forEach(this::appendOver);
        }
    }

    private boolean isKnown(JournaledResponse response) {
        return response.equals(entries.get(response.accepted.getEntry()));
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
                forget(response);
            }
        } else if (isKnown(response)
                && !response.state.getWhole()
                && (whole || response.readers.isEmpty())) {
            log.append(response.change(true, whole, time.millis()));
        }
    }

    synchronized void refuse(JournaledRun run) {
        JournaledResponse response = run.response;
        if (response.readers.remove(run) && response.readers.isEmpty()) {
            appendOver(response);
            forget(response);
        }
    }

    synchronized void leave(JournaledRun run) {
        if (run.response.readers.remove(run)
                && isKnown(run.response)
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
                stale = false;
                records.add(alive());
                entries.values().forEach(each -> each.addTo(records));
            }
            return records;
        }

        @Override
        public long bytes() {
            synchronized (Journal.this) {
                return bytes;
            }
        }

        @Override
        public boolean isStale() {
            synchronized (Journal.this) {
                return stale;
            }
        }

        @Override
        public List<JournalRecord> tick() {
            synchronized (Journal.this) {
                long now = time.millis();
                for (JournaledResponse each : List.copyOf(entries.values())) {
                    if (isOver(each, now)) {
                        forget(each);
                    }
                }
                boolean runs =
                        !(goesOn || unfinished.isEmpty())
                                || entries.values().stream()
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

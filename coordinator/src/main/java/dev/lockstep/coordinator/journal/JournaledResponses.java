// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator.journal;

import dev.lockstep.proto.v1.AttachSearchRequest;
import dev.lockstep.proto.v1.GenerateEvent;
import dev.lockstep.proto.v1.JournalRecord;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;

/// The responses of a journal in memory, whose bytes are bounded. Guarded by the journal.
final class JournaledResponses {
    /// How long a response that a client may repeat by its key is kept after its end, as by
    /// schedulers.
    static final Duration KEY_TIME = Duration.ofMinutes(10);

    private static final Logger LOG = LogManager.getLogger(JournaledResponses.class);

    private final Duration window;
    private final long maxBytes;

    /// In the order of arrival.
    private final Map<Long, JournaledResponse> entries = new LinkedHashMap<>();

    private final Map<String, JournaledResponse> byId = new LinkedHashMap<>();
    private boolean goesOn;
    private long numbers;
    private long bytes;
    private boolean stale;

    /// @param window how long a response is kept without a reader
    JournaledResponses(Duration window, long maxBytes) {
        this.window = window;
        this.maxBytes = maxBytes;
    }

    List<JournaledResponse> all() {
        return List.copyOf(entries.values());
    }

    Optional<JournaledResponse> ofEntry(long entry) {
        return Optional.ofNullable(entries.get(entry));
    }

    Optional<JournaledResponse> ofId(String id) {
        return Optional.ofNullable(byId.get(id));
    }

    boolean has(JournaledResponse response) {
        return response.equals(entries.get(response.accepted.getEntry()));
    }

    /// Returns the number of a new one.
    long nextEntry() {
        return numbers + 1;
    }

    long bytes() {
        return bytes;
    }

    /// Whether the disk has some that were forgotten.
    boolean isStale() {
        return stale;
    }

    /// The disk gets exactly these.
    void written() {
        stale = false;
    }

    /// Whether those that had not ended go on.
    boolean goesOn() {
        return goesOn;
    }

    /// Lets those that had not ended go on; returns whether they did not before.
    boolean goOn() {
        boolean first = !goesOn;
        goesOn = true;
        return first;
    }

    void put(JournaledResponse response) {
        entries.put(response.accepted.getEntry(), response);
        byId.put(response.client().getResponseId(), response);
        numbers = Math.max(numbers, response.accepted.getEntry());
        bytes += response.bytes;
    }

    Optional<JournalRecord> add(
            JournaledResponse response, int prompt, GenerateEvent.Tokens tokens) {
        long before = response.bytes;
        Optional<JournalRecord> added = response.add(prompt, tokens);
        bytes += response.bytes - before;
        return added;
    }

    void forget(JournaledResponse response) {
        if (!entries.remove(response.accepted.getEntry(), response)) {
            return;
        }
        byId.remove(response.client().getResponseId(), response);
        bytes -= response.bytes;
        stale = true;
    }

    /// Forgets what is too much, and returns it: ended ones first, then the largest.
    List<JournaledResponse> removeExcess() {
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
        for (Iterator<JournaledResponse> old = all().iterator();
                bytes + room > maxBytes && old.hasNext(); ) {
            JournaledResponse each = old.next();
            if (each.state.getEnded() && each.readers.isEmpty()) {
                forget(each);
            }
        }
    }

    /// @throws JournalUnavailableException where running ones take it
    void makeRoom(long room) {
        removeEnded(room);
        if (bytes + room > maxBytes) {
            throw new JournalUnavailableException(
                    "the journal has %d bytes of running requests, at most %d are possible"
                            .formatted(bytes, maxBytes));
        }
    }

    /// Whether the time is over for which a response without a reader is kept; that of one which
    /// has not ended begins with [Journal#unfinished].
    boolean isOver(JournaledResponse response, long nowMillis) {
        if (!goesOn && !response.state.getEnded()) {
            return false;
        }
        boolean repeatable = response.state.getEnded() && !response.client().getKey().isEmpty();
        Duration kept = repeatable ? KEY_TIME : window;
        return response.readers.isEmpty()
                && nowMillis - response.state.getChangedMs() > kept.toMillis();
    }

    /// Forgets those whose time is over.
    void removeOver(long nowMillis) {
        for (JournaledResponse each : all()) {
            if (isOver(each, nowMillis)) {
                forget(each);
            }
        }
    }

    /// Returns the response that a question is about.
    Optional<JournaledResponse> find(AttachSearchRequest question, long now) {
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

    private boolean isVisible(
            JournaledResponse response, AttachSearchRequest question, long nowMillis) {
        return response.client().getOwner().equals(question.getOwner())
                && !isOver(response, nowMillis);
    }
}

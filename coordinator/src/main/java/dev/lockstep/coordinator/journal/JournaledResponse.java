// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator.journal;

import dev.lockstep.proto.v1.ClientRecord;
import dev.lockstep.proto.v1.GenerateEvent;
import dev.lockstep.proto.v1.JournalAccepted;
import dev.lockstep.proto.v1.JournalRecord;
import dev.lockstep.proto.v1.JournalState;
import dev.lockstep.proto.v1.JournalTokens;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/// A response in the journal: its request, and the tokens that are committed. Guarded by the
/// journal.
public final class JournaledResponse {
    /// Tokens of a record, so that one with many log-probabilities stays small.
    private static final int TOKENS_PER_RECORD = 1024;

    private static final int TOKEN_BYTES = 5;

    /// What a response needs in memory beside its request.
    private static final long RESPONSE_BYTES = 1024;

    /// What a log-probability needs in memory beside its bytes.
    private static final int LOGPROB_BYTES = 48;

    private final Journal journal;
    final JournalAccepted accepted;
    final List<JournaledRun> readers = new ArrayList<>();
    JournalState state;
    long bytes;
    int reader;

    private final Map<Place, GenerateEvent.Tokens.Builder> tokens = new TreeMap<>();

    private record Place(int prompt, int choice) implements Comparable<Place> {
        @Override
        public int compareTo(Place other) {
            int byPrompt = Integer.compare(prompt, other.prompt);
            return byPrompt != 0 ? byPrompt : Integer.compare(choice, other.choice);
        }
    }

    JournaledResponse(Journal journal, JournalAccepted accepted) {
        this.journal = journal;
        this.accepted = accepted;
        this.bytes = bytes(accepted);
        this.reader = accepted.getClient().getReader();
        this.state =
                JournalState.newBuilder()
                        .setEntry(accepted.getEntry())
                        .setChangedMs(accepted.getArrivedMs())
                        .build();
    }

    /// Returns the bytes of a response without tokens.
    static long bytes(JournalAccepted accepted) {
        return RESPONSE_BYTES + accepted.getSerializedSize();
    }

    /// Returns what a coordinator needs to go on, as of the first prompt.
    public ClientRecord client() {
        return accepted.getClient();
    }

    public String tenant() {
        return accepted.getTenant();
    }

    /// Returns the number of its last reader.
    public int reader() {
        synchronized (journal) {
            return reader;
        }
    }

    /// Returns the time since it was begun.
    public Duration age() {
        return Duration.ofMillis(journal.millis() - accepted.getArrivedMs());
    }

    /// Returns the tokens of each choice of a prompt that has some, from the first on.
    public List<GenerateEvent.Tokens> tokens(int prompt) {
        synchronized (journal) {
            return tokens.entrySet().stream()
                    .filter(each -> each.getKey().prompt() == prompt)
                    .map(each -> each.getValue().build())
                    .toList();
        }
    }

    /// Whether it has ended with all its tokens.
    public boolean isWhole() {
        synchronized (journal) {
            return state.getWhole();
        }
    }

    /// Whether a completion goes on with it.
    public boolean hasReader() {
        synchronized (journal) {
            return !readers.isEmpty();
        }
    }

    /// Adds what is new of tokens, and returns it; tokens that do not follow the others are
    /// ignored.
    Optional<JournalRecord> add(int prompt, GenerateEvent.Tokens more) {
        GenerateEvent.Tokens.Builder known =
                tokens.computeIfAbsent(
                        new Place(prompt, more.getChoice()),
                        place -> GenerateEvent.Tokens.newBuilder().setChoice(place.choice()));
        int count = known.getIdsCount();
        int repeats = count - more.getPosition();
        boolean hasLogprobs = known.getLogprobsCount() > 0;
        boolean fits = count == 0 || hasLogprobs == (more.getLogprobsCount() > 0);
        if (repeats < 0 || known.hasFinished() || (more.getIdsCount() > 0 && !fits)) {
            return Optional.empty();
        }
        int from = Math.min(repeats, more.getIdsCount());
        GenerateEvent.Tokens.Builder fresh =
                GenerateEvent.Tokens.newBuilder()
                        .setChoice(more.getChoice())
                        .setPosition(count)
                        .addAllIds(more.getIdsList().subList(from, more.getIdsCount()))
                        .setCachedTokens(Math.max(known.getCachedTokens(), more.getCachedTokens()))
                        .setMigrations(Math.max(known.getMigrations(), more.getMigrations()));
        if (more.getLogprobsCount() > 0) {
            fresh.addAllLogprobs(more.getLogprobsList().subList(from, more.getIdsCount()));
        }
        if (more.hasFinished() && more.getPosition() + more.getIdsCount() >= count) {
            fresh.setFinished(more.getFinished());
        }
        if (fresh.getIdsCount() == 0 && !fresh.hasFinished()) {
            return Optional.empty();
        }
        known.mergeFrom(fresh.build()).clearPosition();
        bytes += (long) TOKEN_BYTES * fresh.getIdsCount();
        fresh.getLogprobsList().forEach(each -> bytes += LOGPROB_BYTES + each.size());
        return Optional.of(record(prompt, fresh.build()));
    }

    /// Forgets its tokens.
    void clear() {
        tokens.clear();
        bytes = bytes(accepted);
    }

    private JournalRecord record(int prompt, GenerateEvent.Tokens some) {
        return JournalRecord.newBuilder()
                .setTokens(
                        JournalTokens.newBuilder()
                                .setEntry(accepted.getEntry())
                                .setPrompt(prompt)
                                .setTokens(some))
                .build();
    }

    /// Changes the state, and returns the record of that.
    JournalRecord change(boolean ended, boolean whole, long nowMillis) {
        state =
                state.toBuilder()
                        .setEntry(accepted.getEntry())
                        .setEnded(ended)
                        .setWhole(whole)
                        .setChangedMs(nowMillis)
                        .build();
        return JournalRecord.newBuilder().setState(state).build();
    }

    /// Adds the records of the whole response.
    void addTo(List<JournalRecord> records) {
        records.add(JournalRecord.newBuilder().setAccepted(accepted).build());
        tokens.forEach((place, all) -> addTo(records, place, all.build()));
        records.add(JournalRecord.newBuilder().setState(state).build());
    }

    private void addTo(List<JournalRecord> records, Place place, GenerateEvent.Tokens all) {
        int count = all.getIdsCount();
        int from = 0;
        do {
            int to = Math.min(count, from + TOKENS_PER_RECORD);
            GenerateEvent.Tokens.Builder part =
                    GenerateEvent.Tokens.newBuilder()
                            .setChoice(place.choice())
                            .setPosition(from)
                            .addAllIds(all.getIdsList().subList(from, to))
                            .setCachedTokens(all.getCachedTokens())
                            .setMigrations(all.getMigrations());
            if (all.getLogprobsCount() > 0) {
                part.addAllLogprobs(all.getLogprobsList().subList(from, to));
            }
            if (to == count && all.hasFinished()) {
                part.setFinished(all.getFinished());
            }
            records.add(record(place.prompt(), part.build()));
            from = to;
        } while (from < count);
    }
}

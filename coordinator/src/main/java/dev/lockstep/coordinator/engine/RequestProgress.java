// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator.engine;

import dev.lockstep.proto.v1.CommittedChoice;
import java.time.Duration;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;

/// How far a request is, as its coordinator knows it: whether a scheduler has accepted it, the ids
/// that are committed of each choice, and how often it has moved. A client sees committed ids only,
/// and another scheduler goes on after them.
///
/// Independent of threads and transports; its owner guards it.
public final class RequestProgress {
    /// The longest time that an accepted request waits for another scheduler.
    public static final Duration MAX_LOST = Duration.ofSeconds(60);

    /// A request that moves more often without a new token may be the reason.
    static final int MAX_MOVES_IN_PLACE = 4;

    static final int MAX_MOVES = 100;

    private final List<CommittedChoice.Builder> choices = new ArrayList<>();
    private final BitSet finished = new BitSet();
    private boolean accepted;
    private Optional<Long> lostNanos = Optional.empty();
    private int moves;
    private int movesInPlace;
    private int migrations;

    /// @param choices number of choices
    public RequestProgress(int choices) {
        IntStream.range(0, choices)
                .forEach(index -> this.choices.add(CommittedChoice.newBuilder().setChoice(index)));
    }

    /// Whether a scheduler has accepted it.
    public boolean isAccepted() {
        return accepted;
    }

    /// Whether the scheduler that had accepted it is lost, and no other has accepted it yet.
    public boolean isLost() {
        return lostNanos.isPresent();
    }

    /// How often it has gone on at another scheduler.
    public int moves() {
        return moves;
    }

    /// How often it has gone on elsewhere: at another scheduler, or in another epoch of a group.
    public int migrations() {
        return migrations;
    }

    /// Counts what a scheduler reports, moves before it included.
    public void sawMigrations(int count) {
        migrations = Math.max(migrations, count);
    }

    /// Counts it as accepted. Returns whether it was lost.
    public boolean accept() {
        boolean found = isLost();
        accepted = true;
        lostNanos = Optional.empty();
        return found;
    }

    /// Counts the loss of the scheduler that had accepted it; no effect while it is lost. Returns
    /// whether it counted.
    public boolean lose(long nanos) {
        if (isLost()) {
            return false;
        }
        lostNanos = Optional.of(nanos);
        moves++;
        movesInPlace++;
        migrations++;
        return true;
    }

    /// Whether it may leave a scheduler that is forming its group again, for one that serves now:
    /// not twice without a new token between. It may be what ends the workers, which only a
    /// scheduler finds out that sees it do so twice, and those that run with it may seem to be.
    public boolean mayMove() {
        return movesInPlace == 0;
    }

    /// Whether a lost one may still go on.
    public boolean mayGoOn(long nanos) {
        return moves <= MAX_MOVES
                && movesInPlace <= MAX_MOVES_IN_PLACE
                && nanos - lostNanos.orElse(nanos) <= MAX_LOST.toNanos();
    }

    /// Commits ids, and returns how many of them, from the first on, are repeats: their positions
    /// are committed already, and what is committed never changes.
    ///
    /// @param position of the first
    /// @throws IllegalStateException when ids before them are missing
    public int commit(int choice, int position, List<Integer> ids) {
        CommittedChoice.Builder committed = choices.get(choice);
        if (position < 0 || position > committed.getIdsCount()) {
            throw new IllegalStateException(
                    "tokens at position %d of choice %d, which has %d"
                            .formatted(position, choice, committed.getIdsCount()));
        }
        int repeats = Math.min(ids.size(), committed.getIdsCount() - position);
        if (repeats < ids.size()) {
            movesInPlace = 0;
        }
        for (int i = repeats; i < ids.size(); i++) {
            committed.addIds(ids.get(i));
        }
        return repeats;
    }

    /// Returns the number of committed ids of a choice.
    public int committedIds(int choice) {
        return choices.get(choice).getIdsCount();
    }

    /// Marks a choice as complete: no scheduler goes on with it.
    public void finish(int choice) {
        finished.set(choice);
    }

    public boolean isFinished(int choice) {
        return finished.get(choice);
    }

    /// Whether every choice is complete.
    public boolean done() {
        return finished.cardinality() == choices.size();
    }

    /// Returns the choices that another scheduler goes on with; empty as long as none had accepted
    /// the request.
    public List<CommittedChoice> goOnWith() {
        return accepted
                ? choices.stream()
                        .filter(one -> !finished.get(one.getChoice()))
                        .map(CommittedChoice.Builder::build)
                        .toList()
                : List.of();
    }
}

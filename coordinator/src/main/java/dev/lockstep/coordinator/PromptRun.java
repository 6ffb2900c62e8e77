// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import dev.lockstep.coordinator.engine.EngineEvent;
import dev.lockstep.coordinator.engine.EngineRequest;
import dev.lockstep.coordinator.engine.Failure;
import dev.lockstep.coordinator.engine.GeneratedToken;
import dev.lockstep.coordinator.engine.SchedulerCall;
import dev.lockstep.proto.v1.CommittedChoice;
import dev.lockstep.proto.v1.PositionOutputs;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/// One prompt in the engine: its call, and what it has committed of each choice, from which another
/// scheduler goes on when the one that accepted it is gone.
final class PromptRun {
    /// The longest time that an accepted request waits for another scheduler.
    private static final Duration MAX_LOST = Duration.ofSeconds(60);

    /// A request that moves more often without a new token may be the reason.
    private static final int MAX_MOVES_IN_PLACE = 4;

    private static final int MAX_MOVES = 100;

    final EngineRequest request;
    final Set<String> refusedBy = new HashSet<>();
    Optional<Failure> refusal = Optional.empty();
    Optional<SchedulerCall> call = Optional.empty();

    int cachedTokens;

    private Duration unanswered = Duration.ZERO;

    /// Whether it was tried to go on with what a scheduler keeps.
    boolean attached;

    /// Whether its call does so, and was not accepted yet.
    boolean attaching;

    private boolean accepted;
    private Optional<Long> lostNanos = Optional.empty();
    private int moves;
    private int movesInPlace;

    private final List<ChoiceRun> choices = new ArrayList<>();

    private static final class ChoiceRun {
        final ChoiceAnswer answer;
        final CommittedChoice.Builder committed;
        int tokensFrom;
        int statesFrom;

        ChoiceRun(int index, ChoiceAnswer answer) {
            this.answer = answer;
            this.committed = CommittedChoice.newBuilder().setChoice(index);
        }
    }

    PromptRun(EngineRequest request, List<ChoiceAnswer> answers) {
        this.request = request;
        answers.forEach(answer -> choices.add(new ChoiceRun(choices.size(), answer)));
    }

    /// Whether a scheduler has accepted it.
    boolean isAccepted() {
        return accepted;
    }

    /// Whether the scheduler that had accepted it is lost, and no other has accepted it yet.
    boolean isLost() {
        return lostNanos.isPresent();
    }

    /// How often it has gone on at another scheduler.
    int moves() {
        return moves;
    }

    /// Begins to wait until a scheduler accepts it.
    void sent() {
        unanswered = Duration.ZERO;
    }

    /// Adds to the time for which its call has neither been accepted nor refused, and returns it;
    /// zero once it was accepted.
    Duration waits(Duration more) {
        unanswered = accepted && !isLost() ? Duration.ZERO : unanswered.plus(more);
        return unanswered;
    }

    /// Counts it as accepted. Returns whether it was lost.
    boolean accept() {
        boolean found = isLost();
        accepted = true;
        attaching = false;
        lostNanos = Optional.empty();
        return found;
    }

    /// Counts the loss of the scheduler that had accepted it; no effect while it is lost. Returns
    /// whether it counted.
    boolean lose(long nanos) {
        call = Optional.empty();
        if (isLost()) {
            return false;
        }
        lostNanos = Optional.of(nanos);
        moves++;
        movesInPlace++;
        return true;
    }

    /// Whether a lost one may still go on.
    boolean mayGoOn(long nanos) {
        return moves <= MAX_MOVES
                && movesInPlace <= MAX_MOVES_IN_PLACE
                && nanos - lostNanos.orElse(nanos) <= MAX_LOST.toNanos();
    }

    ChoiceAnswer answer(int choice) {
        return choices.get(choice).answer;
    }

    List<ChoiceAnswer> answers() {
        return choices.stream().map(choice -> choice.answer).toList();
    }

    boolean done() {
        return choices.stream().allMatch(choice -> choice.answer.finish().isPresent());
    }

    /// Returns how many tokens of a choice are committed.
    int position(int choice) {
        return choices.get(choice).committed.getIdsCount();
    }

    /// Returns the choices that another scheduler goes on with; empty as long as none had accepted
    /// the request.
    List<CommittedChoice> committed() {
        if (!accepted) {
            return List.of();
        }
        return choices.stream()
                .filter(choice -> choice.answer.finish().isEmpty())
                .map(choice -> choice.committed.build())
                .toList();
    }

    /// Commits tokens.
    ///
    /// @throws IllegalStateException when they are not the next ones of the choice
    void commit(EngineEvent.Tokens tokens) {
        CommittedChoice.Builder committed = choices.get(tokens.choice()).committed;
        if (tokens.position() != committed.getIdsCount()) {
            throw new IllegalStateException(
                    "tokens at position %d of choice %d, which has %d"
                            .formatted(
                                    tokens.position(), tokens.choice(), committed.getIdsCount()));
        }
        movesInPlace = 0;
        for (GeneratedToken token : tokens.tokens()) {
            committed.addIds(token.id());
        }
    }

    /// Returns the part of outputs that has not arrived before, which is committed, possibly
    /// nothing: a scheduler that goes on computes them again.
    PositionOutputs commit(int index, PositionOutputs outputs) {
        ChoiceRun choice = choices.get(index);
        int tokens = outputs.getNextTokensCount();
        int values = outputs.getHiddenStatesCount();
        int states = values == 0 ? 0 : values / outputs.getHiddenSize();
        int position = outputs.getPosition();
        int oldTokens = Math.clamp(choice.tokensFrom - position, 0, tokens);
        int oldStates = Math.clamp(choice.statesFrom - position, 0, states);
        choice.tokensFrom = tokens == 0 ? choice.tokensFrom : position + tokens;
        choice.statesFrom = states == 0 ? choice.statesFrom : position + states;
        if (oldTokens == 0 && oldStates == 0) {
            return outputs;
        }
        PositionOutputs.Builder fresh = outputs.toBuilder();
        fresh.setPosition(position + Math.max(oldTokens, oldStates));
        fresh.clearNextTokens()
                .addAllNextTokens(outputs.getNextTokensList().subList(oldTokens, tokens));
        fresh.clearHiddenStates()
                .addAllHiddenStates(
                        outputs.getHiddenStatesList()
                                .subList(oldStates * outputs.getHiddenSize(), values));
        return fresh.build();
    }
}

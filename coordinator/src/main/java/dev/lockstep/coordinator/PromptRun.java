// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import dev.lockstep.coordinator.engine.CommittedOutputs;
import dev.lockstep.coordinator.engine.EngineEvent;
import dev.lockstep.coordinator.engine.EngineRequest;
import dev.lockstep.coordinator.engine.Failure;
import dev.lockstep.coordinator.engine.GeneratedToken;
import dev.lockstep.coordinator.engine.RequestProgress;
import dev.lockstep.coordinator.engine.SchedulerCall;
import dev.lockstep.proto.v1.PositionOutputs;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/// One prompt in the engine: its call, and what has arrived of each choice, from which another
/// scheduler goes on when the one that accepted it is gone.
final class PromptRun {
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

    private final RequestProgress progress;

    private final List<ChoiceRun> choices = new ArrayList<>();

    private static final class ChoiceRun {
        final ChoiceAnswer answer;
        final CommittedOutputs outputs = new CommittedOutputs();

        ChoiceRun(ChoiceAnswer answer) {
            this.answer = answer;
        }
    }

    PromptRun(EngineRequest request, List<ChoiceAnswer> answers) {
        this.request = request;
        this.progress = new RequestProgress(answers.size());
        answers.forEach(answer -> choices.add(new ChoiceRun(answer)));
    }

    /// Whether a scheduler has accepted it.
    boolean isAccepted() {
        return progress.isAccepted();
    }

    /// Whether the scheduler that had accepted it is lost, and no other has accepted it yet.
    boolean isLost() {
        return progress.isLost();
    }

    /// As [RequestProgress#migrations].
    int migrations() {
        return progress.migrations();
    }

    RequestProgress progress() {
        return progress;
    }

    /// Begins to wait until a scheduler accepts it.
    void sent() {
        unanswered = Duration.ZERO;
    }

    /// Adds to the time for which its call has neither been accepted nor refused, and returns it;
    /// zero once it was accepted.
    Duration waits(Duration more) {
        unanswered =
                isAccepted() && !isLost() && !attaching ? Duration.ZERO : unanswered.plus(more);
        return unanswered;
    }

    /// As [RequestProgress#accept].
    boolean accept() {
        attaching = false;
        return progress.accept();
    }

    /// As [RequestProgress#lose]; the call has ended.
    boolean lose(long nanos) {
        call = Optional.empty();
        attaching = false;
        return progress.lose(nanos);
    }

    /// As [RequestProgress#mayMove].
    boolean mayMove() {
        return progress.mayMove();
    }

    /// Whether a lost one may still go on.
    boolean mayGoOn(long nanos) {
        return progress.mayGoOn(nanos);
    }

    ChoiceAnswer answer(int choice) {
        return choices.get(choice).answer;
    }

    List<ChoiceAnswer> answers() {
        return choices.stream().map(choice -> choice.answer).toList();
    }

    boolean done() {
        return progress.done();
    }

    /// Returns how many tokens of a choice are committed.
    int position(int choice) {
        return progress.committedIds(choice);
    }

    /// Marks a choice as complete.
    void finish(int choice) {
        progress.finish(choice);
    }

    /// Commits tokens, and returns those that are new.
    ///
    /// @throws IllegalStateException when tokens before them are missing
    List<GeneratedToken> commit(EngineEvent.Tokens tokens) {
        progress.sawMigrations(tokens.migrations());
        List<Integer> ids = tokens.tokens().stream().map(GeneratedToken::id).toList();
        int repeats = progress.commit(tokens.choice(), tokens.position(), ids);
        return tokens.tokens().subList(repeats, ids.size());
    }

    /// Returns the part of outputs that has not arrived before, which is committed, possibly
    /// nothing: a scheduler that goes on computes them again.
    PositionOutputs commit(int choice, PositionOutputs outputs) {
        return choices.get(choice).outputs.commit(outputs);
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.google.protobuf.InvalidProtocolBufferException;
import dev.lockstep.coordinator.engine.CompletionInbox;
import dev.lockstep.coordinator.engine.EngineEvent;
import dev.lockstep.coordinator.journal.Journal;
import dev.lockstep.coordinator.journal.JournalUnavailableException;
import dev.lockstep.coordinator.journal.JournaledRun;
import dev.lockstep.proto.v1.ClientRecord;
import dev.lockstep.proto.v1.GenerateEvent;
import dev.lockstep.proto.v1.SamplingParams;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/// What one completion has in the journal. Confined to its thread.
final class JournalEntry {
    /// The longest wait for the disk.
    private static final Duration MAX_WAIT = Duration.ofSeconds(10);

    private final JournaledRun run;
    private final boolean goesOn;
    private final boolean logprobs;
    private boolean durable;

    /// @param goesOn whether the journal had it before
    private JournalEntry(JournaledRun run, boolean goesOn, boolean logprobs) {
        this.run = run;
        this.goesOn = goesOn;
        this.logprobs = logprobs;
    }

    /// Adds a request to the journal, if there is one, and the request can be resumed.
    ///
    /// @param inbox of the completion, which is stopped when another one goes on with the response
    static Optional<JournalEntry> of(
            PreparedRequest request, Optional<Journal> journal, CompletionInbox inbox) {
        Optional<ClientRecord> client = request.client();
        if (journal.isEmpty() || client.isEmpty()) {
            return Optional.empty();
        }
        try {
            JournaledRun run =
                    journal.get()
                            .begin(
                                    client.get(),
                                    request.options().tenant(),
                                    request.resumed()
                                            .map(ResumedResponse::age)
                                            .orElse(Duration.ZERO),
                                    () -> inbox.stop(ApiError.displaced()))
                            .orElseThrow(ApiError::displaced);
            return Optional.of(
                    new JournalEntry(
                            run,
                            request.resumed().flatMap(ResumedResponse::journaled).isPresent(),
                            SamplingParams.parseFrom(request.samplingParams()).getLogprobs()));
        } catch (JournalUnavailableException e) {
            throw refusal(e);
        } catch (InvalidProtocolBufferException e) {
            throw new IllegalStateException("the sampling settings cannot be read", e);
        }
    }

    /// Returns the tokens that the journal has of a prompt; empty if it does not have the response.
    static Optional<List<EngineEvent.Tokens>> known(ResumedResponse resumed, int prompt) {
        if (resumed.journaled().isEmpty()) {
            return Optional.empty();
        }
        List<EngineEvent.Tokens> events = new ArrayList<>();
        try {
            for (GenerateEvent.Tokens tokens : resumed.journaled().get().tokens(prompt)) {
                events.add(EngineEvent.Tokens.fromProto(prompt, tokens));
            }
        } catch (InvalidProtocolBufferException e) {
            throw new IllegalStateException("tokens in the journal cannot be read", e);
        }
        return Optional.of(events);
    }

    /// Waits until the request is on the disk.
    void awaitDurable() throws InterruptedException {
        if (durable) {
            return;
        }
        try {
            run.durable().get(MAX_WAIT.toNanos(), TimeUnit.NANOSECONDS);
        } catch (TimeoutException e) {
            throw ApiError.notDurable(
                    "the journal was not written for " + MAX_WAIT.toSeconds() + " s");
        } catch (ExecutionException e) {
            throw e.getCause() instanceof JournalUnavailableException why
                    ? refusal(why)
                    : new IllegalStateException("the journal failed", e);
        }
        durable = true;
    }

    private static ApiError refusal(JournalUnavailableException why) {
        return ApiError.notDurable(String.valueOf(why.getMessage()));
    }

    void commit(EngineEvent.Tokens tokens) {
        run.commit(tokens.call(), tokens.toProto(logprobs));
    }

    /// @param position the number of tokens of the choice
    void commit(EngineEvent.Finished end, int position) {
        run.commit(
                end.call(),
                GenerateEvent.Tokens.newBuilder()
                        .setChoice(end.choice())
                        .setPosition(position)
                        .setFinished(end.toProto())
                        .build());
    }

    /// Ends the completions that went on with the response before.
    void lead() {
        run.lead();
    }

    void whole() {
        run.end(true);
    }

    /// Ends it with an error; one that its client has cancelled is as if it had not been sent.
    ///
    /// @param accepted whether a scheduler had accepted it; else it is as if it had not been sent
    void failed(ApiError error, boolean accepted) {
        if ((!accepted && !goesOn) || error.code().equals(RunningResponse.CANCELLED)) {
            run.refuse();
        } else if (error.isDisplaced()) {
            run.moved();
        } else if (error.isOfThisCoordinator()) {
            run.leave();
        } else {
            run.end(false);
        }
    }

    void interrupted() {
        run.leave();
    }
}

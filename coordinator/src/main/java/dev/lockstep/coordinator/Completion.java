// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import dev.lockstep.cluster.process.Clock;
import dev.lockstep.cluster.process.Failpoint;
import dev.lockstep.cluster.process.Failpoints;
import dev.lockstep.coordinator.engine.CompletionInbox;
import dev.lockstep.coordinator.engine.EngineEvent;
import dev.lockstep.coordinator.engine.GeneratedToken;
import dev.lockstep.coordinator.engine.SchedulerCall;
import dev.lockstep.coordinator.engine.SchedulerClient;
import dev.lockstep.coordinator.journal.Journal;
import dev.lockstep.proto.v1.PositionOutputs;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;

/// The run of one request from token ids to text: sends its prompts by a [PromptDispatch], and the
/// generated text to the response sink. Confined to one virtual thread.
final class Completion {
    static final Failpoint BEFORE_SEND = new Failpoint("coordinator.before-send");
    static final Failpoint FIRST_TOKEN = new Failpoint("coordinator.first-token");
    static final List<Failpoint> FAILPOINTS = List.of(BEFORE_SEND, FIRST_TOKEN);

    private static final Logger LOG = LogManager.getLogger(Completion.class);

    private final PreparedRequest request;
    private final Environment environment;
    private final CompletionInbox inbox;
    private final ResponseSink sink;
    private final List<PromptRun> runs = new ArrayList<>();
    private final PromptDispatch dispatch;
    private final long beginNanos;
    private long firstTokenNanos;
    private long quietSince;
    private boolean started;
    private boolean begun;
    private int openChoices;

    private TokenUsage usage;
    private Optional<JournalEntry> journal = Optional.empty();

    /// The objects that all completions of a process share.
    ///
    /// @param quiet silence after which the response sink is notified
    /// @param unanswered silence after which a scheduler that has not accepted a request is given
    ///   up
    /// @param journal of accepted requests, where they are to survive this process
    record Environment(
            SchedulerClient schedulers,
            Clock clock,
            Failpoints failpoints,
            Duration quiet,
            Duration unanswered,
            Optional<Journal> journal) {}

    Completion(
            PreparedRequest request,
            Environment environment,
            CompletionInbox inbox,
            ResponseSink sink) {
        this.request = request;
        this.environment = environment;
        this.inbox = inbox;
        this.sink = sink;
        this.beginNanos = environment.clock().nanoTime();
        this.quietSince = beginNanos;
        this.openChoices = request.choices();
        this.usage = TokenUsage.ofPrompt(request.promptTokens());
        Set<Integer> endIds = request.sampling().endIds();
        for (int prompt = 0; prompt < request.prompts().size(); prompt++) {
            List<ChoiceAnswer> answers = new ArrayList<>();
            for (int i = 0; i < request.choicesPerPrompt(); i++) {
                answers.add(choice(endIds, request.id() + "/" + prompt + "/" + i));
            }
            runs.add(new PromptRun(request.engineRequest(prompt), answers));
        }
        this.dispatch = new PromptDispatch(request, environment, inbox, runs, this::handle);
    }

    private ChoiceAnswer choice(Set<Integer> endIds, String name) {
        var text =
                new ChoiceText(
                        request.model(),
                        request.sampling(),
                        endIds,
                        request.answer().map(AnswerPlan::markers).orElse(Set.of()));
        return new ChoiceAnswer(text, request.answer().map(plan -> plan.reader(name)));
    }

    /// Runs until the response is completed or failed.
    void run() {
        if (!request.needsEngine()) {
            for (int choice = 0; choice < openChoices; choice++) {
                sink.finished(choice, Finish.length(), usage);
            }
            sink.completed(usage);
            return;
        }
        try {
            dispatch.requireGroup();
            journal = JournalEntry.of(request, environment.journal(), inbox);
            dispatch.begin(journal);
            while (openChoices > 0) {
                dispatch.send();
                if (journal.isPresent()) {
                    journal.get().awaitDurable();
                }
                if (openChoices > 0) {
                    awaitEvent();
                    dispatch.goOn();
                }
            }
            journal.ifPresent(JournalEntry::whole);
            sink.completed(usage);
            log(finishReasons());
        } catch (ApiError e) {
            journal.ifPresent(entry -> entry.failed(e, dispatch.isAccepted()));
            sink.failed(e);
            log(e.code().isEmpty() ? "refused" : e.code());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            journal.ifPresent(JournalEntry::interrupted);
            sink.failed(ApiError.internal("the request was interrupted"));
        } catch (RuntimeException | StackOverflowError e) {
            journal.ifPresent(entry -> entry.failed(ApiError.internal(""), dispatch.isAccepted()));
            sink.failed(RequestFault.logged("request " + request.requestId(), e));
        } finally {
            inbox.cancelCalls();
        }
    }

    /// As [PromptDispatch#requireGroup].
    void requireGroup() {
        dispatch.requireGroup();
    }

    private void awaitEvent() throws InterruptedException {
        Duration waiting = dispatch.pause();
        Optional<EngineEvent> event = inbox.poll(waiting);
        if (event.isPresent()) {
            handle(event.get());
            quietSince = environment.clock().nanoTime();
        } else {
            dispatch.idle(waiting);
            if (isQuiet()) {
                sink.quiet();
                quietSince = environment.clock().nanoTime();
            }
        }
    }

    private boolean isQuiet() {
        long silent = environment.clock().nanoTime() - quietSince;
        return silent >= environment.quiet().toNanos();
    }

    private void handle(EngineEvent event) {
        switch (event) {
            case EngineEvent.Accepted accepted -> {
                accepted(accepted.call());
                next(accepted.call());
            }
            case EngineEvent.Tokens tokens -> {
                begin(tokens.call());
                int position = runs.get(tokens.call()).position(tokens.choice());
                if (tokens.position() > position && runs.get(tokens.call()).attached) {
                    dispatch.incomplete(tokens.call());
                    return;
                }
                List<GeneratedToken> fresh = runs.get(tokens.call()).commit(tokens);
                journal.ifPresent(entry -> entry.commit(tokens));
                if (tokens.choice() == 0) {
                    cached(tokens.call(), tokens.cachedTokens());
                }
                usage = usage.withMigrations(runs.get(tokens.call()).migrations());
                push(tokens, fresh, position);
                tokens.end().ifPresent(this::finished);
                next(tokens.call());
            }
            case EngineEvent.Outputs outputs -> {
                begin(outputs.call());
                PositionOutputs fresh =
                        runs.get(outputs.call()).commit(outputs.choice(), outputs.outputs());
                if (fresh.getNextTokensCount() > 0
                        || fresh.getHiddenStatesCount() > 0
                        || fresh.getPooledCount() > 0) {
                    sink.outputs(choiceIndex(outputs.call(), outputs.choice()), fresh);
                }
                next(outputs.call());
            }
            case EngineEvent.Finished finished -> {
                begin(finished.call());
                int position = runs.get(finished.call()).position(finished.choice());
                journal.ifPresent(entry -> entry.commit(finished, position));
                finished(finished);
                next(finished.call());
            }
            case EngineEvent.Ended ended -> {
                PromptRun run = runs.get(ended.call());
                if (!run.done()) {
                    if (run.attached) {
                        dispatch.incomplete(ended.call());
                        return;
                    }
                    throw ApiError.internal("the scheduler ended the request too early");
                }
            }
            case EngineEvent.Failed failed -> dispatch.failed(failed.call(), failed.failure());
            case EngineEvent.Stopped(ApiError error) ->
                    throw request.client().isPresent() ? error.ending(request.id()) : error;
            case EngineEvent.Stopped stopped -> throw stopped.error();
        }
    }

    private void finished(EngineEvent.Finished finished) {
        cached(finished.call(), finished.cachedTokens());
        ChoiceAnswer choice = choice(finished.call(), finished.choice());
        if (choice.finish().isEmpty()) {
            int end = runs.get(finished.call()).position(finished.choice()) + 1;
            Delta rest = choice.finish(finished.stopped(), finished.stopTokenId());
            send(choiceIndex(finished.call(), finished.choice()), rest, end, false);
            end(finished.call(), finished.choice(), end);
        }
    }

    /// Counts the cached tokens of a prompt once for all of its choices.
    private void cached(int call, int tokens) {
        PromptRun run = runs.get(call);
        if (tokens > run.cachedTokens) {
            usage = usage.withCached(usage.cachedTokens() + tokens - run.cachedTokens);
            run.cachedTokens = tokens;
        }
    }

    /// Sends the text of tokens: that of several at once where it is one part, and each for itself
    /// where the client may have the one before, or the sink numbers them.
    ///
    /// @param fresh those of them that are new
    /// @param position of the first one
    private void push(EngineEvent.Tokens tokens, List<GeneratedToken> fresh, int position) {
        ChoiceAnswer choice = choice(tokens.call(), tokens.choice());
        int index = choiceIndex(tokens.call(), tokens.choice());
        int known =
                sink.isNumbered()
                        ? Integer.MAX_VALUE
                        : request.resumed()
                                .map(resumed -> resumed.from().position(index))
                                .orElse(-1);
        int at = position;
        Delta delta = Delta.EMPTY;
        for (GeneratedToken token : fresh) {
            if (choice.finish().isPresent()) {
                break;
            }
            Delta next = choice.push(token);
            Delta both = delta.and(next);
            if (both.events().size() > 1 || at - 1 <= known) {
                send(index, delta, at, true);
                both = next;
            }
            delta = both;
            at++;
        }
        send(index, delta, at, true);
        if (at > position && choice.finish().isPresent()) {
            end(tokens.call(), tokens.choice(), at + 1);
        }
    }

    /// Sends a choice's delta to the sink.
    private void send(int index, Delta delta, int position, boolean whole) {
        if (!delta.isEmpty()) {
            usage = usage.plus(delta);
            sink.at(position, whole);
            sink.delta(index, delta, usage);
        }
    }

    /// Sends the end of a choice to the sink.
    private void end(int call, int choice, int position) {
        sink.at(position, true);
        sink.finished(
                choiceIndex(call, choice), choice(call, choice).finish().orElseThrow(), usage);
        openChoices--;
        PromptRun run = runs.get(call);
        run.finish(choice);
        if (run.done()) {
            dispatch.ended();
            // The engine does not know of stop strings, and would go on.
            run.call.ifPresent(SchedulerCall::cancel);
        }
    }

    private void accepted(int index) {
        dispatch.accepted(index);
        if (!started) {
            started = true;
            sink.started();
        }
    }

    private void begin(int index) {
        accepted(index);
        if (!begun) {
            begun = true;
            environment.failpoints().hit(FIRST_TOKEN);
            firstTokenNanos = environment.clock().nanoTime();
        }
    }

    private void next(int index) {
        runs.get(index).call.ifPresent(SchedulerCall::next);
    }

    /// Returns the index of a choice in the response.
    private int choiceIndex(int call, int choice) {
        return call * request.choicesPerPrompt() + choice;
    }

    private ChoiceAnswer choice(int call, int choice) {
        return runs.get(call).answer(choice);
    }

    private String finishReasons() {
        return runs.stream()
                .flatMap(run -> run.answers().stream())
                .map(choice -> choice.finish().map(end -> end.reason().word()).orElse("open"))
                .distinct()
                .collect(Collectors.joining("+"));
    }

    private void log(String end) {
        long now = environment.clock().nanoTime();
        LOG.info(
                "request {} id={} model={} prompt_tokens={} completion_tokens={} finish={} ttft_ms={} total_ms={}",
                request.requestId(),
                request.id(),
                request.model().name(),
                usage.promptTokens(),
                usage.completionTokens(),
                end,
                begun ? (firstTokenNanos - beginNanos) / 1_000_000 : -1,
                (now - beginNanos) / 1_000_000);
    }
}

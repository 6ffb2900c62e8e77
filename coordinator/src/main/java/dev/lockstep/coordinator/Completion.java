// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import dev.lockstep.cluster.process.Clock;
import dev.lockstep.cluster.process.Failpoint;
import dev.lockstep.cluster.process.Failpoints;
import dev.lockstep.coordinator.engine.CompletionInbox;
import dev.lockstep.coordinator.engine.EngineEvent;
import dev.lockstep.coordinator.engine.EngineRequest;
import dev.lockstep.coordinator.engine.Failure;
import dev.lockstep.coordinator.engine.GeneratedToken;
import dev.lockstep.coordinator.engine.SchedulerCall;
import dev.lockstep.coordinator.engine.SchedulerClient;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;

/// The run of one request from token ids to text: sends each prompt to a group, and the generated
/// text to the response sink. Confined to one virtual thread.
final class Completion {
    static final Failpoint BEFORE_SEND = new Failpoint("coordinator.before-send");
    static final Failpoint FIRST_TOKEN = new Failpoint("coordinator.first-token");
    static final List<Failpoint> FAILPOINTS = List.of(BEFORE_SEND, FIRST_TOKEN);

    private static final Logger LOG = LogManager.getLogger(Completion.class);

    /// The limit of prompts of one request in the engine at the same time, so that a long list does
    /// not fill a scheduler's queue.
    private static final int MAX_PROMPTS_IN_FLIGHT = 64;

    private final PreparedRequest request;
    private final Environment environment;
    private final CompletionInbox inbox;
    private final ResponseSink sink;
    private final List<PromptRun> runs = new ArrayList<>();
    private final long beginNanos;
    private long firstTokenNanos;
    private boolean begun;
    private int openChoices;
    private int sent;
    private int done;
    private TokenUsage usage;

    /// The objects that all completions of a process share.
    ///
    /// @param quiet silence after which the response sink is notified
    record Environment(
            SchedulerClient schedulers, Clock clock, Failpoints failpoints, Duration quiet) {}

    /// One prompt in the engine.
    private static final class PromptRun {
        final EngineRequest request;
        final List<ChoiceAnswer> choices = new ArrayList<>();
        final Set<String> refusedBy = new HashSet<>();
        Optional<Failure> refusal = Optional.empty();
        Optional<SchedulerCall> call = Optional.empty();
        boolean begun;
        int cachedTokens;

        PromptRun(EngineRequest request) {
            this.request = request;
        }

        boolean done() {
            return choices.stream().allMatch(choice -> choice.finish().isPresent());
        }
    }

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
        this.openChoices = request.choices();
        this.usage = TokenUsage.ofPrompt(request.promptTokens());
        Set<Integer> endIds = request.sampling().endIds();
        for (int prompt = 0; prompt < request.prompts().size(); prompt++) {
            var run = new PromptRun(request.engineRequest(prompt));
            for (int i = 0; i < request.choicesPerPrompt(); i++) {
                run.choices.add(choice(endIds));
            }
            runs.add(run);
        }
    }

    private ChoiceAnswer choice(Set<Integer> endIds) {
        var text =
                new ChoiceText(
                        request.model(),
                        request.sampling(),
                        endIds,
                        request.answer().map(AnswerPlan::markers).orElse(Set.of()));
        return new ChoiceAnswer(text, request.answer().map(AnswerPlan::reader));
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
            while (openChoices > 0) {
                while (sent < runs.size() && sent - done < MAX_PROMPTS_IN_FLIGHT) {
                    send(sent++);
                }
                Optional<EngineEvent> event = inbox.poll(environment.quiet());
                if (event.isPresent()) {
                    handle(event.get());
                } else {
                    sink.quiet();
                }
            }
            sink.completed(usage);
            log(finishReasons());
        } catch (ApiError e) {
            sink.failed(e);
            log(e.code().isEmpty() ? "refused" : e.code());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            sink.failed(ApiError.internal("the request was interrupted"));
        } catch (RuntimeException | StackOverflowError e) {
            sink.failed(RequestFault.logged("request " + request.requestId(), e));
        } finally {
            inbox.cancelCalls();
        }
    }

    private void send(int index) {
        PromptRun run = runs.get(index);
        environment.failpoints().hit(BEFORE_SEND);
        if (request.options().isExpired(environment.clock().nanoTime())) {
            throw ApiError.expired("the deadline passed before a scheduler had the request");
        }
        run.call = environment.schedulers().send(run.request, index, inbox, run.refusedBy);
        if (run.call.isEmpty()) {
            throw run.refusal
                    .map(failure -> ApiError.of(failure, false))
                    .orElseGet(this::noGroupIsReady);
        }
    }

    private ApiError noGroupIsReady() {
        return ApiError.unavailable(
                "not_ready", "no group is ready to serve " + request.model().name());
    }

    private void handle(EngineEvent event) {
        switch (event) {
            case EngineEvent.Tokens tokens -> {
                begin(tokens.call());
                if (tokens.choice() == 0) {
                    cached(tokens.call(), tokens.cachedTokens());
                }
                ChoiceAnswer choice = choice(tokens.call(), tokens.choice());
                boolean wasFinished = choice.finish().isPresent();
                Delta delta = Delta.EMPTY;
                for (GeneratedToken token : tokens.tokens()) {
                    delta = delta.and(choice.push(token));
                }
                deliver(tokens.call(), tokens.choice(), wasFinished, delta);
                next(tokens.call());
            }
            case EngineEvent.Outputs outputs -> {
                begin(outputs.call());
                sink.outputs(choiceIndex(outputs.call(), outputs.choice()), outputs.outputs());
                next(outputs.call());
            }
            case EngineEvent.Finished finished -> {
                begin(finished.call());
                cached(finished.call(), finished.cachedTokens());
                ChoiceAnswer choice = choice(finished.call(), finished.choice());
                deliver(
                        finished.call(),
                        finished.choice(),
                        choice.finish().isPresent(),
                        choice.finish(finished.stopped(), finished.stopTokenId()));
                next(finished.call());
            }
            case EngineEvent.Ended ended -> {
                if (!runs.get(ended.call()).done()) {
                    throw ApiError.internal("the scheduler ended the request too early");
                }
            }
            case EngineEvent.Failed failed -> failed(failed.call(), failed.failure());
            case EngineEvent.Stopped stopped -> throw stopped.error();
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

    /// Sends a choice's delta to the sink, and its end once.
    private void deliver(int call, int choice, boolean wasFinished, Delta delta) {
        int index = choiceIndex(call, choice);
        if (!delta.isEmpty()) {
            usage = usage.plus(delta);
            sink.delta(index, delta, usage);
        }
        Optional<Finish> finish = choice(call, choice).finish();
        if (!wasFinished && finish.isPresent()) {
            sink.finished(index, finish.get(), usage);
            openChoices--;
            PromptRun run = runs.get(call);
            if (run.done()) {
                done++;
                // The engine does not know of stop strings, and would go on.
                run.call.ifPresent(SchedulerCall::cancel);
            }
        }
    }

    private void failed(int index, Failure failure) {
        PromptRun run = runs.get(index);
        if (run.done()) {
            return;
        }
        if (run.begun || !failure.isRetryable()) {
            if (failure.isInternal()) {
                LOG.info("request {} failed: {}", request.requestId(), failure.description());
            }
            throw ApiError.of(failure, run.begun);
        }
        run.call.ifPresent(call -> run.refusedBy.add(call.scheduler()));
        run.refusal = Optional.of(run.refusal.map(failure::or).orElse(failure));
        LOG.debug(
                "request {} is sent to another group: {}",
                request.requestId(),
                failure.description());
        send(index);
    }

    private void begin(int index) {
        runs.get(index).begun = true;
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
        return runs.get(call).choices.get(choice);
    }

    private String finishReasons() {
        return runs.stream()
                .flatMap(run -> run.choices.stream())
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

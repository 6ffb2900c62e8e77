// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import dev.lockstep.coordinator.engine.CompletionInbox;
import dev.lockstep.coordinator.engine.EngineEvent;
import dev.lockstep.coordinator.engine.Failure;
import dev.lockstep.coordinator.engine.SchedulerCall;
import dev.lockstep.proto.v1.AttachRequest;
import dev.lockstep.proto.v1.ClientRecord;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;

/// Brings the prompts of one request to schedulers: to those that keep them, else to new ones, and
/// to others where these are lost. Confined to the completion's thread.
final class PromptDispatch {
    private static final Logger LOG = LogManager.getLogger(PromptDispatch.class);

    /// The limit of prompts of one request in the engine at the same time, so that a long list does
    /// not fill a scheduler's queue.
    private static final int MAX_PROMPTS_IN_FLIGHT = 64;

    private static final Duration RETRY_PAUSE = Duration.ofMillis(50);

    /// Silence of the engine after which it is checked whether a group is lost.
    private static final Duration MOVE_PAUSE = Duration.ofMillis(500);

    private final PreparedRequest request;
    private final Completion.Environment environment;
    private final CompletionInbox inbox;
    private final List<PromptRun> runs;
    private final Consumer<EngineEvent> events;
    private Optional<JournalEntry> journal = Optional.empty();
    private int sent;
    private int done;

    /// Prompts whose scheduler was lost, and that no other has accepted yet.
    private int lost;

    /// @param events gets what the journal has of a prompt
    PromptDispatch(
            PreparedRequest request,
            Completion.Environment environment,
            CompletionInbox inbox,
            List<PromptRun> runs,
            Consumer<EngineEvent> events) {
        this.request = request;
        this.environment = environment;
        this.inbox = inbox;
        this.runs = runs;
        this.events = events;
    }

    void begin(Optional<JournalEntry> entry) {
        journal = entry;
    }

    /// Sends the prompts for which there is room.
    void send() {
        while (sent < runs.size() && sent - done < MAX_PROMPTS_IN_FLIGHT) {
            send(sent++);
        }
    }

    /// A prompt has ended.
    void ended() {
        done++;
    }

    /// Goes on after a pause without events.
    void idle(Duration waited) {
        moveFromLostGroups();
        giveUpUnanswered(waited);
    }

    /// Refuses to go on from the journal where no group could: others wait longer for one.
    void requireGroup() {
        Optional<ResumedResponse> resumed =
                request.resumed()
                        .filter(each -> each.runs().isEmpty())
                        .filter(each -> each.journaled().filter(one -> !one.isWhole()).isPresent());
        if (resumed.isPresent() && !environment.schedulers().runs(request.model().name())) {
            throw noGroupIsReady();
        }
    }

    /// Whether a scheduler has accepted a prompt.
    boolean isAccepted() {
        return runs.stream().anyMatch(PromptRun::isAccepted);
    }

    private void send(int index) {
        PromptRun run = runs.get(index);
        environment.failpoints().hit(Completion.BEFORE_SEND);
        goOnFromJournal(run, index);
        if (run.done()) {
            return;
        }
        run.call = attach(run, index);
        if (run.call.isEmpty()) {
            journal.ifPresent(JournalEntry::lead);
            if (run.isAccepted()) {
                lost(run, "no scheduler keeps it");
            }
            // What is kept may have ended before the deadline.
            if (request.options().isExpired(environment.clock().nanoTime())) {
                throw ApiError.expired("the deadline passed before a scheduler had the request");
            }
            run.call = sendTo(run, index);
        }
        run.sent();
        if (run.call.isEmpty() && !run.isAccepted()) {
            throw run.refusal.map(ApiError::of).orElseGet(this::noGroupIsReady);
        }
    }

    /// Goes on with what the journal has of a prompt.
    private void goOnFromJournal(PromptRun run, int index) {
        if (run.attached || request.resumed().isEmpty()) {
            return;
        }
        Optional<List<EngineEvent.Tokens>> known =
                JournalEntry.known(request.resumed().get(), index);
        if (known.isPresent()) {
            events.accept(new EngineEvent.Accepted(index));
            known.get().forEach(events);
        }
    }

    /// Goes on with what a scheduler keeps of a prompt; tried once.
    private Optional<SchedulerCall> attach(PromptRun run, int index) {
        if (run.attached || request.client().isEmpty()) {
            return Optional.empty();
        }
        run.attached = true;
        ClientRecord client = request.client().get();
        Optional<SchedulerCall> call =
                request.resumed()
                        .flatMap(resumed -> resumed.run(index))
                        .flatMap(
                                kept ->
                                        environment
                                                .schedulers()
                                                .attach(
                                                        kept.scheduler(),
                                                        AttachRequest.newBuilder()
                                                                .setRequestId(kept.requestId())
                                                                .setOwner(client.getOwner())
                                                                .setReader(client.getReader())
                                                                .build(),
                                                        index,
                                                        inbox));
        run.attaching = call.isPresent();
        return call;
    }

    private Optional<SchedulerCall> sendTo(PromptRun run, int index) {
        return environment
                .schedulers()
                .send(run.request, run.progress(), index, inbox, run.refusedBy);
    }

    /// Returns how long to wait for the next event.
    Duration pause() {
        return lost > 0 ? RETRY_PAUSE : min(MOVE_PAUSE, environment.quiet());
    }

    private static Duration min(Duration a, Duration b) {
        return a.compareTo(b) < 0 ? a : b;
    }

    /// Moves prompts whose group is lost while another one serves the model: the group would go on
    /// with them when it is formed again, but that takes longer.
    private void moveFromLostGroups() {
        for (PromptRun run : runs.subList(0, sent)) {
            if (run.isAccepted() && run.call.isPresent() && !run.done() && run.mayMove()) {
                SchedulerCall call = run.call.get();
                if (environment.schedulers().mustMove(call.scheduler(), run.request.model())) {
                    call.abandon();
                    lost(run, "its group is not ready");
                }
            }
        }
    }

    /// Gives up schedulers that are silent about a request, although their heartbeats may arrive:
    /// the network loses what is sent to them. Only the time in which this process waited counts.
    private void giveUpUnanswered(Duration waited) {
        for (int index = 0; index < sent; index++) {
            PromptRun run = runs.get(index);
            if (run.call.isPresent() && run.waits(waited).compareTo(environment.unanswered()) > 0) {
                SchedulerCall call = run.call.get();
                call.abandon();
                environment.schedulers().unanswered(call.scheduler());
                failed(index, Failure.unanswered());
            }
        }
    }

    /// Sends the prompts whose scheduler was lost to one that serves the model now.
    void goOn() {
        for (int index = 0; lost > 0 && index < sent; index++) {
            PromptRun run = runs.get(index);
            if (!run.isLost() || run.call.isPresent()) {
                continue;
            }
            long now = environment.clock().nanoTime();
            if (request.options().isExpired(now)) {
                throw ApiError.expired("the request's deadline passed: deadline_ms has expired");
            }
            if (!run.mayGoOn(now)) {
                throw ApiError.groupLost();
            }
            run.refusedBy.clear();
            run.call = sendTo(run, index);
            run.sent();
        }
    }

    private ApiError noGroupIsReady() {
        return ApiError.unavailable(
                "not_ready", "no group is ready to serve " + request.model().name());
    }

    /// Leaves a scheduler that keeps a part only of what is missing in the journal.
    void incomplete(int index) {
        PromptRun run = runs.get(index);
        run.call.ifPresent(SchedulerCall::abandon);
        lost(run, "it is kept in part");
    }

    /// A call has failed: its prompt goes to another group, or the error is thrown.
    void failed(int index, Failure failure) {
        PromptRun run = runs.get(index);
        if (run.done()) {
            return;
        }
        boolean stillLost = run.isLost() && failure.isRetryable();
        if (run.isAccepted() && (failure.isLoss() || stillLost)) {
            lost(run, failure.description());
            return;
        }
        boolean goesOn = run.isAccepted() || request.resumed().isPresent();
        if (goesOn && failure.kind() == Failure.Kind.TAKEN) {
            throw ApiError.displaced();
        }
        if (run.isAccepted() || !failure.isRetryable()) {
            if (failure.isInternal()) {
                LOG.info("request {} failed: {}", request.requestId(), failure.description());
            }
            throw ApiError.of(failure);
        }
        if (run.attaching) {
            // It is not kept any more, and the scheduler may take it as a new one.
            run.attaching = false;
        } else {
            run.call.ifPresent(call -> run.refusedBy.add(call.scheduler()));
        }
        run.refusal = Optional.of(run.refusal.map(failure::or).orElse(failure));
        LOG.debug(
                "request {} is sent to another group: {}",
                request.requestId(),
                failure.description());
        send(index);
    }

    /// Keeps an accepted request whose scheduler was lost, or did not accept it after the loss of
    /// another: [#goOn] sends it again.
    private void lost(PromptRun run, String why) {
        if (run.lose(environment.clock().nanoTime())) {
            lost++;
            LOG.info("request {} goes on at another scheduler: {}", request.requestId(), why);
        }
    }

    /// A scheduler has a prompt, or the journal has.
    void accepted(int index) {
        lost -= runs.get(index).accept() ? 1 : 0;
        if (runs.get(index).call.isPresent()) {
            journal.ifPresent(JournalEntry::lead);
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler.process;

import dev.lockstep.cluster.process.Clock;
import dev.lockstep.proto.v1.AttachRequest;
import dev.lockstep.proto.v1.AttachSearchRequest;
import dev.lockstep.proto.v1.AttachSearchResponse;
import dev.lockstep.proto.v1.FinishReason;
import dev.lockstep.scheduler.Choice;
import dev.lockstep.scheduler.LostSequences;
import dev.lockstep.scheduler.Scheduler;
import dev.lockstep.scheduler.SchedulingOptions;
import dev.lockstep.scheduler.Sequence;
import dev.lockstep.scheduler.SequenceEvent;
import dev.lockstep.scheduler.SequenceFacts;
import dev.lockstep.scheduler.Submission;
import dev.lockstep.scheduler.WaitingLimits;
import io.grpc.Metadata;
import io.grpc.Status;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;
import org.jspecify.annotations.Nullable;

/// The requests of the step loop: which request each sequence belongs to, the delivery of its
/// events, and the sequences that wait for the next group because theirs was lost. Owned by the
/// step loop's thread.
final class Requests {
    static final Metadata.Key<String> RETRY_AFTER_MS =
            Metadata.Key.of("retry-after-ms", Metadata.ASCII_STRING_MARSHALLER);

    private static final String LATER_READER = "a later reader has the request";
    private static final String OTHER_MODEL = "the new group serves another model";
    private static final Logger LOG = LogManager.getLogger(Requests.class);

    private final Clock clock;
    private final RetryEstimate retryAfter = new RetryEstimate();
    private final Map<Sequence, RequestStream> owners = new HashMap<>();
    private final Set<RequestStream> written = new LinkedHashSet<>();
    private final DeliveryPace pace;
    private final ParkedSequences parked = new ParkedSequences();
    private final Resizing resizing;
    private final KeptRequests kept;
    private @Nullable Scheduler scheduler;
    private long arrivals;
    private long migrations;
    private long poisoned;

    /// @param resumeWindow how long a request is kept without a reader
    /// @param streamInterval as in [DeliveryPace]
    Requests(Clock clock, WaitingLimits limits, Duration resumeWindow, Duration streamInterval) {
        this.clock = clock;
        this.pace = new DeliveryPace(streamInterval);
        this.resizing = new Resizing(limits);
        this.kept = new KeptRequests(resumeWindow);
    }

    boolean isEmpty() {
        return owners.isEmpty();
    }

    int parkedCount() {
        return parked.count();
    }

    /// The time in which the group gets another number of ranks.
    Resizing resizing() {
        return resizing;
    }

    /// How often a sequence that had begun went on in another group.
    long migrations() {
        return migrations;
    }

    /// Sequences that were found to end their ranks.
    long poisoned() {
        return poisoned;
    }

    /// Queues a request with the group's scheduler, or fails it with the reason. While the group is
    /// formed anew with another number of ranks it waits for that.
    void submit(RequestStream stream, FormedGroup group) {
        try {
            stream.request().requireVocabulary(group.vocabularySize());
        } catch (IllegalArgumentException e) {
            stream.fail(Status.INVALID_ARGUMENT.withDescription(e.getMessage()));
            return;
        }
        // Two first requests with one key may both have been accepted, and one moves here.
        if (!stream.request().accepted()
                && stream.request().client().filter(kept::isTaken).isPresent()) {
            stream.fail(Status.ALREADY_EXISTS.withDescription("another request has the key"));
            return;
        }
        if (kept.hasLaterReader(stream.request())) {
            stream.fail(Status.ALREADY_EXISTS.withDescription(LATER_READER));
            return;
        }
        kept.find(stream.request().id()).ifPresent(this::replace);
        if (scheduler == null) {
            park(stream, group);
            return;
        }
        stream.sequences(sequences(stream, group));
        queue(stream, scheduler, stream.request().accepted());
    }

    private void park(RequestStream stream, FormedGroup before) {
        String full = resizing.full(stream);
        if (!full.isEmpty()) {
            refuse(stream, full, resizing.queue(retryAfter).retryAfter());
            return;
        }
        stream.sequences(sequences(stream, before));
        parked.join(stream.sequences());
        resizing.add(stream);
        accept(stream);
        LOG.debug("request {} waits for the resized group", stream.request().id());
    }

    private List<Sequence> sequences(RequestStream stream, FormedGroup group) {
        GenerateRequest request = stream.request();
        SchedulingOptions options = request.options(clock.nanoTime());
        var sequences = new ArrayList<Sequence>();
        for (Choice choice : request.choices()) {
            var sequence =
                    new Sequence(
                            arrivals++,
                            request.id(),
                            request.promptIds(),
                            choice,
                            request.wanted(choice.index()),
                            options,
                            sequences.isEmpty()
                                    ? Optional.empty()
                                    : Optional.of(sequences.getFirst()),
                            group.shape().pagedGroups().size());
            if (request.accepted()) {
                sequence.goOnAfter(request.committed().get(sequences.size()));
            }
            sequences.add(sequence);
        }
        return sequences;
    }

    /// @param accepted whether it was accepted before, here or by another scheduler
    private void queue(RequestStream stream, Scheduler to, boolean accepted) {
        switch (to.submit(stream.sequences(), accepted, clock.nanoTime())) {
            case Submission.Queued() -> {
                if (!resizing.has(stream)) {
                    accept(stream);
                }
                LOG.debug("request {} queued", stream.request().id());
            }
            case Submission.QueueFull(var why) ->
                    refuse(stream, why, retryAfter.estimate(to.waiting()));
            case Submission.TooLate(var why, var waitNanos) ->
                    refuse(stream, why, retryAfter.within(Duration.ofNanos(waitNanos)));
            case Submission.Unservable(var why) ->
                    endUnqueued(stream, Status.INVALID_ARGUMENT.withDescription(why));
        }
    }

    private void accept(RequestStream stream) {
        stream.accepted();
        for (Sequence one : stream.sequences()) {
            owners.put(one, stream);
            migrations += one.outputCount() > 0 ? 1 : 0;
        }
        kept.add(stream, clock.nanoTime());
        endUnreadOverflow();
    }

    /// Returns the state of the queue for the gate.
    Gate.Queue queue() {
        if (resizing.before().isPresent()) {
            return resizing.queue(retryAfter);
        }
        if (scheduler == null || scheduler.waiting() == 0) {
            return Gate.Queue.OPEN;
        }
        int waiting = scheduler.waiting();
        return new Gate.Queue(waiting, scheduler.waitingTokens(), retryAfter.estimate(waiting));
    }

    private void refuse(RequestStream stream, String why, Duration wait) {
        end(stream, Status.RESOURCE_EXHAUSTED.withDescription(why), Gate.retry(wait));
    }

    /// The reader of a request has left. One that cancels ends the request; one whose connection
    /// broke may be followed by another.
    void left(RequestReader reader, boolean lost) {
        RequestStream stream = reader.stream();
        if (stream == null || !stream.isReadBy(reader.out())) {
            return;
        }
        if (lost && kept.isRunning(stream)) {
            LOG.info("request {} goes on without a reader", stream.request().id());
            stream.abandon();
            kept.left(stream, clock.nanoTime());
        } else {
            cancel(stream);
        }
    }

    private void cancel(RequestStream stream) {
        LOG.debug("request {} cancelled", stream.request().id());
        stream.interrupt();
        drop(stream);
        kept.ended(stream, clock.nanoTime());
    }

    /// Ends a kept request that was sent again.
    private void replace(RequestStream old) {
        old.fail(Status.ALREADY_EXISTS.withDescription("the request was sent again"));
        drop(old);
        kept.forget(old);
    }

    /// Goes on with a kept request for another reader.
    void attach(RequestReader reader, AttachRequest request) {
        String requestId = request.getRequestId();
        Optional<RequestStream> found = kept.find(requestId, request.getOwner());
        if (found.isEmpty()) {
            String unknown = "request " + requestId + " is not kept";
            reader.out().onError(Status.NOT_FOUND.withDescription(unknown).asRuntimeException());
            return;
        }
        if (!kept.tryAttach(found.get(), request.getReader())) {
            reader.out()
                    .onError(
                            Status.ALREADY_EXISTS
                                    .withDescription(LATER_READER)
                                    .asRuntimeException());
            return;
        }
        LOG.info("request {} goes on for another reader", requestId);
        reader.read(found.get());
        found.get().attach(reader.out());
    }

    AttachSearchResponse search(AttachSearchRequest question) {
        AttachSearchResponse found = kept.search(question, clock.nanoTime());
        if (question.getForget()) {
            found.getRequestsList().forEach(one -> forget(one.getRequestId()));
        }
        return found;
    }

    /// Ends a request that its client wants to be gone; its reader does not send it again then.
    private void forget(String requestId) {
        LOG.debug("request {} is forgotten", requestId);
        Status gone = Status.ALREADY_EXISTS.withDescription("the request is forgotten");
        kept.find(requestId).ifPresent(stream -> end(stream, gone));
    }

    /// Cancels requests that no reader has come back for.
    void endUnread() {
        for (RequestStream stream : kept.removeOverdue(clock.nanoTime())) {
            LOG.info("request {} ends: no reader has come back", stream.request().id());
            stream.abandon();
            drop(stream);
        }
    }

    private void endUnreadOverflow() {
        if (kept.isFull()) {
            endUnread();
        }
    }

    /// Fails a request and removes its sequences.
    private void end(RequestStream stream, Status status, Metadata trailers) {
        stream.fail(status, trailers);
        drop(stream);
        kept.forget(stream);
    }

    private void end(RequestStream stream, Status status) {
        end(stream, status, new Metadata());
    }

    /// As [#end], of a request whose sequences the scheduler does not have.
    private void endUnqueued(RequestStream stream, Status status) {
        stream.sequences().forEach(owners::remove);
        end(stream, status);
    }

    private void drop(RequestStream stream) {
        for (Sequence sequence : stream.sequences()) {
            boolean queued = owners.remove(sequence) != null && !parked.remove(sequence);
            if (queued && scheduler != null) {
                scheduler.cancel(sequence, clock.nanoTime());
            }
        }
        resizing.remove(stream);
    }

    /// Delivers the events of a step to the requests of their sequences, at the pace of a stream.
    /// What a step has for a choice, and its end, is sent as one event: so a coordinator that has
    /// the last token also knows that it is the last.
    void deliver(List<SequenceEvent> events) {
        events.forEach(this::deliver);
        pace.stepped(written, clock.nanoTime());
        written.clear();
    }

    /// Returns when tokens that are held are due; [DeliveryPace#NEVER] if none are held.
    long nextDelivery() {
        return pace.due();
    }

    /// Sends tokens that are due, also while no step ends.
    void deliverDue() {
        pace.sendDue(clock.nanoTime());
    }

    /// Ends the requests of sequences whose deadline has passed.
    void expired(List<SequenceEvent> expired) {
        expired.forEach(this::deliver);
        written.clear();
    }

    private void deliver(SequenceEvent event) {
        RequestStream stream = owners.get(event.sequence());
        if (stream == null) {
            return;
        }
        written.add(stream);
        int choice = event.sequence().choice().index();
        switch (event) {
            case SequenceEvent.Generated(var sequence, var position, var token) -> {
                if (position == 0) {
                    stream.began(choice, sequence.cachedAtFirst());
                }
                if (!stream.generated(choice, position, token)) {
                    tooSlow(stream, sequence, RequestStream.MAX_UNREAD + " tokens");
                }
            }
            case SequenceEvent.Computed(var sequence, var outputs) -> {
                if (!stream.computed(choice, outputs)) {
                    tooSlow(stream, sequence, RequestStream.MAX_UNREAD_VALUES + " values");
                }
            }
            case SequenceEvent.Stopped(var sequence, var id) ->
                    finish(stream, sequence, FinishReason.FINISH_REASON_STOP, id);
            case SequenceEvent.LengthReached(var sequence) ->
                    finish(stream, sequence, FinishReason.FINISH_REASON_LENGTH, -1);
            case SequenceEvent.Refused(var _, var reason) ->
                    end(stream, Status.INVALID_ARGUMENT.withDescription(reason));
            case SequenceEvent.Expired(var sequence) -> {
                LOG.debug("request {} ends: its deadline passed", sequence.requestId());
                String late = "the request's deadline passed: deadline_ms has expired";
                end(stream, Status.DEADLINE_EXCEEDED.withDescription(late));
            }
        }
    }

    /// @param unread the limit that is exceeded, with its unit
    private void tooSlow(RequestStream stream, Sequence sequence, String unread) {
        LOG.warn("request {} ends: its reader is too slow", sequence.requestId());
        String slow = "more than " + unread + " are unread";
        stream.fail(Status.CANCELLED.withDescription(slow));
        cancel(stream);
    }

    private void finish(RequestStream stream, Sequence sequence, FinishReason reason, int id) {
        owners.remove(sequence);
        // A sequence that generates nothing had no first token.
        stream.began(sequence.choice().index(), sequence.cachedAtFirst());
        stream.finished(sequence.choice().index(), reason, id);
        if (stream.isComplete()) {
            kept.ended(stream, clock.nanoTime());
        }
        retryAfter.finished(clock.nanoTime());
        LOG.debug("request {} finished: {}", sequence.requestId(), reason);
    }

    /// Continues with a new group: parked sequences are queued again in their old order, as if no
    /// group had been lost.
    void formed(FormedGroup group, Scheduler fresh) {
        scheduler = fresh;
        var unfit = new LinkedHashMap<RequestStream, String>();
        for (Sequence sequence : parked.takeAll()) {
            RequestStream stream = owners.get(sequence);
            if (stream == null || resizing.has(stream)) {
                continue;
            }
            stream.migrated(sequence.choice().index(), sequence.migrations());
            String why = resume(sequence, group, fresh);
            if (!why.isEmpty()) {
                owners.remove(sequence);
                unfit.put(stream, why);
            }
        }
        unfit.forEach((stream, why) -> end(stream, Status.UNAVAILABLE.withDescription(why)));
        for (RequestStream stream : resizing.waiting()) {
            if (parked.fit(group.modelDigest())) {
                queue(stream, fresh, true);
            } else {
                endUnqueued(stream, Status.UNAVAILABLE.withDescription(OTHER_MODEL));
            }
            resizing.remove(stream);
        }
        resizing.end();
    }

    /// Queues a parked sequence, or returns why the new group cannot run it.
    private String resume(Sequence sequence, FormedGroup group, Scheduler fresh) {
        if (!parked.fit(group.modelDigest())) {
            return OTHER_MODEL;
        }
        migrations += sequence.migrations() > 0 ? 1 : 0;
        return switch (fresh.resume(sequence, clock.nanoTime())) {
            case Submission.Unservable(var why) ->
                    "the new group cannot continue the request: " + why;
            case Submission.Queued _, Submission.QueueFull _, Submission.TooLate _ -> "";
        };
    }

    /// Parks the sequences of a lost group, and ends the requests that were found to end its ranks.
    void lost(LostSequences lost, FormedGroup group, GroupLoss.Cause cause) {
        scheduler = null;
        parked.add(lost.parked(), group.modelDigest(), clock.nanoTime());
        if (cause == GroupLoss.Cause.RESIZED) {
            resizing.begin(group, clock.nanoTime());
        }
        poisoned += lost.poisoned().size();
        for (Sequence sequence : lost.poisoned()) {
            RequestStream stream = owners.remove(sequence);
            LOG.error("request {} ends: its worker failed twice", sequence.requestId());
            if (stream != null) {
                String twice = "a worker that ran the request alone failed for the second time";
                end(stream, Status.ABORTED.withDescription(twice));
            }
        }
    }

    /// Returns the earliest deadline of a parked sequence; [SchedulingOptions#NO_DEADLINE] when
    /// there is none.
    long nextParkedDeadline() {
        return parked.nextDeadline();
    }

    /// Ends the requests of parked sequences whose deadline has passed.
    void expireParked() {
        for (Sequence late : parked.late(clock.nanoTime())) {
            expired(List.of(new SequenceEvent.Expired(late)));
        }
    }

    /// Returns how far each sequence is, oldest first.
    List<SequenceFacts> facts() {
        return owners.keySet().stream()
                .sorted(Comparator.comparingLong(Sequence::arrival))
                .map(SequenceFacts::of)
                .toList();
    }

    /// Fails the requests when the parked sequences have waited too long for the next group. One
    /// that gets another number of ranks is not waited for any more, even if nothing is parked.
    void endWaitingTooLong(Status unready) {
        boolean resized = resizing.before().isPresent();
        Duration longest = resized ? Resizing.MAX_WAIT : ParkedSequences.MAX_WAIT;
        long now = clock.nanoTime();
        if (resized ? resizing.waitedFor(longest, now) : parked.waitedFor(longest, now)) {
            resizing.end();
            failAll(
                    unready.augmentDescription(
                            "waited " + longest.toSeconds() + " s for the next group"));
        }
    }

    void failAll(Status status) {
        for (RequestStream stream : new LinkedHashSet<>(owners.values())) {
            end(stream, status);
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler.process;

import dev.lockstep.cluster.process.Clock;
import dev.lockstep.proto.v1.FinishReason;
import dev.lockstep.scheduler.Choice;
import dev.lockstep.scheduler.LostSequences;
import dev.lockstep.scheduler.Scheduler;
import dev.lockstep.scheduler.SchedulingOptions;
import dev.lockstep.scheduler.Sequence;
import dev.lockstep.scheduler.SequenceEvent;
import dev.lockstep.scheduler.Submission;
import io.grpc.Metadata;
import io.grpc.Status;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;
import org.jspecify.annotations.Nullable;

/// The requests of the step loop: which request each sequence belongs to, the delivery of its
/// events, and the sequences that wait for the next group because theirs was lost before they
/// started. Owned by the step loop's thread.
final class Requests {
    static final Metadata.Key<String> RETRY_AFTER_MS =
            Metadata.Key.of("retry-after-ms", Metadata.ASCII_STRING_MARSHALLER);

    private static final Logger LOG = LogManager.getLogger(Requests.class);

    private final Clock clock;
    private final RetryEstimate retryAfter = new RetryEstimate();
    private final Map<Sequence, RequestStream> owners = new HashMap<>();
    private final ParkedSequences parked = new ParkedSequences();
    private @Nullable Scheduler scheduler;
    private long arrivals;

    Requests(Clock clock) {
        this.clock = clock;
    }

    boolean isEmpty() {
        return owners.isEmpty();
    }

    int parkedCount() {
        return parked.count();
    }

    /// Queues a request with the group's scheduler, or fails it with the reason.
    void submit(RequestStream stream, FormedGroup group) {
        try {
            stream.request().requireVocabulary(group.vocabularySize());
        } catch (IllegalArgumentException e) {
            stream.fail(Status.INVALID_ARGUMENT.withDescription(e.getMessage()));
            return;
        }
        stream.sequences(sequences(stream, group));
        queue(stream, stream.sequences());
    }

    private List<Sequence> sequences(RequestStream stream, FormedGroup group) {
        GenerateRequest request = stream.request();
        SchedulingOptions options = request.options(clock.nanoTime());
        var sequences = new ArrayList<Sequence>();
        for (Choice choice : request.choices()) {
            sequences.add(
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
                            group.shape().kvGroups().size()));
        }
        return sequences;
    }

    private void queue(RequestStream stream, List<Sequence> sequences) {
        if (scheduler == null) {
            throw new IllegalStateException("no group is formed");
        }
        switch (scheduler.submit(sequences, clock.nanoTime())) {
            case Submission.Queued() -> {
                sequences.forEach(one -> owners.put(one, stream));
                LOG.debug("request {} queued", stream.request().id());
            }
            case Submission.QueueFull(var why) ->
                    refuse(stream, why, retryAfter.estimate(scheduler.waiting()));
            case Submission.TooLate(var why, var waitNanos) ->
                    refuse(stream, why, retryAfter.within(Duration.ofNanos(waitNanos)));
            case Submission.Unservable(var why) ->
                    end(stream, Status.INVALID_ARGUMENT.withDescription(why));
        }
    }

    /// Returns the state of the queue for the gate.
    Gate.Queue queue() {
        if (scheduler == null || scheduler.waiting() == 0) {
            return Gate.Queue.OPEN;
        }
        int waiting = scheduler.waiting();
        return new Gate.Queue(waiting, scheduler.waitingTokens(), retryAfter.estimate(waiting));
    }

    private void refuse(RequestStream stream, String why, Duration wait) {
        end(stream, Status.RESOURCE_EXHAUSTED.withDescription(why), Gate.retry(wait));
    }

    void cancel(RequestStream stream) {
        LOG.debug("request {} cancelled", stream.request().id());
        stream.abandon();
        drop(stream);
    }

    /// Fails a request and removes its sequences.
    private void end(RequestStream stream, Status status, Metadata trailers) {
        stream.fail(status, trailers);
        drop(stream);
    }

    private void end(RequestStream stream, Status status) {
        end(stream, status, new Metadata());
    }

    private void drop(RequestStream stream) {
        for (Sequence sequence : stream.sequences()) {
            boolean queued = owners.remove(sequence) != null && !parked.remove(sequence);
            if (queued && scheduler != null) {
                scheduler.cancel(sequence, clock.nanoTime());
            }
        }
    }

    /// Delivers an event to the request of its sequence.
    void deliver(SequenceEvent event) {
        RequestStream stream = owners.get(event.sequence());
        if (stream == null) {
            return;
        }
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
        end(stream, Status.CANCELLED.withDescription(slow));
    }

    private void finish(RequestStream stream, Sequence sequence, FinishReason reason, int id) {
        owners.remove(sequence);
        // A sequence that generates nothing had no first token.
        stream.began(sequence.choice().index(), sequence.cachedAtFirst());
        stream.finished(sequence.choice().index(), reason, id);
        retryAfter.finished(clock.nanoTime());
        LOG.debug("request {} finished: {}", sequence.requestId(), reason);
    }

    /// Continues with a new group: parked sequences are queued again in their old order, as if no
    /// group had been lost.
    void formed(FormedGroup group, Scheduler fresh) {
        scheduler = fresh;
        List<Sequence> sequences = parked.takeAll();
        List<RequestStream> streams = sequences.stream().map(owners::remove).toList();
        for (int i = 0; i < sequences.size(); i++) {
            RequestStream stream = streams.get(i);
            if (stream == null || stream.hasEnded()) {
                continue;
            }
            if (parked.fit(group.modelDigest())) {
                queue(stream, List.of(sequences.get(i)));
            } else {
                String other = "the new group serves another model";
                end(stream, Status.UNAVAILABLE.withDescription(other));
            }
        }
    }

    /// Ends the requests that had started in a lost group and parks the other sequences. Returns
    /// how many requests ended.
    int lost(LostSequences lost, String modelDigest, String reason) {
        scheduler = null;
        parked.add(lost.waiting(), modelDigest, clock.nanoTime());
        Status aborted = Status.ABORTED.withDescription("the group was lost: " + reason);
        var streams = new LinkedHashSet<RequestStream>();
        for (Sequence sequence : lost.aborted()) {
            RequestStream stream = owners.get(sequence);
            if (stream != null) {
                streams.add(stream);
            }
        }
        streams.forEach(stream -> end(stream, aborted));
        return streams.size();
    }

    /// Fails the requests when the parked sequences have waited too long for the next group.
    void expireParked(Status unready) {
        if (parked.waitedTooLong(clock.nanoTime())) {
            failAll(
                    unready.augmentDescription(
                            "waited "
                                    + ParkedSequences.MAX_WAIT.toSeconds()
                                    + " s for the next group"));
        }
    }

    void failAll(Status status) {
        for (RequestStream stream : new LinkedHashSet<>(owners.values())) {
            end(stream, status);
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler.process;

import dev.lockstep.proto.v1.EncodedOutputs;
import dev.lockstep.proto.v1.FinishReason;
import dev.lockstep.proto.v1.GenerateEvent;
import dev.lockstep.proto.v1.Usage;
import dev.lockstep.scheduler.PositionOutputs;
import dev.lockstep.scheduler.SampledToken;
import dev.lockstep.scheduler.Sequence;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.stub.ServerCallStreamObserver;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// One request and the stream of its events; ends exactly once.
///
/// The step loop adds the events of a step, calls [#drain], and never blocks: while the reader is
/// slow, tokens are kept here, up to [#MAX_UNREAD]. The transport's thread sends the rest when the
/// reader catches up; both synchronize on this.
final class RequestStream {
    /// Tokens that may wait for a slow reader, beyond what the transport buffers.
    static final int MAX_UNREAD = 2048;

    /// Values of hidden states that may wait: 64 MiB.
    static final int MAX_UNREAD_VALUES = 1 << 24;

    private static final GenerateEvent ACCEPTED =
            GenerateEvent.newBuilder()
                    .setAccepted(GenerateEvent.Accepted.getDefaultInstance())
                    .build();

    private final GenerateRequest request;
    private final ServerCallStreamObserver<GenerateEvent> out;
    private final List<Outbox> outboxes = new ArrayList<>();
    private List<Sequence> sequences = List.of();
    private int unread;
    private int unreadValues;
    private int unfinished;
    private int generated;
    private int cachedTokens;
    private boolean ended;
    private boolean complete;

    /// The events of a choice that are not sent yet: tokens, then its end.
    private static final class Outbox {
        final ArrayDeque<PositionOutputs> outputs = new ArrayDeque<>();
        int cachedTokens;
        int migrations;
        GenerateEvent.Tokens.@Nullable Builder tokens;
        GenerateEvent.@Nullable Finished finished;
    }

    RequestStream(GenerateRequest request, ServerCallStreamObserver<GenerateEvent> out) {
        this.request = request;
        this.out = out;
        this.unfinished = request.choices().size();
        for (int i = 0; i <= request.choices().getLast().index(); i++) {
            outboxes.add(new Outbox());
        }
    }

    GenerateRequest request() {
        return request;
    }

    /// One per choice, once it was submitted; owned by the step loop.
    List<Sequence> sequences() {
        return sequences;
    }

    void sequences(List<Sequence> choices) {
        sequences = choices;
    }

    /// Tells the coordinator that the request is queued.
    synchronized void accepted() {
        if (!ended) {
            out.onNext(ACCEPTED);
        }
    }

    /// Sets how many tokens of the prompt of a choice were found in the cache, before its first
    /// token.
    synchronized void began(int choice, int cached) {
        outboxes.get(choice).cachedTokens = cached;
        cachedTokens = choice == 0 ? cached : cachedTokens;
    }

    /// Sets how often a choice has gone on in another epoch.
    synchronized void migrated(int choice, int migrations) {
        outboxes.get(choice).migrations = migrations;
    }

    /// Adds a token. Returns false when too much is unread: then the request must be failed.
    synchronized boolean generated(int choice, int position, SampledToken token) {
        if (ended) {
            return true;
        }
        Outbox outbox = outboxes.get(choice);
        GenerateEvent.Tokens.Builder tokens = outbox.tokens;
        if (tokens == null) {
            tokens =
                    GenerateEvent.Tokens.newBuilder()
                            .setChoice(choice)
                            .setPosition(position)
                            .setMigrations(outbox.migrations);
            if (position == 0) {
                tokens.setCachedTokens(outbox.cachedTokens);
            }
            outbox.tokens = tokens;
        }
        tokens.addIds(token.id());
        if (token.logprobs().isPresent()) {
            tokens.addLogprobs(Payloads.toProto(token.logprobs().get()));
        }
        generated++;
        unread++;
        return unread <= MAX_UNREAD;
    }

    /// As [#generated], for outputs of positions.
    synchronized boolean computed(int choice, PositionOutputs outputs) {
        if (ended) {
            return true;
        }
        outboxes.get(choice).outputs.add(outputs);
        unreadValues += outputs.hiddenValues();
        return unreadValues <= MAX_UNREAD_VALUES;
    }

    synchronized void finished(int choice, FinishReason reason, int stopTokenId) {
        if (ended) {
            return;
        }
        GenerateEvent.Finished.Builder finished =
                GenerateEvent.Finished.newBuilder()
                        .setChoice(choice)
                        .setReason(reason)
                        .setStopTokenId(stopTokenId);
        if (--unfinished == 0) {
            finished.setUsage(
                    Usage.newBuilder()
                            .setPromptTokens(request.promptIds().length)
                            .setCompletionTokens(generated)
                            .setCachedTokens(cachedTokens));
            complete = true;
        }
        outboxes.get(choice).finished = finished.build();
    }

    synchronized void fail(Status status, Metadata trailers) {
        if (!ended) {
            ended = true;
            out.onError(status.asRuntimeException(trailers));
        }
    }

    void fail(Status status) {
        fail(status, new Metadata());
    }

    /// Ends the stream because the client has disconnected: nothing more is sent.
    synchronized void abandon() {
        ended = true;
    }

    synchronized boolean hasEnded() {
        return ended;
    }

    /// Sends what the transport accepts without buffering more; the end only after the last token.
    synchronized void drain() {
        for (int i = 0; i < outboxes.size() && !ended && out.isReady(); i++) {
            drain(i, outboxes.get(i));
        }
        if (complete && !ended && unread == 0 && outboxes.stream().allMatch(RequestStream::empty)) {
            ended = true;
            out.onCompleted();
        }
    }

    private void drain(int choice, Outbox outbox) {
        while (!outbox.outputs.isEmpty() && out.isReady()) {
            PositionOutputs outputs = outbox.outputs.remove();
            unreadValues -= outputs.hiddenValues();
            GenerateEvent.Outputs.Builder event =
                    GenerateEvent.Outputs.newBuilder()
                            .setChoice(choice)
                            .setOutputs(toProto(outputs));
            out.onNext(GenerateEvent.newBuilder().setOutputs(event).build());
        }
        if (!outbox.outputs.isEmpty()) {
            return;
        }
        GenerateEvent.Tokens.Builder tokens = outbox.tokens;
        GenerateEvent.Finished finished = outbox.finished;
        outbox.finished = null;
        if (tokens != null) {
            // One event: a coordinator that has the last token also knows that it is the last.
            if (finished != null) {
                tokens.setFinished(finished);
            }
            outbox.tokens = null;
            unread -= tokens.getIdsCount();
            out.onNext(GenerateEvent.newBuilder().setTokens(tokens).build());
        } else if (finished != null) {
            out.onNext(GenerateEvent.newBuilder().setFinished(finished).build());
        }
    }

    private static boolean empty(Outbox outbox) {
        return outbox.outputs.isEmpty() && outbox.tokens == null && outbox.finished == null;
    }

    private static EncodedOutputs toProto(PositionOutputs outputs) {
        EncodedOutputs.Builder proto =
                EncodedOutputs.newBuilder()
                        .setPosition(outputs.position())
                        .setHiddenSize(outputs.hiddenSize())
                        .setPooled(Payloads.toProto(outputs.pooled()));
        outputs.nextTokens().forEach(token -> proto.addNextTokens(Payloads.toProto(token)));
        outputs.hiddenStates().forEach(state -> proto.addHiddenStates(Payloads.toProto(state)));
        return proto.build();
    }
}

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

/// One request and the stream of its events to its reader; each reader's ends exactly once.
///
/// The step loop adds the events of a step, calls [#drain], and never blocks: while the reader is
/// slow, tokens are kept here, up to [#MAX_UNREAD]. The transport's thread sends the rest when the
/// reader catches up; both synchronize on this. A request that is kept goes on without a reader,
/// and the next one gets all tokens from the first on.
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
    private final List<Outbox> outboxes = new ArrayList<>();
    private final List<DeliveredTokens> delivered = new ArrayList<>();
    private @Nullable ServerCallStreamObserver<GenerateEvent> out;
    private List<Sequence> sequences = List.of();
    private int unread;
    private int unreadValues;
    private int unfinished;
    private int generated;
    private int cachedTokens;
    private boolean complete;
    private boolean interrupted;
    private boolean urgent;

    /// The events of a choice that are not sent yet: tokens, then its end.
    private static final class Outbox {
        final ArrayDeque<PositionOutputs> outputs = new ArrayDeque<>();
        final ArrayDeque<GenerateEvent> again = new ArrayDeque<>();
        int cachedTokens;
        int migrations;
        GenerateEvent.Tokens.@Nullable Builder tokens;
        GenerateEvent.@Nullable Finished finished;

        Outbox(int migrations) {
            this.migrations = migrations;
        }
    }

    RequestStream(GenerateRequest request, ServerCallStreamObserver<GenerateEvent> out) {
        this.request = request;
        this.out = out;
        this.unfinished = request.choices().size();
        for (int i = 0; i <= request.choices().getLast().index(); i++) {
            outboxes.add(new Outbox(request.migrations()));
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
        if (out != null) {
            out.onNext(ACCEPTED);
        }
    }

    /// Keeps all tokens from now on, for readers that come later.
    synchronized void keep() {
        boolean logprobs = request.reportsLogprobs();
        for (int i = 0; i < outboxes.size(); i++) {
            delivered.add(new DeliveredTokens(List.of(), logprobs));
        }
        for (int i = 0; i < request.committed().size(); i++) {
            int choice = request.choices().get(i).index();
            delivered.set(choice, new DeliveredTokens(request.committed().get(i), logprobs));
        }
    }

    /// Ends [#keep], and lets the tokens go.
    synchronized void keepNoMore() {
        delivered.clear();
    }

    /// Returns an estimate of the bytes that a kept request holds beside its sequences.
    synchronized long bytes() {
        long bytes = request.client().map(client -> client.getRecord().size()).orElse(0);
        for (DeliveredTokens each : delivered) {
            bytes += each.bytes();
        }
        return bytes;
    }

    /// Returns whether a reader that comes later would miss something: what another scheduler had
    /// sent, and has not been sent along.
    synchronized boolean isPartial() {
        return request.choices().size() < request.choiceCount()
                || delivered.stream().anyMatch(DeliveredTokens::isPartial);
    }

    /// Returns whether all choices have ended by themselves.
    synchronized boolean isComplete() {
        return complete;
    }

    synchronized boolean isReadBy(ServerCallStreamObserver<GenerateEvent> reader) {
        return reader.equals(out);
    }

    /// Sends the events of a kept request from the first on to this reader, in place of the one
    /// that it has.
    synchronized void attach(ServerCallStreamObserver<GenerateEvent> reader) {
        fail(Status.ALREADY_EXISTS.withDescription("another call goes on with the request"));
        out = reader;
        unread = 0;
        unreadValues = 0;
        for (int choice = 0; choice < outboxes.size(); choice++) {
            Outbox outbox = outboxes.get(choice);
            outbox.tokens = null;
            outbox.finished = null;
            outbox.outputs.clear();
            outbox.again.clear();
            GenerateEvent.Tokens first =
                    GenerateEvent.Tokens.newBuilder()
                            .setChoice(choice)
                            .setMigrations(outbox.migrations)
                            .build();
            outbox.again.addAll(delivered.get(choice).events(first, outbox.cachedTokens));
        }
        accepted();
        drain();
    }

    /// Ends the generation of a kept request: a reader that comes later gets the tokens until now.
    synchronized void interrupt() {
        interrupted = !complete;
        out = null;
    }

    /// Sets how many tokens of the prompt of a choice were found in the cache, before its first
    /// token.
    synchronized void began(int choice, int cached) {
        outboxes.get(choice).cachedTokens = cached;
        cachedTokens = choice == 0 ? cached : cachedTokens;
    }

    /// Sets how often a choice has gone on in another epoch of this group.
    synchronized void migrated(int choice, int migrations) {
        outboxes.get(choice).migrations = request.migrations() + migrations;
    }

    /// Adds a token. Returns false when too much is unread: then the request must be failed.
    synchronized boolean generated(int choice, int position, SampledToken token) {
        generated++;
        if (!delivered.isEmpty()) {
            delivered.get(choice).add(token);
        }
        if (out == null) {
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
                urgent = true;
            }
            outbox.tokens = tokens;
        }
        tokens.addIds(token.id());
        if (token.logprobs().isPresent()) {
            tokens.addLogprobs(Payloads.toProto(token.logprobs().get()));
        }
        unread++;
        return unread <= MAX_UNREAD;
    }

    /// As [#generated], for outputs of positions.
    synchronized boolean computed(int choice, PositionOutputs outputs) {
        if (out == null) {
            return true;
        }
        outboxes.get(choice).outputs.add(outputs);
        urgent = true;
        unreadValues += outputs.hiddenValues();
        return unreadValues <= MAX_UNREAD_VALUES;
    }

    synchronized void finished(int choice, FinishReason reason, int stopTokenId) {
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
        GenerateEvent.Finished end = finished.build();
        if (!delivered.isEmpty()) {
            delivered.get(choice).finish(end);
        }
        if (out != null) {
            outboxes.get(choice).finished = end;
            urgent = true;
        }
    }

    /// Whether it has something that no reader should wait for: a first token, an end, outputs.
    synchronized boolean isUrgent() {
        return urgent;
    }

    /// Sends what the transport accepts, then the error.
    synchronized void fail(Status status, Metadata trailers) {
        sendReady();
        ServerCallStreamObserver<GenerateEvent> reader = out;
        if (reader != null) {
            out = null;
            reader.onError(status.asRuntimeException(trailers));
        }
    }

    void fail(Status status) {
        fail(status, new Metadata());
    }

    /// Lets go of a reader that has left: nothing more is sent to it.
    synchronized void abandon() {
        out = null;
    }

    /// Whether it has no reader.
    synchronized boolean hasEnded() {
        return out == null;
    }

    /// As [#drain()], for a reader that may not be the one any more.
    synchronized void drain(ServerCallStreamObserver<GenerateEvent> reader) {
        if (reader.equals(out)) {
            drain();
        }
    }

    /// Sends what the transport accepts without buffering more; the end only after the last token.
    synchronized void drain() {
        sendReady();
        ServerCallStreamObserver<GenerateEvent> reader = out;
        // The transport may call back while it sends.
        if (reader == null || !(complete || interrupted) || unread > 0) {
            return;
        }
        if (!outboxes.stream().allMatch(RequestStream::empty)) {
            return;
        }
        if (complete) {
            out = null;
            reader.onCompleted();
        } else {
            fail(Status.UNAVAILABLE.withDescription("the request was cancelled"));
        }
    }

    private void sendReady() {
        urgent = false;
        ServerCallStreamObserver<GenerateEvent> reader = out;
        for (int i = 0; reader != null && i < outboxes.size(); i++) {
            if (reader.equals(out) && reader.isReady()) {
                send(i, outboxes.get(i), reader);
            }
        }
    }

    private static void send(
            ArrayDeque<GenerateEvent> events, ServerCallStreamObserver<GenerateEvent> to) {
        while (!events.isEmpty() && to.isReady()) {
            to.onNext(events.remove());
        }
    }

    private void send(int choice, Outbox outbox, ServerCallStreamObserver<GenerateEvent> out) {
        send(outbox.again, out);
        if (!outbox.again.isEmpty()) {
            return;
        }
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
        return outbox.again.isEmpty()
                && outbox.outputs.isEmpty()
                && outbox.tokens == null
                && outbox.finished == null;
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

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.google.protobuf.ByteString;
import com.google.protobuf.InvalidProtocolBufferException;
import dev.lockstep.cluster.Eventually;
import dev.lockstep.cluster.Member;
import dev.lockstep.cluster.process.Randomness;
import dev.lockstep.coordinator.engine.FakeBlocks;
import dev.lockstep.proto.v1.AttachRequest;
import dev.lockstep.proto.v1.AttachSearchRequest;
import dev.lockstep.proto.v1.AttachSearchResponse;
import dev.lockstep.proto.v1.BlockEvents;
import dev.lockstep.proto.v1.ClientRecord;
import dev.lockstep.proto.v1.DescribeRequestRequest;
import dev.lockstep.proto.v1.EncodedOutputs;
import dev.lockstep.proto.v1.FinishReason;
import dev.lockstep.proto.v1.GenerateEvent;
import dev.lockstep.proto.v1.GenerateRequest;
import dev.lockstep.proto.v1.GroupStatus;
import dev.lockstep.proto.v1.KeptRequest;
import dev.lockstep.proto.v1.PositionOutputs;
import dev.lockstep.proto.v1.RankInfo;
import dev.lockstep.proto.v1.RequestTimeline;
import dev.lockstep.proto.v1.SamplingParams;
import dev.lockstep.proto.v1.SchedulerGrpc;
import dev.lockstep.proto.v1.SetDrainingRequest;
import dev.lockstep.proto.v1.SetDrainingResponse;
import dev.lockstep.proto.v1.SetRanksRequest;
import dev.lockstep.proto.v1.SetRanksResponse;
import dev.lockstep.proto.v1.Token;
import dev.lockstep.proto.v1.TopLogprob;
import dev.lockstep.proto.v1.Usage;
import dev.lockstep.proto.v1.WatchBlocksRequest;
import dev.lockstep.proto.v1.WatchGroupRequest;
import io.grpc.Metadata;
import io.grpc.Server;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.netty.NettyServerBuilder;
import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Function;

/// A scheduler that generates scripted tokens over a real connection.
public final class FakeScheduler extends SchedulerGrpc.SchedulerImplBase implements AutoCloseable {
    /// The handler of a request, which runs on its own thread.
    @FunctionalInterface
    public interface Behaviour {
        void serve(Call call) throws InterruptedException;
    }

    public static final int BLOCK_SIZE = 4;

    private static final int BLOCKS = 100;

    private final FakeBlocks blocks = new FakeBlocks();
    private final ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor();
    private final List<ServerCallStreamObserver<GroupStatus>> watchers =
            new CopyOnWriteArrayList<>();
    private final BlockingQueue<Call> calls = new LinkedBlockingQueue<>();
    private final Map<String, Function<DescribeRequestRequest, RequestTimeline>> timelines =
            new ConcurrentHashMap<>();
    private final Map<String, GenerateRequest> kept = new ConcurrentHashMap<>();
    private final AtomicInteger attached = new AtomicInteger();
    private volatile boolean partial;
    private volatile boolean forgets;
    private volatile boolean read;
    private final Server server;
    private final String group;
    private final String incarnation = Randomness.secure().nextIncarnation();
    private volatile Behaviour behaviour = call -> call.fail(Status.INTERNAL);
    private volatile GroupStatus status;
    private volatile boolean mute;

    public FakeScheduler(String group, String model, int vocabulary, int context)
            throws IOException {
        this.group = group;
        status =
                GroupStatus.newBuilder()
                        .setGroup(group)
                        .setReady(true)
                        .setEpoch(1)
                        .setModel(model)
                        .setMaxModelLen(context)
                        .setVocabSize(vocabulary)
                        .setMaxNumSeqs(8)
                        .setBlockSize(BLOCK_SIZE)
                        .setBlocksTotal(BLOCKS)
                        .addRanks(RankInfo.newBuilder().setHost("localhost"))
                        .build();
        server =
                NettyServerBuilder.forAddress(
                                new InetSocketAddress(InetAddress.getLoopbackAddress(), 0))
                        .addService(this)
                        .build()
                        .start();
    }

    public Member member() {
        return Member.scheduler(group, "127.0.0.1", server.getPort(), incarnation);
    }

    public void behave(Behaviour next) {
        behaviour = next;
        calls.clear();
    }

    /// Reports to all coordinators that the group is ready or not.
    public void ready(boolean ready) {
        report(ready, ready ? "" : "a rank is missing");
    }

    /// Reports that the group is not ready, and why.
    void unready(String reason) {
        report(false, reason);
    }

    private void report(boolean ready, String reason) {
        publish(status.toBuilder().setReady(ready).setReason(reason).build());
    }

    /// Reports whether the group is being formed anew with another number of ranks.
    public void resizing(boolean now) {
        publish(status.toBuilder().setBlocksTotal(now ? 0 : BLOCKS).build());
    }

    /// Returns its prefix cache.
    public FakeBlocks blocks() {
        return blocks;
    }

    public void idle() {
        busy(0, 0);
    }

    public void busy(int running, long waitingTokens) {
        publish(status.toBuilder().setRunning(running).setWaitingTokens(waitingTokens).build());
    }

    /// Has any number of ranks below 9.
    @Override
    public void setRanks(SetRanksRequest request, StreamObserver<SetRanksResponse> observer) {
        int ranks = request.getRanks();
        if (ranks > 8) {
            observer.onError(
                    Status.FAILED_PRECONDITION
                            .withDescription("no shard has less than one of 8 heads")
                            .asRuntimeException());
            return;
        }
        publish(
                status.toBuilder()
                        .clearRanks()
                        .addAllRanks(Collections.nCopies(ranks, RankInfo.getDefaultInstance()))
                        .build());
        observer.onNext(SetRanksResponse.getDefaultInstance());
        observer.onCompleted();
    }

    /// Sets its status and sends it to all coordinators.
    public void publish(GroupStatus next) {
        status = next;
        watchers.forEach(this::send);
    }

    public GroupStatus status() {
        return status;
    }

    @Override
    public void setDraining(
            SetDrainingRequest request, StreamObserver<SetDrainingResponse> observer) {
        boolean draining = request.getDraining();
        publish(
                status.toBuilder()
                        .setDraining(draining)
                        .setReady(!draining)
                        .setReason(draining ? "draining" : "")
                        .build());
        observer.onNext(SetDrainingResponse.getDefaultInstance());
        observer.onCompleted();
    }

    /// Sends this status and none after it, like a process that hangs.
    public synchronized void muteAfter(GroupStatus last) {
        publish(last);
        mute = true;
    }

    /// Resumes sending the status.
    public void unmute() {
        mute = false;
    }

    /// Returns the next request since [#behave].
    public Call nextCall() throws InterruptedException {
        Call call = calls.poll(Eventually.TIMEOUT.toSeconds(), TimeUnit.SECONDS);
        if (call == null) {
            throw new AssertionError("no request within " + Eventually.TIMEOUT);
        }
        return call;
    }

    public boolean hasCalls() {
        return !calls.isEmpty();
    }

    @Override
    public void watchGroup(WatchGroupRequest request, StreamObserver<GroupStatus> observer) {
        var watcher = (ServerCallStreamObserver<GroupStatus>) observer;
        watcher.setOnCancelHandler(() -> watchers.remove(watcher));
        watchers.add(watcher);
        send(watcher);
        threads.execute(
                () -> {
                    while (watchers.contains(watcher)) {
                        send(watcher);
                        try {
                            Thread.sleep(500);
                        } catch (InterruptedException e) {
                            return;
                        }
                    }
                });
    }

    /// Sets the timeline of a request.
    void setTimeline(String requestId, Function<DescribeRequestRequest, RequestTimeline> timeline) {
        timelines.put(requestId, timeline);
    }

    @Override
    public void describeRequest(
            DescribeRequestRequest request, StreamObserver<RequestTimeline> observer) {
        Function<DescribeRequestRequest, RequestTimeline> timeline =
                timelines.get(request.getRequestId());
        if (timeline == null) {
            observer.onError(Status.NOT_FOUND.asRuntimeException());
            return;
        }
        try {
            observer.onNext(timeline.apply(request));
            observer.onCompleted();
        } catch (StatusRuntimeException e) {
            observer.onError(e);
        }
    }

    @Override
    public void watchBlocks(WatchBlocksRequest request, StreamObserver<BlockEvents> observer) {
        blocks.watch(request, observer);
    }

    private synchronized void send(ServerCallStreamObserver<GroupStatus> watcher) {
        if (!watcher.isCancelled() && !mute) {
            watcher.onNext(status);
        }
    }

    @Override
    public void generate(GenerateRequest request, StreamObserver<GenerateEvent> observer) {
        if (request.hasClient()) {
            keep(request);
        }
        serve(request, observer);
    }

    /// Lets it have a request that another coordinator had sent.
    void keep(GenerateRequest request) {
        kept.put(request.getRequestId(), request);
    }

    private void serve(GenerateRequest request, StreamObserver<GenerateEvent> observer) {
        var call = new Call(request, (ServerCallStreamObserver<GenerateEvent>) observer);
        calls.add(call);
        Behaviour now = behaviour;
        threads.execute(
                () -> {
                    try {
                        now.serve(call);
                    } catch (InterruptedException e) {
                        Thread.currentThread().interrupt();
                    }
                });
    }

    /// Forgets the requests that it could be attached to, like one that has refused them.
    void forget() {
        kept.clear();
    }

    /// Lets it say that a coordinator reads its requests.
    void read(boolean isRead) {
        read = isRead;
    }

    /// Lets requests that are attached to miss what another scheduler had sent.
    void keepPartially(boolean missing) {
        partial = missing;
    }

    @Override
    public void attachSearch(
            AttachSearchRequest question, StreamObserver<AttachSearchResponse> observer) {
        AttachSearchResponse.Builder found = AttachSearchResponse.newBuilder();
        for (GenerateRequest request : kept.values()) {
            ClientRecord client = request.getClient();
            boolean same =
                    question.hasKey()
                            ? client.getKey().equals(question.getKey())
                            : client.getResponseId().equals(question.getResponseId());
            if (same && client.getOwner().equals(question.getOwner())) {
                found.addRequests(
                        KeptRequest.newBuilder()
                                .setRequestId(request.getRequestId())
                                .setClient(client)
                                .setPartial(partial)
                                .setRead(read));
            }
        }
        if (question.getForget()) {
            found.getRequestsList().forEach(request -> kept.remove(request.getRequestId()));
        }
        if (forgets) {
            forgets = false;
            kept.clear();
        }
        observer.onNext(found.build());
        observer.onCompleted();
    }

    /// Serves the request again from its first token.
    @Override
    public void attach(AttachRequest request, StreamObserver<GenerateEvent> observer) {
        GenerateRequest known = kept.get(request.getRequestId());
        if (known == null || !known.getClient().getOwner().equals(request.getOwner())) {
            observer.onError(Status.NOT_FOUND.asRuntimeException());
            return;
        }
        attached.incrementAndGet();
        GenerateRequest.Builder again = known.toBuilder();
        again.getClientBuilder().setReader(request.getReader());
        kept.put(request.getRequestId(), again.build());
        serve(again.clearCommitted().build(), observer);
    }

    /// Returns how many calls have attached to a request.
    int attachedCalls() {
        return attached.get();
    }

    /// Forgets the requests that it could be attached to after it was asked for them once.
    void forgetWhenAsked() {
        forgets = true;
    }

    /// Cuts all connections, like a process that ends.
    public void die() {
        server.shutdownNow();
    }

    @Override
    public void close() {
        watchers.clear();
        server.shutdownNow();
        threads.shutdownNow();
    }

    /// One request and the stream of its events.
    public static final class Call {
        /// The cached tokens reported for every prompt; further choices report more, which the
        /// coordinator must ignore.
        static final int CACHED_TOKENS = 3;

        private final GenerateRequest request;
        private final ServerCallStreamObserver<GenerateEvent> out;
        private final CountDownLatch cancelled = new CountDownLatch(1);
        private final int[] generated;
        private int unfinished;
        private int migrations;

        Call(GenerateRequest request, ServerCallStreamObserver<GenerateEvent> out) {
            this.request = request;
            this.out = out;
            this.generated = new int[Math.max(1, request.getChoices())];
            request.getCommittedList()
                    .forEach(one -> generated[one.getChoice()] = one.getIdsCount());
            this.unfinished =
                    request.getCommittedCount() > 0
                            ? request.getCommittedCount()
                            : request.getChoices();
            out.setOnCancelHandler(cancelled::countDown);
        }

        public GenerateRequest request() {
            return request;
        }

        /// Tells the coordinator that the request is queued.
        public void accept() {
            send(
                    GenerateEvent.newBuilder()
                            .setAccepted(GenerateEvent.Accepted.getDefaultInstance())
                            .build());
        }

        /// Waits until the coordinator cancels; returns whether it did.
        public boolean awaitCancelled() throws InterruptedException {
            return cancelled.await(Eventually.TIMEOUT.toSeconds(), TimeUnit.SECONDS);
        }

        boolean isCancelled() {
            return cancelled.getCount() == 0;
        }

        /// Goes on in another epoch of the group this many times.
        public void migrate(int times) {
            migrations += times;
        }

        /// Sends one event with these tokens. Token i of a choice has log-probability -(i + 1) / 8.
        public void tokens(int choice, int... ids) {
            GenerateEvent.Tokens.Builder tokens =
                    GenerateEvent.Tokens.newBuilder().setChoice(choice);
            tokens.setPosition(generated[choice]).setMigrations(migrations);
            if (generated[choice] == 0) {
                tokens.setCachedTokens(CACHED_TOKENS + choice);
            }
            SamplingParams sampling = sampling();
            for (int id : ids) {
                generated[choice]++;
                tokens.addIds(id);
                if (sampling.getLogprobs()) {
                    float logprob = -generated[choice] / 8f;
                    Token.Builder token = Token.newBuilder().setId(id).setLogprob(logprob);
                    for (int i = 0; i < sampling.getTopLogprobs(); i++) {
                        token.addTopLogprobs(
                                TopLogprob.newBuilder()
                                        .setTokenId(i == 0 ? id : 10 + i)
                                        .setLogprob(i == 0 ? logprob : Float.NEGATIVE_INFINITY));
                    }
                    tokens.addLogprobs(token.build().toByteString());
                }
            }
            send(GenerateEvent.newBuilder().setTokens(tokens).build());
        }

        /// Sends one token of log-probability -0.5 with these most likely ones, of -0.5, -1, -1.5,
        /// …
        void token(int choice, int id, int... top) {
            Token.Builder token = Token.newBuilder().setId(id).setLogprob(-0.5f);
            for (int i = 0; i < top.length; i++) {
                token.addTopLogprobs(
                        TopLogprob.newBuilder().setTokenId(top[i]).setLogprob(-0.5f * (i + 1)));
            }
            GenerateEvent.Tokens.Builder tokens =
                    GenerateEvent.Tokens.newBuilder()
                            .setChoice(choice)
                            .setPosition(generated[choice]++)
                            .addIds(id)
                            .addLogprobs(token.build().toByteString());
            send(GenerateEvent.newBuilder().setTokens(tokens).build());
        }

        /// Returns the sampling settings that the workers would receive.
        SamplingParams sampling() {
            try {
                return SamplingParams.parseFrom(request.getSampling());
            } catch (InvalidProtocolBufferException e) {
                throw new IllegalStateException(e);
            }
        }

        void outputs(int choice, PositionOutputs outputs) {
            EncodedOutputs.Builder encoded =
                    EncodedOutputs.newBuilder()
                            .setPosition(outputs.getPosition())
                            .setHiddenSize(outputs.getHiddenSize())
                            .setPooled(floats(outputs.getPooledList()));
            outputs.getNextTokensList()
                    .forEach(token -> encoded.addNextTokens(token.toByteString()));
            List<Float> states = outputs.getHiddenStatesList();
            for (int i = 0; i < states.size(); i += outputs.getHiddenSize()) {
                encoded.addHiddenStates(floats(states.subList(i, i + outputs.getHiddenSize())));
            }
            GenerateEvent.Outputs.Builder event =
                    GenerateEvent.Outputs.newBuilder().setChoice(choice).setOutputs(encoded);
            send(GenerateEvent.newBuilder().setOutputs(event).build());
        }

        private static ByteString floats(List<Float> values) {
            ByteBuffer bytes =
                    ByteBuffer.allocate(4 * values.size()).order(ByteOrder.LITTLE_ENDIAN);
            values.forEach(bytes::putFloat);
            return ByteString.copyFrom(bytes.flip());
        }

        /// As [#tokens], but waits until the coordinator has requested more.
        void tokensWhenReady(int choice, int... ids) throws InterruptedException {
            while (!out.isReady() && !isCancelled()) {
                Thread.sleep(1);
            }
            tokens(choice, ids);
        }

        /// Sends each id in a separate event.
        public void oneByOne(int choice, int... ids) {
            for (int id : ids) {
                tokens(choice, id);
            }
        }

        void finish(int choice, boolean stopped, int stopTokenId) {
            GenerateEvent.Finished.Builder end =
                    GenerateEvent.Finished.newBuilder()
                            .setChoice(choice)
                            .setReason(
                                    stopped
                                            ? FinishReason.FINISH_REASON_STOP
                                            : FinishReason.FINISH_REASON_LENGTH)
                            .setStopTokenId(stopTokenId);
            boolean last = --unfinished == 0;
            if (last) {
                int all = 0;
                for (int count : generated) {
                    all += count;
                }
                end.setUsage(
                        Usage.newBuilder()
                                .setPromptTokens(request.getPromptIdsCount())
                                .setCompletionTokens(all)
                                .setCachedTokens(CACHED_TOKENS));
            }
            send(GenerateEvent.newBuilder().setFinished(end).build());
            if (last && !isCancelled()) {
                out.onCompleted();
            }
        }

        public void finishByLength(int choice) {
            finish(choice, false, -1);
        }

        public void fail(Status status) {
            out.onError(status.asRuntimeException());
        }

        public void fail(Status status, Metadata trailers) {
            out.onError(status.asRuntimeException(trailers));
        }

        private void send(GenerateEvent event) {
            if (!isCancelled()) {
                out.onNext(event);
            }
        }
    }
}

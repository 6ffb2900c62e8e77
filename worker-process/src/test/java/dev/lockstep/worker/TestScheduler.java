// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.lockstep.cluster.ClusterAccess;
import dev.lockstep.cluster.Member;
import dev.lockstep.cluster.MemberChannel;
import dev.lockstep.cluster.SocketIo;
import dev.lockstep.proto.v1.Form;
import dev.lockstep.proto.v1.Formed;
import dev.lockstep.proto.v1.Join;
import dev.lockstep.proto.v1.Joined;
import dev.lockstep.proto.v1.SchedulerMessage;
import dev.lockstep.proto.v1.StepResult;
import dev.lockstep.proto.v1.WorkerError;
import dev.lockstep.proto.v1.WorkerGrpc;
import dev.lockstep.proto.v1.WorkerMessage;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.StreamObserver;
import io.netty.channel.EventLoopGroup;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/// A manual scheduler: one stream to a worker, its messages, and the status of its end.
final class TestScheduler implements AutoCloseable, StreamObserver<WorkerMessage> {
    /// The limit of every wait; on a busy machine too, only a hanging worker exceeds it.
    static final int SECONDS = 120;

    private final ManagedChannel channel;
    private final StreamObserver<SchedulerMessage> out;
    private final BlockingQueue<WorkerMessage> answers = new LinkedBlockingQueue<>();
    private final BlockingQueue<WorkerMessage> heartbeats = new LinkedBlockingQueue<>();
    private final CompletableFuture<Status> end = new CompletableFuture<>();
    private final CompletableFuture<Metadata> trailers = new CompletableFuture<>();

    private final EventLoopGroup loop = SocketIo.eventLoop();

    TestScheduler(Member worker, ClusterAccess access) {
        this.channel = MemberChannel.to(worker, access, loop).build();
        this.out = WorkerGrpc.newStub(channel).attach(this);
    }

    void send(SchedulerMessage.Builder message) {
        out.onNext(message.build());
    }

    void send(dev.lockstep.proto.v1.Step.Builder step) {
        send(SchedulerMessage.newBuilder().setStep(step));
    }

    void sendJoin(String group, long epoch, int rank, int size) {
        send(
                SchedulerMessage.newBuilder()
                        .setJoin(
                                Join.newBuilder()
                                        .setGroup(group)
                                        .setEpoch(epoch)
                                        .setRank(rank)
                                        .setSize(size)));
    }

    void sendForm(Form.Builder form) {
        send(SchedulerMessage.newBuilder().setForm(form));
    }

    Joined join(long epoch) throws InterruptedException {
        sendJoin("default", epoch, 0, 1);
        WorkerMessage answer = next();
        assertEquals(WorkerMessage.MessageCase.JOINED, answer.getMessageCase(), answer::toString);
        return answer.getJoined();
    }

    static Form.Builder form(long epoch) {
        return Form.newBuilder()
                .setEpoch(epoch)
                .setRendezvous("test-" + epoch)
                .setKvBlocks(TestWorker.BLOCKS)
                .setMaxNumSeqs(TestWorker.MAX_SEQUENCES)
                .setMaxNumBatchedTokens(TestWorker.MAX_TOKENS);
    }

    Formed form(Form.Builder form) throws InterruptedException {
        sendForm(form);
        WorkerMessage answer = next();
        assertEquals(WorkerMessage.MessageCase.FORMED, answer.getMessageCase(), answer::toString);
        return answer.getFormed();
    }

    /// Joins and forms an epoch, so that step 1 may follow.
    void begin(long epoch) throws InterruptedException {
        join(epoch);
        form(form(epoch));
    }

    StepResult result() throws InterruptedException {
        WorkerMessage answer = next();
        assertEquals(WorkerMessage.MessageCase.RESULT, answer.getMessageCase(), answer::toString);
        return answer.getResult();
    }

    WorkerError error() throws InterruptedException {
        WorkerMessage answer = next();
        assertEquals(WorkerMessage.MessageCase.ERROR, answer.getMessageCase(), answer::toString);
        return answer.getError();
    }

    /// Returns the next answer; heartbeats have a separate queue.
    WorkerMessage next() throws InterruptedException {
        return taken(answers);
    }

    WorkerMessage heartbeat() throws InterruptedException {
        return taken(heartbeats);
    }

    private WorkerMessage taken(BlockingQueue<WorkerMessage> from) throws InterruptedException {
        WorkerMessage message = from.poll(SECONDS, TimeUnit.SECONDS);
        if (message == null) {
            throw new AssertionError(
                    "no message within %d s; the stream: %s"
                            .formatted(SECONDS, end.getNow(Status.OK.withDescription("open"))));
        }
        return message;
    }

    /// Returns the status with which the worker ended the stream.
    Status end() throws Exception {
        return end.get(SECONDS, TimeUnit.SECONDS);
    }

    boolean isOpenAfter(long millis) throws Exception {
        try {
            end.get(millis, TimeUnit.MILLISECONDS);
            return false;
        } catch (TimeoutException e) {
            return true;
        }
    }

    String trailer(Metadata.Key<String> key) throws Exception {
        return trailers.get(SECONDS, TimeUnit.SECONDS).get(key) + "";
    }

    void complete() {
        out.onCompleted();
    }

    /// Breaks the connection, as if this process died.
    void breakOff() {
        channel.shutdownNow();
    }

    @Override
    public void onNext(WorkerMessage message) {
        (message.hasHeartbeat() ? heartbeats : answers).add(message);
    }

    @Override
    public void onError(Throwable cause) {
        if (cause instanceof StatusRuntimeException failure && failure.getTrailers() != null) {
            trailers.complete(failure.getTrailers());
        }
        end.complete(Status.fromThrowable(cause));
    }

    @Override
    public void onCompleted() {
        end.complete(Status.OK);
    }

    @Override
    public void close() {
        channel.shutdownNow();
        loop.shutdownGracefully(0, 1, TimeUnit.SECONDS).awaitUninterruptibly(1, TimeUnit.SECONDS);
    }
}

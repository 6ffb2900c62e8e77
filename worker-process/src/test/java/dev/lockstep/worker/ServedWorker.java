// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import dev.lockstep.cluster.ClusterAccess;
import dev.lockstep.cluster.ClusterSecret;
import dev.lockstep.cluster.InternalAddress;
import dev.lockstep.cluster.Member;
import dev.lockstep.cluster.MemberAddress;
import dev.lockstep.cluster.process.Failpoints;
import java.nio.file.Path;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executors;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;

/// A worker as in its process, without ZooKeeper: server, service, step thread.
final class ServedWorker implements AutoCloseable {
    static final ClusterAccess ACCESS = ClusterAccess.of(ClusterSecret.random());

    private final ScheduledExecutorService timer =
            Executors.newSingleThreadScheduledExecutor(
                    Thread.ofPlatform().daemon().name("heartbeat").factory());
    private final StepRunner runner;
    private final CompletableFuture<Throwable> unusable = new CompletableFuture<>();
    private boolean ready;

    /// What ZooKeeper answers when the worker asks for the highest epoch.
    volatile OptionalLong given = OptionalLong.of(Long.MAX_VALUE);

    final WorkerServer server;

    /// The changes of the announced state: whether a group is formed. The initial state is false.
    final BlockingQueue<Boolean> announced = new LinkedBlockingQueue<>();

    ServedWorker(TestWorker worker, Path folder, String failpoints) {
        this.runner =
                new StepRunner(
                        worker.rank,
                        Failpoints.parse(failpoints, "worker", WorkerMain.FAILPOINTS),
                        unusable::complete);
        runner.start();
        this.server =
                WorkerServer.open(
                        new InternalAddress(
                                InternalAddress.unix(folder, "worker").socket(),
                                Optional.of("127.0.0.1"),
                                0),
                        ACCESS,
                        TestWorker.INCARNATION,
                        new WorkerService(
                                worker.joinReply,
                                new EpochBound(() -> given),
                                runner,
                                Optional.empty(),
                                worker.rank.kernels()::progress,
                                timer,
                                this::announce));
    }

    private synchronized void announce(boolean now) {
        if (now != ready) {
            ready = now;
            announced.add(now);
        }
    }

    /// Returns the next change of the announced state.
    boolean nextReady() throws InterruptedException {
        Boolean next = announced.poll(TestScheduler.SECONDS, TimeUnit.SECONDS);
        if (next == null) {
            throw new AssertionError("nothing was announced");
        }
        return next;
    }

    /// Returns why the process ends.
    Throwable unusable() throws Exception {
        return unusable.get(TestScheduler.SECONDS, TimeUnit.SECONDS);
    }

    TestScheduler dial() {
        return dial(port(), ACCESS);
    }

    TestScheduler dialUnixSocket() {
        return dial(unixSocket(), ACCESS);
    }

    /// Returns the address of its Unix socket alone.
    MemberAddress unixSocket() {
        return MemberAddress.unix(Path.of(server.address().unixSocket()));
    }

    /// Returns the address of its port alone.
    MemberAddress port() {
        return MemberAddress.tcp(server.address().host(), server.address().port());
    }

    static TestScheduler dial(MemberAddress address, ClusterAccess access) {
        return new TestScheduler(
                Member.worker("default", 0, 1, address, TestWorker.INCARNATION), access);
    }

    @Override
    public void close() {
        server.close();
        timer.shutdownNow();
        runner.close();
    }
}

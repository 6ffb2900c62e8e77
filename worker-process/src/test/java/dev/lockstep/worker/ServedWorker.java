// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import dev.lockstep.cluster.process.Failpoints;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.Executors;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;

/// A worker as in its process, without ZooKeeper: server, service, step thread.
final class ServedWorker implements AutoCloseable {
    private final ScheduledExecutorService timer =
            Executors.newSingleThreadScheduledExecutor(
                    Thread.ofPlatform().daemon().name("heartbeat").factory());
    private final StepRunner runner;
    private boolean ready;
    final WorkerServer server;

    /// The changes of the announced state: whether a group is formed. The initial state is false.
    final BlockingQueue<Boolean> announced = new LinkedBlockingQueue<>();

    ServedWorker(TestWorker worker, Path folder, String failpoints) {
        this.runner =
                new StepRunner(
                        worker.rank,
                        Failpoints.parse(
                                failpoints,
                                "worker",
                                List.of(
                                        WorkerMain.BEFORE_STEP,
                                        WorkerMain.AFTER_STEP,
                                        WorkerMain.BEFORE_FORM)));
        runner.start();
        this.server =
                WorkerServer.open(
                        "127.0.0.1",
                        0,
                        folder.resolve("worker.sock"),
                        new WorkerService(
                                worker.joinReply,
                                runner,
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

    TestScheduler dial() {
        return TestScheduler.overTcp(server.port());
    }

    TestScheduler dialUnixSocket() {
        return TestScheduler.overUnixSocket(server.socket());
    }

    @Override
    public void close() {
        server.close();
        timer.shutdownNow();
        runner.close();
    }
}

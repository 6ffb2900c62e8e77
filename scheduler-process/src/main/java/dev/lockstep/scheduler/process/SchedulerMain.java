// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler.process;

import dev.lockstep.cluster.Cluster;
import dev.lockstep.cluster.ClusterAccess;
import dev.lockstep.cluster.InternalServer;
import dev.lockstep.cluster.Member;
import dev.lockstep.cluster.Registration;
import dev.lockstep.cluster.ZooKeeperCluster;
import dev.lockstep.cluster.process.Clock;
import dev.lockstep.cluster.process.Daemon;
import dev.lockstep.cluster.process.ExitCode;
import dev.lockstep.cluster.process.Randomness;
import java.io.IOException;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Consumer;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;

/// A scheduler process: leads a group, or is a standby.
public final class SchedulerMain {
    /// How long a look at the step loop waits for it.
    private static final Duration LOOK = Duration.ofSeconds(1);

    private static final Logger LOG = LogManager.getLogger(SchedulerMain.class);

    private SchedulerMain() {}

    /// Runs until the daemon is stopped.
    ///
    /// @param notices receives lines for the person who started the process
    public static void run(
            SchedulerConfig config, ClusterAccess access, Daemon daemon, Consumer<String> notices) {
        try {
            start(config, access, daemon, notices);
        } catch (IOException e) {
            System.err.println("lockstep scheduler: " + e.getMessage());
            daemon.exitWith(ExitCode.FAILED);
        }
        daemon.run();
    }

    private static void start(
            SchedulerConfig config, ClusterAccess access, Daemon daemon, Consumer<String> notices)
            throws IOException {
        NettyTransport transport = daemon.own(new NettyTransport(access));
        ZooKeeperCluster cluster =
                daemon.own(ZooKeeperCluster.connect(config.zooKeeper(), config.cluster(), access));
        Randomness randomness = Randomness.secure();
        var journal = new BlockJournal(randomness.nextIncarnation());
        var size =
                new GroupSize(
                        config.tensorParallel(),
                        config.parentPipe() ? Optional.of(System.out::println) : Optional.empty());
        daemon.hear(size::hear);
        var service = new SchedulerService(config.group(), journal, size);
        String incarnation = randomness.nextIncarnation();
        InternalServer server =
                daemon.own(transport.listen(config.address(), incarnation, service));
        LOG.info("scheduler of group {} listens at {}", config.group(), server.address());
        cluster.handOverSession(config.address().socket());

        byte[] hashKey = awaitHashKey(cluster, daemon);
        if (daemon.stopping()) {
            return;
        }
        StepLoop loop =
                daemon.own(
                        new StepLoop(
                                config.waiting(),
                                config.policies(),
                                config.resumeWindow(),
                                config.streamInterval(),
                                config.canaryInterval(),
                                hashKey,
                                journal,
                                config.record().map(Recording::to),
                                Clock.SYSTEM,
                                config.failpoints(),
                                service::publish,
                                _ -> daemon.exitWith(ExitCode.FAILED)));
        loop.start();
        daemon.watch(loop::rounds);
        daemon.debugState().add("scheduler", () -> inspect(loop.inbox(), LOOK));
        service.serve(loop.inbox());
        Member member = Member.scheduler(config.group(), server.address(), incarnation);
        Registration registration = daemon.own(cluster.register(member));
        GroupKeeper keeper =
                daemon.own(
                        new GroupKeeper(
                                config,
                                cluster,
                                registration,
                                transport,
                                loop.inbox(),
                                size,
                                hashKey,
                                new FormationNotices(config.group(), notices),
                                Clock.SYSTEM,
                                randomness));
        keeper.start();
        daemon.atEnd(
                reason -> {
                    if (reason.drains()) {
                        registration.update(registration.member().withState(Member.State.STARTING));
                        boolean idle = loop.drain(config.drainTimeout());
                        LOG.info("drained, all requests done: {}", idle);
                    }
                });
    }

    /// Returns the state of the loop, or that it does not answer.
    static Object inspect(StepLoopInbox loop, Duration wait) {
        try {
            return loop.inspect().get(wait.toNanos(), TimeUnit.NANOSECONDS);
        } catch (TimeoutException | ExecutionException e) {
            LOG.warn("the step loop does not tell its state", e);
            return Map.of("silent_for_millis", wait.toMillis());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return Map.of();
        }
    }

    /// Waits for the hash key without a time limit, because processes start in any order. Returns
    /// no bytes when the daemon stops.
    private static byte[] awaitHashKey(Cluster cluster, Daemon daemon) {
        while (!daemon.stopping()) {
            try {
                return cluster.blockHashKey();
            } catch (IllegalStateException e) {
                LOG.warn("waiting for ZooKeeper: {}", e.getMessage());
            }
        }
        return new byte[0];
    }
}

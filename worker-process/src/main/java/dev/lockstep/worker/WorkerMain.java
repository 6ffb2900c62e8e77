// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import dev.lockstep.cluster.Cluster;
import dev.lockstep.cluster.ClusterAccess;
import dev.lockstep.cluster.Member;
import dev.lockstep.cluster.Registration;
import dev.lockstep.cluster.ZooKeeperCluster;
import dev.lockstep.cluster.process.Daemon;
import dev.lockstep.cluster.process.ExitCode;
import dev.lockstep.cluster.process.Failpoint;
import dev.lockstep.cluster.process.Failpoints;
import dev.lockstep.cluster.process.Randomness;
import dev.lockstep.kernels.DeviceLostException;
import dev.lockstep.model.LoadSettings;
import dev.lockstep.model.ModelSource;
import dev.lockstep.proto.v1.RankInfo;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;

/// A worker process: it loads its shard, announces itself, and serves schedulers.
public final class WorkerMain {
    static final Failpoint BEFORE_STEP = new Failpoint("worker.before-step");
    static final Failpoint AFTER_STEP = new Failpoint("worker.after-step");
    static final Failpoint BEFORE_FORM = new Failpoint("worker.before-form");
    static final Failpoint BEFORE_CANARY = new Failpoint("worker.before-canary");

    /// Trips at each checksum of the last rank, those of canary steps included.
    static final Failpoint FLIP_BIT = new Failpoint("worker.flip-bit");

    /// Hit by each step that admits a prompt whose first id is 0.
    static final Failpoint POISON = new Failpoint("worker.poison");

    static final List<Failpoint> FAILPOINTS =
            List.of(BEFORE_STEP, AFTER_STEP, BEFORE_FORM, BEFORE_CANARY, FLIP_BIT, POISON);

    private static final Logger LOG = LogManager.getLogger(WorkerMain.class);

    private WorkerMain() {}

    /// Runs until the daemon is stopped.
    ///
    /// @param progress receives the progress of loading, for the launcher's terminal
    public static void run(
            WorkerConfig config,
            ClusterAccess access,
            Daemon daemon,
            LoadSettings.Progress progress) {
        Failpoints failpoints = Failpoints.parse(config.failpoints(), "worker", FAILPOINTS);
        ModelSource source = ModelSource.open(config.model());
        Cluster cluster =
                daemon.own(ZooKeeperCluster.connect(config.zookeeper(), config.cluster(), access));
        LoadedRank loaded =
                daemon.own(
                        LoadedRank.load(
                                config,
                                source,
                                CacheFolders.ofUser(System.getenv()),
                                Randomness.secure().nextIncarnation(),
                                progress));
        Optional<Constraints> constraints =
                config.rank() == 0
                        ? Optional.of(Constraints.of(source.tokenizer(), source.vocabularySize()))
                        : Optional.empty();
        serve(config, access, daemon, cluster, loaded, constraints, failpoints);
    }

    private static void serve(
            WorkerConfig config,
            ClusterAccess access,
            Daemon daemon,
            Cluster cluster,
            LoadedRank loaded,
            Optional<Constraints> constraints,
            Failpoints failpoints) {
        JoinReply joinReply = loaded.joinReply();
        var runner =
                new StepRunner(
                        loaded.rank(),
                        failpoints,
                        failure -> {
                            System.err.println("lockstep worker: " + failure.getMessage());
                            daemon.exitWith(exitCode(failure));
                        });
        var announcement = new Announcement();
        ScheduledExecutorService timer =
                Executors.newSingleThreadScheduledExecutor(
                        Thread.ofPlatform().daemon().name("heartbeat").factory());
        var service =
                new WorkerService(
                        joinReply,
                        new EpochBound(() -> cluster.givenEpoch(config.group())),
                        runner,
                        constraints,
                        loaded.kernels()::progress,
                        timer,
                        formed -> {
                            announcement.serving(formed);
                            // Not before: it would take its time from the start and from the
                            // measurements of warm-up.
                            if (formed) {
                                constraints.ifPresent(Constraints::prepareLater);
                                loaded.keepPacked().run();
                            }
                        });
        runner.start();
        daemon.watch(runner::moves);
        daemon.own(runner);
        daemon.debugState()
                .add(
                        "worker",
                        () -> facts(config, loaded, service, runner, announcement.isServing()));
        daemon.atEnd(reason -> timer.shutdownNow());
        WorkerServer server =
                daemon.own(
                        WorkerServer.open(
                                config.address(), access, joinReply.incarnation(), service));
        daemon.atEnd(_ -> service.leave());
        Member member =
                Member.worker(
                                config.group(),
                                config.rank(),
                                config.tensorParallel(),
                                server.address(),
                                joinReply.incarnation())
                        .withAttributes(
                                Map.of(
                                        "model", config.servedModelName(),
                                        "digest", joinReply.modelDigest()));
        announcement.begin(daemon.own(cluster.register(member)));
        LOG.info(
                "rank {} of {} in group {}: {}, announced at {}",
                config.rank(),
                config.tensorParallel(),
                config.group(),
                joinReply.info().getShard(),
                server.address());
        daemon.run();
    }

    private static WorkerFacts facts(
            WorkerConfig config,
            LoadedRank loaded,
            WorkerService service,
            StepRunner runner,
            boolean formed) {
        RankInfo info = loaded.joinReply().info();
        return new WorkerFacts(
                config.group(),
                config.rank(),
                config.tensorParallel(),
                info.getDevice(),
                info.getInstructionSet(),
                info.getShard(),
                service.highestEpoch(),
                formed,
                loaded.kernels().progress(),
                loaded.kernels().allocatedBytes(),
                runner.facts());
    }

    /// Returns the exit code for what a [StepRunner] cannot mend.
    static int exitCode(Throwable failure) {
        return switch (failure) {
            case DeviceLostException _ -> ExitCode.DEVICE_LOST;
            case ExpelledException _ -> ExitCode.EXPELLED;
            default -> ExitCode.UNUSABLE;
        };
    }

    /// The announced state of this worker: READY while a group is formed. A change that precedes
    /// the registration is announced with it.
    private static final class Announcement {
        private Optional<Registration> registration = Optional.empty();
        private boolean serving;

        synchronized void begin(Registration made) {
            registration = Optional.of(made);
            announce();
        }

        synchronized boolean isServing() {
            return serving;
        }

        synchronized void serving(boolean now) {
            serving = now;
            announce();
        }

        private void announce() {
            Member.State state = serving ? Member.State.READY : Member.State.STARTING;
            registration
                    .filter(each -> each.member().state() != state)
                    .ifPresent(each -> each.update(each.member().withState(state)));
        }
    }
}

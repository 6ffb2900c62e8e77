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
import dev.lockstep.cluster.process.HostMemory;
import dev.lockstep.cluster.process.Randomness;
import dev.lockstep.kernels.DeviceCapabilities;
import dev.lockstep.kernels.DeviceLostException;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.model.ComputeTypes;
import dev.lockstep.model.LoadSettings;
import dev.lockstep.model.Model;
import dev.lockstep.model.ModelSource;
import dev.lockstep.model.Shard;
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
        Failpoints failpoints =
                Failpoints.parse(
                        config.failpoints(),
                        "worker",
                        List.of(BEFORE_STEP, AFTER_STEP, BEFORE_FORM));
        ModelSource source = ModelSource.open(config.model());
        Cluster cluster =
                daemon.own(ZooKeeperCluster.connect(config.zookeeper(), config.cluster(), access));
        WorkerDevice device = WorkerDevice.of(config, source);
        DeviceCapabilities capabilities = device.capabilities();
        ComputeTypes types = source.computeTypes(config.dtype(), config.kvDtype(), capabilities);
        WorkerDevice.Opened opened = device.open(types);
        Kernels kernels = opened.kernels();
        Shard shard = source.shard(config.rank(), config.tensorParallel());
        MemoryPlan plan = plan(config, source, shard, types, device, kernels);
        plan.lowered().forEach(line -> LOG.warn("lowered {}", line));
        MemoryBill bill = plan.ranks().getFirst();
        Model model =
                source.load(
                        shard,
                        kernels,
                        new LoadSettings(
                                types.compute(),
                                types.kv(),
                                WorkerConfig.BLOCK_SIZE,
                                plan.maxModelLen(),
                                progress));
        long kvBytes =
                switch (device) {
                    case WorkerDevice.Cpu _ -> bill.kv();
                    case WorkerDevice.Gpu gpu ->
                            gpu.memory(kernels, source.vocabularySize())
                                    .kvBytes(
                                            plan,
                                            config.kvMemory().orElse(0L),
                                            model.weightBytes());
                };
        var rank =
                new Rank(
                        model,
                        kernels,
                        opened.connector(),
                        new Rank.RankLimits(
                                plan.maxModelLen(),
                                WorkerConfig.BLOCK_SIZE,
                                maxTokens(config, capabilities),
                                kvBytes,
                                device.records()));
        daemon.own(rank);
        String incarnation = Randomness.secure().nextIncarnation();
        var joinReply =
                new JoinReply(
                        config,
                        incarnation,
                        source,
                        model,
                        types,
                        kernels.device(),
                        rank,
                        plan.maxModelLen(),
                        bill.activations());
        Optional<Constraints> constraints =
                config.rank() == 0
                        ? Optional.of(Constraints.of(source.tokenizer(), model.vocabularySize()))
                        : Optional.empty();
        constraints.ifPresent(WorkerMain::prepareLater);
        serve(config, access, daemon, cluster, joinReply, rank, constraints, kernels, failpoints);
    }

    /// Reads the vocabulary while the worker already serves.
    private static void prepareLater(Constraints constraints) {
        Thread.ofPlatform()
                .daemon()
                .name("vocabulary")
                .start(
                        () -> {
                            try {
                                constraints.prepare();
                            } catch (RuntimeException e) {
                                // A request with a constraint gets this error, others do without.
                                LOG.warn("the tokenizer cannot be read for constraints", e);
                            }
                        });
    }

    private static void serve(
            WorkerConfig config,
            ClusterAccess access,
            Daemon daemon,
            Cluster cluster,
            JoinReply joinReply,
            Rank rank,
            Optional<Constraints> constraints,
            Kernels kernels,
            Failpoints failpoints) {
        var runner =
                new StepRunner(
                        rank,
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
                        kernels::progress,
                        timer,
                        announcement::serving);
        runner.start();
        daemon.own(runner);
        daemon.atEnd(reason -> timer.shutdownNow());
        WorkerServer server =
                daemon.own(
                        WorkerServer.open(
                                config.address(), access, joinReply.incarnation(), service));
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

    /// Returns the exit code for what a [StepRunner] cannot mend.
    static int exitCode(Throwable failure) {
        return failure instanceof DeviceLostException ? ExitCode.DEVICE_LOST : ExitCode.UNUSABLE;
    }

    /// Plans this rank's memory. The ranks of a group must have the same limits, so one of several
    /// ranks does not lower its own.
    private static MemoryPlan plan(
            WorkerConfig config,
            ModelSource source,
            Shard shard,
            ComputeTypes types,
            WorkerDevice device,
            Kernels kernels) {
        int maxModelLen = WorkerConfig.maxModelLen(config.maxModelLen(), source);
        MemoryPlan.Rank rank =
                MemoryPlan.Rank.of(
                        source,
                        shard,
                        source.weightBytes(shard, kernels, types.compute()),
                        types,
                        maxTokens(config, kernels.capabilities()));
        MemoryPlan.Needs needs = MemoryPlan.Needs.of(source, List.of(rank));
        var asked =
                new MemoryPlan.Asked(
                        config.tensorParallel() == 1
                                ? config.maxModelLen()
                                : Optional.of(maxModelLen),
                        Optional.of(config.maxNumSeqs()),
                        config.kvMemory());
        return switch (device) {
            case WorkerDevice.Cpu _ -> MemoryPlan.of(needs, asked, HostMemory.availableBytes());
            case WorkerDevice.Gpu gpu ->
                    MemoryPlan.ofGpus(
                            needs, asked, gpu.memory(kernels, source.vocabularySize()).available());
        };
    }

    private static int maxTokens(WorkerConfig config, DeviceCapabilities capabilities) {
        return config.maxNumBatchedTokens().orElse(capabilities.maxStepTokens());
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

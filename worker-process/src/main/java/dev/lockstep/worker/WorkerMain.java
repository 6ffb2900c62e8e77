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
import dev.lockstep.cluster.process.HostCpus;
import dev.lockstep.cluster.process.HostMemory;
import dev.lockstep.cluster.process.Randomness;
import dev.lockstep.cluster.process.SettingsException;
import dev.lockstep.kernels.DeviceCapabilities;
import dev.lockstep.kernels.DeviceLostException;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.cpu.CpuKernels;
import dev.lockstep.kernels.cpu.CpuOptions;
import dev.lockstep.kernels.cpu.InstructionSet;
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
        InstructionSet set =
                config.instructionSet()
                        .map(WorkerMain::instructionSet)
                        .orElseGet(InstructionSet::best);
        DeviceCapabilities capabilities = set.capabilities();
        ComputeTypes types = source.computeTypes(config.dtype(), config.kvDtype(), capabilities);
        Kernels kernels = CpuKernels.open(options(config, set), HostMemory::availableBytes);
        Shard shard = source.shard(config.rank(), config.tensorParallel());
        MemoryPlan plan = plan(config, source, shard, types, kernels);
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
        var rank =
                new Rank(
                        model,
                        kernels,
                        new HostConnector(config, kernels),
                        new Rank.RankLimits(
                                plan.maxModelLen(),
                                WorkerConfig.BLOCK_SIZE,
                                maxTokens(config, capabilities),
                                bill.kv()));
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
        serve(config, access, daemon, cluster, joinReply, rank, kernels, failpoints);
    }

    private static void serve(
            WorkerConfig config,
            ClusterAccess access,
            Daemon daemon,
            Cluster cluster,
            JoinReply joinReply,
            Rank rank,
            Kernels kernels,
            Failpoints failpoints) {
        var runner =
                new StepRunner(
                        rank,
                        failpoints,
                        failure -> {
                            System.err.println("lockstep worker: " + failure.getMessage());
                            daemon.exitWith(
                                    failure instanceof DeviceLostException
                                            ? ExitCode.DEVICE_LOST
                                            : ExitCode.UNUSABLE);
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

    private static CpuOptions options(WorkerConfig config, InstructionSet set) {
        int threads =
                config.threads()
                        .orElse(
                                config.cpus().isEmpty()
                                        ? HostCpus.ofProcess().count()
                                        : config.cpus().size());
        return new CpuOptions(threads, config.cpus(), Optional.of(set), !config.oversubscribed());
    }

    private static InstructionSet instructionSet(String key) {
        for (InstructionSet set : InstructionSet.values()) {
            if (set.key().equals(key)) {
                return set;
            }
        }
        throw new SettingsException(
                "--instruction-set: \"%s\" is none of avx512_bf16, avx512_vnni, vector_api"
                        .formatted(key));
    }

    /// Plans this rank's memory. The ranks of a group must have the same limits, so one of several
    /// ranks does not lower its own.
    private static MemoryPlan plan(
            WorkerConfig config,
            ModelSource source,
            Shard shard,
            ComputeTypes types,
            Kernels kernels) {
        int maxModelLen = WorkerConfig.maxModelLen(config.maxModelLen(), source);
        MemoryPlan.Rank rank =
                MemoryPlan.Rank.of(
                        source,
                        shard,
                        source.weightBytes(shard, kernels, types.compute()),
                        types,
                        maxTokens(config, kernels.capabilities()));
        return MemoryPlan.of(
                MemoryPlan.Needs.of(source, List.of(rank)),
                new MemoryPlan.Asked(
                        config.tensorParallel() == 1
                                ? config.maxModelLen()
                                : Optional.of(maxModelLen),
                        Optional.of(config.maxNumSeqs()),
                        config.kvMemory()),
                HostMemory.availableBytes());
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

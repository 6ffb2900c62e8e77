package dev.lockstep.scheduler;

import dev.lockstep.cluster.Failpoints;
import dev.lockstep.cluster.Key;
import dev.lockstep.cluster.ProcessKeys;
import dev.lockstep.cluster.Settings;
import dev.lockstep.cluster.SettingsSpec;
import java.time.Duration;
import java.util.Optional;

/// What a scheduler process was told; read once, in `main`.
public record SchedulerConfig(
        String zooKeeper,
        String cluster,
        String group,
        String host,
        int port,
        int tensorParallel,
        int maxSequences,
        Optional<Integer> maxBatchedTokens,
        WaitingLimits waiting,
        Duration drainTimeout,
        boolean parentPipe,
        Failpoints failpoints) {

    static final Key<Integer> MAX_WAITING =
            Key.integer(
                            "max-waiting",
                            1,
                            1 << 20,
                            "sequences that may wait; beyond, requests are refused")
                    .orElse("1024");
    static final Key<Long> MAX_WAITING_TOKENS =
            Key.whole("max-waiting-tokens", 1, 1L << 40, "tokens that may wait").orElse("1048576");
    static final Key<Duration> DRAIN_TIMEOUT =
            Key.duration(
                            "drain-timeout",
                            Duration.ZERO,
                            Duration.ofHours(1),
                            "how long running requests may go on after SIGTERM")
                    .orElse("60s");

    /// The keys of the process, for help and for whoever starts it.
    public static final SettingsSpec SPEC =
            SettingsSpec.of(
                    ProcessKeys.ZOOKEEPER,
                    ProcessKeys.CLUSTER,
                    ProcessKeys.GROUP,
                    ProcessKeys.HOST,
                    ProcessKeys.INTERNAL_PORT,
                    ProcessKeys.TENSOR_PARALLEL,
                    ProcessKeys.MAX_NUM_SEQS,
                    ProcessKeys.MAX_NUM_BATCHED_TOKENS,
                    MAX_WAITING,
                    MAX_WAITING_TOKENS,
                    DRAIN_TIMEOUT,
                    ProcessKeys.RUN_FOLDER,
                    ProcessKeys.PARENT_PIPE,
                    ProcessKeys.FAILPOINTS);

    static SchedulerConfig from(Settings settings) {
        return new SchedulerConfig(
                settings.value(ProcessKeys.ZOOKEEPER),
                settings.value(ProcessKeys.CLUSTER),
                settings.value(ProcessKeys.GROUP),
                settings.value(ProcessKeys.HOST),
                settings.value(ProcessKeys.INTERNAL_PORT),
                settings.value(ProcessKeys.TENSOR_PARALLEL),
                settings.value(ProcessKeys.MAX_NUM_SEQS),
                settings.find(ProcessKeys.MAX_NUM_BATCHED_TOKENS),
                new WaitingLimits(settings.value(MAX_WAITING), settings.value(MAX_WAITING_TOKENS)),
                settings.value(DRAIN_TIMEOUT),
                settings.value(ProcessKeys.PARENT_PIPE),
                Failpoints.parse(
                        settings.value(ProcessKeys.FAILPOINTS), "scheduler", StepLoop.FAILPOINTS));
    }
}

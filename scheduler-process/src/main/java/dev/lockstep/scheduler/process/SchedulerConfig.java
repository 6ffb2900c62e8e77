// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler.process;

import dev.lockstep.cluster.InternalAddress;
import dev.lockstep.cluster.process.Failpoints;
import dev.lockstep.cluster.process.Key;
import dev.lockstep.cluster.process.ProcessKeys;
import dev.lockstep.cluster.process.Settings;
import dev.lockstep.cluster.process.SettingsException;
import dev.lockstep.cluster.process.SettingsSpec;
import dev.lockstep.scheduler.Policies;
import dev.lockstep.scheduler.WaitingLimits;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// The settings of a scheduler process; read once, in `main`.
public record SchedulerConfig(
        String zooKeeper,
        String cluster,
        String group,
        InternalAddress address,
        int tensorParallel,
        int maxSequences,
        Optional<Integer> maxBatchedTokens,
        WaitingLimits waiting,
        Policies policies,
        int checkInterval,
        Duration canaryInterval,
        Optional<Path> record,
        Duration drainTimeout,
        Duration resumeWindow,
        Duration streamInterval,
        boolean parentPipe,
        Failpoints failpoints) {

    // Time after the drain to notify readers, leave the cluster and close connections.
    private static final Duration CLOSING = Duration.ofSeconds(5);

    private static final Pattern WEIGHT = Pattern.compile("(.+)=([0-9]+(?:\\.[0-9]+)?)");

    static final Key<Integer> MAX_WAITING =
            Key.integer(
                            "max-waiting",
                            1,
                            1 << 20,
                            "sequences that may wait; further requests are refused")
                    .orElse("1024");
    static final Key<Long> MAX_WAITING_TOKENS =
            Key.whole("max-waiting-tokens", 1, 1L << 40, "tokens that may wait").orElse("1048576");
    static final Key<Duration> MAX_QUEUE_DELAY =
            Key.duration(
                            "max-queue-delay",
                            Duration.ZERO,
                            Duration.ofHours(24),
                            "how long the prompts before a request may be expected to take; 0s for no limit")
                    .orElse("30s");
    static final Key<String> CAPACITY =
            Key.text(
                            "capacity",
                            "NAME",
                            "which sequences hold memory: maximum-utilization, guaranteed-no-evict, or a user-defined policy")
                    .orElse(Policies.DEFAULT.capacity());
    static final Key<String> MICRO_BATCH =
            Key.text(
                            "micro-batch",
                            "NAME",
                            "how a step's tokens are divided: fcfs, equal-progress, or a user-defined policy")
                    .orElse(Policies.DEFAULT.microBatch());
    static final Key<String> WAITING_ORDER =
            Key.text(
                            "waiting-order",
                            "NAME",
                            "which sequence goes next: fcfs, priority, longest-prefix, fair, or a user-defined policy")
                    .orElse(Policies.DEFAULT.waitingOrder());
    static final Key<String> TENANT_WEIGHTS =
            Key.anyText(
                            "tenant-weights",
                            "NAME=WEIGHT,…",
                            "shares of tenants under the fair order, 1 for others")
                    .orElse("");
    static final Key<Duration> STREAM_INTERVAL =
            Key.duration(
                            "stream-interval",
                            Duration.ZERO,
                            Duration.ofSeconds(1),
                            "tokens of this time are one event of a stream; 0s for an event per step")
                    .orElse("20ms");
    static final Key<Switch> PREFIX_CACHE =
            Key.choice("prefix-cache", Switch.class, "whether requests share computed prefixes")
                    .orElse("on");
    static final Key<Integer> CHECK_INTERVAL =
            Key.integer(
                            "check-interval",
                            0,
                            1 << 20,
                            "steps from one comparison of the ranks' residuals to the next, 0 for none")
                    .orElse("64");
    static final Key<Duration> CANARY_INTERVAL =
            Key.duration(
                            "canary-interval",
                            Duration.ZERO,
                            Duration.ofHours(1),
                            "time without a step until a group runs one whose token is known, 0s for none")
                    .orElse("15s");
    public static final Key<String> RECORD =
            Key.text("record", "FILE", "record all calls and plans of the scheduler, for replay")
                    .orElseComputed("nothing is recorded");

    /// The keys of the process, for its help and for launchers.
    public static final SettingsSpec SPEC =
            SettingsSpec.of(
                    ProcessKeys.ZOOKEEPER,
                    ProcessKeys.CLUSTER,
                    ProcessKeys.GROUP,
                    ProcessKeys.INTERNAL_HOST,
                    ProcessKeys.INTERNAL_PORT,
                    ProcessKeys.ADMIN_PORT,
                    ProcessKeys.CLUSTER_SECRET_FILE,
                    ProcessKeys.TLS_FOLDER,
                    ProcessKeys.ZOOKEEPER_AUTH,
                    ProcessKeys.TENSOR_PARALLEL,
                    ProcessKeys.MAX_NUM_SEQS,
                    ProcessKeys.MAX_NUM_BATCHED_TOKENS,
                    MAX_WAITING,
                    MAX_WAITING_TOKENS,
                    MAX_QUEUE_DELAY,
                    CAPACITY,
                    MICRO_BATCH,
                    WAITING_ORDER,
                    TENANT_WEIGHTS,
                    PREFIX_CACHE,
                    STREAM_INTERVAL,
                    CHECK_INTERVAL,
                    CANARY_INTERVAL,
                    RECORD,
                    ProcessKeys.DRAIN_TIMEOUT,
                    ProcessKeys.RESUME_WINDOW,
                    ProcessKeys.RUN_FOLDER,
                    ProcessKeys.PARENT_PIPE,
                    ProcessKeys.FAILPOINTS);

    /// Keys that `serve` passes on.
    public static final List<Key<?>> POLICY_KEYS =
            List.of(
                    MAX_WAITING,
                    MAX_WAITING_TOKENS,
                    MAX_QUEUE_DELAY,
                    CAPACITY,
                    MICRO_BATCH,
                    WAITING_ORDER,
                    TENANT_WEIGHTS,
                    PREFIX_CACHE,
                    STREAM_INTERVAL,
                    CHECK_INTERVAL,
                    CANARY_INTERVAL,
                    RECORD);

    /// Values of [#PREFIX_CACHE].
    enum Switch {
        ON,
        OFF
    }

    /// Throws when a policy is unknown; for launchers, which then report it before they start a
    /// scheduler.
    public static void requirePolicies(Settings settings) {
        var _ = policies(settings);
    }

    private static Policies policies(Settings settings) {
        return new Policies(
                settings.value(CAPACITY),
                settings.value(MICRO_BATCH),
                settings.value(WAITING_ORDER),
                weights(settings.value(TENANT_WEIGHTS)),
                settings.value(PREFIX_CACHE) == Switch.ON);
    }

    private static Map<String, Double> weights(String text) {
        var weights = new TreeMap<String, Double>();
        for (String part : text.isBlank() ? List.<String>of() : List.of(text.split(",", -1))) {
            Matcher match = WEIGHT.matcher(part.strip());
            if (!match.matches() || Double.parseDouble(match.group(2)) <= 0) {
                throw new SettingsException(
                        "--tenant-weights: \""
                                + part
                                + "\" is not a tenant and a weight such as a=2");
            }
            weights.put(match.group(1), Double.parseDouble(match.group(2)));
        }
        return weights;
    }

    /// Returns the maximum time from SIGTERM to the end of the process.
    public static Duration drainBudget(Settings settings) {
        return settings.value(ProcessKeys.DRAIN_TIMEOUT).plus(CLOSING);
    }

    /// Reads the settings of a scheduler.
    ///
    /// @param runFolder folder of the process's socket and log
    public static SchedulerConfig of(Settings settings, Path runFolder) {
        return new SchedulerConfig(
                settings.value(ProcessKeys.ZOOKEEPER),
                settings.value(ProcessKeys.CLUSTER),
                settings.value(ProcessKeys.GROUP),
                InternalAddress.of(settings, runFolder, "scheduler"),
                settings.value(ProcessKeys.TENSOR_PARALLEL),
                settings.value(ProcessKeys.MAX_NUM_SEQS),
                settings.find(ProcessKeys.MAX_NUM_BATCHED_TOKENS),
                WaitingLimits.of(
                        settings.value(MAX_WAITING),
                        settings.value(MAX_WAITING_TOKENS),
                        settings.value(MAX_QUEUE_DELAY).toNanos()),
                policies(settings),
                settings.value(CHECK_INTERVAL),
                settings.value(CANARY_INTERVAL),
                settings.find(RECORD).map(Path::of),
                settings.value(ProcessKeys.DRAIN_TIMEOUT),
                settings.value(ProcessKeys.RESUME_WINDOW),
                settings.value(STREAM_INTERVAL),
                settings.value(ProcessKeys.PARENT_PIPE),
                Failpoints.parse(
                        settings.value(ProcessKeys.FAILPOINTS), "scheduler", StepLoop.FAILPOINTS));
    }
}

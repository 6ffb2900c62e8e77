// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.launch;

import dev.lockstep.cli.hub.ModelChoice;
import dev.lockstep.cluster.process.Key;
import dev.lockstep.cluster.process.ProcessKeys;
import dev.lockstep.cluster.process.Settings;
import dev.lockstep.cluster.process.SettingsException;
import dev.lockstep.cluster.process.SettingsSpec;
import dev.lockstep.coordinator.AccessConfig;
import dev.lockstep.coordinator.CoordinatorConfig;
import dev.lockstep.coordinator.DurabilitySettings;
import dev.lockstep.coordinator.ResponseBounds;
import dev.lockstep.coordinator.TextSettings;
import dev.lockstep.scheduler.process.SchedulerConfig;
import dev.lockstep.worker.DeviceSettings;
import java.nio.file.Path;
import java.util.Optional;

/// The settings of `serve`, which include those of the processes it starts.
///
/// @param port of the public API; 0 chooses a free one
/// @param zookeeper connect string; empty starts an embedded server
/// @param runFolder of sockets
/// @param logFolder of logs
/// @param training the folder that the children write start-up caches to; empty for none
public record LauncherConfig(
        Settings settings,
        ModelChoice model,
        int port,
        Optional<String> zookeeper,
        Path runFolder,
        Path logFolder,
        Optional<Path> training) {

    public static final Key<Integer> PORT =
            Key.integer("port", 0, 65535, "the port of the public API; 0 chooses a free one")
                    .orElse("8000");

    /// Whether a second scheduler waits to lead when the first one is gone.
    public static final Key<Boolean> STANDBY =
            Key.flag(
                    "standby",
                    "a second scheduler waits, and leads at once when the first is gone");

    public static final SettingsSpec SPEC =
            SettingsSpec.of(
                            ProcessKeys.MODEL,
                            ProcessKeys.SERVED_MODEL_NAME,
                            ProcessKeys.CHAT_TEMPLATE,
                            TextSettings.TOOL_FORMAT,
                            TextSettings.RERANKER,
                            TextSettings.REASONING,
                            ProcessKeys.GENERATION_CONFIG,
                            ProcessKeys.HOST,
                            PORT,
                            ProcessKeys.ADMIN_PORT,
                            CoordinatorConfig.MAX_BODY,
                            CoordinatorConfig.KEEP_ALIVE,
                            ProcessKeys.TENSOR_PARALLEL,
                            ProcessKeys.DEVICE,
                            ProcessKeys.GPUS,
                            ProcessKeys.CUDA_LIBRARIES,
                            ProcessKeys.GPU_MEMORY_UTILIZATION,
                            ProcessKeys.DISABLE_CUDA_GRAPH,
                            ProcessKeys.THREADS,
                            DeviceSettings.INSTRUCTION_SET,
                            DeviceSettings.EXPAND_LATENTS,
                            ProcessKeys.DTYPE,
                            ProcessKeys.KV_DTYPE,
                            ProcessKeys.PACKED_CACHE,
                            ProcessKeys.MAX_MODEL_LEN,
                            ProcessKeys.KV_MEMORY,
                            ProcessKeys.MAX_NUM_SEQS,
                            ProcessKeys.MAX_NUM_BATCHED_TOKENS,
                            ProcessKeys.INTERNAL_HOST,
                            ProcessKeys.CLUSTER_SECRET_FILE,
                            ProcessKeys.TLS_FOLDER,
                            ProcessKeys.ZOOKEEPER_AUTH,
                            ProcessKeys.ZOOKEEPER,
                            ProcessKeys.CLUSTER,
                            ProcessKeys.GROUP,
                            ProcessKeys.RUN_FOLDER,
                            ProcessKeys.DRAIN_TIMEOUT,
                            ProcessKeys.DRAIN_GRACE,
                            ProcessKeys.RESUME_WINDOW,
                            DurabilitySettings.DURABILITY,
                            DurabilitySettings.FOLDER,
                            STANDBY,
                            ProcessKeys.FAILPOINTS)
                    .and(ResponseBounds.KEYS.toArray(Key<?>[]::new))
                    .and(AccessConfig.KEYS.toArray(Key<?>[]::new))
                    .and(SchedulerConfig.POLICY_KEYS.toArray(Key<?>[]::new));

    /// Refuses the user of an ensemble without the ensemble: the embedded server admits the
    /// processes of this launcher only.
    static void requireEnsembleOfUser(Settings settings) {
        if (settings.isGiven(ProcessKeys.ZOOKEEPER_AUTH)
                && !settings.isGiven(ProcessKeys.ZOOKEEPER)) {
            throw new SettingsException(
                    "--zookeeper-auth is the user of an ensemble: name the ensemble with --zookeeper");
        }
    }

    /// Refuses a recording of two schedulers, which would write to the same file.
    static void requireOneRecorder(Settings settings) {
        if (settings.value(STANDBY) && settings.isGiven(SchedulerConfig.RECORD)) {
            throw new SettingsException(
                    "--record writes the file of one scheduler: leave out --standby, which starts two");
        }
    }
}

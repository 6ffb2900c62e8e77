// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import dev.lockstep.cluster.InternalAddress;
import dev.lockstep.cluster.process.Key;
import dev.lockstep.cluster.process.ProcessKeys;
import dev.lockstep.cluster.process.Settings;
import dev.lockstep.cluster.process.SettingsException;
import dev.lockstep.cluster.process.SettingsSpec;
import dev.lockstep.model.ModelSource;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/// The settings of one worker, read once at its start.
///
/// @param device what computes
/// @param threads empty: the cores
/// @param cpus the CPUs that the threads are pinned to; empty: the threads are not pinned
/// @param oversubscribed whether the host has more compute threads than cores, so that no thread
///   spins
/// @param packedCache how packed weights are kept between starts, on CPUs
/// @param maxModelLen empty: the model's context
/// @param kvMemory empty: computed from the free memory
/// @param maxNumBatchedTokens empty: measured
public record WorkerConfig(
        String zookeeper,
        String cluster,
        String group,
        int rank,
        int tensorParallel,
        InternalAddress address,
        Path model,
        String servedModelName,
        DeviceSettings device,
        Optional<Integer> threads,
        List<Integer> cpus,
        boolean oversubscribed,
        String dtype,
        String kvDtype,
        ProcessKeys.PackedCache packedCache,
        Optional<Integer> maxModelLen,
        Optional<Long> kvMemory,
        int maxNumSeqs,
        Optional<Integer> maxNumBatchedTokens,
        boolean parentPipe,
        String failpoints) {

    /// Tokens of a KV block.
    public static final int BLOCK_SIZE = 16;

    public static final Key<String> CPUS =
            Key.text("cpus", "LIST", "CPU numbers to pin the compute threads to, such as 0,1")
                    .orElseComputed("no pinning");

    public static final Key<Boolean> OVERSUBSCRIBED =
            Key.flag(
                    "oversubscribed",
                    "the host runs more compute threads than it has cores: no thread spins");

    public static final SettingsSpec SPEC =
            SettingsSpec.of(
                    ProcessKeys.ZOOKEEPER,
                    ProcessKeys.CLUSTER,
                    ProcessKeys.GROUP,
                    ProcessKeys.RANK,
                    ProcessKeys.TENSOR_PARALLEL,
                    ProcessKeys.INTERNAL_HOST,
                    ProcessKeys.INTERNAL_PORT,
                    ProcessKeys.ADMIN_PORT,
                    ProcessKeys.CLUSTER_SECRET_FILE,
                    ProcessKeys.TLS_FOLDER,
                    ProcessKeys.ZOOKEEPER_AUTH,
                    ProcessKeys.RUN_FOLDER,
                    ProcessKeys.MODEL,
                    ProcessKeys.SERVED_MODEL_NAME,
                    ProcessKeys.DEVICE,
                    ProcessKeys.GPUS,
                    ProcessKeys.CUDA_LIBRARIES,
                    ProcessKeys.GPU_MEMORY_UTILIZATION,
                    ProcessKeys.DISABLE_CUDA_GRAPH,
                    ProcessKeys.THREADS,
                    CPUS,
                    OVERSUBSCRIBED,
                    DeviceSettings.INSTRUCTION_SET,
                    DeviceSettings.EXPAND_LATENTS,
                    ProcessKeys.DTYPE,
                    ProcessKeys.KV_DTYPE,
                    ProcessKeys.PACKED_CACHE,
                    ProcessKeys.MAX_MODEL_LEN,
                    ProcessKeys.KV_MEMORY,
                    ProcessKeys.MAX_NUM_SEQS,
                    ProcessKeys.MAX_NUM_BATCHED_TOKENS,
                    ProcessKeys.PARENT_PIPE,
                    ProcessKeys.FAILPOINTS);

    public WorkerConfig {
        cpus = List.copyOf(cpus);
        if (rank >= tensorParallel) {
            throw new SettingsException(
                    "--rank %d must be below --tensor-parallel %d".formatted(rank, tensorParallel));
        }
    }

    /// Reads the settings of a worker.
    ///
    /// @param model the path of `--model` on disk
    /// @param modelName the served name if no setting names the model
    /// @param runFolder folder of the process's socket and log
    public static WorkerConfig of(Settings settings, Path model, String modelName, Path runFolder) {
        return new WorkerConfig(
                settings.value(ProcessKeys.ZOOKEEPER),
                settings.value(ProcessKeys.CLUSTER),
                settings.value(ProcessKeys.GROUP),
                settings.value(ProcessKeys.RANK),
                settings.value(ProcessKeys.TENSOR_PARALLEL),
                InternalAddress.of(
                        settings, runFolder, "worker-" + settings.value(ProcessKeys.RANK)),
                model,
                settings.find(ProcessKeys.SERVED_MODEL_NAME).map(List::getFirst).orElse(modelName),
                DeviceSettings.of(settings),
                settings.find(ProcessKeys.THREADS),
                settings.find(CPUS).map(WorkerConfig::cpuList).orElse(List.of()),
                settings.value(OVERSUBSCRIBED),
                word(settings.value(ProcessKeys.DTYPE)),
                word(settings.value(ProcessKeys.KV_DTYPE)),
                settings.value(ProcessKeys.PACKED_CACHE),
                settings.find(ProcessKeys.MAX_MODEL_LEN),
                settings.find(ProcessKeys.KV_MEMORY),
                settings.value(ProcessKeys.MAX_NUM_SEQS),
                settings.find(ProcessKeys.MAX_NUM_BATCHED_TOKENS),
                settings.value(ProcessKeys.PARENT_PIPE),
                settings.value(ProcessKeys.FAILPOINTS));
    }

    /// Returns the requested upper bound of a sequence's tokens, or the model's context without
    /// one. A request may exceed the context as far as the model's rope is scaled for it.
    public static int maxModelLen(Optional<Integer> requested, ModelSource source) {
        int context = source.contextLength();
        int limit = source.maxContextLength();
        int length = requested.orElse(context);
        if (length > limit) {
            throw new SettingsException(
                    "--max-model-len %d exceeds %s"
                            .formatted(
                                    length,
                                    limit == context
                                            ? "the model's context of %d, which its rope does not scale"
                                                    .formatted(context)
                                            : "%d, to which the model's rope scales its context of %d"
                                                    .formatted(limit, context)));
        }
        return length;
    }

    private static String word(Enum<?> value) {
        return value.name().toLowerCase(Locale.ROOT);
    }

    private static List<Integer> cpuList(String text) {
        List<String> words = Arrays.stream(text.split(",", -1)).map(String::strip).toList();
        if (!words.stream().allMatch(word -> word.matches("[0-9]{1,6}"))) {
            throw new SettingsException(
                    "--cpus: \"" + text + "\" is not a list of CPU numbers such as 0,1");
        }
        return words.stream().map(Integer::valueOf).toList();
    }
}

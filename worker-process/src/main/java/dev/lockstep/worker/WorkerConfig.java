package dev.lockstep.worker;

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
/// @param threads empty: the cores
/// @param cpus which CPUs to pin the threads to; empty pins nobody
/// @param oversubscribed more compute threads than cores on this host: nobody spins
/// @param maxModelLen empty: the model's context
/// @param kvMemory empty: computed from what is free
/// @param maxNumBatchedTokens empty: measured
public record WorkerConfig(
        String zookeeper,
        String cluster,
        String group,
        int rank,
        int tensorParallel,
        String host,
        int port,
        Path runFolder,
        Path model,
        String servedModelName,
        Optional<Integer> threads,
        List<Integer> cpus,
        boolean oversubscribed,
        Optional<String> instructionSet,
        String dtype,
        String kvDtype,
        Optional<Integer> maxModelLen,
        Optional<Long> kvMemory,
        int maxNumSeqs,
        Optional<Integer> maxNumBatchedTokens,
        boolean parentPipe,
        String failpoints) {

    /// Tokens of a KV block.
    public static final int BLOCK_SIZE = 16;

    /// A step's bound while the chunk is measured; on few cores it comes out far lower.
    public static final int MOST_MEASURED_TOKENS = 1024;

    public static final Key<String> CPUS =
            Key.text("cpus", "LIST", "CPU numbers to pin the compute threads to, such as 0,1")
                    .orElseComputed("pins nobody");

    public static final Key<Boolean> OVERSUBSCRIBED =
            Key.flag(
                    "oversubscribed",
                    "the host runs more compute threads than it has cores: nobody spins");

    public static final Key<String> INSTRUCTION_SET =
            Key.text(
                            "instruction-set",
                            "avx512_bf16|avx512_vnni|vector_api",
                            "which kernels compute; asked for and absent stops the start")
                    .orElseComputed("the best there is");

    public static final SettingsSpec SPEC =
            SettingsSpec.of(
                    ProcessKeys.ZOOKEEPER,
                    ProcessKeys.CLUSTER,
                    ProcessKeys.GROUP,
                    ProcessKeys.RANK,
                    ProcessKeys.TENSOR_PARALLEL,
                    ProcessKeys.HOST,
                    ProcessKeys.INTERNAL_PORT,
                    ProcessKeys.RUN_FOLDER,
                    ProcessKeys.MODEL,
                    ProcessKeys.SERVED_MODEL_NAME,
                    ProcessKeys.THREADS,
                    CPUS,
                    OVERSUBSCRIBED,
                    INSTRUCTION_SET,
                    ProcessKeys.DTYPE,
                    ProcessKeys.KV_DTYPE,
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
    /// @param model where `--model` was found on disk
    /// @param modelName its name when none is given
    /// @param runFolder where the process keeps its socket and log
    public static WorkerConfig of(Settings settings, Path model, String modelName, Path runFolder) {
        return new WorkerConfig(
                settings.value(ProcessKeys.ZOOKEEPER),
                settings.value(ProcessKeys.CLUSTER),
                settings.value(ProcessKeys.GROUP),
                settings.value(ProcessKeys.RANK),
                settings.value(ProcessKeys.TENSOR_PARALLEL),
                settings.value(ProcessKeys.HOST),
                settings.value(ProcessKeys.INTERNAL_PORT),
                runFolder,
                model,
                settings.find(ProcessKeys.SERVED_MODEL_NAME).orElse(modelName),
                settings.find(ProcessKeys.THREADS),
                settings.find(CPUS).map(WorkerConfig::cpuList).orElse(List.of()),
                settings.value(OVERSUBSCRIBED),
                settings.find(INSTRUCTION_SET),
                word(settings.value(ProcessKeys.DTYPE)),
                word(settings.value(ProcessKeys.KV_DTYPE)),
                settings.find(ProcessKeys.MAX_MODEL_LEN),
                settings.find(ProcessKeys.KV_MEMORY),
                settings.value(ProcessKeys.MAX_NUM_SEQS),
                settings.find(ProcessKeys.MAX_NUM_BATCHED_TOKENS),
                settings.value(ProcessKeys.PARENT_PIPE),
                settings.value(ProcessKeys.FAILPOINTS));
    }

    /// Tokens of a sequence: what was asked for, which the model must be able to hold, or the
    /// model's context.
    public static int maxModelLen(Optional<Integer> asked, ModelSource source) {
        int context = source.contextLength();
        if (asked.orElse(context) > context) {
            throw new SettingsException(
                    "--max-model-len %d exceeds the model's context of %d"
                            .formatted(asked.get(), context));
        }
        return asked.orElse(context);
    }

    /// What tells hosts apart in the handshake: ranks of a CPU group share memory, so they share
    /// one.
    public String hostIdentity() {
        return host;
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

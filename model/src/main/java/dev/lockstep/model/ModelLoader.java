package dev.lockstep.model;

import dev.lockstep.checkpoint.Checkpoint;
import dev.lockstep.checkpoint.CheckpointException;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.model.family.Llama;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Function;

/// Finds the family of a checkpoint and loads one rank's shard of it.
public final class ModelLoader {
    /// By `architectures` of a Hugging Face configuration and by GGUF `general.architecture`.
    private static final Map<String, Function<Weights, Model>> FAMILIES =
            new TreeMap<>(Map.of("LlamaForCausalLM", Llama::new, "llama", Llama::new));

    private ModelLoader() {}

    /// Throws when no family runs this checkpoint; cheap, for the edge.
    public static void requireSupported(Checkpoint checkpoint) {
        family(checkpoint);
    }

    public static Model load(
            Checkpoint checkpoint, Shard shard, Kernels kernels, LoadSettings settings) {
        return family(checkpoint).apply(new Weights(checkpoint, shard, kernels, settings));
    }

    private static Function<Weights, Model> family(Checkpoint checkpoint) {
        String architecture = checkpoint.config().architecture();
        Function<Weights, Model> family = FAMILIES.get(architecture);
        if (family == null) {
            Path path = checkpoint.path();
            Path file = Files.isDirectory(path) ? path.resolve("config.json") : path;
            throw new CheckpointException(
                    "%s: architecture %s is not supported; %s are"
                            .formatted(file, architecture, FAMILIES.keySet()));
        }
        return family;
    }
}

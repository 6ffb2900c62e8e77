// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import dev.lockstep.checkpoint.Checkpoint;
import dev.lockstep.checkpoint.CheckpointException;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.model.family.Gemma2;
import dev.lockstep.model.family.Gemma3;
import dev.lockstep.model.family.GenericDecoder;
import dev.lockstep.model.family.Gpt2;
import dev.lockstep.model.family.GptBigCode;
import dev.lockstep.model.family.Granite;
import dev.lockstep.model.family.Llama;
import dev.lockstep.model.family.Mixtral;
import dev.lockstep.model.family.Olmo2;
import dev.lockstep.model.family.Phi3;
import dev.lockstep.model.family.Qwen3;
import dev.lockstep.model.family.Qwen3Moe;
import dev.lockstep.model.family.StarCoder2;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.ServiceLoader;
import java.util.TreeSet;

/// A checkpoint with its family, which loads a rank's shard of it: a user's family, else a built-in
/// family, else the generic decoder if the checkpoint describes one.
record ModelLoader(Checkpoint checkpoint, ModelFamily family) {
    private static final List<ModelFamily> BUILT_IN =
            List.of(
                    new Llama(),
                    new Qwen3(),
                    new Phi3(),
                    new Gpt2(),
                    new GptBigCode(),
                    new StarCoder2(),
                    new Gemma2(),
                    new Gemma3(),
                    new Olmo2(),
                    new Granite(),
                    new Mixtral(),
                    new Qwen3Moe());

    private static final GenericDecoder GENERIC = new GenericDecoder();

    /// Finds the family; throws if none runs this checkpoint. Reads headers only.
    static ModelLoader open(Checkpoint checkpoint) {
        ModelFamily family = family(checkpoint);
        if (family == GENERIC || BUILT_IN.contains(family)) {
            ActivationNames.requireKnown(checkpoint);
        }
        family.requireSupported(checkpoint);
        return new ModelLoader(checkpoint, family);
    }

    /// Returns whether no family serves the architecture and the generic decoder runs it.
    boolean isGeneric() {
        return family == GENERIC;
    }

    Model load(Shard shard, Kernels kernels, LoadSettings settings) {
        return family.load(new Weights(checkpoint, shard, kernels, settings));
    }

    private static ModelFamily family(Checkpoint checkpoint) {
        String architecture = architecture(checkpoint);
        for (ModelFamily family : ServiceLoader.load(ModelFamily.class)) {
            if (family.architectures().contains(architecture)) {
                return family;
            }
        }
        for (ModelFamily family : BUILT_IN) {
            if (family.architectures().contains(architecture)) {
                return family;
            }
        }
        Optional<String> obstacle = GENERIC.obstacle(checkpoint);
        if (obstacle.isPresent()) {
            throw unsupported(checkpoint, architecture, obstacle.get());
        }
        return GENERIC;
    }

    /// GGUF files of Mixtral name the architecture llama.
    private static String architecture(Checkpoint checkpoint) {
        String architecture = checkpoint.config().architecture();
        boolean experts = checkpoint.config().details().experts().isPresent();
        return architecture.equals("llama") && experts ? "mixtral" : architecture;
    }

    private static CheckpointException unsupported(
            Checkpoint checkpoint, String architecture, String obstacle) {
        TreeSet<String> known = new TreeSet<>();
        BUILT_IN.forEach(family -> known.addAll(family.architectures()));
        Path path = checkpoint.path();
        Path file = Files.isDirectory(path) ? path.resolve("config.json") : path;
        return new CheckpointException(
                "%s: architecture %s is not supported, and not a plain decoder (%s); supported: %s"
                        .formatted(file, architecture, obstacle, known));
    }
}

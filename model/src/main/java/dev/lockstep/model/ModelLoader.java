// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import dev.lockstep.checkpoint.Checkpoint;
import dev.lockstep.checkpoint.CheckpointException;
import dev.lockstep.checkpoint.RankReads;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.model.family.Apertus;
import dev.lockstep.model.family.Arcee;
import dev.lockstep.model.family.Bert;
import dev.lockstep.model.family.Cohere;
import dev.lockstep.model.family.DeepSeek;
import dev.lockstep.model.family.DistilBert;
import dev.lockstep.model.family.Dots1;
import dev.lockstep.model.family.Ernie45;
import dev.lockstep.model.family.Ernie45Moe;
import dev.lockstep.model.family.EuroBert;
import dev.lockstep.model.family.Exaone4;
import dev.lockstep.model.family.ExaoneMoe;
import dev.lockstep.model.family.Falcon;
import dev.lockstep.model.family.FalconH1;
import dev.lockstep.model.family.Gemma;
import dev.lockstep.model.family.Gemma2;
import dev.lockstep.model.family.Gemma3;
import dev.lockstep.model.family.Gemma3n;
import dev.lockstep.model.family.Gemma4;
import dev.lockstep.model.family.GenericDecoder;
import dev.lockstep.model.family.Glm;
import dev.lockstep.model.family.Glm4Moe;
import dev.lockstep.model.family.Gpt2;
import dev.lockstep.model.family.GptBigCode;
import dev.lockstep.model.family.GptNeoX;
import dev.lockstep.model.family.GptOss;
import dev.lockstep.model.family.Granite;
import dev.lockstep.model.family.GraniteHybrid;
import dev.lockstep.model.family.GraniteMoe;
import dev.lockstep.model.family.Gte;
import dev.lockstep.model.family.HunYuan;
import dev.lockstep.model.family.InternLm2;
import dev.lockstep.model.family.Lfm2;
import dev.lockstep.model.family.Llama;
import dev.lockstep.model.family.Llama4;
import dev.lockstep.model.family.MiniMaxM2;
import dev.lockstep.model.family.Ministral3;
import dev.lockstep.model.family.Mixtral;
import dev.lockstep.model.family.ModernBert;
import dev.lockstep.model.family.Nemotron;
import dev.lockstep.model.family.NemotronH;
import dev.lockstep.model.family.NomicBert;
import dev.lockstep.model.family.Olmo;
import dev.lockstep.model.family.Olmo2;
import dev.lockstep.model.family.Olmoe;
import dev.lockstep.model.family.Phi;
import dev.lockstep.model.family.Phi3;
import dev.lockstep.model.family.Qwen2Moe;
import dev.lockstep.model.family.Qwen3;
import dev.lockstep.model.family.Qwen35;
import dev.lockstep.model.family.Qwen3Moe;
import dev.lockstep.model.family.Qwen3Next;
import dev.lockstep.model.family.StableLm;
import dev.lockstep.model.family.StarCoder2;
import dev.lockstep.model.family.VaultGemma;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.ServiceLoader;
import java.util.Set;

/// A checkpoint with its family, which loads a rank's shard of it: a user's family, else a built-in
/// family, else the generic decoder if the checkpoint describes one.
record ModelLoader(Checkpoint checkpoint, ModelFamily family) {
    private static final List<ModelFamily> BUILT_IN =
            List.of(
                    new Llama(),
                    new Llama4(),
                    new Qwen3(),
                    new Phi3(),
                    new Gpt2(),
                    new GptBigCode(),
                    new StarCoder2(),
                    new Gemma2(),
                    new Gemma3(),
                    new Gemma3n(),
                    new Gemma4(),
                    new Olmo2(),
                    new Granite(),
                    new Mixtral(),
                    new Qwen3Moe(),
                    new Qwen2Moe(),
                    new Glm4Moe(),
                    new Dots1(),
                    new MiniMaxM2(),
                    new Olmoe(),
                    new Ernie45Moe(),
                    new GraniteMoe(),
                    new GptOss(),
                    new DeepSeek(),
                    new Qwen3Next(),
                    new Qwen35(),
                    new Lfm2(),
                    new GraniteHybrid(),
                    new Gemma(),
                    new Ministral3(),
                    new Exaone4(),
                    new Cohere(),
                    new Glm(),
                    new Nemotron(),
                    new NemotronH(),
                    new Arcee(),
                    new Apertus(),
                    new Ernie45(),
                    new FalconH1(),
                    new Falcon(),
                    new Phi(),
                    new GptNeoX(),
                    new StableLm(),
                    new Olmo(),
                    new VaultGemma(),
                    new InternLm2(),
                    new ExaoneMoe(),
                    new HunYuan(),
                    new Bert(),
                    new DistilBert(),
                    new ModernBert(),
                    new NomicBert(),
                    new EuroBert(),
                    new Gte());

    private static final GenericDecoder GENERIC = new GenericDecoder();

    /// Opens a checkpoint. An architecture that no family runs is refused before the faults of its
    /// files: complete files would not make it run.
    static Checkpoint openFiles(Path path) {
        try {
            return Checkpoint.openFiles(path);
        } catch (CheckpointException e) {
            Checkpoint.architecture(path)
                    .filter(architecture -> family(architecture).isEmpty())
                    .ifPresent(
                            architecture -> {
                                throw unsupported(path, architecture, "its weights cannot be read");
                            });
            throw e;
        }
    }

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

    /// @param storedBytes of the shard's matrices, about, for the progress
    /// @param decodedInstead receives the names of matrices that are decoded because their type
    ///   cannot hold them
    Model load(
            Shard shard,
            Kernels kernels,
            LoadSettings settings,
            long storedBytes,
            Set<String> decodedInstead) {
        return family.load(
                new Weights(
                        checkpoint.ofRank(shard.rank(), shard.size()),
                        shard,
                        kernels,
                        settings,
                        storedBytes,
                        decodedInstead));
    }

    /// Checks from headers that the family can load a shard, names, types and shapes of tensors,
    /// and returns what the shard holds.
    ///
    /// @param expandsLatents of the device that loads it
    ShardWeights check(Shard shard, boolean expandsLatents) {
        Checkpoint own = checkpoint.ofRank(shard.rank(), shard.size());
        var preparation = new HeaderPreparation(name -> own.tensor(name).decoder().isPresent());
        try {
            family.load(Weights.ofHeaders(own, shard, preparation, expandsLatents));
            return preparation.counted();
        } catch (IllegalArgumentException e) {
            throw new CheckpointException("%s: %s".formatted(checkpoint.path(), e.getMessage()), e);
        } catch (UnsupportedOperationException _) {
            // A user's family may compute while it loads; a worker finds its faults then.
            return ShardWeights.evenPart(checkpoint, shard.size());
        }
    }

    /// Returns what the family reads of the checkpoint for a shard, on a device that expands
    /// latents too.
    ///
    /// @throws CheckpointException if the family computes while it loads
    RankReads reads(Shard shard) {
        var reads = new RankReads();
        var preparation = new HeaderPreparation(_ -> false);
        try {
            family.load(
                    Weights.ofHeaders(checkpoint, shard, preparation, true, Optional.of(reads)));
            return reads;
        } catch (UnsupportedOperationException e) {
            throw new CheckpointException(
                    "%s: the family of %s computes while it loads, so what a rank reads is not known: such models are not cut"
                            .formatted(checkpoint.path(), checkpoint.architecture()),
                    e);
        }
    }

    private static ModelFamily family(Checkpoint checkpoint) {
        return family(checkpoint.architecture())
                .map(family -> withExperts(family, checkpoint))
                .orElseGet(() -> generic(checkpoint));
    }

    /// Finds the family of an architecture; a base model `XModel` is the part of `XForCausalLM` or
    /// `XLMHeadModel` without the output head, and `XForSequenceClassification` has another head.
    private static Optional<ModelFamily> family(String architecture) {
        String base = architecture.replaceFirst("(Model|ForSequenceClassification)$", "");
        Set<String> names =
                base.equals(architecture)
                        ? Set.of(architecture)
                        : Set.of(architecture, base + "ForCausalLM", base + "LMHeadModel");
        for (ModelFamily family : ServiceLoader.load(ModelFamily.class)) {
            if (!Collections.disjoint(family.architectures(), names)) {
                return Optional.of(family);
            }
        }
        return BUILT_IN.stream()
                .filter(family -> !Collections.disjoint(family.architectures(), names))
                .findFirst();
    }

    /// GGUF files of Mixtral name the architecture llama.
    private static ModelFamily withExperts(ModelFamily family, Checkpoint checkpoint) {
        boolean experts = checkpoint.config().details().experts().isPresent();
        return checkpoint.architecture().equals("llama") && experts
                ? family("mixtral").orElseThrow()
                : family;
    }

    private static ModelFamily generic(Checkpoint checkpoint) {
        RefusedArchitectures.reason(checkpoint.architecture())
                .or(() -> obstacle(checkpoint))
                .ifPresent(
                        obstacle -> {
                            throw unsupported(
                                    checkpoint.path(), checkpoint.architecture(), obstacle);
                        });
        return GENERIC;
    }

    private static Optional<String> obstacle(Checkpoint checkpoint) {
        try {
            return GENERIC.obstacle(checkpoint);
        } catch (CheckpointException e) {
            return Optional.of(e.getMessage());
        }
    }

    private static CheckpointException unsupported(
            Path path, String architecture, String obstacle) {
        Path file = Files.isDirectory(path) ? path.resolve("config.json") : path;
        String reason =
                RefusedArchitectures.reason(architecture)
                        .orElseGet(
                                () ->
                                        "it is not a plain decoder (%s)"
                                                .formatted(obstacle.replace(file + ": ", "")));
        return new CheckpointException(
                "%s: architecture %s is not supported: %s; docs/models.md lists those that are"
                        .formatted(file, architecture, reason));
    }

    /// Returns the built-in families.
    static List<ModelFamily> builtIn() {
        return BUILT_IN;
    }
}

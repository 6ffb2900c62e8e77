// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/// A reader of `modules.json` and of the folders of modules that it names: the chain of a
/// sentence-transformers model after its transformer.
///
/// Served chains are pooling, then any linear layers, then normalising; and the scores of tokens.
final class SentenceModules {
    private static final String PACKAGE = "sentence_transformers.";
    private static final String EMBEDDING = "sentence_embedding";

    /// A module.
    ///
    /// @param kind the last part of its type
    private record Module(String kind, Path folder) {
        Path configuration() {
            return folder.resolve("config.json");
        }
    }

    private final Path file;
    private final List<Module> modules;

    private SentenceModules(Path file, List<Module> modules) {
        this.file = file;
        this.modules = modules;
    }

    /// Returns the modules of a folder; empty if it has no such file.
    static Optional<SentenceModules> of(Path folder) {
        Path file = folder.resolve("modules.json");
        if (!Files.exists(file)) {
            return Optional.empty();
        }
        List<Module> modules = new ArrayList<>();
        for (JsonNode each : JsonObject.readList(file)) {
            modules.add(module(folder, new JsonObject(file, "[" + modules.size() + "].", each)));
        }
        if (modules.isEmpty() || !modules.getFirst().kind().equals("Transformer")) {
            throw new CheckpointException(file + ": the first module must be a Transformer");
        }
        return Optional.of(new SentenceModules(file, modules.subList(1, modules.size())));
    }

    private static Module module(Path folder, JsonObject entry) {
        String type = entry.text("type").orElseThrow(() -> entry.missing("type"));
        if (!type.startsWith(PACKAGE)) {
            throw entry.wrong("type", type, "a module of " + PACKAGE + "*");
        }
        String path = entry.text("path").orElse("");
        // A model must not make the process read files elsewhere.
        if (!path.matches("([A-Za-z0-9_][A-Za-z0-9_.-]*)?")) {
            throw entry.wrong("path", path, "the name of a folder beside the file");
        }
        return new Module(
                type.substring(type.lastIndexOf('.') + 1),
                path.isEmpty() ? folder : folder.resolve(path));
    }

    /// Returns the folders of modules beside `modules.json`; a module without settings may have
    /// none.
    List<Path> folders() {
        return modules.stream()
                .map(Module::folder)
                .filter(each -> !each.equals(file.resolveSibling("")) && Files.isDirectory(each))
                .distinct()
                .toList();
    }

    /// Whether the chain ends with the transformer, as that of a cross-encoder with a head does.
    boolean isTransformerAlone() {
        return modules.isEmpty();
    }

    /// Returns the file of the ids whose logits are a score; empty for a chain that pools.
    Optional<JsonObject> tokenScore() {
        boolean scores = modules.size() == 1 && modules.getFirst().kind().equals("LogitScore");
        return scores
                ? Optional.of(JsonObject.read(modules.getFirst().configuration()))
                : Optional.empty();
    }

    /// Returns how vectors are computed.
    ///
    /// @param size of a hidden state
    SentenceModel.Vectors vectors(int size, SentenceSimilarity similarity) {
        if (!modules.getFirst().kind().equals("Pooling")) {
            throw unserved(modules.getFirst(), "after Transformer");
        }
        JsonObject pooling = JsonObject.read(modules.getFirst().configuration());
        List<SentenceDense> dense = new ArrayList<>();
        boolean normalize = false;
        for (Module module : modules.subList(1, modules.size())) {
            switch (module.kind()) {
                case "Dense" -> {
                    if (normalize) {
                        throw unserved(module, "after Normalize");
                    }
                    int inputs = dense.isEmpty() ? size : dense.getLast().outputs();
                    dense.add(dense(module, inputs));
                }
                case "Normalize" -> normalize = true;
                default -> throw unserved(module, "after Pooling");
            }
        }
        return new SentenceModel.Vectors(
                mode(pooling),
                pooling.flag("include_prompt").orElse(true),
                dense,
                normalize,
                similarity);
    }

    private CheckpointException unserved(Module module, String place) {
        return new CheckpointException(
                "%s: a module %s %s is not supported: Pooling, then Dense, then Normalize are, or LogitScore alone"
                        .formatted(file, module.kind(), place));
    }

    private static SentencePooling mode(JsonObject config) {
        List<String> modes = config.texts("pooling_mode");
        if (modes.isEmpty()) {
            modes = new ArrayList<>();
            for (SentencePooling each : SentencePooling.values()) {
                if (config.flag(each.olderKey()).orElse(false)) {
                    modes.add(each.mode());
                }
            }
        }
        if (modes.size() > 1) {
            throw config.wrong("pooling_mode", String.join(" with ", modes), "one of them");
        }
        String mode = modes.isEmpty() ? SentencePooling.MEAN.mode() : modes.getFirst();
        return SentencePooling.of(mode)
                .orElseThrow(
                        () ->
                                config.wrong(
                                        "pooling_mode", mode, "a mode of sentence-transformers"));
    }

    private static SentenceDense dense(Module module, int size) {
        JsonObject config = JsonObject.read(module.configuration());
        int inputs = config.requireInteger("in_features");
        int outputs = config.requireInteger("out_features");
        if (inputs != size) {
            throw config.wrong("in_features", inputs, size + ", the size of its input");
        }
        if (outputs < 1 || outputs > 1 << 20) {
            throw config.wrong("out_features", outputs, "a number from 1 to " + (1 << 20));
        }
        config.requireFalse("use_residual");
        for (String key : List.of("module_input_name", "module_output_name")) {
            String name = config.text(key).orElse(EMBEDDING);
            if (!name.equals(EMBEDDING)) {
                throw config.wrong(key, name, EMBEDDING);
            }
        }
        String function =
                config.text("activation_function").orElse("torch.nn.modules.activation.Tanh");
        SentenceDense.Activation activation =
                SentenceDense.Activation.of(function)
                        .orElseThrow(
                                () ->
                                        config.wrong(
                                                "activation_function",
                                                function,
                                                "Identity, Tanh, ReLU, Sigmoid or GELU of torch"));
        Path weights = module.folder().resolve("model.safetensors");
        if (!Files.exists(weights)) {
            throw new CheckpointException(
                    weights
                            + " is missing: a Dense module needs its weights in safetensors format");
        }
        SafetensorsFile file = SafetensorsFile.open(weights);
        return new SentenceDense(
                inputs,
                outputs,
                values(file, "linear.weight", List.of((long) outputs, (long) inputs)),
                config.flag("bias").orElse(true)
                        ? values(file, "linear.bias", List.of((long) outputs))
                        : new float[outputs],
                activation);
    }

    private static float[] values(SafetensorsFile file, String name, List<Long> shape) {
        StoredTensor stored = file.tensors().get(name);
        if (stored == null || !stored.shape().equals(shape)) {
            throw new CheckpointException(
                    "%s: tensor %s is %s, config.json needs %s"
                            .formatted(
                                    file.file().path(),
                                    name,
                                    stored == null ? "missing" : stored.shape(),
                                    shape));
        }
        long count = shape.stream().reduce(1L, Math::multiplyExact);
        return stored.weight(name).floats(0, Math.toIntExact(count));
    }
}

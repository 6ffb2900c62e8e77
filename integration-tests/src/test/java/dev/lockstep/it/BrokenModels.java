// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.it;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.checkpoint.TinyCheckpoint;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/// Models that cannot be served, each with a different name in `folder`.
final class BrokenModels {
    private static final String WEIGHTS = "model.safetensors";

    private BrokenModels() {}

    static Path truncated(Path folder) throws IOException {
        Path model = written(folder, "truncated");
        try (var file = new RandomAccessFile(model.resolve(WEIGHTS).toFile(), "rw")) {
            file.setLength(file.length() / 2);
        }
        return model;
    }

    static Path corrupt(Path folder) throws IOException {
        Path model = written(folder, "corrupt");
        overwrite(model.resolve(WEIGHTS), 100, "}}}}{{{{");
        return model;
    }

    /// Writes a GGUF file whose header declares more than the file contains.
    static Path brokenGguf(Path folder) throws IOException {
        Path file = folder.resolve("broken.gguf");
        Files.write(file, new byte[] {'G', 'G', 'U', 'F', 3, 0, 0, 0, 9, 0, 0, 0});
        return file;
    }

    static Path missingShard(Path folder) throws IOException {
        Path model = folder.resolve("missing-shard");
        TinyCheckpoint.writeSharded(model, 1, 3);
        Files.delete(model.resolve("model-00002-of-00003.safetensors"));
        return model;
    }

    static Path otherArchitecture(Path folder) throws IOException {
        Path model = written(folder, "other-architecture");
        Path file = model.resolve("config.json");
        var config = (ObjectNode) JsonNodes.read(file);
        config.putArray("architectures").add("MambaForCausalLM");
        config.put("model_type", "mamba").put("state_size", 16).remove("num_attention_heads");
        Files.writeString(file, config.toString());
        return model;
    }

    /// Writes a model with a linear rope of factor 4.
    static Path scaledRope(Path folder) throws IOException {
        Path model = written(folder, "scaled-rope");
        Path file = model.resolve("config.json");
        var config = (ObjectNode) JsonNodes.read(file);
        config.putObject("rope_scaling").put("type", "linear").put("factor", 4);
        Files.writeString(file, config.toString());
        return model;
    }

    /// Writes a model without one of its tensors.
    static Path missingTensor(Path folder) throws IOException {
        Path model = written(folder, "missing-tensor");
        Path file = model.resolve("config.json");
        var config = (ObjectNode) JsonNodes.read(file);
        config.put("num_hidden_layers", TinyCheckpoint.LAYERS + 1);
        Files.writeString(file, config.toString());
        return model;
    }

    /// Writes a model whose tokenizer has a merge of a piece that is not in its vocabulary.
    static Path brokenTokenizer(Path folder) throws IOException {
        Path model = written(folder, "broken-tokenizer");
        Path file = model.resolve("tokenizer.json");
        var tokenizer = (ObjectNode) JsonNodes.read(file);
        var text = (ObjectNode) tokenizer.get("model");
        text.putArray("merges").add("no such pieces");
        Files.writeString(file, tokenizer.toString());
        return model;
    }

    static Path badSampling(Path folder) throws IOException {
        Path model = written(folder, "bad-sampling");
        Files.writeString(model.resolve("generation_config.json"), "{\"top_p\":1.5}");
        return model;
    }

    /// Writes a model with a tensor of the same size but of a type that no weight may have.
    static Path otherType(Path folder) throws IOException {
        Path model = written(folder, "other-type");
        Path file = model.resolve(WEIGHTS);
        String text = Files.readString(file, StandardCharsets.ISO_8859_1);
        int type = text.indexOf("F32", text.indexOf("\"model.norm.weight\""));
        overwrite(file, type, "I32");
        return model;
    }

    private static Path written(Path folder, String name) throws IOException {
        Path model = folder.resolve(name);
        TinyCheckpoint.write(model, 1);
        return model;
    }

    private static void overwrite(Path file, int position, String text) throws IOException {
        try (var access = new RandomAccessFile(file.toFile(), "rw")) {
            access.seek(position);
            access.write(text.getBytes(StandardCharsets.ISO_8859_1));
        }
    }
}

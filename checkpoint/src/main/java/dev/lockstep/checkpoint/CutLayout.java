// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;

/// What `lockstep_cut.json` says about a folder that was cut for ranks: its files, and the tensors
/// of the whole model.
///
/// @param layers the number of the first layer of each stage
/// @param source the digest of the model that was cut
/// @param config the digest of its `config.json`
/// @param weightType the type of most of its bytes
/// @param otherModalities see [Checkpoint#otherModalities]
record CutLayout(
        int ranks,
        List<Integer> layers,
        String source,
        String config,
        TensorType weightType,
        boolean baseModel,
        Optional<String> otherModalities,
        List<CutFile> files,
        Map<String, Whole> tensors) {
    static final String FILE = "lockstep_cut.json";

    /// Another number for another layout of this file, and of blocks of a [TensorType] that no
    /// other files have.
    private static final int FORMAT = 1;

    private static final int MAX_DIMENSIONS = 8;
    private static final ObjectMapper JSON = new ObjectMapper();

    /// A tensor of the whole model.
    ///
    /// @param coded whether its file kept it in another form than rows of `type`
    record Whole(String typeName, TensorType type, List<Long> shape, boolean coded) {}

    static boolean isIn(Path folder) {
        return Files.exists(folder.resolve(FILE));
    }

    int stages() {
        return layers.size();
    }

    static String digestOfConfig(Path folder) {
        var digest = new ModelDigest("config");
        digest.smallFile(folder.resolve("config.json"));
        return digest.hex();
    }

    static CutLayout read(Path folder) {
        JsonObject json = JsonObject.read(folder.resolve(FILE));
        int format = json.requireInteger("format");
        if (format != FORMAT) {
            throw json.wrong("format", format, "%d: convert the model again".formatted(FORMAT));
        }
        int ranks = json.requireInteger("ranks");
        List<Integer> layers = json.integers("first_layers");
        if (ranks < 1) {
            throw json.wrong("ranks", ranks, "at least 1");
        }
        requireAscending(json, layers);
        List<CutFile> files = new ArrayList<>();
        JsonObject named = json.object("files").orElseThrow(() -> json.missing("files"));
        for (Map.Entry<String, JsonNode> each : named.entries()) {
            if (!each.getKey().matches("[A-Za-z0-9_-]+\\.safetensors")) {
                throw named.wrong(
                        each.getKey(), each.getValue(), "the name of a .safetensors file");
            }
            files.add(file(each.getKey(), entry(named, each.getKey()), ranks, layers.size()));
        }
        Map<String, Whole> tensors = new LinkedHashMap<>();
        JsonObject described = json.object("tensors").orElseThrow(() -> json.missing("tensors"));
        for (Map.Entry<String, JsonNode> each : described.entries()) {
            tensors.put(each.getKey(), whole(entry(described, each.getKey())));
        }
        return new CutLayout(
                ranks,
                layers,
                json.text("source").orElseThrow(() -> json.missing("source")),
                json.text("config").orElseThrow(() -> json.missing("config")),
                type(json, "weight_type"),
                json.flag("base_model").orElse(false),
                json.text("other_modalities"),
                files,
                tensors);
    }

    private static JsonObject entry(JsonObject all, String key) {
        return all.object(key).orElseThrow(() -> all.wrong(key, "null", "an object"));
    }

    private static void requireAscending(JsonObject json, List<Integer> layers) {
        boolean ascending = !layers.isEmpty() && layers.getFirst() == 0;
        for (int i = 1; i < layers.size(); i++) {
            ascending &= layers.get(i) > layers.get(i - 1);
        }
        if (!ascending) {
            throw json.wrong("first_layers", layers, "the first layer of each stage, from 0 on");
        }
    }

    private static CutFile file(String name, JsonObject file, int ranks, int stages) {
        int stage = file.requireInteger("stage");
        if (stage < 0 || stage >= stages) {
            throw file.wrong("stage", stage, "one of the %d stages, from 0 on".formatted(stages));
        }
        OptionalInt rank = file.integer("rank");
        if (rank.isPresent() && (rank.getAsInt() < 0 || rank.getAsInt() >= ranks)) {
            throw file.wrong(
                    "rank", rank.getAsInt(), "one of the %d ranks, from 0 on".formatted(ranks));
        }
        double bytes = file.requireNumber("bytes");
        if (bytes < 0 || bytes > 1L << 60 || bytes != Math.rint(bytes)) {
            throw file.wrong("bytes", bytes, "the size of a file");
        }
        return new CutFile(
                name,
                stage,
                rank,
                (long) bytes,
                file.text("digest").orElseThrow(() -> file.missing("digest")));
    }

    private static Whole whole(JsonObject tensor) {
        List<Long> shape = shape(tensor);
        TensorType type = type(tensor, "type");
        return new Whole(
                tensor.text("stored").orElse(type.name()),
                type,
                shape,
                tensor.flag("coded").orElse(false));
    }

    private static List<Long> shape(JsonObject tensor) {
        List<Long> shape = tensor.integers("shape").stream().map(Integer::longValue).toList();
        double values = 1;
        for (long each : shape) {
            values *= each;
        }
        boolean negative = shape.stream().anyMatch(each -> each < 0);
        if (negative || shape.size() > MAX_DIMENSIONS || values > 1L << 50) {
            throw tensor.wrong(
                    "shape",
                    shape,
                    "sizes of at most %d dimensions from 0 on".formatted(MAX_DIMENSIONS));
        }
        return shape;
    }

    /// Reads the name of a type.
    static TensorType type(JsonObject json, String key) {
        String name = json.text(key).orElseThrow(() -> json.missing(key));
        return Arrays.stream(TensorType.values())
                .filter(each -> each.name().equals(name))
                .findFirst()
                .orElseThrow(
                        () ->
                                json.wrong(
                                        key,
                                        name,
                                        "a type of this version: convert the model again"));
    }

    String json() {
        ObjectNode json = JSON.createObjectNode();
        json.put("format", FORMAT).put("ranks", ranks).put("stages", stages());
        ArrayNode first = json.putArray("first_layers");
        layers.forEach(first::add);
        json.put("source", source).put("config", config).put("weight_type", weightType.name());
        json.put("base_model", baseModel);
        otherModalities.ifPresent(line -> json.put("other_modalities", line));
        ObjectNode named = json.putObject("files");
        for (CutFile each : files) {
            ObjectNode file = named.putObject(each.name()).put("stage", each.stage());
            each.rank().ifPresent(rank -> file.put("rank", rank));
            file.put("bytes", each.bytes()).put("digest", each.digest());
        }
        ObjectNode described = json.putObject("tensors");
        tensors.forEach(
                (name, each) -> {
                    ObjectNode tensor = described.putObject(name).put("type", each.type().name());
                    if (each.coded()) {
                        tensor.put("stored", each.typeName()).put("coded", true);
                    }
                    ArrayNode shape = tensor.putArray("shape");
                    each.shape().forEach(shape::add);
                });
        return json.toString() + "\n";
    }

    /// Returns the files of a rank, or those of all.
    List<CutFile> files(OptionalInt rank) {
        return files.stream().filter(each -> each.rank().equals(rank)).toList();
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.checkpoint.HollowCheckpoint;
import dev.lockstep.kernels.DeviceCapabilities;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Random;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.zip.GZIPInputStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Configurations of transformers' models with the shapes of all their tensors, in the sizes of
/// published ones: `inspect` and `serve` accept the same, and refuse the others with the same line.
///
/// `model/src/test/python/record_shapes.py` wrote them; files have no weights, and no bytes on the
/// disk for them. Without `-Dlockstep.long=true` some are drawn.
@Tag("sweep")
class RealShapesTest {
    private static final DeviceCapabilities CPU = DeviceCapabilities.ofCpu("vector_api", false);
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final Pattern RANGES = Pattern.compile("\\{([0-9,-]+)}");

    /// The largest have tens of thousands of tensors.
    private static final int DRAWN = 40;

    /// Its text has other defaults than the model type that it names.
    private static final String OWN_DEFAULTS = "Mistral3ForConditionalGeneration";

    @TempDir Path folder;

    @Test
    void inspectAndServeAgree() throws IOException {
        List<JsonNode> recorded = recorded();
        assertTrue(recorded.size() >= 300, () -> recorded.size() + " configurations");
        if (!Boolean.getBoolean("lockstep.long")) {
            long seed = System.nanoTime();
            System.out.println("the seed of the configurations is " + seed);
            Collections.shuffle(recorded, new Random(seed));
            recorded.subList(DRAWN, recorded.size()).clear();
        }
        for (JsonNode each : recorded) {
            check((ObjectNode) each.get("config"), each.get("tensors"));
        }
    }

    private void check(ObjectNode config, JsonNode tensors) throws IOException {
        String architecture = config.get("architectures").get(0).asText();
        Path model = folder.resolve(architecture);
        write(model, config, tensors);
        Optional<String> inspected = Inspection.of(model, 1, "auto", CPU).refusal();
        System.out.println(inspected.orElse("%s: accepted".formatted(model)));
        assertEquals(inspected, served(model), architecture);
        inspected.ifPresent(
                line -> {
                    assertTrue(line.startsWith(model.toString()), line);
                    assertFalse(line.contains("\n") || line.contains("download"), line);
                });
        JsonNode text = config.path("text_config").path("model_type");
        if (inspected.isEmpty() && text.isTextual() && !architecture.equals(OWN_DEFAULTS)) {
            // What is absent there is the default, of which these have the sizes.
            config.putObject("text_config").set("model_type", text);
            Files.writeString(model.resolve("config.json"), config.toString());
            assertEquals(Optional.empty(), Inspection.of(model, 1, "auto", CPU).refusal());
        }
        Files.delete(model.resolve("model.safetensors"));
    }

    /// Returns the line with which a launcher refuses the model; empty if it does not, or for want
    /// of memory only.
    private Optional<String> served(Path model) throws IOException {
        // A launcher that accepts a model fails at its folder, which is a file.
        Path noFolder = folder.resolve("no-folder");
        Files.write(noFolder, new byte[0]);
        String line = ModelRefusalTest.launchFailure(model, noFolder, "--max-model-len=16");
        if (line.contains("MiB are free")) {
            System.out.println(model + ": " + line);
            return Optional.empty();
        }
        return line.contains(noFolder.toString()) ? Optional.empty() : Optional.of(line);
    }

    private static List<JsonNode> recorded() throws IOException {
        List<JsonNode> recorded = new ArrayList<>();
        var stream =
                Objects.requireNonNull(
                        RealShapesTest.class.getResourceAsStream("/shapes.jsonl.gz"));
        try (var lines =
                new BufferedReader(new InputStreamReader(new GZIPInputStream(stream), UTF_8))) {
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                recorded.add(JSON.readTree(line));
            }
        }
        return recorded;
    }

    private static void write(Path model, ObjectNode config, JsonNode tensors) throws IOException {
        Map<String, JsonNode> shapes = new TreeMap<>();
        tensors.properties().forEach(each -> expand(each.getKey(), each.getValue(), shapes));
        HollowCheckpoint.write(model, config.toString(), shapes);
    }

    /// Adds the names that a name with ranges, such as `layers.{0-3,7}`, stands for.
    private static void expand(String name, JsonNode shape, Map<String, JsonNode> into) {
        Matcher ranges = RANGES.matcher(name);
        if (!ranges.find()) {
            into.put(name, shape);
            return;
        }
        for (String part : ranges.group(1).split(",", -1)) {
            String[] bounds = part.split("-", -1);
            int last = Integer.parseInt(bounds[bounds.length - 1]);
            for (int i = Integer.parseInt(bounds[0]); i <= last; i++) {
                String expanded =
                        name.substring(0, ranges.start()) + i + name.substring(ranges.end());
                expand(expanded, shape, into);
            }
        }
    }
}

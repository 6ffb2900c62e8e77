// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.convert;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.lockstep.checkpoint.Checkpoint;
import dev.lockstep.checkpoint.CompressedLayout;
import dev.lockstep.checkpoint.Fixtures;
import dev.lockstep.checkpoint.TensorType;
import dev.lockstep.checkpoint.TinyCheckpoint;
import dev.lockstep.cli.console.UnusableException;
import dev.lockstep.model.quant.Smoothing;
import dev.lockstep.model.quant.SmoothingSearch;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@Tag("sweep")
class SmoothQuantTest {
    private static final String SENTENCE =
            "A rank that stood still and wakes up is refused; the others have gone on. ";

    private static final Quantization SEARCHED = new Quantization.Smoothed(Optional.empty());

    private static final String NORM = "model.layers.0.input_layernorm.weight";

    @TempDir Path folder;

    private Path source;

    /// Two channels have inputs 40 times as large as others, and weights as much smaller.
    @BeforeEach
    void writeSource() throws Exception {
        source = folder.resolve("source");
        TinyCheckpoint.write(source, 5);
        for (int layer = 0; layer < TinyCheckpoint.LAYERS; layer++) {
            for (int channel : new int[] {3, 40}) {
                OutlierChannel.add(
                        source,
                        "model.layers.%d.".formatted(layer),
                        "input_layernorm",
                        List.of("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
                        channel,
                        40);
                OutlierChannel.add(
                        source,
                        "model.layers.%d.".formatted(layer),
                        "post_attention_layernorm",
                        List.of("mlp.gate_proj", "mlp.up_proj"),
                        channel,
                        40);
            }
        }
    }

    @Test
    void outlierChannelsLoseLessThanByPlainBytes() throws Exception {
        Path plain = folder.resolve("plain");
        var rows = new Quantization.Folder(new CompressedLayout.Int8Rows());
        convert(plain, rows, Optional.empty());
        Path smooth = folder.resolve("smooth");
        convert(smooth, smoothed(0.5f), Optional.of(texts()));
        double before = divergence(plain);
        double after = divergence(smooth);
        assertTrue(after < before / 4, "%s after %s".formatted(after, before));
        assertTrue(after < 1e-3, () -> String.valueOf(after));
    }

    @Test
    void theFolderIsW8A8AndItsMatricesStayCodes() throws Exception {
        Path target = folder.resolve("smooth");
        List<String> report = convert(target, smoothed(0.5f), Optional.of(texts()));
        assertEquals(
                List.of(
                        target
                                + ": 14 tensors as int8 with a scale for each row, 7 as they are (257.3 KiB: 256.0 KiB embeddings, heads and others outside of layers; 1.3 KiB vectors)",
                        "4 matrices, such as model.layers.0.self_attn.o_proj.weight, were rounded without calibration: their inputs come from no norm"),
                report);
        JsonNode quantization =
                new ObjectMapper()
                        .readTree(target.resolve("config.json").toFile())
                        .get("quantization_config");
        assertEquals("int-quantized", quantization.get("format").asText());
        JsonNode group = quantization.at("/config_groups/group_0");
        assertEquals("channel", group.at("/weights/strategy").asText());
        assertEquals("int", group.at("/input_activations/type").asText());
        assertEquals("token", group.at("/input_activations/strategy").asText());
        assertTrue(group.at("/input_activations/dynamic").asBoolean());
        Checkpoint read = Checkpoint.open(target);
        assertEquals(TensorType.Q8_0, read.tensor("model.layers.0.mlp.up_proj.weight").type());
        float[] before = Checkpoint.open(source).tensor(NORM).floats(0, TinyCheckpoint.HIDDEN);
        float[] after = read.tensor(NORM).floats(0, TinyCheckpoint.HIDDEN);
        // The outlier is 40 times as large as its neighbour before, and the weights as much
        // smaller.
        assertTrue(before[3] / before[4] > 20);
        assertTrue(after[3] / after[4] < 8);
    }

    @Test
    void alphaDecidesAndAnInterruptedFolderGoesOnAndIsEqual() throws Exception {
        Path first = folder.resolve("first");
        convert(first, smoothed(0.5f), Optional.of(texts()));
        byte[] whole = Files.readAllBytes(first.resolve("model.safetensors"));
        Path resumed = Files.createDirectory(folder.resolve("resumed"));
        Files.write(
                resumed.resolve("model.safetensors.partial"),
                Arrays.copyOf(whole, whole.length * 2 / 3));
        convert(resumed, smoothed(0.5f), Optional.of(texts()));
        assertArrayEquals(whole, Files.readAllBytes(resumed.resolve("model.safetensors")));
        Path other = folder.resolve("other");
        convert(other, smoothed(0.8f), Optional.of(texts()));
        assertFalse(
                Arrays.equals(
                        Checkpoint.open(first).tensor(NORM).floats(0, 8),
                        Checkpoint.open(other).tensor(NORM).floats(0, 8)));
    }

    /// The first layer has channels of large inputs, the second a large weight in single rows, so
    /// that they need different alphas; a run that goes on finds the same ones.
    @Test
    void eachLayerHasTheAlphaWithTheSmallestError() throws Exception {
        source = folder.resolve("uneven");
        TinyCheckpoint.write(source, 5);
        for (int channel : new int[] {3, 40}) {
            OutlierChannel.add(
                    source, "model.layers.0.", "post_attention_layernorm", List.of(), channel, 100);
            OutlierChannel.multiply(source, "model.layers.1.mlp.gate_proj.weight", channel, 100);
        }
        Path target = folder.resolve("auto");
        List<String> report = convert(target, SEARCHED, Optional.of(texts()));
        Matcher line =
                Pattern.compile(
                                "alpha of each layer, before attention and before its feed-forward: 0: (\\S+) (\\S+), 1: (\\S+) (\\S+)")
                        .matcher(report.get(1));
        assertTrue(line.matches(), report::toString);
        assertTrue(
                Float.parseFloat(line.group(4)) > Float.parseFloat(line.group(2)),
                report::toString);
        byte[] whole = Files.readAllBytes(target.resolve("model.safetensors"));
        Path resumed = Files.createDirectory(folder.resolve("resumed"));
        Files.write(
                resumed.resolve("model.safetensors.partial"),
                Arrays.copyOf(whole, whole.length * 2 / 3));
        convert(resumed, SEARCHED, Optional.of(texts()));
        assertArrayEquals(whole, Files.readAllBytes(resumed.resolve("model.safetensors")));
        double found = divergence(target);
        double worst = 0;
        for (Smoothing each : SmoothingSearch.grid()) {
            Path fixed = folder.resolve("alpha" + each.alpha());
            convert(fixed, new Quantization.Smoothed(each), Optional.of(texts()));
            worst = Math.max(worst, divergence(fixed));
        }
        double limit = worst;
        assertTrue(found < limit / 2, () -> "%s, the worst alpha %s".formatted(found, limit));
    }

    @Test
    void aFamilyWithOtherNormsIsRefused() throws Exception {
        source = Fixtures.require("models/olmo2");
        Path target = folder.resolve("x");
        String refusal =
                assertThrows(
                                UnusableException.class,
                                () -> convert(target, smoothed(0.5f), Optional.of(texts())))
                        .getMessage();
        assertTrue(
                String.valueOf(refusal)
                        .startsWith("--quantize=smoothquant-w8a8: Olmo2ForCausalLM is none of "),
                refusal);
        assertTrue(Files.notExists(target));
    }

    @Test
    void smoothingWithoutTextsIsRefused() {
        assertThrows(
                IllegalArgumentException.class,
                () -> convert(folder.resolve("x"), smoothed(0.5f), Optional.empty()));
    }

    private static Quantization smoothed(float alpha) {
        return new Quantization.Smoothed(new Smoothing(alpha));
    }

    private Path texts() throws Exception {
        return Files.writeString(
                folder.resolve("texts.jsonl"),
                "{\"text\": \"%s\"}%n".formatted("one rank after the other ".repeat(30)).repeat(3));
    }

    private List<String> convert(Path target, Quantization quantization, Optional<Path> texts) {
        return new Conversion(source, target, quantization, List.of(), texts, 512, Method.ROUND)
                .run(TestConversion::kernels, 1L << 30, TestConversion.quiet());
    }

    private double divergence(Path target) throws Exception {
        return TestConversion.divergence(source, target, SENTENCE.repeat(20), folder);
    }
}

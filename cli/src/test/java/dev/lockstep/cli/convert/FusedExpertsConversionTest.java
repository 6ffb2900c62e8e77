// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.convert;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.lockstep.checkpoint.Checkpoint;
import dev.lockstep.checkpoint.CompressedLayout;
import dev.lockstep.checkpoint.Fixtures;
import dev.lockstep.checkpoint.SeparateExperts;
import dev.lockstep.checkpoint.SeparateExperts.Form;
import dev.lockstep.checkpoint.WeightMatrix;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Experts that a folder has in one tensor for all are quantized as the matrices of single experts,
/// as if the folder had those.
@Tag("sweep")
class FusedExpertsConversionTest {
    private static final Path RECORDED =
            Path.of("..", "model", "src", "test", "resources", "references");

    private final ObjectMapper json = new ObjectMapper();

    @TempDir Path folder;

    @ParameterizedTest
    @CsvSource({
        "llama4, COLUMNS, fp8",
        "llama4-vision, COLUMNS, int8",
        "qwen3-vl-moe, COLUMNS, fp8",
        "qwen3-vl-moe, COLUMNS, int4",
        "mistral4, ROWS, int8",
        "gemma4-moe, ROWS, mxfp4",
        "granitemoeshared, ROWS, int4",
        "granite-hybrid-moe, ROWS, int8"
    })
    void aRecordedModelIsWrittenAsIfItsExpertsWereApart(String name, Form form, String type)
            throws Exception {
        Path source = RECORDED.resolve(name);
        Path apart = folder.resolve("apart");
        SeparateExperts.write(source, apart, form);
        int[] ids = TestConversion.SHORT_IDS;
        assertArrayEquals(TestConversion.logits(source, ids), TestConversion.logits(apart, ids));
        Path target = convert(source, "target", quantization(type), Optional.empty(), Method.ROUND);
        requireEqual(
                convert(apart, "expected", quantization(type), Optional.empty(), Method.ROUND),
                target);
        float[] expected = TestConversion.logits(source, ids);
        float[] actual = TestConversion.logits(target, ids);
        assertArrayEquals(expected, actual, type.equals("int4") || type.equals("mxfp4") ? 2 : 0.5f);
    }

    /// Gate and up outputs of gpt-oss alternate, and all projections have biases.
    @ParameterizedTest
    @CsvSource({"int4, GPTQ", "mxfp4, ROUND", "fp8, GPTQ"})
    void expertsOfGptOssAreCalibratedAsIfTheyWereApart(String type, Method method)
            throws Exception {
        Path source = Fixtures.require("models/gpt-oss");
        Path apart = folder.resolve("apart");
        SeparateExperts.write(source, apart, Form.ALTERNATING);
        int[] ids = TestConversion.SHORT_IDS;
        assertArrayEquals(TestConversion.logits(source, ids), TestConversion.logits(apart, ids));
        requireEqual(
                convert(apart, "expected", quantization(type), texts(method), method),
                convert(source, "target", quantization(type), texts(method), method));
    }

    @ParameterizedTest
    @CsvSource({
        "ROWS, int4, GPTQ",
        "COLUMNS, int4, AWQ",
        "ROWS, smoothquant-w8a8, ROUND",
        "COLUMNS, static, ROUND"
    })
    void expertsAreScaledAsIfTheyWereApart(Form form, String type, Method method) throws Exception {
        Path apart = Fixtures.require("models/qwen3-moe");
        Path source = folder.resolve("fused");
        SeparateExperts.fuse(apart, source, form);
        assertArrayEquals(
                TestConversion.logits(apart, TestConversion.SHORT_IDS),
                TestConversion.logits(source, TestConversion.SHORT_IDS));
        Optional<Path> texts = Optional.of(TestConversion.text(folder));
        requireEqual(
                convert(apart, "expected", quantization(type), texts, method),
                convert(source, "target", quantization(type), texts, method));
    }

    /// llm-compressor ignores the same modules.
    @ParameterizedTest
    @CsvSource({"qwen3-vl-moe, model.visual.", "llama4-vision, vision_model."})
    void tensorsOfOtherModalitiesStay(String name, String prefix) throws Exception {
        Path source = RECORDED.resolve(name);
        Path target =
                convert(source, "target", quantization("fp8"), Optional.empty(), Method.ROUND);
        List<String> ignored = new ArrayList<>();
        JsonNode config = json.readTree(target.resolve("config.json").toFile());
        config.at("/quantization_config/ignore").forEach(each -> ignored.add(each.textValue()));
        assertTrue(ignored.contains("lm_head") || ignored.contains("language_model.lm_head"));
        assertTrue(ignored.stream().anyMatch(each -> each.startsWith(prefix)), ignored::toString);
        assertTrue(ignored.stream().noneMatch(each -> each.contains(".experts.")));
        assertEquals(header(source, prefix), header(target, prefix));
        assertTrue(header(source, prefix).size() > 3);
    }

    /// Returns the types and shapes of tensors by their stored names.
    private List<String> header(Path path, String prefix) throws IOException {
        byte[] bytes = Files.readAllBytes(path.resolve("model.safetensors"));
        int length =
                Math.toIntExact(ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).getLong());
        List<String> found = new ArrayList<>();
        json.readTree(bytes, Long.BYTES, length)
                .properties()
                .forEach(
                        each -> {
                            if (each.getKey().startsWith(prefix)) {
                                JsonNode tensor = each.getValue();
                                int from =
                                        Long.BYTES
                                                + length
                                                + tensor.at("/data_offsets/0").intValue();
                                int to =
                                        Long.BYTES
                                                + length
                                                + tensor.at("/data_offsets/1").intValue();
                                found.add(
                                        "%s %s %s %d"
                                                .formatted(
                                                        each.getKey(),
                                                        tensor.get("dtype"),
                                                        tensor.get("shape"),
                                                        Arrays.hashCode(
                                                                Arrays.copyOfRange(
                                                                        bytes, from, to))));
                            }
                        });
        return found.stream().sorted().toList();
    }

    /// A name with `*` is that of a tensor of the source, which has all experts.
    @Test
    void keptProjectionsAreWrittenByExpertAsTheyAre() throws Exception {
        Path source = RECORDED.resolve("mistral4");
        Path apart = folder.resolve("apart");
        SeparateExperts.write(source, apart, Form.ROWS);
        Path target = folder.resolve("kept");
        String report =
                new Conversion(
                                source,
                                target,
                                quantization("int8"),
                                List.of("*.experts.down_proj"),
                                Optional.empty(),
                                512,
                                Method.ROUND)
                        .run(TestConversion::kernels, 1L << 30, TestConversion.quiet())
                        .getFirst();
        assertTrue(report.contains("8.0 KiB named by --keep"), report);
        String down = "model.layers.1.mlp.experts.2.down_proj.weight";
        assertArrayEquals(bytes(apart, down), bytes(target, down));
        String up = "model.layers.1.mlp.experts.2.up_proj.weight";
        assertTrue(Checkpoint.open(target).tensor(up).decoder().isPresent());
    }

    /// Rows of 32 and 48 columns are no groups of 64: the experts stay in one tensor for all.
    @Test
    void bytesThatStayAreNamedWithTheReason() throws Exception {
        Path source = RECORDED.resolve("qwen3-vl-moe");
        Path target = folder.resolve("groups");
        String report =
                new Conversion(
                                source,
                                target,
                                Quantization.of("int8", 64, 0.5f).orElseThrow(),
                                List.of(),
                                Optional.empty(),
                                512,
                                Method.ROUND)
                        .run(TestConversion::kernels, 1L << 30, TestConversion.quiet())
                        .getFirst();
        // Two layers of 4 experts with 3 matrices of 32 · 48 values of F16, and q, k and v.
        assertTrue(report.contains("KiB rows that are not whole groups of 64 columns"), report);
        assertTrue(report.contains("of other modalities"), report);
        assertTrue(Checkpoint.open(target).has("model.layers.0.mlp.experts.gate_up_proj"), report);
        assertFalse(Checkpoint.open(target).has("model.layers.0.mlp.experts.0.up_proj.weight"));
    }

    private static Quantization quantization(String type) {
        return type.equals("static")
                ? new Quantization.Folder(new CompressedLayout.Fp8(true))
                : Quantization.of(type, 32, 0.5f).orElseThrow();
    }

    private Optional<Path> texts(Method method) throws IOException {
        return method == Method.ROUND ? Optional.empty() : Optional.of(TestConversion.text(folder));
    }

    private Path convert(
            Path source, String name, Quantization quantize, Optional<Path> texts, Method method) {
        Path target = folder.resolve(name);
        new Conversion(source, target, quantize, List.of(), texts, 512, method)
                .run(TestConversion::kernels, 1L << 30, TestConversion.quiet());
        return target;
    }

    /// Requires equal codes and scales, whatever the order of the tensors.
    private static void requireEqual(Path expected, Path actual) {
        Checkpoint first = Checkpoint.open(expected);
        Checkpoint second = Checkpoint.open(actual);
        assertEquals(first.tensorNames(), second.tensorNames());
        int experts = 0;
        for (String name : first.tensorNames()) {
            assertArrayEquals(bytes(first, name), bytes(second, name), name);
            boolean quantized = first.tensor(name).decoder().isPresent();
            experts += name.contains(".experts.") && quantized ? 1 : 0;
        }
        assertTrue(experts > 0);
    }

    private static byte[] bytes(Path path, String name) {
        return bytes(Checkpoint.open(path), name);
    }

    /// Returns the values as they are computed with, which codes, scales and zero points make.
    private static byte[] bytes(Checkpoint checkpoint, String name) {
        WeightMatrix matrix = checkpoint.tensor(name);
        return matrix.decoder().isEmpty()
                ? matrix.data().toArray(ValueLayout.JAVA_BYTE)
                : matrix.decode(
                                IntStream.range(0, matrix.rows()).toArray(),
                                0,
                                matrix.columns(),
                                Arena.ofAuto())
                        .toArray(ValueLayout.JAVA_BYTE);
    }
}

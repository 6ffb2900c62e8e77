// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.convert;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.checkpoint.Checkpoint;
import dev.lockstep.checkpoint.CompressedLayout;
import dev.lockstep.checkpoint.TensorType;
import dev.lockstep.checkpoint.TinyCheckpoint;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/// Integers in groups of columns, as compressed-tensors stores them: the size of groups, and their
/// zero points.
@Tag("sweep")
class GroupConversionTest {
    @TempDir Path folder;

    /// A tiny model's rows have 64 columns, those of `down_proj` 128.
    @ParameterizedTest
    @CsvSource({"none, 14, 64", "*self_attn*:*gate*:*up*, 2, 128"})
    void groupsFitTheRowsOfAllMatrices(String keep, int tensors, int groupSize) throws Exception {
        Path source = folder.resolve("source");
        TinyCheckpoint.write(source, 1);
        assertEquals(
                "%d tensors as int8 in groups of %d".formatted(tensors, groupSize),
                fitted(source, keep.equals("none") ? List.of() : List.of(keep.split(":"))));
    }

    /// 100 columns are groups of no size.
    @Test
    void rowsOfNoGroupsDoNotDecideTheirSize() throws Exception {
        Path source = folder.resolve("source");
        writeOddRows(source);
        assertEquals("6 tensors as int8 in groups of 64", fitted(source, List.of()));
    }

    /// Returns what a conversion without a given group size says that it wrote.
    private String fitted(Path source, List<String> keep) {
        Quantization quantize = Quantization.of("int8", Conversion.GROUP_SIZE, 0.5f).orElseThrow();
        Path target = folder.resolve("target");
        return new Conversion(source, target, quantize, keep, Optional.empty(), 512, Method.ROUND)
                .withFittingGroups()
                .run(TestConversion::kernels, 1L << 30, TestConversion.quiet())
                .getFirst()
                .replaceAll("^[^:]*: |,.*$", "");
    }

    /// A word of zero points has those of 8 rows, of which the last are not full. Normally
    /// distributed weights lose as much as without: see `GroupFormatTest` for others.
    @ParameterizedTest
    @EnumSource(Method.class)
    void groupsWithZeroPointsRunNearTheirSource(Method method) throws Exception {
        Path source = folder.resolve("source");
        writeOddRows(source);
        Optional<Path> text =
                method == Method.ROUND
                        ? Optional.empty()
                        : Optional.of(TestConversion.text(folder));
        Path symmetric = folder.resolve("symmetric");
        Path zeros = folder.resolve("zeros");
        convert(source, symmetric, new CompressedLayout.Groups(4, 32), text, method);
        List<String> report =
                convert(source, zeros, new CompressedLayout.Groups(4, 32, true), text, method);
        assertTrue(report.getFirst().contains("as int4 in groups of 32 with zero points"));
        String up = "model.layers.0.mlp.up_proj.weight";
        assertEquals(TensorType.Q4_ZERO_32, Checkpoint.open(zeros).tensor(up).type());
        float[] expected = TestConversion.logits(source, TestConversion.SHORT_IDS);
        assertTrue(
                distance(expected, TestConversion.logits(zeros, TestConversion.SHORT_IDS))
                        < 1.5
                                * distance(
                                        expected,
                                        TestConversion.logits(
                                                symmetric, TestConversion.SHORT_IDS)));
    }

    private static List<String> convert(
            Path source,
            Path target,
            CompressedLayout.Groups groups,
            Optional<Path> text,
            Method method) {
        var quantize = new Quantization.Folder(groups);
        return new Conversion(source, target, quantize, List.of(), text, 512, method)
                .run(TestConversion::kernels, 1L << 30, TestConversion.quiet());
    }

    private static double distance(float[] x, float[] y) {
        double sum = 0;
        for (int i = 0; i < x.length; i++) {
            sum += (x[i] - y[i]) * (x[i] - y[i]);
        }
        return Math.sqrt(sum);
    }

    /// A feed-forward of 100 rows.
    private static void writeOddRows(Path source) throws Exception {
        TinyCheckpoint.write(source, 1);
        Map<String, List<Long>> shapes = new LinkedHashMap<>();
        shapes.put("model.embed_tokens.weight", List.of(512L, 64L));
        for (String matrix : List.of("q", "k", "v", "o")) {
            shapes.put(
                    "model.layers.0.self_attn.%s_proj.weight".formatted(matrix), List.of(64L, 64L));
        }
        shapes.put("model.layers.0.mlp.gate_proj.weight", List.of(100L, 64L));
        shapes.put("model.layers.0.mlp.up_proj.weight", List.of(100L, 64L));
        shapes.put("model.layers.0.mlp.down_proj.weight", List.of(64L, 100L));
        shapes.put("model.layers.0.input_layernorm.weight", List.of(64L));
        shapes.put("model.layers.0.post_attention_layernorm.weight", List.of(64L));
        shapes.put("model.norm.weight", List.of(64L));
        String config =
                """
                {"architectures": ["LlamaForCausalLM"], "model_type": "llama",
                 "hidden_size": 64, "num_hidden_layers": 1, "num_attention_heads": 4, "head_dim": 16,
                 "num_key_value_heads": 4, "intermediate_size": 100, "vocab_size": 512,
                 "max_position_embeddings": 256, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
                 "tie_word_embeddings": true, "bos_token_id": 1, "eos_token_id": 2}
                """;
        TinyCheckpoint.write(source, 3, config, shapes);
    }
}

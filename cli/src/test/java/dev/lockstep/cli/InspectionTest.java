// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.checkpoint.CutRewrite;
import dev.lockstep.checkpoint.Fixtures;
import dev.lockstep.checkpoint.TinyCheckpoint;
import dev.lockstep.kernels.DeviceCapabilities;
import dev.lockstep.model.ModelSource;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class InspectionTest {
    private static final DeviceCapabilities CPU = DeviceCapabilities.ofCpu("vector_api", false);

    @TempDir Path folder;

    @Test
    void aModelIsDescribedWithWhatEachRankHolds() throws Exception {
        TinyCheckpoint.write(folder, 1);
        List<String> lines = Inspection.of(folder, 2, "auto", CPU).text().lines().toList();
        assertHas(lines, "architecture  LlamaForCausalLM");
        assertHas(lines, "shape         2 layers, hidden 64, FFN 128, vocabulary 512, ");
        assertHas(lines, "attention     4 heads, 2 KV heads of 16");
        assertHas(lines, "KV group 0    every position, layers 0-1");
        assertHas(lines, "tool calls    not shown");
        assertHas(lines, "special ids   BOS 0, end of text 2 \"<|im_end|>\", 0 \"<|endoftext|>\"");
        assertHas(lines, "rank 0        heads 0-1 of 4, KV heads 0-0 of 2, FFN 0-63 of 128, ");
        assertHas(lines, "rank 1        heads 2-3 of 4, KV heads 1-1 of 2, FFN 64-127 of 128, ");
        assertTrue(
                lines.stream()
                        .anyMatch(
                                line ->
                                        line.contains(
                                                "KV 256 B a token in f32, activations of 1,024 tokens and 64"
                                                        + " sequences ")),
                lines.toString());
        assertHas(lines, "model.layers.1.mlp.down_proj.weight ");
        assertTrue(lines.stream().noneMatch(line -> line.contains("rank 2")));
    }

    @Test
    void aFolderThatIsCutForRanksIsDescribedForThem() throws Exception {
        Path source = Files.createDirectory(folder.resolve("source"));
        Path cut = folder.resolve("cut");
        TinyCheckpoint.write(source, 1);
        ModelSource model = ModelSource.open(source);
        CutRewrite.of(source, cut, model.reads(2), 2).write((_, _) -> {});
        Inspection inspection = Inspection.of(cut, 2, "auto", CPU);
        assertEquals(Optional.empty(), inspection.refusal());
        List<String> lines = inspection.text().lines().toList();
        assertHas(lines, "cut           for 2 ranks, in 2 stages that begin with layers [0, 1]");
        List<String> whole = Inspection.of(source, 2, "auto", CPU).text().lines().toList();
        for (String line : whole) {
            if (!line.startsWith("model  ")) {
                assertTrue(lines.contains(line), line);
            }
        }
        assertEquals(
                Optional.of(
                        "%s was cut for 2 ranks, not 1: use --tensor-parallel=2, or convert the original model for 1"
                                .formatted(cut)),
                Inspection.of(cut, 1, "auto", CPU).refusal());
    }

    @Test
    void anEncoderIsDescribedWithWhatItsTokensAttendTo() {
        Path model = Path.of("..", "model", "src", "test", "resources", "encoders", "modernbert");
        List<String> lines = Inspection.of(model, 1, "auto", CPU).text().lines().toList();
        assertHas(lines, "attends to    every position, before and after, layers 0, 3");
        assertHas(lines, "attends to    6 positions on each side, layers 1-2");
        assertTrue(
                lines.stream().anyMatch(line -> line.contains(", no KV, activations of ")),
                lines.toString());
    }

    @Test
    void layerInputsAndFeedForwardsOfSeveralSizesAreReported() {
        Path model = Path.of("..", "model", "src", "test", "resources", "references", "gemma3n");
        List<String> lines = Inspection.of(model, 1, "auto", CPU).text().lines().toList();
        assertHas(
                lines,
                "shape         5 layers, hidden 24, FFN 32, 64 in layers 1, 4, vocabulary 96, ");
        assertHas(lines, "layer inputs  36 for each token and layer, of the first 96 ids");
    }

    @Test
    void latentAttentionIsDescribedWithWhatItKeepsOfAToken() {
        Path model = Fixtures.require("models/deepseek-v3");
        List<String> lines = Inspection.of(model, 2, "f16", CPU).text().lines().toList();
        assertHas(
                lines,
                "attention     4 heads, 1 KV heads of 48, latent, which has the values in the keys");
        // Three layers of 32 latent and 16 rotated dimensions, whole on each rank.
        long ranks =
                lines.stream().filter(line -> line.contains("KV 288 B a token in f16")).count();
        assertEquals(2, ranks, lines.toString());
    }

    @Test
    void whatTheTemplateShowsOfAnswersIsPrinted() throws Exception {
        TinyCheckpoint.write(folder, 1);
        Path template = Fixtures.require("chat-templates").resolve("Qwen3-Coder.jinja");
        Files.copy(template, folder.resolve("chat_template.jinja"));
        List<String> lines = Inspection.of(folder, 1, "auto", CPU).text().lines().toList();
        assertHas(lines, "reasoning     not shown");
        assertHas(
                lines,
                "tool calls    \\n\\n<tool_call>\\n<function=NAME>[\\n<parameter=KEY>\\nVALUE\\n</parameter>]*\\n</function>\\n</tool_call>[");
        assertHas(lines, "arguments     \">\\n\" a value of the schema's type");
    }

    @Test
    void aModelThatDoesNotRunIsDescribedWithTheReason() throws Exception {
        TinyCheckpoint.write(folder, 1);
        List<String> tooMany = Inspection.of(folder, 5, "auto", CPU).text().lines().toList();
        assertHas(tooMany, "does not run  tensor-parallel 5: must be between 1 and ");
        List<String> other = inspectAs("BloomForCausalLM");
        assertHas(
                other,
                "does not run  %s: architecture BloomForCausalLM"
                        .formatted(folder.resolve("config.json")));
        assertHas(other, "model.norm.weight ");
    }

    @Test
    void aPlainDecoderWithoutAFamilyIsReported() throws Exception {
        List<String> lines = inspectAs("OtherForCausalLM");
        assertHas(lines, "runs as       a plain decoder");
        assertHas(lines, "rank 0 ");
    }

    @Test
    void whatStaysOnDiskOfAModelOfSeveralModalitiesIsReported() {
        Path model = Path.of("..", "model", "src", "test", "resources", "references", "qwen3-vl");
        List<String> lines = Inspection.of(model, 1, "auto", CPU).text().lines().toList();
        assertHas(lines, "architecture  Qwen3ForCausalLM");
        assertHas(
                lines,
                "modalities    the text of Qwen3VLForConditionalGeneration alone; tensors that stay on disk: visual 2");
        assertTrue(lines.stream().noneMatch(line -> line.startsWith("does not run")));
        assertTrue(lines.stream().noneMatch(line -> line.contains("visual.")), lines::toString);
        ModelSource source = ModelSource.open(model);
        assertEquals(30_944, source.parameterCount());
        assertTrue(source.otherModalities().orElseThrow().startsWith("the text of Qwen3VL"));
    }

    @Test
    void theBytesOfStatesAreReported() {
        Path model = Path.of("..", "model", "src", "test", "resources", "references", "qwen3-5");
        List<String> lines = Inspection.of(model, 1, "auto", CPU).text().lines().toList();
        assertHas(lines, "KV group 1    a state of ");
        assertTrue(
                lines.stream()
                        .anyMatch(
                                line -> line.contains(" a sequence, and of a snapshot, layers 0")),
                lines.toString());
        assertTrue(
                lines.stream().anyMatch(line -> line.contains(", activations and states of 1,024")),
                lines.toString());
    }

    private List<String> inspectAs(String architecture) throws Exception {
        TinyCheckpoint.write(folder, 1);
        Path config = folder.resolve("config.json");
        Files.writeString(
                config, Files.readString(config).replace("LlamaForCausalLM", architecture));
        return Inspection.of(folder, 1, "auto", CPU).text().lines().toList();
    }

    @Test
    void scalesOfAnFp8CacheAreReportedAndGpusHaveNone() throws Exception {
        TinyCheckpoint.write(folder, 1);
        String without = Inspection.of(folder, 2, "fp8", CPU).text();
        assertTrue(without.contains("B a token in fp8, without scales"), without);
        Path calibrated = Path.of("..", "model", "src", "test", "resources", "fp8-cache", "heads");
        String with = Inspection.of(calibrated, 1, "fp8", CPU).text();
        assertTrue(with.contains("B a token in fp8, with the checkpoint's scales"), with);
        assertEquals(
                Optional.of(
                        "kv-dtype fp8: compute capability 9.0 stores f32, f16 or bf16; use one of them or auto"),
                Inspection.of(folder, 1, "fp8", DeviceCapabilities.ofCuda(9, 0)).refusal());
    }

    @Test
    void quantizedTypesAndAVocabularyFileAreReported() {
        Path model = Fixtures.require("gguf/llama-Q4_K_M.gguf");
        List<String> lines = Inspection.of(model, 3, "f16", CPU).text().lines().toList();
        assertHas(lines, "weights       matrices in Q4_K, mostly Q4_K: multiplied by int8");
        List<String> onGpu =
                Inspection.of(model, 1, "auto", DeviceCapabilities.ofCuda(9, 0))
                        .text()
                        .lines()
                        .toList();
        assertHas(
                onGpu,
                "weights       matrices in Q4_K, mostly Q4_K: computed in bf16 (compute capability 9.0)");
        assertTrue(onGpu.stream().anyMatch(line -> line.contains("in bf16, activations of 8,192")));
        assertHas(lines, "rank 2 ");
        Path vocabulary = Fixtures.require("tokenizers/ggml-vocab-gpt-2.gguf");
        String vocabularyOnly = Inspection.of(vocabulary, 1, "auto", CPU).text();
        assertEquals(
                "model         %s\ntext          tokenizer, no chat template\ntensors       none: vocabulary only\ndoes not run  %s holds a vocabulary without weights: name a complete model\n"
                        .formatted(vocabulary, vocabulary),
                vocabularyOnly);
    }

    private static void assertHas(List<String> lines, String start) {
        assertTrue(
                lines.stream().anyMatch(line -> line.startsWith(start)),
                start + " in " + String.join("\n", lines));
    }
}

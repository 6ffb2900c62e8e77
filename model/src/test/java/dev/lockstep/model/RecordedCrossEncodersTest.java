// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.lockstep.checkpoint.Checkpoint;
import dev.lockstep.checkpoint.CheckpointException;
import dev.lockstep.checkpoint.SentenceModel;
import dev.lockstep.checkpoint.SentencePooling;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;

/// Tiny cross-encoders, and a decoder that ranks by two tokens, against scores recorded from
/// transformers, and with the same bits alone and beside others.
/// `src/test/python/record_encoders.py` wrote them.
class RecordedCrossEncodersTest {
    private static final double TOLERANCE = 1e-4;
    private static final ObjectMapper JSON = new ObjectMapper();

    @TempDir Path copies;

    private record Golden(int[] ids, int second, double score) {}

    @TestFactory
    Stream<DynamicTest> scoresAreTheRecordedOnes() throws Exception {
        List<DynamicTest> tests = new ArrayList<>();
        for (Path folder : folders()) {
            int heads = ModelSource.open(model(folder)).config().attention().headCount();
            for (int ranks = 1; ranks <= heads; ranks++) {
                int size = ranks;
                tests.add(
                        DynamicTest.dynamicTest(
                                "%s, %d ranks".formatted(folder.getFileName(), size),
                                () -> check(folder, size)));
            }
        }
        return tests.stream();
    }

    private static void check(Path folder, int ranks) throws Exception {
        SentenceModel.Score head = head(folder);
        List<Golden> goldens =
                JSON.readValue(folder.resolve("golden.json").toFile(), new TypeReference<>() {});
        try (TestGroup group = TestGroup.load(model(folder), ranks, "f32", "f32")) {
            List<TestGroup.Row> rows = new ArrayList<>();
            List<float[][]> alone = new ArrayList<>();
            int block = 1;
            for (Golden golden : goldens) {
                int[] blocks = TestGroup.blocks(block, golden.ids().length);
                block += blocks.length;
                int second = head.tokenTypes() ? golden.second() : golden.ids().length;
                var row = new TestGroup.Row(golden.ids(), 0, blocks, second);
                float[][] states = group.hiddenStates(List.of(row));
                assertEquals(golden.score(), head.of(pooled(head, states)), TOLERANCE);
                rows.add(row);
                alone.add(states);
            }
            TestGroup.Row last = rows.getLast();
            int[] blocks = TestGroup.blocks(block, last.ids().length);
            rows.add(new TestGroup.Row(last.ids(), 0, blocks));
            alone.add(group.hiddenStates(List.of(rows.getLast())));
            if (head.tokenTypes()) {
                assertNotEquals(
                        goldens.getLast().score(), head.of(pooled(head, alone.getLast())), 0.01);
            }
            float[][] mixed = group.hiddenStates(rows.reversed());
            int token = 0;
            for (float[][] states : alone.reversed()) {
                for (float[] state : states) {
                    assertArrayEquals(state, mixed[token++], "beside others");
                }
            }
        }
    }

    private static float[] pooled(SentenceModel.Score head, float[][] states) {
        if (head.pooling() == SentencePooling.CLS) {
            return states[0];
        }
        if (head.pooling() == SentencePooling.LAST) {
            return states[states.length - 1];
        }
        assertEquals(SentencePooling.MEAN, head.pooling());
        float[] mean = new float[states[0].length];
        for (int i = 0; i < mean.length; i++) {
            double sum = 0;
            for (float[] state : states) {
                sum += state[i];
            }
            mean[i] = (float) (sum / states.length);
        }
        return mean;
    }

    @Test
    void documentsHaveATokenTypeWhereModelAndTokenizerHaveIt() throws Exception {
        assertTrue(head(folder("bert")).tokenTypes());
        assertEquals(false, head(folder("xlm-roberta")).tokenTypes());
        assertEquals(false, head(folder("modernbert")).tokenTypes());
        Path copy = copy("bert", "\"torch.nn.modules.linear.Identity\"", "null");
        assertTypes(false, copy, "'model_input_names':['input_ids','attention_mask']");
        assertTypes(true, copy, "'model_input_names':['input_ids','token_type_ids']");
        assertTypes(true, copy, "'tokenizer_class':'BertTokenizerFast'");
        assertTypes(false, copy, "'tokenizer_class':'PreTrainedTokenizerFast'");
        assertTypes(false, copy, "'tokenizer_class':'XLMRobertaTokenizer'");
        assertTypes(true, copy, "'model_max_length':512");
    }

    private static void assertTypes(boolean typed, Path folder, String tokenizer)
            throws IOException {
        Files.writeString(
                folder.resolve("tokenizer_config.json"),
                "{%s}".formatted(tokenizer).replace('\'', '"'));
        assertEquals(typed, head(folder).tokenTypes(), tokenizer);
    }

    @Test
    void whatAHeadDoesNotHaveIsRefusedByName() throws Exception {
        assertRefused(
                copy(
                        "modernbert",
                        "\"classifier_pooling\": \"cls\"",
                        "\"classifier_pooling\": \"max\""),
                "classifier_pooling is max, expected cls or mean");
        assertRefused(
                copy(
                        "modernbert",
                        "\"classifier_activation\": \"gelu\"",
                        "\"classifier_activation\": \"silu\""),
                "classifier_activation is silu, expected gelu, relu or tanh");
        Path labels = copies.resolve("labels");
        Path bert = folder("bert");
        Files.createDirectory(labels);
        Files.copy(bert.resolve("config.json"), labels.resolve("config.json"));
        byte[] weights = Files.readAllBytes(bert.resolve("model.safetensors"));
        Files.write(labels.resolve("model.safetensors"), twoLabels(weights));
        assertRefused(labels, "tensor classifier.weight is [2, 32], a reranker has one score");
    }

    /// Says of a head of one score of 64 that it has two of 32, in as many bytes.
    private static byte[] twoLabels(byte[] weights) {
        String text = new String(weights, StandardCharsets.ISO_8859_1);
        String changed =
                text.replaceFirst(
                        "(\"classifier.weight\":\\{[^}]*\"shape\":)\\[1,64\\]", "$1[2,32]");
        assertNotEquals(text, changed);
        return changed.getBytes(StandardCharsets.ISO_8859_1);
    }

    private static void assertRefused(Path folder, String words) {
        var refusal = assertThrows(CheckpointException.class, () -> ModelSource.open(folder));
        assertTrue(String.valueOf(refusal.getMessage()).contains(words), refusal.getMessage());
    }

    private Path copy(String name, String from, String to) throws Exception {
        Path copy = Files.createTempDirectory(copies, name);
        Path folder = folder(name);
        Files.copy(folder.resolve("model.safetensors"), copy.resolve("model.safetensors"));
        String config = Files.readString(folder.resolve("config.json"));
        Files.writeString(copy.resolve("config.json"), config.replace(from, to));
        return copy;
    }

    private static SentenceModel.Score head(Path folder) {
        return assertInstanceOf(
                SentenceModel.Score.class, Checkpoint.open(model(folder)).sentenceModel().output());
    }

    /// Returns the GGUF file of a case that has one, else its folder.
    private static Path model(Path folder) {
        Path file = folder.resolve("model.gguf");
        return Files.exists(file) ? file : folder;
    }

    private static Path folder(String name) throws Exception {
        return folders().stream().filter(each -> each.endsWith(name)).findFirst().orElseThrow();
    }

    private static List<Path> folders() throws IOException, URISyntaxException {
        Path root =
                Path.of(
                        Objects.requireNonNull(
                                        RecordedCrossEncodersTest.class.getResource(
                                                "/cross-encoders"))
                                .toURI());
        try (Stream<Path> folders = Files.list(root)) {
            return folders.sorted().toList();
        }
    }
}

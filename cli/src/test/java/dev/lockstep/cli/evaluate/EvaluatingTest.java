// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.evaluate;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.lockstep.checkpoint.Fixtures;
import dev.lockstep.checkpoint.TinyCheckpoint;
import dev.lockstep.cli.console.Terminal;
import dev.lockstep.cli.console.UnusableException;
import dev.lockstep.cli.convert.CutConversion;
import dev.lockstep.cli.hub.ModelChoice;
import dev.lockstep.kernels.cpu.CpuKernels;
import dev.lockstep.kernels.cpu.CpuOptions;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class EvaluatingTest {
    private static final String SENTENCE =
            "A rank that stood still and wakes up is refused; the others have gone on. ";

    /// What llama.cpp's `llama-perplexity -c 64 --chunks 3` (ggml 0.25.3) printed for the default
    /// model and [#prose].
    private static final double RECORDED = 16.3208;

    @TempDir Path folder;

    private Path text;

    @BeforeEach
    void writeText() throws Exception {
        text = Files.writeString(folder.resolve("text.txt"), SENTENCE.repeat(40));
    }

    @Test
    void uniformLogitsHaveThePerplexityOfTheirNumber() {
        var sum = new Perplexity.Sum();
        for (int i = 0; i < 5; i++) {
            sum.add(new float[] {3, 3, 3, 3}, i % 4);
        }
        Perplexity result = sum.result();
        assertEquals(5, result.tokens());
        assertEquals(4, result.value(), 1e-12);
        assertEquals(0, result.error(), 1e-7);
    }

    @Test
    void errorIsThatOfTheMeanLogProbability() {
        // Probabilities 1/2 and 1/4: -log p is log 2 and 2 log 2, whose mean is 1.5 log 2.
        var sum = new Perplexity.Sum();
        sum.add(new float[] {0, 0}, 1);
        sum.add(new float[] {7, 7, 7, 7}, 2);
        Perplexity result = sum.result();
        assertEquals(Math.pow(2, 1.5), result.value(), 1e-12);
        assertEquals(result.value() * Math.log(2) / 2, result.error(), 1e-12);
    }

    @Test
    void divergenceIsFromTheReferenceToTheModel() {
        float[] even = {(float) Math.log(0.5), (float) Math.log(0.5)};
        float[] uneven = {(float) Math.log(0.9), (float) Math.log(0.1)};
        var sum = new Divergence.Sum();
        sum.add(even, uneven);
        sum.add(uneven, uneven);
        Divergence result = sum.result();
        double first = 0.5 * Math.log(0.5 / 0.9) + 0.5 * Math.log(0.5 / 0.1);
        assertEquals(first, result.largest(), 1e-6);
        assertEquals(first, result.p99(), 1e-6);
        assertEquals(first / 2, result.mean(), 1e-6);
        assertEquals(1, result.agreement());
    }

    @Test
    void aModelIsAtNoDistanceFromItself() throws Exception {
        ModelChoice model = tiny(1);
        Evaluation result = evaluate(model, Optional.of(model), true).evaluation();
        Evaluation.Comparison comparison = result.comparison().orElseThrow();
        assertEquals(result.model(), comparison.reference());
        assertEquals(new Divergence(0, 0, 0, 1), comparison.divergence());
        assertEquals(TinyCheckpoint.LAYERS, comparison.layers().size());
        comparison.layers().forEach((layer, error) -> assertEquals(0, error, "layer " + layer));
    }

    @Test
    void anotherModelIsMeasuredAsAloneAndFurtherAwayInEachLayer() throws Exception {
        ModelChoice model = tiny(1);
        ModelChoice other = tiny(2);
        EvaluationReport report = evaluate(model, Optional.of(other), true);
        Evaluation.Comparison comparison = report.evaluation().comparison().orElseThrow();
        assertEquals(
                evaluate(model, Optional.empty(), false).evaluation().model(),
                report.evaluation().model());
        assertEquals(
                evaluate(other, Optional.empty(), false).evaluation().model(),
                comparison.reference());
        assertTrue(comparison.divergence().mean() > 0);
        assertTrue(comparison.divergence().agreement() < 1);
        comparison
                .layers()
                .forEach((layer, error) -> assertTrue(error > 0.5, layer + ": " + error));

        JsonNode json = new ObjectMapper().readTree(report.json());
        assertEquals(report.evaluation().model().value(), json.get("perplexity").asDouble());
        assertEquals("tiny-2", json.at("/reference/model").textValue());
        assertEquals(comparison.divergence().mean(), json.at("/kl_divergence/mean").asDouble());
        assertEquals(TinyCheckpoint.LAYERS, json.get("layer_input_error").size());
        assertTrue(report.text().contains("KL divergence"), report.text());
    }

    @Test
    void aShortTextIsRefusedWithItsLength() throws Exception {
        Files.writeString(text, "four words of text");
        ModelChoice model = tiny(1);
        String refusal =
                String.valueOf(
                        assertThrows(
                                        UnusableException.class,
                                        () -> evaluate(model, Optional.empty(), false))
                                .getMessage());
        assertTrue(
                refusal.matches(
                        ".*text\\.txt has \\d+ tokens, less than a window of --context=64.*"),
                refusal);
    }

    @Tag("sweep")
    @Test
    void theDefaultModelHasThePerplexityThatAnotherProgramMeasures() throws Exception {
        Path path = Fixtures.requireDefaultModel();
        Files.writeString(text, prose());
        EvaluationReport report =
                evaluate(new ModelChoice(path, "default"), Optional.empty(), false);
        assertEquals(RECORDED, report.evaluation().model().value(), 0.02 * RECORDED);
    }

    @Test
    void aModelThatWasCutForSeveralRanksIsRefused() throws Exception {
        ModelChoice model = tiny(1);
        Path cut = folder.resolve("cut");
        new CutConversion(model.path(), cut, 2, 1, Optional.empty())
                .run(
                        () -> {
                            throw new AssertionError("computes");
                        },
                        0,
                        new Terminal(new PrintStream(new ByteArrayOutputStream()), false));
        String refusal =
                String.valueOf(
                        assertThrows(
                                        UnusableException.class,
                                        () ->
                                                evaluate(
                                                        new ModelChoice(cut, "cut"),
                                                        Optional.empty(),
                                                        false))
                                .getMessage());
        assertEquals(
                cut
                        + " was cut for 2 ranks and is measured with one: name the original model, or convert it for 1",
                refusal);
    }

    private static String prose() throws Exception {
        try (var file = EvaluatingTest.class.getResourceAsStream("prose.txt")) {
            return new String(file.readAllBytes(), StandardCharsets.UTF_8);
        }
    }

    private ModelChoice tiny(long seed) throws Exception {
        Path path = folder.resolve("tiny-" + seed);
        TinyCheckpoint.write(path, seed);
        return new ModelChoice(path, "tiny-" + seed);
    }

    private EvaluationReport evaluate(
            ModelChoice model, Optional<ModelChoice> reference, boolean layers) {
        return new Evaluating(model, reference, text, 64, 3, layers)
                .run(
                        () -> CpuKernels.open(CpuOptions.ofThreads(1).withoutSpinning()),
                        new Terminal(new PrintStream(new ByteArrayOutputStream()), false));
    }
}

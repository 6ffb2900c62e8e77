// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.lockstep.checkpoint.Checkpoint;
import dev.lockstep.checkpoint.ModelConfig;
import dev.lockstep.model.ReferenceDecoder.Rope;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;

/// A quantized llama in loops over doubles, twice: with inputs of products that are rounded as the
/// kernels round them, which must give the model's logits, and without, which must give the
/// recorded ones. What is between the model and the recorded logits is then all from that rounding,
/// and from that of the weights by the reference of their format.
final class QuantizedReference {
    /// f32 against f64, of a logit and of an input relative to the largest one of its token, as in
    /// [FamilyReferenceTest]: the measured maxima are 5e-6 and 1.5e-6. The rounding of all inputs
    /// moves some logit by 5e-2 or more.
    private static final double ARITHMETIC = 2e-5;

    /// Of the recorded logits, as in [FamilyGoldenTest].
    private static final double RECORDED = 1e-4;

    private final Checkpoint checkpoint;
    private final ReferenceDecoder plain;

    QuantizedReference(Path model) {
        checkpoint = Checkpoint.openFiles(model);
        plain = decoder().withPlainWeights();
    }

    private ReferenceDecoder decoder() {
        ModelConfig config = checkpoint.config();
        return new ReferenceDecoder(
                checkpoint,
                Rope.plain(10_000, config.attention().headDim()),
                0,
                1,
                x -> x / (1 + Math.exp(-x)));
    }

    /// Requires the logits that were recorded for a prompt, and the ids that follow it.
    void requireRecorded(Goldens.Case golden) {
        double[][] logits = plain.logits(joined(golden.prompt(), golden.greedy()));
        requireClose(Arrays.copyOf(logits, golden.prompt().length), golden.logits(), RECORDED);
        requireGreedy(logits, golden.prompt(), golden.greedy(), RECORDED);
    }

    /// Requires the logits that weights give for a prompt which are held exactly, or decoded where
    /// their columns are in another order, without any rounding of inputs.
    void requireOfExactWeights(int[] prompt, float[][] logits) {
        requireClose(decoder().logits(prompt), logits, RECORDED);
    }

    /// Requires the logits of a model for a prompt and for the ids that it continues it with, and
    /// that these are the greedy ones.
    ///
    /// @param products those of the group's ranks
    void requireLogits(TestGroup group, QuantizedProducts products, int[] prompt, int count)
            throws Exception {
        int[] greedy = group.greedy(prompt, count, 1);
        int[] ids = joined(prompt, greedy);
        float[][] actual =
                group.forward(List.of(new TestGroup.Row(ids, 0, TestGroup.blocks(1, ids.length))));
        double[][] rounded = decoder().with(products).logits(ids);
        requireClose(rounded, actual, ARITHMETIC);
        requireGreedy(rounded, prompt, greedy, ARITHMETIC);
    }

    /// Returns products that observe the kernels of this model's ranks.
    QuantizedProducts products() {
        return new QuantizedProducts(checkpoint, ARITHMETIC);
    }

    private static void requireClose(double[][] expected, float[][] actual, double tolerance) {
        assertEquals(expected.length, actual.length);
        for (int t = 0; t < expected.length; t++) {
            for (int v = 0; v < expected[t].length; v++) {
                assertEquals(expected[t][v], actual[t][v], tolerance, "token " + t);
            }
        }
    }

    /// Requires each id to have the largest logit, up to the error of two.
    private static void requireGreedy(
            double[][] logits, int[] prompt, int[] greedy, double tolerance) {
        for (int i = 0; i < greedy.length; i++) {
            double[] row = logits[prompt.length - 1 + i];
            double largest = Arrays.stream(row).max().orElseThrow();
            assertEquals(largest, row[greedy[i]], 2 * tolerance, "greedy id " + i);
        }
    }

    /// Returns a prompt and all but the last of the ids that follow it.
    private static int[] joined(int[] prompt, int[] greedy) {
        int[] ids = Arrays.copyOf(prompt, prompt.length + greedy.length - 1);
        System.arraycopy(greedy, 0, ids, prompt.length, greedy.length - 1);
        return ids;
    }
}

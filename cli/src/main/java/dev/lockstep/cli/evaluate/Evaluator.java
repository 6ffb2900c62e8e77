// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.evaluate;

import dev.lockstep.cli.console.Terminal;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.model.LocalModel;
import dev.lockstep.model.ModelSource;
import dev.lockstep.model.ObservedProducts;
import java.util.Locale;
import java.util.Optional;
import java.util.function.Supplier;

/// Measures a model over the windows of a text, and its distance from a reference.
///
/// @param kernels opens the kernels of one model
/// @param layers whether the inputs of layers are compared
record Evaluator(TextWindows text, Supplier<Kernels> kernels, boolean layers, Terminal terminal) {
    /// Positions whose logits are in memory at once.
    private static final int POSITIONS = 32;

    private record Loaded(LocalModel model, LayerInputs inputs) implements AutoCloseable {
        @Override
        public void close() {
            model.close();
        }
    }

    /// The reference, and what was measured against it until now.
    private record Compared(
            Loaded reference,
            Perplexity.Sum perplexity,
            Divergence.Sum divergence,
            LayerInputs.Errors errors)
            implements AutoCloseable {

        Evaluation.Comparison result() {
            return new Evaluation.Comparison(
                    perplexity.result(), divergence.result(), errors.result());
        }

        @Override
        public void close() {
            reference.close();
        }
    }

    /// Measures a model.
    ///
    /// @param reference has the same vocabulary
    Evaluation run(ModelSource source, Optional<ModelSource> reference) {
        var sum = new Perplexity.Sum();
        try (Loaded model = load(source)) {
            if (reference.isEmpty()) {
                windows(model, sum, Optional.empty());
                return new Evaluation(text.windows().size(), sum.result(), Optional.empty());
            }
            try (Compared compared = compare(reference.get())) {
                windows(model, sum, Optional.of(compared));
                return new Evaluation(
                        text.windows().size(), sum.result(), Optional.of(compared.result()));
            }
        } finally {
            terminal.endLine();
        }
    }

    private Loaded load(ModelSource source) {
        Kernels opened = kernels.get();
        var inputs = new LayerInputs(opened);
        Kernels used = layers ? new ObservedProducts(opened, inputs).kernels() : opened;
        return new Loaded(
                LocalModel.load(
                        source,
                        used,
                        text.length(),
                        (bytes, total) -> terminal.progress("loading weights", bytes, total)),
                inputs);
    }

    private Compared compare(ModelSource reference) {
        return new Compared(
                load(reference),
                new Perplexity.Sum(),
                new Divergence.Sum(),
                new LayerInputs.Errors());
    }

    private void windows(Loaded model, Perplexity.Sum sum, Optional<Compared> compared) {
        int all = text.windows().size();
        for (int done = 1; done <= all; done++) {
            int[] ids = text.windows().get(done - 1);
            model.model.run(ids);
            compared.ifPresent(each -> runReference(model, each, ids));
            for (int i = text.firstScored(); i < ids.length - 1; i += POSITIONS) {
                score(model, sum, compared, ids, i, Math.min(i + POSITIONS, ids.length - 1));
            }
            terminal.progress(
                    String.format(
                            Locale.ROOT,
                            "%d of %d windows, perplexity %.3f",
                            done,
                            all,
                            sum.result().value()),
                    done,
                    all);
        }
    }

    private static void runReference(Loaded model, Compared compared, int[] ids) {
        compared.reference.model.run(ids);
        compared.errors.add(model.inputs.take(), compared.reference.inputs.take());
    }

    private static void score(
            Loaded model,
            Perplexity.Sum sum,
            Optional<Compared> compared,
            int[] ids,
            int from,
            int to) {
        float[][] logits = model.model.logits(from, to);
        for (int i = from; i < to; i++) {
            sum.add(logits[i - from], ids[i + 1]);
        }
        if (compared.isEmpty()) {
            return;
        }
        Compared with = compared.get();
        float[][] expected = with.reference.model.logits(from, to);
        for (int i = from; i < to; i++) {
            with.perplexity.add(expected[i - from], ids[i + 1]);
            with.divergence.add(expected[i - from], logits[i - from]);
        }
    }
}

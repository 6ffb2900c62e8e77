// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.layer;

import dev.lockstep.checkpoint.AltUpConfig;
import dev.lockstep.checkpoint.ModelConfig;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.KvLayout;
import dev.lockstep.kernels.PackedWeight;
import dev.lockstep.kernels.PagedKv;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.model.ActivationBuffers;
import dev.lockstep.model.ForwardBatch;
import dev.lockstep.model.Model;
import dev.lockstep.model.OutputRows;
import dev.lockstep.model.Shard;
import dev.lockstep.model.Weights;
import java.util.List;
import java.util.stream.IntStream;

/// A decoder with several residuals of a token (Baykal et al. 2023). Those after the first begin as
/// projections of the embedding, of its magnitude; in the end projections of them, of the first
/// one's magnitude, are averaged with it.
///
/// @param begin `[H, H]` for each residual but the first
/// @param end `[H, H]` for each residual but the first
public record AltUpDecoder(
        ModelConfig config,
        Shard shard,
        List<KvLayout> kvLayouts,
        List<PagedAttention> attention,
        Embedding embedding,
        List<PackedWeight> begin,
        List<AltUpLayer> layers,
        List<PackedWeight> end,
        Norm finalNorm,
        LmHead head,
        long weightBytes)
        implements Model {

    /// The least mean square of a projection that is scaled.
    private static final float LEAST = 1e-5f;

    public AltUpDecoder {
        kvLayouts = List.copyOf(kvLayouts);
        attention = List.copyOf(attention);
        begin = List.copyOf(begin);
        layers = List.copyOf(layers);
        end = List.copyOf(end);
    }

    /// Loads `altup_projections` and `altup_unembed_projections` beside what was loaded: a matrix
    /// for each residual but the first, or as in GGUF files all in one tensor.
    public static AltUpDecoder load(
            Weights weights,
            Embedding embedding,
            List<AltUpLayer> layers,
            Norm finalNorm,
            LmHead head) {
        List<PackedWeight> begin = projections(weights, "model.altup_projections");
        List<PackedWeight> end = projections(weights, "model.altup_unembed_projections");
        return new AltUpDecoder(
                weights.config(),
                weights.shard(),
                weights.config().pagedGroups().stream().map(weights::kvLayout).toList(),
                PagedAttention.load(weights),
                embedding,
                begin,
                layers,
                end,
                finalNorm,
                head,
                weights.bytes());
    }

    private static List<PackedWeight> projections(Weights weights, String prefix) {
        AltUpConfig config = weights.config().details().altUp().orElseThrow();
        int hidden = weights.config().hiddenSize();
        int count = config.count() - 1;
        String all = prefix + ".weight";
        return IntStream.range(0, count)
                .mapToObj(
                        i ->
                                weights.has(all)
                                        ? weights.packRows(
                                                OutputRows.of(
                                                        weights.part(
                                                                all, count, i, hidden, hidden)))
                                        : weights.packWhole(
                                                "%s.%d".formatted(prefix, i), hidden, hidden))
                .toList();
    }

    @Override
    public boolean hasOutputHead() {
        return head.weight().isPresent();
    }

    @Override
    public Tensor forward(ForwardBatch batch, List<PagedKv> kv, ActivationBuffers activations) {
        List<List<PagedAttention.Rows>> planned =
                attention.stream().map(each -> each.plan(batch, kv, activations)).toList();
        var step = new ForwardStep(batch, activations, planned);
        List<Tensor> residuals = parts(step, 0);
        List<Tensor> predicted = parts(step, residuals.size());
        Kernels kernels = finalNorm.kernels();
        embedding.forward(step);
        kernels.copy(step.residual(), residuals.getFirst());
        for (int i = 1; i < residuals.size(); i++) {
            kernels.matmul(step.residual(), begin.get(i - 1), residuals.get(i));
            kernels.matchMagnitude(residuals.get(i), step.residual(), LEAST);
        }
        layers.forEach(each -> each.forward(step, residuals, predicted));
        kernels.copy(residuals.getFirst(), step.residual());
        for (int i = 1; i < residuals.size(); i++) {
            kernels.matmul(residuals.get(i), end.get(i - 1), step.x());
            kernels.matchMagnitude(step.x(), residuals.getFirst(), LEAST);
            kernels.add(step.residual(), step.x());
        }
        kernels.scale(step.residual(), 1f / residuals.size());
        finalNorm.apply(step.residual(), step.x());
        return logits(batch.tokens(), batch.logitRows(), activations);
    }

    /// Returns as many tensors `[T, H]` as there are residuals.
    ///
    /// @param first the number of the first in the memory of all
    private List<Tensor> parts(ForwardStep step, int first) {
        Tensor all = step.activations().residuals(step.tokens());
        int hidden = config.hiddenSize();
        int count = config.details().altUp().orElseThrow().count();
        return IntStream.range(first, first + count)
                .mapToObj(i -> all.columns(i * hidden, (i + 1) * hidden))
                .toList();
    }

    @Override
    public Tensor logits(int tokens, Tensor rows, ActivationBuffers activations) {
        return head.forward(hiddenStates(tokens, activations), rows, activations);
    }
}

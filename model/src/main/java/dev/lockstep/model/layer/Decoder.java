// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.layer;

import dev.lockstep.checkpoint.ModelConfig;
import dev.lockstep.kernels.KvLayout;
import dev.lockstep.kernels.PagedKv;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.model.ActivationBuffers;
import dev.lockstep.model.ForwardBatch;
import dev.lockstep.model.Model;
import dev.lockstep.model.Shard;
import dev.lockstep.model.Weights;
import java.util.List;
import java.util.function.IntFunction;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/// A transformer of one stack of layers: a decoder, or an encoder, which has no head and whose
/// tokens attend to later ones too:
///
/// ```
/// residual  = embedding(ids)
/// residual += attention(norm(residual))      in each layer
/// residual += feedForward(norm(residual))    in each layer
/// logits    = head(finalNorm(residual))
/// ```
///
/// @param attention one for each KV group
/// @param branches of all layers, in the order in which they are added to the residual
public record Decoder(
        ModelConfig config,
        Shard shard,
        List<KvLayout> kvLayouts,
        List<PagedAttention> attention,
        Embedding embedding,
        List<ResidualBranch> branches,
        Norm finalNorm,
        LmHead head,
        long weightBytes)
        implements Model {

    public Decoder {
        kvLayouts = List.copyOf(kvLayouts);
        attention = List.copyOf(attention);
        branches = List.copyOf(branches);
    }

    /// The two branches of a layer, in the order in which they are added to the residual.
    public record Layer(ResidualBranch attention, ResidualBranch feedForward) {}

    /// Loads a decoder whose embedding is `model.embed_tokens`, whose last norm is an RMSNorm
    /// `model.norm`, and whose head is `lm_head` or the embedding.
    ///
    /// @param loader loads the layer of a number
    public static Decoder load(Weights weights, IntFunction<Layer> loader) {
        // The layers are loaded first: a wrong size is reported by its norm or projection.
        List<Layer> layers = layers(weights, loader);
        return of(
                weights,
                Embedding.load(weights, "model.embed_tokens"),
                layers,
                Norm.rms(weights, "model.norm"),
                LmHead.load(weights, "model.embed_tokens"));
    }

    /// Loads every layer of the configuration.
    ///
    /// @param loader loads the layer of a number
    public static List<Layer> layers(Weights weights, IntFunction<Layer> loader) {
        return IntStream.range(0, weights.config().layerCount()).mapToObj(loader).toList();
    }

    /// Creates a decoder of layers that were loaded from `weights`.
    public static Decoder of(
            Weights weights, Embedding embedding, List<Layer> layers, Norm finalNorm, LmHead head) {
        List<ResidualBranch> branches =
                layers.stream()
                        .flatMap(each -> Stream.of(each.attention(), each.feedForward()))
                        .toList();
        return ofBranches(weights, embedding, branches, finalNorm, head);
    }

    /// Creates a decoder whose layers may have one branch each, from what was loaded from
    /// `weights`.
    public static Decoder ofBranches(
            Weights weights,
            Embedding embedding,
            List<ResidualBranch> branches,
            Norm finalNorm,
            LmHead head) {
        return new Decoder(
                weights.config(),
                weights.shard(),
                weights.config().pagedGroups().stream().map(weights::kvLayout).toList(),
                PagedAttention.load(weights),
                embedding,
                branches,
                finalNorm,
                head,
                weights.bytes());
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
        embedding.forward(step);
        normBefore(0).apply(step.residual(), step.x());
        for (int i = 0; i < branches.size(); i++) {
            branches.get(i).forward(step, normBefore(i + 1));
        }
        return logits(batch.tokens(), batch.logitRows(), activations);
    }

    @Override
    public Tensor logits(int tokens, Tensor rows, ActivationBuffers activations) {
        return head.forward(hiddenStates(tokens, activations), rows, activations);
    }

    /// Returns the norm that precedes a branch, or the head.
    private Norm normBefore(int branch) {
        return branch < branches.size() ? branches.get(branch).norm() : finalNorm;
    }
}

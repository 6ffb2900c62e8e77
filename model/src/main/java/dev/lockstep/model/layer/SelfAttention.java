package dev.lockstep.model.layer;

import dev.lockstep.kernels.RotaryTable;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.model.ActivationBuffers;
import java.util.Optional;

/// Self-attention over paged keys and values: q, k and v are one weight cut by heads, the output
/// projection is cut by its inputs.
///
/// @param kv where keys and values go
/// @param qkv this rank's query rows, then its key rows, then its value rows
/// @param rotary of no dimensions where positions come in otherwise
public record SelfAttention(
        KvLayer kv,
        ColumnParallelLinear qkv,
        Optional<QueryKeyNorm> norm,
        RotaryTable rotary,
        RowParallelLinear output,
        ResidualBranch branch) {

    /// Adds the layer to the residual and norms it for the next: `step.x()` holds this layer's
    /// input, then the next one's.
    public void forward(ForwardStep step, Norm next) {
        ActivationBuffers activations = step.activations();
        Tensor heads = activations.qkv(step.tokens());
        Tensor attended = activations.attended(step.tokens());
        qkv.forward(step.x(), heads);
        norm.ifPresent(each -> normalize(each, heads, activations));
        for (ForwardStep.Part part : step.parts(kv.backend())) {
            attend(part, step, heads, attended);
        }
        Tensor part = output.part(attended, activations);
        branch.addThenNorm(part, step.residual(), next, step.x(), activations);
    }

    private void attend(ForwardStep.Part part, ForwardStep step, Tensor heads, Tensor attended) {
        int start = part.start();
        int end = start + part.tokens();
        int layer = part.layer(kv.index());
        Tensor own = heads.rows(start, end);
        Tensor positions = step.batch().positions().columns(start, end);
        part.attention().rotateAndStore(part.plan(), own, rotary, positions, part.blocks(), layer);
        part.attention().attend(part.plan(), own, part.blocks(), layer, attended.rows(start, end));
    }

    private void normalize(QueryKeyNorm each, Tensor heads, ActivationBuffers activations) {
        int queries = output.weight().columns();
        int keys = (heads.columns() - queries) / 2;
        each.apply(heads.columns(0, queries), heads.columns(queries, queries + keys), activations);
    }
}

package dev.lockstep.model.layer;

import dev.lockstep.kernels.EmbeddingTable;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.Tensor;
import java.util.Optional;

/// The first residual: rows of the token table, times a factor, plus rows of the position table
/// where positions are learned.
public record Embedding(
        Kernels kernels,
        EmbeddingTable tokens,
        float multiplier,
        Optional<EmbeddingTable> positions) {

    public void forward(ForwardStep step) {
        Tensor residual = step.residual();
        kernels.embed(tokens, step.batch().ids(), residual);
        if (multiplier != 1) {
            kernels.scale(residual, multiplier);
        }
        if (positions.isPresent()) {
            Tensor learned = step.x();
            kernels.embed(positions.get(), step.batch().positions(), learned);
            kernels.add(residual, learned);
        }
    }
}

package dev.lockstep.model;

import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.PagedBatch;
import dev.lockstep.kernels.Tensor;
import java.util.List;

/// The index arrays of one step, in device memory: tokens of all rows laid end to end.
///
/// @param ids `[1, tokens]` I32
/// @param positions `[1, tokens]` I32, each token's place in its sequence
/// @param kv one for each KV group, in the model's order
/// @param logitRows `[1, n]` I32: the tokens whose logits are wanted; n may be 0
public record ForwardBatch(
        int tokens, Tensor ids, Tensor positions, List<PagedBatch> kv, Tensor logitRows) {

    public ForwardBatch {
        kv = List.copyOf(kv);
        ids.require("ids", DType.I32, 1, tokens);
        positions.require("positions", DType.I32, 1, tokens);
        logitRows.require("logitRows", DType.I32, 1, logitRows.columns());
    }

    public int logitCount() {
        return logitRows.columns();
    }
}

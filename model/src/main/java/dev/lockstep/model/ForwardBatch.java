// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.PagedBatch;
import dev.lockstep.kernels.Tensor;
import java.util.List;
import java.util.Optional;

/// The index arrays of one step, in device memory. The tokens of all rows follow each other; those
/// of rows that keep their keys and values come first.
///
/// @param ids `[1, tokens]` I32
/// @param positions `[1, tokens]` I32, each token's position in its sequence
/// @param tokenTypes `[1, tokens]` I32, rows of an encoder's table of token types; empty if all
///   tokens have the first type
/// @param kv one for each KV group, in the model's order: the rows that keep keys and values
/// @param withoutKv the rows after them, whole sequences each, whose keys and values are dropped
///   after each layer; its blocks are those of [ActivationBuffers#stepKv]
/// @param logitRows `[1, n]` I32: the tokens whose logits are computed; n may be 0
public record ForwardBatch(
        int tokens,
        Tensor ids,
        Tensor positions,
        Optional<Tensor> tokenTypes,
        List<PagedBatch> kv,
        Optional<PagedBatch> withoutKv,
        Tensor logitRows) {

    public ForwardBatch {
        kv = List.copyOf(kv);
        ids.require("ids", DType.I32, 1, tokens);
        positions.require("positions", DType.I32, 1, tokens);
        tokenTypes.ifPresent(each -> each.require("tokenTypes", DType.I32, 1, tokens));
        logitRows.require("logitRows", DType.I32, 1, logitRows.columns());
        int without = withoutKv.map(PagedBatch::tokens).orElse(0);
        for (PagedBatch each : kv) {
            if (each.tokens() + without != tokens) {
                throw new IllegalArgumentException(
                        "%d tokens with KV and %d without do not add up to a step of %d"
                                .formatted(each.tokens(), without, tokens));
            }
        }
    }

    /// Creates a step whose rows all keep their keys and values.
    public ForwardBatch(
            int tokens, Tensor ids, Tensor positions, List<PagedBatch> kv, Tensor logitRows) {
        this(tokens, ids, positions, Optional.empty(), kv, Optional.empty(), logitRows);
    }
}

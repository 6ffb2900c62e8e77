// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels;

import java.util.Optional;

/// This rank's shard of one expert: H inputs and outputs, I columns between them, 0 for an empty
/// shard.
///
/// @param gateUp I gate rows, then I up rows, of H columns; or the up rows alone, of an expert
///   without a gate
/// @param down H rows of I columns
/// @param gateUpBias `[1, rows of gateUp]` F32
/// @param downBias `[1, H]` F32; on one rank only, since the outputs of the ranks are added
public record ExpertWeights(
        PackedWeight gateUp,
        PackedWeight down,
        Optional<Tensor> gateUpBias,
        Optional<Tensor> downBias) {

    public ExpertWeights {
        boolean ungated = gateUp.rows() == down.columns();
        if ((!ungated && gateUp.rows() != 2 * down.columns()) || gateUp.columns() != down.rows()) {
            throw new IllegalArgumentException(
                    "gate and up are [%d, %d], down [%d, %d] needs [%d, %d]"
                            .formatted(
                                    gateUp.rows(),
                                    gateUp.columns(),
                                    down.rows(),
                                    down.columns(),
                                    2 * down.columns(),
                                    down.rows()));
        }
        gateUpBias.ifPresent(each -> each.require("gateUpBias", DType.F32, 1, gateUp.rows()));
        downBias.ifPresent(each -> each.require("downBias", DType.F32, 1, down.rows()));
    }

    public ExpertWeights(PackedWeight gateUp, PackedWeight down) {
        this(gateUp, down, Optional.empty(), Optional.empty());
    }

    /// Returns whether the activation of a gate multiplies the up projection.
    public boolean isGated() {
        return gateUp.rows() == 2 * down.columns();
    }

    public int hiddenSize() {
        return down.rows();
    }

    /// Returns I, the feed-forward columns of this rank.
    public int columns() {
        return down.columns();
    }
}

package dev.lockstep.model.layer;

import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.PackedWeight;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.model.ActivationBuffers;

/// The output head, cut by vocabulary; the ranks' logits are put side by side.
///
/// @param columns vocabulary rows of each rank
/// @param multiplier of the logits, 1 for none
/// @param softCap of the logits, 0 for none
public record LmHead(
        Kernels kernels, PackedWeight weight, int[] columns, float multiplier, float softCap) {

    /// Logits `[n, vocabulary]` of the given rows of `x`.
    ///
    /// @param x `[T, H]`, normalised
    /// @param rows `[1, n]` I32
    public Tensor forward(Tensor x, Tensor rows, ActivationBuffers activations) {
        int count = rows.columns();
        Tensor logits = activations.logits(count);
        if (count == 0) {
            return logits;
        }
        Tensor input = activations.logitInput(count);
        Tensor part = activations.logitPart(count);
        kernels.gatherRows(x, rows, input);
        kernels.matmul(input, weight, part);
        if (multiplier != 1) {
            kernels.scale(part, multiplier);
        }
        if (softCap != 0) {
            kernels.softCap(part, softCap);
        }
        activations.communicator().allGather(part, columns, logits);
        return logits;
    }
}

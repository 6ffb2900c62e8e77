// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import dev.lockstep.kernels.Sampler;
import dev.lockstep.kernels.Samples;
import dev.lockstep.kernels.SamplingSettings;
import dev.lockstep.kernels.Tensor;

/// A sampler on the device.
final class CudaSampler implements Sampler {

    CudaSampler(CudaContext context, int slots, int vocabularySize) {
        throw new UnsupportedOperationException("CudaSampler");
    }

    @Override
    public void admit(int slot, SamplingSettings settings, int[] promptIds, int[] outputIds) {
        throw new UnsupportedOperationException("CudaSampler");
    }

    @Override
    public void release(int slot) {
        throw new UnsupportedOperationException("CudaSampler");
    }

    @Override
    public void resolve(Tensor ids) {
        throw new UnsupportedOperationException("CudaSampler");
    }

    @Override
    public void sample(Tensor logits, Tensor slots, Samples out) {
        throw new UnsupportedOperationException("CudaSampler");
    }

    @Override
    public void score(Tensor logits, Tensor targets, int top, Samples out) {
        throw new UnsupportedOperationException("CudaSampler");
    }

    @Override
    public void record(Tensor slots, Tensor ids) {
        throw new UnsupportedOperationException("CudaSampler");
    }

    @Override
    public void close() {}
}

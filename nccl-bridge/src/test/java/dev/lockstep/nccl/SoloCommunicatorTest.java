// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.nccl;

final class SoloCommunicatorTest extends CommunicatorContract {
    @Override
    int[] sizes() {
        return new int[] {1};
    }

    @Override
    void onEveryRank(int size, RankBody body) throws Exception {
        try (var kernels = new FakeKernels();
                Communicator communicator = new SoloCommunicator(kernels.kernels())) {
            body.run(communicator, kernels);
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.nccl;

import dev.lockstep.kernels.TestDevice;
import dev.lockstep.kernels.Tolerances;

final class SoloCommunicatorTest implements SumContract, CopyContract, AbortContract {
    @Override
    public int[] sizes() {
        return new int[] {1};
    }

    @Override
    public void onEveryRank(int size, RankBody body) throws Exception {
        try (TestDevice device = HostGroup.openDevice();
                Communicator communicator = new SoloCommunicator(device.kernels())) {
            body.run(communicator, device);
        }
    }

    @Override
    public boolean sumsInRankOrder() {
        return true;
    }

    @Override
    public boolean sharesReasons() {
        return true;
    }

    @Override
    public Tolerances tolerances() {
        return Tolerances.STATED;
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import java.util.List;

/// First come, first served under one budget: decoding sequences run their token, then prefills get
/// the remaining budget, in order and chunk by chunk.
public final class FcfsMicroBatch implements MicroBatchScheduler {
    @Override
    public String name() {
        return "fcfs";
    }

    @Override
    public boolean wantsMore(int sequences, long tokens, int budget) {
        return tokens < budget;
    }

    @Override
    public void divide(List<Sequence> batch, int budget, int[] tokens) {
        int left = budget;
        for (int i = 0; i < batch.size(); i++) {
            tokens[i] = batch.get(i).prefilling() ? 0 : Math.min(batch.get(i).rowLimit(), left);
            left -= tokens[i];
        }
        for (int i = 0; i < batch.size() && left > 0; i++) {
            if (batch.get(i).prefilling()) {
                tokens[i] = Math.min(batch.get(i).rowLimit(), left);
                left -= tokens[i];
            }
        }
    }
}

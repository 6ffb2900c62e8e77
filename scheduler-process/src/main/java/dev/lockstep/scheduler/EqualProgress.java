// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import java.util.List;

/// Prefills advance together: after the decoding sequences, each prefill gets as many tokens as any
/// other, until it is done.
public final class EqualProgress implements MicroBatchScheduler {
    @Override
    public String name() {
        return "equal-progress";
    }

    @Override
    public boolean wantsMore(int sequences, long tokens, int budget) {
        return tokens < budget || (long) sequences * StepTime.MIN_CHUNK < budget;
    }

    @Override
    public void divide(List<Sequence> batch, int budget, int[] tokens) {
        int left = budget;
        int unfinished = 0;
        for (int i = 0; i < batch.size(); i++) {
            boolean prefills = batch.get(i).prefilling();
            tokens[i] = prefills ? 0 : Math.min(batch.get(i).rowLimit(), left);
            left -= tokens[i];
            unfinished += prefills ? 1 : 0;
        }
        int min = StepTime.MIN_CHUNK;
        while (left > 0 && unfinished > 0) {
            int share = Math.max(min, left / unfinished);
            min = 1;
            unfinished = 0;
            for (int i = 0; i < batch.size() && left > 0; i++) {
                if (batch.get(i).prefilling()) {
                    int more = Math.min(batch.get(i).rowLimit() - tokens[i], share);
                    more = Math.min(more, left);
                    tokens[i] += more;
                    left -= more;
                    unfinished += batch.get(i).rowLimit() > tokens[i] ? 1 : 0;
                }
            }
        }
    }
}

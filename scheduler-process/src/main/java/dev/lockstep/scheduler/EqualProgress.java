package dev.lockstep.scheduler;

import java.util.List;

/// Prefills advance together: after the sequences that decode, each prefill gets as many tokens as
/// any other, until it is done.
public final class EqualProgress implements MicroBatchScheduler {
    /// Fewer tokens of a prefill are not worth a row.
    private static final int LEAST_CHUNK = 16;

    @Override
    public String name() {
        return "equal-progress";
    }

    @Override
    public boolean wantsMore(int sequences, long tokens, int budget) {
        return tokens < budget || (long) sequences * LEAST_CHUNK < budget;
    }

    @Override
    public void divide(List<Sequence> batch, int budget, int[] tokens) {
        int left = budget;
        int hungry = 0;
        for (int i = 0; i < batch.size(); i++) {
            boolean prefills = batch.get(i).prefilling();
            tokens[i] = prefills ? 0 : Math.min(batch.get(i).remaining(), left);
            left -= tokens[i];
            hungry += prefills ? 1 : 0;
        }
        int least = LEAST_CHUNK;
        while (left > 0 && hungry > 0) {
            int share = Math.max(least, left / hungry);
            least = 1;
            hungry = 0;
            for (int i = 0; i < batch.size() && left > 0; i++) {
                if (batch.get(i).prefilling()) {
                    int more = Math.min(batch.get(i).remaining() - tokens[i], share);
                    more = Math.min(more, left);
                    tokens[i] += more;
                    left -= more;
                    hungry += batch.get(i).remaining() > tokens[i] ? 1 : 0;
                }
            }
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

/// The size of LFM2's feed-forwards, which `config.json` gives before it is cut to two thirds,
/// multiplied and rounded up.
record AdjustedFeedForward(JsonObject config) {

    static boolean isOf(JsonObject config) {
        return config.text("model_type").orElse("").equals("lfm2");
    }

    int size() {
        int size = config.requireInteger("block_ff_dim", "intermediate_size");
        if (!config.flag("block_auto_adjust_ff_dim").orElse(true)) {
            return size;
        }
        size = (int) (2L * size / 3);
        double multiplier = config.number("block_ffn_dim_multiplier").orElse(1);
        int unit = config.integer("block_multiple_of").orElse(256);
        if (unit < 1) {
            throw config.wrong("block_multiple_of", unit, "a positive number");
        }
        return Math.ceilDiv((int) (multiplier * size), unit) * unit;
    }
}

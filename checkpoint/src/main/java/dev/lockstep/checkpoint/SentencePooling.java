// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.util.Arrays;
import java.util.Optional;

/// How the vectors of a text's tokens become one, by the names of sentence-transformers.
public enum SentencePooling {
    CLS("cls", "pooling_mode_cls_token"),
    MAX("max", "pooling_mode_max_tokens"),
    MEAN("mean", "pooling_mode_mean_tokens"),
    /// The sum divided by the square root of the number of tokens.
    MEAN_SQRT_LENGTH("mean_sqrt_len_tokens", "pooling_mode_mean_sqrt_len_tokens"),
    /// The mean in which the token at position p, from 0, counts p + 1 times.
    WEIGHTED_MEAN("weightedmean", "pooling_mode_weightedmean_tokens"),
    LAST("lasttoken", "pooling_mode_lasttoken");

    private final String mode;
    private final String olderKey;

    SentencePooling(String mode, String olderKey) {
        this.mode = mode;
        this.olderKey = olderKey;
    }

    /// Returns the value of `pooling_mode`.
    public String mode() {
        return mode;
    }

    /// Returns the flag that chose it before there was `pooling_mode`.
    String olderKey() {
        return olderKey;
    }

    static Optional<SentencePooling> of(String mode) {
        return Arrays.stream(values()).filter(each -> each.mode.equals(mode)).findFirst();
    }
}

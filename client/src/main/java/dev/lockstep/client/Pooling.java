// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.client;

import java.util.Locale;

/// How the vectors of an input's tokens are reduced to one vector.
public enum Pooling {
    /// The mean of all vectors.
    MEAN,
    /// The vector of the last token, which attends to all tokens before it.
    LAST,
    /// The vector of the first token, of an encoder.
    CLS,
    /// The maximum of each component.
    MAX,
    /// The mean in which the token at position p, from 0, counts p + 1 times.
    WEIGHTED_MEAN;

    /// Returns the value of the request field `pooling`.
    String fieldValue() {
        return name().toLowerCase(Locale.ROOT);
    }
}

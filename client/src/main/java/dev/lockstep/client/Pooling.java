package dev.lockstep.client;

import java.util.Locale;

/// How the vectors of an input's tokens become one.
public enum Pooling {
    /// The mean of all.
    MEAN,
    /// The last token's, which has seen all before it.
    LAST;

    String word() {
        return name().toLowerCase(Locale.ROOT);
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar;

import java.io.Serial;

/// A grammar that cannot be compiled or followed within its limits; the message says which.
public final class GrammarException extends RuntimeException {
    @Serial private static final long serialVersionUID = 1;

    public GrammarException(String message) {
        super(message);
    }
}

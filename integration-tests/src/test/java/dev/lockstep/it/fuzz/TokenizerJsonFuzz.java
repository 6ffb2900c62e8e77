// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.it.fuzz;

import dev.lockstep.text.EncodeOptions;
import dev.lockstep.text.Tokenizer;
import dev.lockstep.text.Tokenizers;

/// Fuzz target of `tokenizer.json`: any bytes become a tokenizer that encodes and decodes, or are
/// refused.
public final class TokenizerJsonFuzz {
    /// A character class of a pattern is a table of all characters: 140 KB for about four bytes.
    private static final Bounds BOUNDS = new Bounds(4 << 20, 64 << 10);

    private TokenizerJsonFuzz() {}

    /// Called by Jazzer.
    public static void fuzzerTestOneInput(byte[] input) {
        BOUNDS.check(input, TokenizerJsonFuzz::read);
    }

    private static void read(byte[] input) {
        try {
            Tokenizer tokenizer = Tokenizers.ofJson(input);
            tokenizer.decode(
                    tokenizer.encode("ab it  <s>é😀", new EncodeOptions(true, true)), false);
        } catch (IllegalArgumentException refused) {
            if (refused.getClass() != IllegalArgumentException.class) {
                throw refused;
            }
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import dev.lockstep.text.EncodeOptions;
import dev.lockstep.text.Tokenizer;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Optional;
import java.util.stream.Stream;

/// Tokens of a text that follows other text: exactly its bytes, without the space that a tokenizer
/// may put before the beginning of a text.
final class ExactText {
    /// Is a token of its own, which ends what comes before.
    private static final String LINE_FEED = "\n";

    private ExactText() {}

    /// Returns the ids; empty if the tokenizer changes the text.
    static Optional<int[]> ids(Tokenizer tokenizer, String text, boolean specials) {
        return Stream.of(
                        encode(tokenizer, text, specials),
                        behindLineFeed(tokenizer, text, specials))
                .filter(ids -> spells(tokenizer, ids, text))
                .findFirst();
    }

    private static int[] behindLineFeed(Tokenizer tokenizer, String text, boolean specials) {
        int[] all = encode(tokenizer, LINE_FEED + text, specials);
        int begin = encode(tokenizer, LINE_FEED, specials).length;
        return Arrays.copyOfRange(all, Math.min(begin, all.length), all.length);
    }

    private static int[] encode(Tokenizer tokenizer, String text, boolean specials) {
        return tokenizer.encode(text, new EncodeOptions(specials, false));
    }

    private static boolean spells(Tokenizer tokenizer, int[] ids, String text) {
        var bytes = new ByteArrayOutputStream();
        for (int id : ids) {
            bytes.writeBytes(tokenizer.bytes(id));
        }
        return Arrays.equals(bytes.toByteArray(), text.getBytes(StandardCharsets.UTF_8));
    }
}

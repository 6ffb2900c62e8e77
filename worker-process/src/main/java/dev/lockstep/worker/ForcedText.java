// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import dev.lockstep.grammar.Matcher;
import dev.lockstep.text.Tokenizer;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/// Finds the tokens of text that a grammar leaves no choice about, as the tokenizer divides it.
final class ForcedText {
    /// For sequences whose every token is sampled, because each must be measured.
    static final ForcedText NONE = new ForcedText(Optional.empty());

    private final Optional<Tokenizer> tokenizer;

    private ForcedText(Optional<Tokenizer> tokenizer) {
        this.tokenizer = tokenizer;
    }

    static ForcedText by(Tokenizer tokenizer) {
        return new ForcedText(Optional.of(tokenizer));
    }

    /// Moves the matcher over the tokens that must come next, and returns them. The last token of
    /// the text is left to the model unless the text ends with it: a longer one may begin there.
    List<Integer> after(Matcher matcher) {
        if (tokenizer.isEmpty()) {
            return List.of();
        }
        byte[] bytes = matcher.forcedBytes();
        String text = wholeCharacters(bytes);
        if (text.isEmpty()) {
            return List.of();
        }
        int[] ids = tokenizer.get().encode(text, false);
        if (!Arrays.equals(bytes(ids), text.getBytes(StandardCharsets.UTF_8))) {
            // The tokenizer normalizes, or puts a space before a text.
            return List.of();
        }
        Matcher end = matcher.copy();
        boolean ends = end.acceptAll(ids) == ids.length && end.complete();
        int count = ends ? ids.length : ids.length - 1;
        List<Integer> forced = new ArrayList<>(count);
        for (int i = 0; i < count && matcher.accept(ids[i]); i++) {
            forced.add(ids[i]);
        }
        return forced;
    }

    private byte[] bytes(int[] ids) {
        var all = new ByteArrayOutputStream();
        for (int id : ids) {
            all.writeBytes(tokenizer.orElseThrow().bytes(id));
        }
        return all.toByteArray();
    }

    /// Returns the text up to the last whole character.
    private static String wholeCharacters(byte[] bytes) {
        CharsetDecoder decoder =
                StandardCharsets.UTF_8.newDecoder().onMalformedInput(CodingErrorAction.REPORT);
        CharBuffer text = CharBuffer.allocate(bytes.length);
        decoder.decode(ByteBuffer.wrap(bytes), text, false);
        return text.flip().toString();
    }
}

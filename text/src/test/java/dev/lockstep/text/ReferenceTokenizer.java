// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.Arrays;
import java.util.Map;

/// The library that defines `tokenizer.json`, as the oracle of tests.
final class ReferenceTokenizer implements AutoCloseable {
    static {
        System.setProperty("ai.djl.offline", "true");
        System.setProperty("RUST_FLAVOR", "cpu");
        System.setProperty("DJL_CACHE_DIR", "target/djl");
    }

    private final HuggingFaceTokenizer tokenizer;

    ReferenceTokenizer(byte[] json) {
        try {
            tokenizer =
                    HuggingFaceTokenizer.newInstance(
                            new ByteArrayInputStream(json),
                            Map.of(
                                    "addSpecialTokens",
                                    "false",
                                    "truncation",
                                    "false",
                                    "padding",
                                    "false"));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    int[] encode(String text, boolean addSpecial) {
        return Arrays.stream(tokenizer.encode(text, addSpecial, false).getIds())
                .mapToInt(Math::toIntExact)
                .toArray();
    }

    /// Returns the number of tokens of each word that the pre-tokenizers made.
    int[] wordLengths(String text) {
        int[] lengths = new int[text.length() + 1];
        int words = 0;
        for (long word : tokenizer.encode(text, false, false).getWordIds()) {
            lengths[Math.toIntExact(word)]++;
            words = Math.max(words, Math.toIntExact(word) + 1);
        }
        return Arrays.copyOf(lengths, words);
    }

    String decode(int[] ids, boolean skipSpecial) {
        return tokenizer.decode(Arrays.stream(ids).asLongStream().toArray(), skipSpecial);
    }

    @Override
    public void close() {
        tokenizer.close();
    }
}

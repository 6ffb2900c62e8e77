// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import dev.lockstep.text.Tokenizer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/// The texts of `bad_words` as the tokens that spell them: at the beginning of a text, and after a
/// space within it. What spells a text with other tokens is not found.
///
/// @param ids the only token of a text
/// @param sequences of two or more
record BadWords(List<Integer> ids, List<List<Integer>> sequences) {
    private static final String FIELD = "bad_words";
    private static final int MAX_WORDS = 1024;
    private static final int MAX_LENGTH = 256;

    /// Of all sequences: they travel with each request.
    private static final int MAX_TOKENS = 8192;

    BadWords {
        ids = List.copyOf(ids);
        sequences = List.copyOf(sequences);
    }

    static BadWords parse(Fields fields, ServedModel model) {
        List<String> words = fields.list(FIELD, MAX_WORDS, Fields::text);
        Set<List<Integer>> all = new LinkedHashSet<>();
        for (int i = 0; i < words.size(); i++) {
            String name = fields.name(FIELD) + "[" + i + "]";
            String word = words.get(i).stripLeading();
            if (word.isEmpty() || word.length() > MAX_LENGTH) {
                throw ApiError.invalid(
                        name,
                        "%s has %d characters without leading space, it must have 1 to %d"
                                .formatted(name, word.length(), MAX_LENGTH));
            }
            spell(word, model.requireTokenizer(name), all);
        }
        List<Integer> ids = new ArrayList<>();
        List<List<Integer>> sequences = new ArrayList<>();
        int tokens = 0;
        for (List<Integer> word : all) {
            if (word.size() == 1) {
                ids.add(word.getFirst());
            } else {
                sequences.add(word);
                tokens += word.size();
            }
        }
        if (tokens > MAX_TOKENS) {
            throw ApiError.invalid(
                    fields.name(FIELD),
                    "bad_words have %d tokens, at most %d are accepted"
                            .formatted(tokens, MAX_TOKENS));
        }
        return new BadWords(ids, sequences);
    }

    /// Adds the word as it begins a text, and as it follows a space.
    private static void spell(String word, Tokenizer tokenizer, Set<List<Integer>> all) {
        for (String text : List.of(word, " " + word)) {
            List<Integer> ids = ids(text, tokenizer);
            if (!ids.isEmpty()) {
                all.add(ids);
            }
        }
    }

    private static List<Integer> ids(String text, Tokenizer tokenizer) {
        return Arrays.stream(tokenizer.encode(text, false)).boxed().toList();
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.function.BiConsumer;

/// A reader for a byte pair encoding `model`.
///
/// Merges are `"a b"` strings or `["a", "b"]` pairs.
record BytePairJson(JsonPart part) implements ModelJson {
    @Override
    public void forEachToken(BiConsumer<Integer, String> token) {
        ModelJson.forEachEntry(part, token);
    }

    @Override
    public boolean byteFallback() {
        return part.flag("byte_fallback", false);
    }

    @Override
    public TokenModel build(Vocabulary vocabulary) {
        String prefix = part.text("continuing_subword_prefix", "");
        String suffix = part.text("end_of_word_suffix", "");
        String unknown = part.text("unk_token", "");
        boolean affixes = !prefix.isEmpty() || !suffix.isEmpty();
        boolean wholeWordsFirst = part.flag("ignore_merges", false);
        // Where a character may vanish, the text around it becomes one.
        boolean drops = unknown.isEmpty() && !(byteFallback() && vocabulary.hasAllBytes());
        var rules =
                new BytePairModel.Rules(
                        wholeWordsFirst,
                        byteFallback(),
                        unknown.isEmpty() ? Vocabulary.NONE : vocabulary.id(unknown),
                        part.flag("fuse_unk", false),
                        false,
                        affixes || drops || wholeWordsFirst
                                ? Vocabulary.NONE
                                : SentencePiece.wordStart(vocabulary));
        var symbols = new Symbols(vocabulary, prefix, suffix);
        return new BytePairModel(vocabulary, symbols, merges(vocabulary, prefix.length()), rules);
    }

    private MergeTable merges(Vocabulary vocabulary, int prefixLength) {
        JsonNode list = part.require("merges").node();
        if (!list.isArray()) {
            throw part.require("merges").wrong("a list");
        }
        var merges = new MergeTable(list.size());
        int rank = 0;
        for (JsonNode merge : list) {
            String left = half(merge, rank, 0);
            String right = half(merge, rank, 1);
            if (right.length() < prefixLength) {
                throw wrong(merge, rank);
            }
            int result = vocabulary.id(left + right.substring(prefixLength));
            if (result < 0 || vocabulary.id(left) < 0 || vocabulary.id(right) < 0) {
                throw wrong(merge, rank);
            }
            // Text never becomes a special token, even if the merges spell one.
            if (vocabulary.kind(result) != Vocabulary.Kind.SPECIAL) {
                merges.put(vocabulary.id(left), vocabulary.id(right), rank, result);
            }
            rank++;
        }
        return merges;
    }

    /// Returns the left or the right token of a merge.
    static String half(JsonNode merge, int rank, int index) {
        if (merge.isTextual()) {
            String text = merge.textValue();
            int space = text.indexOf(' ', 1);
            if (space > 0 && text.indexOf(' ', space + 1) < 0) {
                return index == 0 ? text.substring(0, space) : text.substring(space + 1);
            }
        } else if (merge.isArray() && merge.size() == 2 && merge.get(index).isTextual()) {
            return merge.get(index).textValue();
        }
        throw wrong(merge, rank);
    }

    private static IllegalArgumentException wrong(JsonNode merge, int rank) {
        return new JsonPart("model.merges[" + rank + "]", merge)
                .wrong("two tokens whose concatenation is a token");
    }
}

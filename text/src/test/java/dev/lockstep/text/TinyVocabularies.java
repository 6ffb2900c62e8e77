// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;

/// Small, readable vocabularies for tests without files.
public final class TinyVocabularies {
    private TinyVocabularies() {}

    /// Returns a tokenizer with `<|end|>` 0, `<|tool|>` 1 (added, not special), the 256 bytes 2 to
    /// 257, then the results of the merges.
    public static Tokenizer byteLevel(String pre, String... merges) {
        List<String> tokens = new ArrayList<>(List.of("<|end|>", "<|tool|>"));
        List<Integer> types = new ArrayList<>(List.of(3, 4));
        for (int b = 0; b < 256; b++) {
            tokens.add(String.valueOf(ByteLevel.character(b)));
            types.add(1);
        }
        for (String merge : merges) {
            tokens.add(merge.replace(" ", ""));
            types.add(1);
        }
        return Tokenizers.of(
                new GgufVocabulary(
                        "gpt2",
                        pre,
                        tokens,
                        List.of(),
                        types,
                        List.of(merges),
                        List.of(),
                        new GgufVocabulary.SpecialIds(
                                OptionalInt.empty(),
                                OptionalInt.of(0),
                                OptionalInt.empty(),
                                OptionalInt.empty()),
                        new GgufVocabulary.Flags(false, false, false, false)));
    }

    /// Returns a tokenizer with `<unk>` 0, `<s>` 1, `</s>` 2, the bytes 3 to 258, then these pieces
    /// by decreasing score.
    static Tokenizer sentencePiece(boolean spacePrefix, String... pieces) {
        return spaced("llama", spacePrefix, List.of(), pieces);
    }

    /// Returns a tokenizer of the same ids whose merges are listed, as Gemma 4's are.
    static Tokenizer spacedMerges(List<String> merges, String... pieces) {
        return spaced("gemma4", false, merges, pieces);
    }

    private static Tokenizer spaced(
            String model, boolean spacePrefix, List<String> merges, String... pieces) {
        List<String> tokens = new ArrayList<>(List.of("<unk>", "<s>", "</s>"));
        List<Integer> types = new ArrayList<>(List.of(2, 3, 3));
        List<Float> scores = new ArrayList<>(List.of(0f, 0f, 0f));
        for (int b = 0; b < 256; b++) {
            tokens.add("<0x%02X>".formatted(b));
            types.add(6);
            scores.add(0f);
        }
        for (int i = 0; i < pieces.length; i++) {
            tokens.add(pieces[i]);
            types.add(1);
            scores.add((float) -i);
        }
        return Tokenizers.of(
                new GgufVocabulary(
                        model,
                        "",
                        tokens,
                        scores,
                        types,
                        merges,
                        List.of(),
                        new GgufVocabulary.SpecialIds(
                                OptionalInt.of(1),
                                OptionalInt.of(2),
                                OptionalInt.of(0),
                                OptionalInt.empty()),
                        new GgufVocabulary.Flags(true, false, spacePrefix, false)));
    }
}

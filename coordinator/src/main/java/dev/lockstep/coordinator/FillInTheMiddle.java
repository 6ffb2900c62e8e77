// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import dev.lockstep.text.EncodeOptions;
import dev.lockstep.text.Tokenizer;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/// The tokens by which a model completes the middle of a text, and the prompt that they make:
/// `prefix-token prefix suffix-token suffix middle-token`, after which the model writes the middle.
///
/// Which tokens those are is known by their names in the tokenizer.
///
/// @param ends further tokens that end such a text: the next file of a repository begins there
record FillInTheMiddle(int prefix, int suffix, int middle, List<Integer> ends) {
    private static final List<List<String>> NAMES =
            List.of(
                    List.of("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"),
                    List.of("<fim_prefix>", "<fim_suffix>", "<fim_middle>"),
                    List.of("<fim-prefix>", "<fim-suffix>", "<fim-middle>"),
                    List.of("<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"),
                    List.of("▁<PRE>", "▁<SUF>", "▁<MID>"),
                    List.of("<PRE>", "<SUF>", "<MID>"));

    private static final List<String> ENDS =
            List.of(
                    "<|fim_pad|>",
                    "<fim_pad>",
                    "<|repo_name|>",
                    "<|file_sep|>",
                    "<file_sep>",
                    "▁<EOT>",
                    "<EOT>");

    FillInTheMiddle {
        ends = List.copyOf(ends);
    }

    static Optional<FillInTheMiddle> of(Tokenizer tokenizer) {
        List<Integer> ends = ids(tokenizer, ENDS);
        return NAMES.stream()
                .map(names -> ids(tokenizer, names))
                .filter(ids -> ids.size() == 3)
                .map(ids -> new FillInTheMiddle(ids.get(0), ids.get(1), ids.get(2), ends))
                .findFirst();
    }

    /// Returns the tokens of a model, or refuses the field that needs them.
    static FillInTheMiddle require(ServedModel model, String field) {
        return of(model.requireTokenizer(field))
                .orElseThrow(
                        () ->
                                ApiError.unserved(
                                        field,
                                        "%s is given, and the tokenizer of the model %s has no tokens for filling in the middle"
                                                .formatted(field, model.name())));
    }

    private static List<Integer> ids(Tokenizer tokenizer, List<String> names) {
        return names.stream()
                .map(tokenizer::idOf)
                .filter(OptionalInt::isPresent)
                .map(OptionalInt::getAsInt)
                .toList();
    }

    /// Returns the prompt. Special tokens in the texts are not recognised: they are the client's
    /// own files.
    ///
    /// @param addSpecial whether it begins as a text of the tokenizer does
    int[] prompt(Tokenizer tokenizer, String before, String after, boolean addSpecial) {
        return Stream.of(
                        tokenizer.encode("", new EncodeOptions(false, addSpecial)),
                        new int[] {prefix},
                        tokenizer.encode(before, EncodeOptions.PLAIN),
                        new int[] {suffix},
                        tokenizer.encode(after, EncodeOptions.PLAIN),
                        new int[] {middle})
                .flatMapToInt(IntStream::of)
                .toArray();
    }
}

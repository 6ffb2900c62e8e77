// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import dev.lockstep.text.EncodeOptions;
import dev.lockstep.text.Tokenizer;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/// The tokens by which a model completes the middle of a text, and the prompt that they make:
/// `prefix-token prefix suffix-token suffix middle-token`, after which the model writes the middle;
/// or, without a middle token, `suffix-token suffix prefix-token prefix`, which it continues.
///
/// Which tokens those are is known by their names in the tokenizer.
///
/// @param middle empty for a model that reads the suffix first
/// @param repository stands before the name of a repository, if the model knows several files
/// @param file stands before the name and the text of each of them
/// @param ends further tokens that end such a text: the next file of a repository begins there
record FillInTheMiddle(
        int prefix,
        int suffix,
        OptionalInt middle,
        OptionalInt repository,
        OptionalInt file,
        List<Integer> ends) {
    private static final List<List<String>> NAMES =
            List.of(
                    List.of("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"),
                    List.of("<fim_prefix>", "<fim_suffix>", "<fim_middle>"),
                    List.of("<fim-prefix>", "<fim-suffix>", "<fim-middle>"),
                    List.of("<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"),
                    List.of("▁<PRE>", "▁<SUF>", "▁<MID>"),
                    List.of("<PRE>", "<SUF>", "<MID>"),
                    // The tokenizers of Codestral also have [MIDDLE], which it was not trained on.
                    List.of("[PREFIX]", "[SUFFIX]"));

    private static final List<String> REPOSITORIES =
            List.of("<|repo_name|>", "<repo_name>", "<reponame>", "<|fim_repo|>", "<fim-repo>");

    private static final List<String> FILES = List.of("<|file_sep|>", "<file_sep>");

    private static final List<String> ENDS =
            List.of(
                    "<|fim_pad|>",
                    "<fim_pad>",
                    "<|repo_name|>",
                    "<|file_sep|>",
                    "<file_sep>",
                    "▁<EOT>",
                    "<EOT>");

    // Clients tell neither.
    private static final String REPOSITORY_NAME = "project";
    private static final String FILE_NAME = "file";

    /// Stands before another file where the model has no token for that.
    private static final String SNIPPET = "\n\n--- snippet ---\n\n";

    /// Another file that the model reads first.
    record Extra(String name, String text) {}

    FillInTheMiddle {
        ends = List.copyOf(ends);
    }

    static Optional<FillInTheMiddle> of(Tokenizer tokenizer) {
        return NAMES.stream()
                .filter(names -> ids(tokenizer, names).size() == names.size())
                .map(names -> ids(tokenizer, names))
                .map(
                        ids ->
                                new FillInTheMiddle(
                                        ids.get(0),
                                        ids.get(1),
                                        ids.size() > 2
                                                ? OptionalInt.of(ids.get(2))
                                                : OptionalInt.empty(),
                                        first(tokenizer, REPOSITORIES),
                                        first(tokenizer, FILES),
                                        ids(tokenizer, ENDS)))
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

    private static OptionalInt first(Tokenizer tokenizer, List<String> names) {
        return ids(tokenizer, names).stream().mapToInt(Integer::intValue).findFirst();
    }

    /// Returns the prompt. Special tokens in the texts are not recognised: they are the client's
    /// own files.
    ///
    /// @param addSpecial whether it begins as a text of the tokenizer does
    /// @param room the most tokens; of the other files, the first ones are left out to keep to it
    int[] prompt(
            Tokenizer tokenizer,
            String before,
            String after,
            List<Extra> extras,
            boolean addSpecial,
            int room) {
        int[] begin = tokenizer.encode("", new EncodeOptions(false, addSpecial));
        int[] own =
                middle.isPresent()
                        ? joined(
                                tokens(prefix),
                                plain(tokenizer, before),
                                tokens(suffix),
                                plain(tokenizer, after),
                                tokens(middle.getAsInt()))
                        : joined(
                                tokens(suffix),
                                continued(tokenizer, after),
                                tokens(prefix),
                                plain(tokenizer, before));
        int[] others = extras.isEmpty() ? new int[0] : extras(tokenizer, extras);
        int kept = Math.clamp((long) room - begin.length - own.length, 0, others.length);
        return joined(begin, Arrays.copyOfRange(others, others.length - kept, others.length), own);
    }

    /// Returns what stands before the text to complete: the repository, its other files, and the
    /// name of its own.
    private int[] extras(Tokenizer tokenizer, List<Extra> extras) {
        Stream.Builder<int[]> parts = Stream.builder();
        repository.ifPresent(
                id -> parts.add(tokens(id)).add(plain(tokenizer, REPOSITORY_NAME + "\n")));
        for (Extra extra : extras) {
            if (file.isPresent()) {
                parts.add(tokens(file.getAsInt())).add(plain(tokenizer, extra.name() + "\n"));
            } else {
                parts.add(plain(tokenizer, SNIPPET));
            }
            parts.add(plain(tokenizer, extra.text()));
        }
        file.ifPresent(id -> parts.add(tokens(id)).add(plain(tokenizer, FILE_NAME + "\n")));
        return joined(parts.build().toArray(int[][]::new));
    }

    private static int[] plain(Tokenizer tokenizer, String text) {
        return tokenizer.encode(text, EncodeOptions.PLAIN);
    }

    /// Without the space that a tokenizer may put before a text.
    private static int[] continued(Tokenizer tokenizer, String text) {
        return ExactText.ids(tokenizer, text, false).orElseGet(() -> plain(tokenizer, text));
    }

    private static int[] tokens(int id) {
        return new int[] {id};
    }

    private static int[] joined(int[]... parts) {
        return Stream.of(parts).flatMapToInt(IntStream::of).toArray();
    }
}

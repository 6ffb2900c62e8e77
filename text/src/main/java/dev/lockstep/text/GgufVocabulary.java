// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import dev.lockstep.checkpoint.GgufHeader;
import java.util.List;
import java.util.OptionalInt;

/// The values of the `tokenizer.ggml.*` keys of a GGUF file.
///
/// @param model `tokenizer.ggml.model`
/// @param pre `tokenizer.ggml.pre`, or empty
/// @param scores one per token, or empty
/// @param tokenTypes one per token, or empty if all are normal
/// @param merges `left right` in order, or empty
/// @param characterMap the bytes of SentencePiece's compiled normalization, or empty
public record GgufVocabulary(
        String model,
        String pre,
        List<String> tokens,
        List<Float> scores,
        List<Integer> tokenTypes,
        List<String> merges,
        List<Integer> characterMap,
        SpecialIds specialIds,
        Flags flags,
        GgufStrips strips,
        Pairs pairs) {
    /// How two texts are read together, which the architecture decides.
    public enum Pairs {
        /// The file does not say it.
        UNKNOWN,
        /// `cls A sep B sep`.
        BERT,
        /// `cls A sep sep B sep`.
        ROBERTA;

        /// Returns the rule of an architecture.
        ///
        /// @param twice whether the separator stands between two texts twice, where a vocabulary
        ///   leaves it open
        static Pairs of(String architecture, String model, boolean twice) {
            return switch (architecture) {
                case "bert" -> !model.equals("bert") && twice ? ROBERTA : BERT;
                case "modern-bert" -> BERT;
                default -> UNKNOWN;
            };
        }
    }

    /// The special token ids of the file; [#NONE] has none.
    public record SpecialIds(
            OptionalInt bos, OptionalInt eos, OptionalInt unknown, OptionalInt separator) {
        public static final SpecialIds NONE =
                new SpecialIds(
                        OptionalInt.empty(),
                        OptionalInt.empty(),
                        OptionalInt.empty(),
                        OptionalInt.empty());
    }

    /// The file's flags, with defaults for absent keys.
    public record Flags(
            boolean addBos, boolean addEos, boolean addSpacePrefix, boolean removeExtraSpaces) {
        /// Returns the defaults of a model and pre-tokenizer for keys that the file omits.
        public static Flags defaults(String model, String pre) {
            return switch (model) {
                case "llama" -> new Flags(true, false, true, false);
                case "gemma4" -> new Flags(true, false, false, false);
                case "t5" -> new Flags(false, true, true, false);
                case "bert" -> new Flags(true, true, false, false);
                default -> new Flags(GgufPreTokenizers.addsBos(pre), false, false, false);
            };
        }
    }

    /// Creates a vocabulary whose tokens take no white space, without a rule for pairs.
    public GgufVocabulary(
            String model,
            String pre,
            List<String> tokens,
            List<Float> scores,
            List<Integer> tokenTypes,
            List<String> merges,
            List<Integer> characterMap,
            SpecialIds specialIds,
            Flags flags) {
        this(
                model,
                pre,
                tokens,
                scores,
                tokenTypes,
                merges,
                characterMap,
                specialIds,
                flags,
                GgufStrips.NONE,
                Pairs.UNKNOWN);
    }

    public GgufVocabulary {
        tokens = List.copyOf(tokens);
        requirePerToken("tokenizer.ggml.scores", scores.size(), tokens.size());
        requirePerToken("tokenizer.ggml.token_type", tokenTypes.size(), tokens.size());
        if (tokens.isEmpty()) {
            throw new IllegalArgumentException("tokenizer.ggml.tokens is empty");
        }
    }

    private static void requirePerToken(String key, int count, int tokens) {
        if (count != 0 && count != tokens) {
            throw new IllegalArgumentException(
                    key + " has " + count + " entries for " + tokens + " tokens");
        }
    }

    /// Writes the keys; special ids that the file has already stay.
    public void writeTo(GgufHeader header) {
        String prefix = "tokenizer.ggml.";
        header.put(prefix + "model", model);
        header.put(prefix + "pre", pre.isEmpty() ? "default" : pre);
        header.putTexts(prefix + "tokens", tokens);
        if (!scores.isEmpty()) {
            header.putFloats(prefix + "scores", scores);
        }
        header.putIntegers(prefix + "token_type", tokenTypes);
        if (!merges.isEmpty()) {
            header.putTexts(prefix + "merges", merges);
        }
        if (!characterMap.isEmpty()) {
            header.putBytes(prefix + "precompiled_charsmap", characterMap);
        }
        writeId(header, prefix + "bos_token_id", specialIds.bos());
        writeId(header, prefix + "eos_token_id", specialIds.eos());
        writeId(header, prefix + "unknown_token_id", specialIds.unknown());
        if (specialIds.separator().isPresent()) {
            writeId(header, prefix + "cls_token_id", specialIds.bos());
            // The key is misspelled in the format.
            writeId(header, prefix + "seperator_token_id", specialIds.separator());
            header.put(prefix + "add_sep_token", pairs == Pairs.ROBERTA);
        }
        header.put(prefix + "add_bos_token", flags.addBos());
        header.put(prefix + "add_eos_token", flags.addEos());
        header.put(prefix + "add_space_prefix", flags.addSpacePrefix());
        if (model.equals("t5")) {
            header.put(prefix + "remove_extra_whitespaces", flags.removeExtraSpaces());
        }
    }

    private static void writeId(GgufHeader header, String key, OptionalInt id) {
        if (id.isPresent() && !header.has(key)) {
            header.put(key, id.getAsInt());
        }
    }

    /// Returns this vocabulary with a rule for two texts.
    GgufVocabulary with(Pairs other) {
        return new GgufVocabulary(
                model,
                pre,
                tokens,
                scores,
                tokenTypes,
                merges,
                characterMap,
                specialIds,
                flags,
                strips,
                other);
    }

    Vocabulary.Kind kind(int id) {
        return switch (tokenTypes.isEmpty() ? 1 : tokenTypes.get(id)) {
            case 2, 3 -> Vocabulary.Kind.SPECIAL;
            case 4 -> Vocabulary.Kind.ADDED;
            case 5 -> Vocabulary.Kind.UNUSED;
            case 6 -> Vocabulary.Kind.BYTE;
            default -> Vocabulary.Kind.NORMAL;
        };
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import java.util.ArrayList;
import java.util.List;

/// A reader for the `pre_tokenizer` of a `tokenizer.json`.
final class PreTokenizerJson {
    private static final TokenPattern SPACE =
            new RunPattern(false, CharacterSet.ofClasses(Characters.SPACE), 1, 1);

    private PreTokenizerJson() {}

    static List<PreTokenizer> read(JsonPart part) {
        return switch (part.type()) {
            case "Sequence" ->
                    part.require("pretokenizers").items().stream()
                            .flatMap(step -> read(step).stream())
                            .toList();
            case "ByteLevel" -> byteLevel(part);
            case "Split" ->
                    List.of(new Split(pattern(part), behavior(part), part.flag("invert", false)));
            case "Digits" -> List.of(Split.isolated(digits(part.flag("individual_digits", false))));
            case "Punctuation" -> List.of(new Split(punctuation(), behavior(part), false));
            case "Metaspace" -> metaspace(part);
            case "Whitespace" ->
                    List.of(new Split(new WordPattern(false), Split.Behavior.REMOVED, true));
            case "WhitespaceSplit" -> List.of(new Split(SPACE, Split.Behavior.REMOVED, false));
            case "BertPreTokenizer" ->
                    List.of(
                            new Split(SPACE, Split.Behavior.REMOVED, false),
                            Split.isolated(punctuation()));
            case "CharDelimiterSplit" ->
                    List.of(
                            new Split(
                                    new LiteralPattern(part.require("delimiter").text()),
                                    Split.Behavior.REMOVED,
                                    false));
            default ->
                    throw part.require("type")
                            .wrong(
                                    "one of the pre-tokenizers supported: Sequence, ByteLevel, Split, Digits,"
                                            + " Punctuation, Metaspace, Whitespace, WhitespaceSplit, BertPreTokenizer,"
                                            + " CharDelimiterSplit");
        };
    }

    private static List<PreTokenizer> byteLevel(JsonPart part) {
        List<PreTokenizer> steps = new ArrayList<>();
        if (part.flag("add_prefix_space", true)) {
            steps.add(new SpacePrefix(" ", SpacePrefix.Where.ALWAYS));
        }
        if (part.flag("use_regex", true)) {
            steps.add(Split.isolated(new Gpt2Pattern()));
        }
        steps.add(new ByteLevel());
        return steps;
    }

    private static List<PreTokenizer> metaspace(JsonPart part) {
        String symbol = part.character("replacement", SentencePiece.SPACE);
        List<PreTokenizer> steps = new ArrayList<>();
        steps.add(new SpacePrefix(symbol, prefixed(part)));
        if (part.flag("split", true)) {
            steps.add(
                    new Split(new LiteralPattern(symbol), Split.Behavior.MERGED_WITH_NEXT, false));
        }
        return steps;
    }

    /// Returns which pieces get the prefix; older files have `add_prefix_space` instead of a
    /// scheme.
    static SpacePrefix.Where prefixed(JsonPart part) {
        String scheme =
                part.text(
                        "prepend_scheme", part.flag("add_prefix_space", true) ? "always" : "never");
        return switch (scheme) {
            case "always" -> SpacePrefix.Where.ALWAYS;
            case "first" -> SpacePrefix.Where.FIRST;
            case "never" -> SpacePrefix.Where.NEVER;
            default -> throw part.require("prepend_scheme").wrong("always, first or never");
        };
    }

    /// Returns the `pattern` of a part, a text or a regular expression.
    static TokenPattern pattern(JsonPart part) {
        JsonPart pattern = part.require("pattern");
        if (pattern.part("String").isPresent()) {
            return new LiteralPattern(pattern.require("String").text());
        }
        JsonPart expression = pattern.require("Regex");
        try {
            return TokenPatterns.of(expression.text());
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException(expression.path() + ": " + e.getMessage(), e);
        }
    }

    private static Split.Behavior behavior(JsonPart part) {
        return switch (part.text("behavior", "Isolated")) {
            case "Removed" -> Split.Behavior.REMOVED;
            case "Isolated" -> Split.Behavior.ISOLATED;
            case "MergedWithPrevious" -> Split.Behavior.MERGED_WITH_PREVIOUS;
            case "MergedWithNext" -> Split.Behavior.MERGED_WITH_NEXT;
            case "Contiguous" -> Split.Behavior.CONTIGUOUS;
            default ->
                    throw part.require("behavior")
                            .wrong(
                                    "Removed, Isolated, MergedWithPrevious, MergedWithNext or Contiguous");
        };
    }

    private static TokenPattern digits(boolean individual) {
        return new RunPattern(
                false,
                CharacterSet.ofClasses(Characters.NUMBER),
                1,
                individual ? 1 : Integer.MAX_VALUE);
    }

    private static TokenPattern punctuation() {
        return new RunPattern(false, CharacterSet.punctuation(), 1, 1);
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/// A reader for the `decoder` of a `tokenizer.json`, as the bytes that each token adds to a text.
///
/// The library's decoders work on lists of tokens. Those in use treat each token independently,
/// except for one space at the start of the text, and so can stream. A decoder that cannot is
/// refused by name.
final class DecoderJson {
    /// A change to the text of one token.
    private interface Step {
        String apply(String piece);
    }

    private final List<Step> steps = new ArrayList<>();
    private boolean byteLevel;
    private boolean byteFallback;
    private boolean fused;
    private boolean stripsLeadingSpace;

    private DecoderJson() {}

    /// Reads the decoder; without one, tokens are joined by spaces.
    static Tokenizer.Decoding read(Optional<JsonPart> part, Vocabulary vocabulary) {
        var decoder = new DecoderJson();
        part.ifPresentOrElse(decoder::add, decoder::joinBySpaces);
        return new Tokenizer.Decoding(
                TokenBytes.of(
                        vocabulary.size(),
                        id -> decoder.bytes(vocabulary.piece(id), vocabulary.kind(id))),
                decoder.stripsLeadingSpace);
    }

    private void joinBySpaces() {
        steps.add(piece -> " " + piece);
        stripsLeadingSpace = true;
    }

    private void add(JsonPart part) {
        switch (part.type()) {
            case "Sequence" -> part.require("decoders").items().forEach(this::add);
            case "ByteLevel" -> byteLevel = true;
            case "ByteFallback" -> byteFallback = true;
            case "Fuse" -> fused = true;
            case "Replace" -> addReplace(part);
            case "Strip" -> addStrip(part);
            case "Metaspace" -> {
                String symbol = part.character("replacement", SentencePiece.SPACE);
                steps.add(piece -> piece.replace(symbol, " "));
                stripsLeadingSpace |= PreTokenizerJson.prefixed(part) != SpacePrefix.Where.NEVER;
            }
            case "WordPiece" -> addWordPiece(part);
            default ->
                    throw part.require("type")
                            .wrong(
                                    "one of the decoders supported: Sequence, ByteLevel, ByteFallback, Fuse, Replace,"
                                            + " Strip, Metaspace, WordPiece");
        }
    }

    private void addReplace(JsonPart part) {
        String from = part.require("pattern").require("String").text();
        String to = part.require("content").text();
        steps.add(piece -> piece.replace(from, to));
    }

    /// Adds a strip: before the tokens are fused it applies to every token, afterwards to the text.
    private void addStrip(JsonPart part) {
        String content = part.require("content").text();
        int start = part.integer("start").orElse(0);
        int stop = part.integer("stop").orElse(0);
        if (fused) {
            if (stop != 0 || start > 1 || !content.equals(" ")) {
                throw part.wrong("at most one space at the start");
            }
            stripsLeadingSpace |= start == 1;
        } else {
            steps.add(piece -> strip(piece, content, start, stop));
        }
    }

    private static String strip(String piece, String content, int start, int stop) {
        String result = piece;
        for (int i = 0; i < start && result.startsWith(content); i++) {
            result = result.substring(content.length());
        }
        for (int i = 0; i < stop && result.endsWith(content); i++) {
            result = result.substring(0, result.length() - content.length());
        }
        return result;
    }

    private void addWordPiece(JsonPart part) {
        String prefix = part.text("prefix", "##");
        boolean cleanup = part.flag("cleanup", true);
        steps.add(
                piece -> {
                    String spaced =
                            piece.startsWith(prefix)
                                    ? piece.substring(prefix.length())
                                    : " " + piece;
                    return cleanup ? cleanup(spaced) : spaced;
                });
        stripsLeadingSpace = true;
    }

    private static String cleanup(String text) {
        return text.replace(" .", ".")
                .replace(" ?", "?")
                .replace(" !", "!")
                .replace(" ,", ",")
                .replace(" ' ", "'")
                .replace(" n't", "n't")
                .replace(" 'm", "'m")
                .replace(" do not", " don't")
                .replace(" 's", "'s")
                .replace(" 've", "'ve")
                .replace(" 're", "'re");
    }

    private byte[] bytes(String piece, Vocabulary.Kind kind) {
        boolean literal = kind == Vocabulary.Kind.SPECIAL || kind == Vocabulary.Kind.ADDED;
        if (byteFallback && Vocabulary.byteOf(piece) >= 0) {
            return new byte[] {(byte) Vocabulary.byteOf(piece)};
        }
        String text = piece;
        for (Step step : steps) {
            text = step.apply(text);
        }
        return byteLevel && !literal
                ? TokenBytes.ofByteLevel(text)
                : text.getBytes(StandardCharsets.UTF_8);
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/// A reader for the `decoder` of a `tokenizer.json`, as the bytes that each token adds to a text.
///
/// The library's decoders work on lists of tokens. Those in use treat each token independently,
/// except for the first one, until a step joins them; later steps change single characters. Such
/// decoders can stream; one that cannot is refused by name.
final class DecoderJson {
    /// The extent of what a step sees: one token; one token or run of byte tokens; all of the text.
    private enum Stage {
        TOKENS,
        RUNS,
        TEXT
    }

    private final Vocabulary vocabulary;
    private final List<DecoderStep> tokenSteps = new ArrayList<>();
    private final List<DecoderStep> runSteps = new ArrayList<>();
    private Stage stage = Stage.TOKENS;
    private boolean byteLevel;
    private boolean byteFallback;
    private Decoding.Leading leading = Decoding.Leading.NONE;

    private DecoderJson(Vocabulary vocabulary) {
        this.vocabulary = vocabulary;
    }

    /// Reads the decoder; without one, tokens are joined by spaces.
    static Decoding read(Optional<JsonPart> part, Vocabulary vocabulary) {
        var decoder = new DecoderJson(vocabulary);
        part.ifPresentOrElse(decoder::add, () -> decoder.tokenSteps.add(new DecoderStep.Spaced()));
        TokenBytes inside = decoder.bytes(false);
        return new Decoding(
                inside,
                decoder.isPositional() ? decoder.bytes(true) : inside,
                decoder.byteLevel ? Decoding.Joining.ALL : Decoding.Joining.BYTE_TOKENS,
                decoder.runSteps,
                decoder.leading);
    }

    private void add(JsonPart part) {
        switch (part.type()) {
            case "Sequence" -> part.require("decoders").items().forEach(this::add);
            case "ByteLevel" -> {
                requireStage(part, Stage.TOKENS);
                byteLevel = true;
                stage = Stage.TEXT;
            }
            case "ByteFallback" -> {
                requireStage(part, Stage.TOKENS);
                byteFallback = true;
                stage = Stage.RUNS;
            }
            case "Fuse" -> stage = Stage.TEXT;
            case "Replace" -> addStep(part, replace(part));
            case "Strip" -> addStrip(part);
            case "Metaspace" ->
                    addStep(
                            part,
                            new DecoderStep.Metaspace(
                                    part.character("replacement", SentencePiece.SPACE),
                                    PreTokenizerJson.prefixed(part) != SpacePrefix.Where.NEVER));
            case "WordPiece" ->
                    addStep(
                            part,
                            new DecoderStep.WordPiece(
                                    part.text("prefix", "##"), part.flag("cleanup", true)));
            default ->
                    throw part.require("type")
                            .wrong(
                                    "one of the decoders supported: Sequence, ByteLevel, ByteFallback, Fuse, Replace,"
                                            + " Strip, Metaspace, WordPiece");
        }
    }

    private void requireStage(JsonPart part, Stage latest) {
        if (stage.compareTo(latest) > 0 || leading.count() > 0) {
            throw unordered(part);
        }
    }

    private static IllegalArgumentException unordered(JsonPart part) {
        return part.require("type").wrong("no such step here: it needs the text around it");
    }

    private static DecoderStep replace(JsonPart part) {
        String to = part.require("content").text();
        JsonPart pattern = part.require("pattern");
        return pattern.part("String").isPresent()
                ? new DecoderStep.Literal(pattern.require("String").text(), to)
                : new DecoderStep.Matches(PreTokenizerJson.pattern(part), to);
    }

    private void addStep(JsonPart part, DecoderStep step) {
        requireStage(part, Stage.TEXT);
        if (stage != Stage.TOKENS && !step.isPerCharacter()) {
            throw unordered(part);
        }
        switch (stage) {
            case TOKENS -> tokenSteps.add(step);
            case RUNS -> runSteps.add(step);
            case TEXT -> runSteps.add(onText(step));
        }
    }

    /// Returns the step for all of the text, which is the first and only token.
    private static DecoderStep onText(DecoderStep step) {
        return step instanceof DecoderStep.Metaspace metaspace
                ? new DecoderStep.Literal(
                        metaspace.symbol(), metaspace.apply(metaspace.symbol(), true))
                : step;
    }

    /// Adds a strip: before the tokens are joined it applies to every token, afterwards to the
    /// text.
    private void addStrip(JsonPart part) {
        String content = part.require("content").character();
        int start = part.integer("start").orElse(0);
        int stop = part.integer("stop").orElse(0);
        if (stage != Stage.TEXT) {
            addStep(part, new DecoderStep.Strip(content, start, stop));
            return;
        }
        if (stop != 0) {
            throw part.require("stop").wrong("0: the end of a text is not known while it grows");
        }
        requireStage(part, Stage.TEXT);
        leading = new Decoding.Leading(content, start);
    }

    private boolean isPositional() {
        return tokenSteps.stream().anyMatch(DecoderStep::isPositional)
                || runSteps.stream().anyMatch(DecoderStep::isPositional);
    }

    private TokenBytes bytes(boolean first) {
        return TokenBytes.of(
                vocabulary.size(),
                id -> bytes(changed(tokenSteps, vocabulary.piece(id), first), first),
                id -> byteOf(changed(tokenSteps, vocabulary.piece(id), first)) >= 0);
    }

    private byte[] bytes(String text, boolean first) {
        if (byteLevel) {
            return TokenBytes.ofByteLevel(text);
        }
        int b = byteOf(text);
        return b >= 0
                ? new byte[] {(byte) b}
                : changed(runSteps, text, first).getBytes(StandardCharsets.UTF_8);
    }

    private int byteOf(String text) {
        return byteFallback ? Vocabulary.byteOf(text) : -1;
    }

    private static String changed(List<DecoderStep> steps, String token, boolean first) {
        String text = token;
        for (DecoderStep step : steps) {
            text = step.apply(text, first);
        }
        return text;
    }
}

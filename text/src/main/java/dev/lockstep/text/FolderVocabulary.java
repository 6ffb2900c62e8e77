// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import com.fasterxml.jackson.databind.JsonNode;
import dev.lockstep.checkpoint.CheckpointException;
import dev.lockstep.checkpoint.TokenizerSource;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.stream.Stream;

/// The vocabulary of a folder as a GGUF file describes it.
///
/// GGUF names a pre-tokenizer where a folder has its rules. The name is found by what the rules do
/// with some texts, and the vocabulary is returned only if it turns them into the same ids.
public final class FolderVocabulary {
    /// The score of tokens that no merge makes.
    private static final float NO_MERGE = -1e6f;

    private static final int NORMAL = 1;
    private static final int UNKNOWN = 2;
    private static final int CONTROL = 3;
    private static final int USER_DEFINED = 4;
    private static final int UNUSED = 5;
    private static final int BYTE = 6;

    /// Architectures whose texts a token encloses on both sides.
    private static final Set<String> ENCODERS = Set.of("bert", "modern-bert", "nomic-bert");

    private final TokenizerJson json;
    private final Tokenizer tokenizer;
    private final JsonPart model;
    private final int ids;
    private final String architecture;
    private final boolean encodes;

    private FolderVocabulary(
            TokenizerJson json, Tokenizer tokenizer, int ids, String architecture) {
        this.json = json;
        this.tokenizer = tokenizer;
        this.model = json.part("model").orElseThrow();
        this.ids = ids;
        this.architecture = architecture;
        this.encodes = ENCODERS.contains(architecture);
    }

    /// Returns the vocabulary of a folder.
    ///
    /// @param ids of the model, at least as many as the tokenizer has
    /// @param architecture GGUF's name of it, which decides how two texts are joined
    public static GgufVocabulary of(TokenizerSource.Folder folder, int ids, String architecture) {
        Path file = folder.tokenizerJson().orElseThrow();
        try {
            return new FolderVocabulary(
                            TokenizerJson.parse(Files.readAllBytes(file)),
                            Tokenizers.of(folder),
                            ids,
                            architecture)
                    .vocabulary();
        } catch (IllegalArgumentException e) {
            throw new CheckpointException(file + ": " + e.getMessage(), e);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private GgufVocabulary vocabulary() {
        if (tokenizer.vocabularySize() > ids) {
            throw new IllegalArgumentException(
                    "%d tokens for a model of %d ids".formatted(tokenizer.vocabularySize(), ids));
        }
        List<PreTokenizer> steps =
                json.part("pre_tokenizer").map(PreTokenizerJson::read).orElse(List.of());
        String type = model.text("type", "BPE");
        List<GgufVocabulary> candidates =
                switch (type) {
                    case "BPE" ->
                            steps.stream().anyMatch(ByteLevel.class::isInstance)
                                    ? byteLevel(steps)
                                    : List.of(sentencePiece(true), sentencePiece(false));
                    case "Unigram" -> unigram();
                    case "WordPiece" -> List.of(wordPiece());
                    default ->
                            throw new IllegalArgumentException(
                                    "model.type %s is not converted to GGUF; BPE, Unigram and WordPiece are"
                                            .formatted(type));
                };
        return candidates.stream()
                .flatMap(each -> withPairs(each).stream())
                .filter(each -> encodesEqually(each) && joinsEqually(each))
                .findFirst()
                .orElseThrow(
                        () ->
                                new IllegalArgumentException(
                                        "the tokenizer splits text like none that GGUF files have"));
    }

    /// Words begin with a mark in a file, and what continues one has none.
    private GgufVocabulary wordPiece() {
        String continuing = model.text("continuing_subword_prefix", "##");
        GgufVocabulary plain = vocabulary("bert", "", List.of(), List.of(), false);
        List<String> tokens = new ArrayList<>();
        for (int id = 0; id < ids; id++) {
            String piece = plain.tokens().get(id);
            tokens.add(
                    plain.tokenTypes().get(id) != NORMAL
                            ? piece
                            : piece.startsWith(continuing)
                                    ? piece.substring(continuing.length())
                                    : SentencePiece.SPACE + piece);
        }
        return new GgufVocabulary(
                plain.model(),
                plain.pre(),
                tokens,
                List.of(),
                plain.tokenTypes(),
                List.of(),
                List.of(),
                plain.specialIds(),
                plain.flags());
    }

    private List<GgufVocabulary> unigram() {
        List<Float> scores = new ArrayList<>(Collections.nCopies(ids, 0f));
        List<Double> own = UnigramJson.read(model).scores();
        for (int id = 0; id < Math.min(ids, own.size()); id++) {
            scores.set(id, own.get(id).floatValue());
        }
        List<Integer> map = characterMap();
        List<GgufVocabulary> candidates = new ArrayList<>();
        for (boolean prefix : new boolean[] {true, false}) {
            GgufVocabulary plain = vocabulary("t5", "", scores, List.of(), prefix);
            for (boolean removes : new boolean[] {true, false}) {
                GgufVocabulary.Flags flags = plain.flags();
                candidates.add(
                        new GgufVocabulary(
                                plain.model(),
                                plain.pre(),
                                plain.tokens(),
                                scores,
                                plain.tokenTypes(),
                                List.of(),
                                map,
                                plain.specialIds(),
                                new GgufVocabulary.Flags(
                                        flags.addBos(), flags.addEos(), prefix, removes)));
            }
        }
        return candidates;
    }

    /// Returns the bytes of the compiled normalization of SentencePiece; none if there is none.
    private List<Integer> characterMap() {
        return json.part("normalizer")
                .flatMap(FolderVocabulary::precompiled)
                .map(
                        text -> {
                            List<Integer> bytes = new ArrayList<>();
                            for (byte each : Base64.getDecoder().decode(text)) {
                                bytes.add(Byte.toUnsignedInt(each));
                            }
                            return bytes;
                        })
                .orElse(List.of());
    }

    private static Optional<String> precompiled(JsonPart normalizer) {
        return switch (normalizer.type()) {
            case "Precompiled" -> Optional.of(normalizer.require("precompiled_charsmap").text());
            case "Sequence" ->
                    normalizer.require("normalizers").items().stream()
                            .flatMap(each -> precompiled(each).stream())
                            .findFirst();
            default -> Optional.empty();
        };
    }

    private List<GgufVocabulary> byteLevel(List<PreTokenizer> steps) {
        boolean wholeWords = model.flag("ignore_merges", false);
        List<List<String>> expected = pieces(steps);
        return GgufPreTokenizers.names().stream()
                .filter(name -> pieces(stepsOf(name)).equals(expected))
                .sorted(
                        Comparator.comparing(
                                name -> GgufPreTokenizers.wholeWordsFirst(name) != wholeWords))
                .map(name -> vocabulary("gpt2", name, List.of(), merges(), false))
                .toList();
    }

    private static List<PreTokenizer> stepsOf(String name) {
        List<PreTokenizer> steps = new ArrayList<>(GgufPreTokenizers.of(name));
        steps.add(new ByteLevel());
        return steps;
    }

    private static List<List<String>> pieces(List<PreTokenizer> steps) {
        List<List<String>> all = new ArrayList<>();
        for (String text : ProbeTexts.ALL) {
            Pieces pieces = Pieces.whole(text.toCharArray(), true);
            for (PreTokenizer step : steps) {
                pieces = step.apply(pieces);
            }
            List<String> found = new ArrayList<>();
            for (int i = 0; i < pieces.count(); i++) {
                int start = pieces.start(i);
                found.add(new String(pieces.text(), start, pieces.end(i) - start));
            }
            all.add(found);
        }
        return all;
    }

    private GgufVocabulary sentencePiece(boolean spacePrefix) {
        if (!model.flag("byte_fallback", false)) {
            throw new IllegalArgumentException(
                    "the vocabulary has neither a byte-level alphabet nor byte_fallback");
        }
        return vocabulary("llama", "", scores(), List.of(), spacePrefix);
    }

    private List<String> merges() {
        List<String> merges = new ArrayList<>();
        for (JsonNode merge : model.require("merges").node()) {
            int rank = merges.size();
            merges.add(BytePairJson.half(merge, rank, 0) + " " + BytePairJson.half(merge, rank, 1));
        }
        return merges;
    }

    /// Returns scores whose order is that of the first merge that makes each token.
    private List<Float> scores() {
        Map<String, Integer> ranks = new HashMap<>();
        int rank = 0;
        for (JsonNode merge : model.require("merges").node()) {
            ranks.putIfAbsent(
                    BytePairJson.half(merge, rank, 0) + BytePairJson.half(merge, rank, 1), rank);
            rank++;
        }
        List<Float> scores = new ArrayList<>(ids);
        for (int id = 0; id < ids; id++) {
            Integer first = isToken(id) ? ranks.get(tokenizer.piece(id)) : null;
            boolean isMade = isToken(id) && type(id) == NORMAL;
            scores.add(first != null ? -first : isMade ? NO_MERGE : 0f);
        }
        return scores;
    }

    private GgufVocabulary vocabulary(
            String name, String pre, List<Float> scores, List<String> merges, boolean spacePrefix) {
        List<String> tokens = new ArrayList<>(ids);
        List<Integer> types = new ArrayList<>(ids);
        for (int id = 0; id < ids; id++) {
            tokens.add(isToken(id) ? tokenizer.piece(id) : "[PAD%d]".formatted(id));
            types.add(isToken(id) ? type(id) : UNUSED);
        }
        int[] framed = tokenizer.encode("", new EncodeOptions(false, true));
        // What begins and ends the texts of an encoder has other names, and a decoder that embeds
        // may end its texts by another token than those that it generates.
        boolean enclosed = encodes && framed.length == 2;
        OptionalInt bos = enclosed ? OptionalInt.of(framed[0]) : tokenizer.bos();
        boolean addsBos = framed.length > 0 && is(bos, framed[0]);
        boolean addsEos = framed.length > (addsBos ? 1 : 0);
        OptionalInt eos = addsEos ? OptionalInt.of(framed[framed.length - 1]) : tokenizer.eos();
        return new GgufVocabulary(
                name,
                pre,
                tokens,
                scores,
                types,
                merges,
                List.of(),
                new GgufVocabulary.SpecialIds(
                        bos, eos, unknown(), enclosed ? eos : OptionalInt.empty()),
                new GgufVocabulary.Flags(addsBos, addsEos, spacePrefix, false));
    }

    /// Returns a vocabulary with the rules for two texts that a file of the architecture can say.
    private List<GgufVocabulary> withPairs(GgufVocabulary each) {
        return Stream.of(true, false)
                .map(twice -> GgufVocabulary.Pairs.of(architecture, each.model(), twice))
                .distinct()
                .map(each::with)
                .toList();
    }

    /// Returns whether two texts are joined as in the folder, if it joins texts at all.
    private boolean joinsEqually(GgufVocabulary vocabulary) {
        Optional<TokenPair> own = tokenizer.pair("a b", "c", true);
        if (!encodes || own.isEmpty() || vocabulary.pairs() == GgufVocabulary.Pairs.UNKNOWN) {
            return true;
        }
        TokenPair other = GgufTokenizer.of(vocabulary).pair("a b", "c", true).orElseThrow();
        boolean typed = vocabulary.model().equals("bert");
        return Arrays.equals(own.get().ids(), other.ids())
                && (!typed || own.get().second() == other.second());
    }

    private static boolean is(OptionalInt id, int other) {
        return id.isPresent() && id.getAsInt() == other;
    }

    private boolean isToken(int id) {
        return id < tokenizer.vocabularySize() && !tokenizer.isHole(id);
    }

    private int type(int id) {
        if (is(unknown(), id)) {
            return UNKNOWN;
        }
        if (tokenizer.special(id)) {
            return CONTROL;
        }
        if (tokenizer.literal(id)) {
            return USER_DEFINED;
        }
        boolean isByte =
                model.flag("byte_fallback", false) && Vocabulary.byteOf(tokenizer.piece(id)) >= 0;
        return isByte ? BYTE : NORMAL;
    }

    private OptionalInt unknown() {
        if (model.text("type", "BPE").equals("Unigram")) {
            return model.integer("unk_id");
        }
        Optional<JsonPart> unknown = model.part("unk_token");
        return unknown.isPresent() ? tokenizer.idOf(unknown.get().text()) : OptionalInt.empty();
    }

    private boolean encodesEqually(GgufVocabulary vocabulary) {
        Tokenizer other = GgufTokenizer.of(vocabulary);
        var framed = new EncodeOptions(true, true);
        return ProbeTexts.ALL.stream()
                .allMatch(
                        text ->
                                Arrays.equals(
                                        tokenizer.encode(text, framed),
                                        other.encode(text, framed)));
    }
}

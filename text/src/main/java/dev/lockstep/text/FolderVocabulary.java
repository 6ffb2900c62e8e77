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
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;

/// The byte pair vocabulary of a folder as a GGUF file describes it.
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

    private final TokenizerJson json;
    private final Tokenizer tokenizer;
    private final JsonPart model;
    private final int ids;

    private FolderVocabulary(TokenizerJson json, Tokenizer tokenizer, int ids) {
        this.json = json;
        this.tokenizer = tokenizer;
        this.model = json.part("model").orElseThrow();
        this.ids = ids;
    }

    /// Returns the vocabulary of a folder.
    ///
    /// @param ids of the model, at least as many as the tokenizer has
    public static GgufVocabulary of(TokenizerSource.Folder folder, int ids) {
        Path file = folder.tokenizerJson().orElseThrow();
        try {
            return new FolderVocabulary(
                            TokenizerJson.parse(Files.readAllBytes(file)),
                            Tokenizers.of(folder),
                            ids)
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
        String type = model.text("type", "BPE");
        if (!type.equals("BPE")) {
            throw new IllegalArgumentException(
                    "model.type %s is not converted to GGUF; BPE is".formatted(type));
        }
        List<PreTokenizer> steps =
                json.part("pre_tokenizer").map(PreTokenizerJson::read).orElse(List.of());
        List<GgufVocabulary> candidates =
                steps.stream().anyMatch(ByteLevel.class::isInstance)
                        ? byteLevel(steps)
                        : List.of(sentencePiece(true), sentencePiece(false));
        return candidates.stream()
                .filter(this::encodesEqually)
                .findFirst()
                .orElseThrow(
                        () ->
                                new IllegalArgumentException(
                                        "the tokenizer splits text like none that GGUF files have"));
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
        boolean addsBos = framed.length > 0 && is(tokenizer.bos(), framed[0]);
        boolean addsEos =
                framed.length > (addsBos ? 1 : 0) && is(tokenizer.eos(), framed[framed.length - 1]);
        return new GgufVocabulary(
                name,
                pre,
                tokens,
                scores,
                types,
                merges,
                List.of(),
                new GgufVocabulary.SpecialIds(
                        tokenizer.bos(), tokenizer.eos(), unknown(), OptionalInt.empty()),
                new GgufVocabulary.Flags(addsBos, addsEos, spacePrefix, false));
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

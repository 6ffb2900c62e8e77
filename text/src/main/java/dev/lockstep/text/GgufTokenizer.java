// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.stream.IntStream;

/// A builder for the tokenizer that a GGUF vocabulary describes.
final class GgufTokenizer {
    private final GgufVocabulary file;
    private final Vocabulary vocabulary;

    private GgufTokenizer(GgufVocabulary file) {
        this.file = file;
        this.vocabulary =
                Vocabulary.of(
                        file.tokens(),
                        IntStream.range(0, file.tokens().size())
                                .mapToObj(id -> kind(file, id))
                                .toList());
    }

    /// Returns the kind of a token; known markers are special, because files often list them as
    /// ordinary text.
    private static Vocabulary.Kind kind(GgufVocabulary file, int id) {
        Vocabulary.Kind kind = file.kind(id);
        boolean marker =
                kind == Vocabulary.Kind.NORMAL && EndTokens.isMarker(file.tokens().get(id));
        return marker ? Vocabulary.Kind.SPECIAL : kind;
    }

    static Tokenizer of(GgufVocabulary file) {
        var builder = new GgufTokenizer(file);
        file.specialIds().unknown().ifPresent(builder.vocabulary::piece);
        return switch (file.model()) {
            case "gpt2" -> builder.byteLevel();
            case "llama" -> builder.sentencePiece();
            case "gemma4" -> builder.spacedMerges();
            case "t5" -> builder.unigram();
            case "bert" -> builder.wordPiece();
            default ->
                    throw new IllegalArgumentException(
                            "tokenizer.ggml.model is '"
                                    + file.model()
                                    + "', which is not supported; supported: gpt2, llama, gemma4, t5, bert");
        };
    }

    private Tokenizer byteLevel() {
        List<PreTokenizer> steps = new ArrayList<>(GgufPreTokenizers.of(file.pre()));
        steps.add(new ByteLevel());
        var rules =
                new BytePairModel.Rules(
                        GgufPreTokenizers.wholeWordsFirst(file.pre()),
                        false,
                        Vocabulary.NONE,
                        false,
                        true,
                        Vocabulary.NONE);
        var model = new BytePairModel(vocabulary, new Symbols(vocabulary, "", ""), merges(), rules);
        return tokenizer(
                Normalizer.NONE,
                steps,
                model,
                Decoding.of(
                        bytes(TokenBytes::ofByteLevel),
                        Decoding.Joining.ALL,
                        Decoding.Leading.NONE));
    }

    private Tokenizer sentencePiece() {
        requireScores();
        var symbols = new Symbols(vocabulary, "", "");
        return spaced(symbols, SentencePiece.merges(vocabulary, symbols, file.scores()), true);
    }

    /// Returns the tokenizer of a file of Gemma 4, which lists the merges that the scores of others
    /// stand for.
    private Tokenizer spacedMerges() {
        return spaced(new Symbols(vocabulary, "", ""), merges(), false);
    }

    private Tokenizer spaced(Symbols symbols, MergeTable merges, boolean mergesUnknown) {
        var rules =
                new BytePairModel.Rules(
                        false,
                        true,
                        file.specialIds().unknown().orElse(Vocabulary.NONE),
                        false,
                        mergesUnknown,
                        SentencePiece.wordStart(vocabulary));
        var model = new BytePairModel(vocabulary, symbols, merges, rules);
        Normalizer spaces = Normalizer.replace(" ", SentencePiece.SPACE);
        boolean prefix = file.flags().addSpacePrefix();
        Normalizer normalizer =
                prefix
                        ? Normalizer.all(List.of(Normalizer.prepend(SentencePiece.SPACE), spaces))
                        : spaces;
        return tokenizer(normalizer, List.of(), model, spaced(prefix));
    }

    private Tokenizer unigram() {
        requireScores();
        int unknown = file.specialIds().unknown().orElse(Vocabulary.NONE);
        boolean byteFallback = vocabulary.byteIds()[0] != Vocabulary.NONE;
        var model = new UnigramModel(vocabulary, file.scores(), unknown, byteFallback);
        return tokenizer(
                Normalizer.all(List.of(characterMap(), this::withSpaces)),
                List.of(),
                model,
                spaced(file.flags().addSpacePrefix()));
    }

    private Normalizer characterMap() {
        if (file.characterMap().isEmpty()) {
            return Normalizer.NONE;
        }
        byte[] bytes = new byte[file.characterMap().size()];
        for (int i = 0; i < bytes.length; i++) {
            bytes[i] = file.characterMap().get(i).byteValue();
        }
        return CharacterMap.parse(bytes)::applyToPrefixes;
    }

    private String withSpaces(String text) {
        return SentencePiece.withSpaces(
                text, file.flags().addSpacePrefix(), file.flags().removeExtraSpaces());
    }

    private Tokenizer wordPiece() {
        PreTokenizer spaces =
                new Split(
                        new RunPattern(false, CharacterSet.ofClasses(Characters.SPACE), 1, 1),
                        Split.Behavior.REMOVED,
                        false);
        PreTokenizer punctuation =
                Split.isolated(new RunPattern(false, CharacterSet.punctuation(), 1, 1));
        int unknown = file.specialIds().unknown().orElse(Vocabulary.NONE);
        return tokenizer(
                Normalizers.bert(true, true, true, true),
                List.of(spaces, punctuation),
                new WordPieceModel(vocabulary, SentencePiece.SPACE, "", unknown, MAX_WORD_LENGTH),
                spaced(true));
    }

    private static final int MAX_WORD_LENGTH = 100;

    private Decoding spaced(boolean prefixed) {
        return Decoding.of(
                bytes(
                        piece ->
                                piece.replace(SentencePiece.SPACE, " ")
                                        .getBytes(StandardCharsets.UTF_8)),
                Decoding.Joining.BYTE_TOKENS,
                prefixed ? Decoding.Leading.SPACE : Decoding.Leading.NONE);
    }

    private void requireScores() {
        if (file.scores().isEmpty()) {
            throw new IllegalArgumentException(
                    "tokenizer.ggml.scores is missing; tokenizer.ggml.model '"
                            + file.model()
                            + "' needs it");
        }
    }

    private MergeTable merges() {
        var merges = new MergeTable(file.merges().size());
        for (int rank = 0; rank < file.merges().size(); rank++) {
            String merge = file.merges().get(rank);
            int space = merge.indexOf(' ', 1);
            if (space < 0) {
                throw new IllegalArgumentException(
                        "tokenizer.ggml.merges["
                                + rank
                                + "] is '"
                                + merge
                                + "', which is not two tokens");
            }
            String left = merge.substring(0, space);
            String right = merge.substring(space + 1);
            int result = vocabulary.id(left + right);
            boolean special =
                    result != Vocabulary.NONE && vocabulary.kind(result) == Vocabulary.Kind.SPECIAL;
            boolean known = special || vocabulary.textId(left + right) != Vocabulary.NONE;
            if (!known || vocabulary.id(left) < 0 || vocabulary.id(right) < 0) {
                throw new IllegalArgumentException(
                        "tokenizer.ggml.merges["
                                + rank
                                + "] is '"
                                + merge
                                + "', whose parts and result must be tokens");
            }
            // Text never becomes a special token, even if the merges spell one.
            if (!special) {
                merges.put(vocabulary.id(left), vocabulary.id(right), rank, result);
            }
        }
        return merges;
    }

    private Tokenizer tokenizer(
            Normalizer normalizer, List<PreTokenizer> steps, TokenModel model, Decoding decoding) {
        return new Tokenizer(
                vocabulary,
                new Tokenizer.Encoding(addedTokens(), normalizer, steps, model),
                decoding,
                framing());
    }

    private List<AddedToken> addedTokens() {
        List<AddedToken> added = new ArrayList<>();
        for (int id = 0; id < vocabulary.size(); id++) {
            Vocabulary.Kind kind = vocabulary.kind(id);
            boolean special = kind == Vocabulary.Kind.SPECIAL;
            String piece = vocabulary.piece(id);
            if ((special || kind == Vocabulary.Kind.ADDED) && !piece.isEmpty()) {
                boolean stripRight = file.strips().right(piece, special);
                added.add(new AddedToken(id, piece, false, false, stripRight, false, special));
            }
        }
        return added;
    }

    private Tokenizer.Framing framing() {
        GgufVocabulary.SpecialIds named = file.specialIds();
        // A separator token, if the model has one, ends the text.
        OptionalInt closing = named.separator().isPresent() ? named.separator() : named.eos();
        List<Integer> prefix = file.flags().addBos() ? list(named.bos()) : List.of();
        List<Integer> suffix = file.flags().addEos() ? list(closing) : List.of();
        return new Tokenizer.Framing(
                named.bos(), named.eos(), prefix, suffix, pair(named.bos(), closing));
    }

    private Optional<PairFraming> pair(OptionalInt first, OptionalInt closing) {
        if (first.isEmpty() || closing.isEmpty()) {
            return Optional.empty();
        }
        int cls = first.getAsInt();
        int sep = closing.getAsInt();
        return switch (file.pairs()) {
            case UNKNOWN -> Optional.empty();
            case BERT -> Optional.of(PairFraming.ofBert(cls, sep));
            case ROBERTA -> Optional.of(PairFraming.ofRoberta(cls, sep));
        };
    }

    private static List<Integer> list(OptionalInt id) {
        return id.isPresent() ? List.of(id.getAsInt()) : List.of();
    }

    private interface PieceBytes {
        byte[] of(String piece);
    }

    /// Returns the bytes of each token; special and added tokens are literal text, whatever
    /// alphabet the other tokens use.
    private TokenBytes bytes(PieceBytes normal) {
        return TokenBytes.of(
                vocabulary.size(),
                id -> {
                    String piece = vocabulary.piece(id);
                    return switch (vocabulary.kind(id)) {
                        case NORMAL, UNUSED -> normal.of(piece);
                        case SPECIAL, ADDED -> piece.getBytes(StandardCharsets.UTF_8);
                        case BYTE -> new byte[] {byteOf(id, piece)};
                    };
                },
                id -> vocabulary.kind(id) == Vocabulary.Kind.BYTE);
    }

    private static byte byteOf(int id, String piece) {
        int b = Vocabulary.byteOf(piece);
        if (b < 0) {
            throw new IllegalArgumentException(
                    "tokenizer.ggml.tokens["
                            + id
                            + "] is '"
                            + piece
                            + "', a byte token that is not <0x00> to <0xFF>");
        }
        return (byte) b;
    }
}

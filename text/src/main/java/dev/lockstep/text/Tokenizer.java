// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import dev.lockstep.grammar.TokenTrie;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// The conversion between text and token ids that one model's tokenizer file defines; immutable,
/// shared by all request threads.
///
/// Encoding applies added tokens, normalizer, pre-tokenizers and model, in that order; decoding
/// joins the bytes of the tokens ([Detokenizer]).
public final class Tokenizer {
    private static final char REPLACEMENT = '\uFFFD';

    private final Vocabulary vocabulary;
    private final AddedTokens rawTokens;
    private final AddedTokens normalizedTokens;
    private final Normalizer normalizer;
    private final List<PreTokenizer> preTokenizers;
    private final TokenModel model;
    private final Decoding decoding;
    private final Framing framing;

    /// Tokens that begin and end a text.
    ///
    /// @param prefix put before the ids on request, by the model's own rule
    /// @param suffix put after the ids on request
    /// @param eos the end token that the files name, of several that may end a text
    /// @param pair how two texts are read together; empty if the files do not say it
    record Framing(
            OptionalInt bos,
            OptionalInt eos,
            List<Integer> prefix,
            List<Integer> suffix,
            Optional<PairFraming> pair) {
        Framing {
            prefix = List.copyOf(prefix);
            suffix = List.copyOf(suffix);
        }
    }

    /// The steps from text to ids.
    record Encoding(
            List<AddedToken> addedTokens,
            Normalizer normalizer,
            List<PreTokenizer> preTokenizers,
            TokenModel model) {}

    Tokenizer(Vocabulary vocabulary, Encoding encoding, Decoding decoding, Framing framing) {
        this.vocabulary = vocabulary;
        this.normalizer = encoding.normalizer;
        this.preTokenizers = List.copyOf(encoding.preTokenizers);
        this.model = encoding.model;
        this.rawTokens =
                new AddedTokens(
                        encoding.addedTokens.stream()
                                .filter(token -> !token.normalized())
                                .toList());
        this.normalizedTokens =
                new AddedTokens(
                        encoding.addedTokens.stream()
                                .filter(AddedToken::normalized)
                                .flatMap(token -> normalized(token, normalizer))
                                .toList());
        this.decoding = decoding;
        this.framing = framing;
        framing.bos().ifPresent(this::piece);
        framing.prefix().forEach(this::piece);
        framing.suffix().forEach(this::piece);
        framing.eos().ifPresent(this::piece);
        framing.pair().ifPresent(pair -> pair.added().forEach(this::piece));
    }

    /// Returns the token in its normalized form, nothing if that is empty and so never matches.
    private static Stream<AddedToken> normalized(AddedToken token, Normalizer normalizer) {
        String content = normalizer.apply(token.content());
        return content.isEmpty() ? Stream.empty() : Stream.of(token.withContent(content));
    }

    /// Returns the ids of the text alone; added tokens that are not special are always recognised,
    /// special tokens only with `parseSpecial`.
    public int[] encode(String text, boolean parseSpecial) {
        return encode(text, new EncodeOptions(parseSpecial, false));
    }

    public int[] encode(String text, EncodeOptions options) {
        var ids = new IntList(text.length() / 4 + 8);
        if (options.addSpecial()) {
            framing.prefix().forEach(ids::add);
        }
        rawTokens.split(wellFormed(text), true, options.parseSpecial(), new Sections(options, ids));
        if (options.addSpecial()) {
            framing.suffix().forEach(ids::add);
        }
        return ids.toArray();
    }

    /// Returns the ids of two texts that are read together, with the tokens that the model's own
    /// rule puts around and between them; empty if its files do not say it.
    public Optional<TokenPair> pair(String first, String second, boolean parseSpecial) {
        return framing.pair()
                .map(each -> each.join(encode(first, parseSpecial), encode(second, parseSpecial)));
    }

    /// Returns the text of the ids; bytes that are not UTF-8 become U+FFFD.
    public String decode(int[] ids, boolean skipSpecial) {
        Detokenizer detokenizer = Detokenizer.ofWholeText(this, skipSpecial);
        var text = new StringBuilder(ids.length * 4);
        for (int id : ids) {
            detokenizer.push(id, text);
        }
        return text.append(detokenizer.finish()).toString();
    }

    /// Returns the bytes that the token adds to a text: for a byte token that byte, for a special
    /// token its name.
    public byte[] bytes(int id) {
        vocabulary.piece(id);
        return decoding.inside().of(id);
    }

    /// Returns the token as written in the tokenizer file.
    public String piece(int id) {
        return vocabulary.piece(id);
    }

    /// Returns whether the token marks structure and is omitted from plain text.
    public boolean special(int id) {
        return vocabulary.kind(id) == Vocabulary.Kind.SPECIAL;
    }

    /// Returns whether the token is matched literally in a text, before the model runs.
    boolean literal(int id) {
        return special(id) || vocabulary.kind(id) == Vocabulary.Kind.ADDED;
    }

    /// Returns whether the id is a hole in the numbering, without a token.
    boolean isHole(int id) {
        return vocabulary.kind(id) == Vocabulary.Kind.UNUSED && vocabulary.piece(id).isEmpty();
    }

    /// Returns the id of a token as written in the tokenizer file.
    public OptionalInt idOf(String piece) {
        return vocabulary.find(piece);
    }

    /// Returns the tokens by their bytes, for grammars. Ids beyond the tokenizer's, and holes in
    /// it, have no text, so that no grammar allows them.
    ///
    /// @param outputs number of ids that the model can generate
    public TokenTrie trie(int outputs) {
        byte @Nullable [][] bytes = new byte[outputs][];
        Set<Integer> specials = new HashSet<>();
        for (int id = 0; id < Math.min(outputs, vocabularySize()); id++) {
            if (special(id)) {
                specials.add(id);
            } else {
                bytes[id] = bytes(id);
            }
        }
        return new TokenTrie(bytes, specials);
    }

    /// Returns the highest id plus one.
    public int vocabularySize() {
        return vocabulary.size();
    }

    public OptionalInt bos() {
        return framing.bos();
    }

    /// Returns the end token that the tokenizer's files name; [EndTokens] has all that end a text.
    public OptionalInt eos() {
        return framing.eos();
    }

    /// Returns the text of the BOS token, for a template's `bos_token`; empty if the files name
    /// none.
    public String bosText() {
        return framing.bos().isPresent() ? piece(framing.bos().getAsInt()) : "";
    }

    /// Returns the text of [#eos], for a template's `eos_token`; empty if the files name none.
    public String eosText() {
        return framing.eos().isPresent() ? piece(framing.eos().getAsInt()) : "";
    }

    Decoding decoding() {
        return decoding;
    }

    /// Returns the text with each lone surrogate replaced by U+FFFD, as in every UTF-8 encoder.
    private static String wellFormed(String text) {
        char[] repaired = null;
        for (int i = 0; i < text.length(); i++) {
            if (Character.isSurrogate(text.charAt(i))) {
                if (Character.charCount(text.codePointAt(i)) == 2) {
                    i++;
                } else {
                    repaired = repaired == null ? text.toCharArray() : repaired;
                    repaired[i] = REPLACEMENT;
                }
            }
        }
        return repaired == null ? text : new String(repaired);
    }

    /// A receiver that passes the text between added tokens to the remaining steps.
    private final class Sections implements AddedTokens.Sections {
        private final EncodeOptions options;
        private final IntList ids;

        Sections(EncodeOptions options, IntList ids) {
            this.options = options;
            this.ids = ids;
        }

        @Override
        public void token(int id) {
            ids.add(id);
        }

        @Override
        public void text(String text, boolean startsInput) {
            normalizedTokens.split(
                    normalizer.apply(text),
                    startsInput,
                    options.parseSpecial(),
                    new AddedTokens.Sections() {
                        @Override
                        public void token(int id) {
                            ids.add(id);
                        }

                        @Override
                        public void text(String normalized, boolean startsInput) {
                            words(normalized, startsInput);
                        }
                    });
        }

        private void words(String text, boolean startsInput) {
            Pieces pieces = Pieces.whole(text.toCharArray(), startsInput);
            for (PreTokenizer preTokenizer : preTokenizers) {
                pieces = preTokenizer.apply(pieces);
            }
            for (int i = 0; i < pieces.count(); i++) {
                model.encode(pieces.text(), pieces.start(i), pieces.end(i), ids);
            }
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;

/// A builder for the tokenizer that a `tokenizer.json` describes.
///
/// An unknown component of the file is refused with its path, because other rules would produce
/// other ids.
final class TokenizerJson {
    private static final ObjectMapper MAPPER =
            new ObjectMapper().enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS);

    /// The maximum number of unused ids per token; real files have few, and more would only cost
    /// memory.
    private static final int HOLES_PER_TOKEN = 4;

    private static final int FREE_HOLES = 4096;

    private final JsonPart root;
    private final ModelJson model;
    private final Map<String, Integer> known = new HashMap<>();

    private TokenizerJson(JsonPart root) {
        this.root = root;
        this.model = ModelJson.read(root.require("model"));
        model.forEachToken((id, piece) -> known.put(piece, id));
    }

    static TokenizerJson parse(byte[] json) {
        JsonNode root;
        try {
            root = MAPPER.readTree(json);
        } catch (JsonProcessingException e) {
            throw new IllegalArgumentException(
                    "is not valid JSON (" + e.getOriginalMessage() + "): download it again", e);
        } catch (IOException e) {
            throw new IllegalArgumentException(
                    "is not valid JSON (" + e.getMessage() + "): download it again", e);
        }
        if (!root.isObject()) {
            throw new IllegalArgumentException("does not hold a JSON object: download it again");
        }
        return new TokenizerJson(new JsonPart("", root));
    }

    /// Returns a part of the file, such as `model`.
    Optional<JsonPart> part(String name) {
        return root.part(name);
    }

    /// Builds the tokenizer with the tokens in `names` that the file lacks; the BOS and EOS rules
    /// in `names` override the post-processor.
    Tokenizer tokenizer(SpecialNames names) {
        List<AddedToken> added = added(names);
        Vocabulary vocabulary = vocabulary(added);
        var encoding =
                new Tokenizer.Encoding(
                        added,
                        root.part("normalizer").map(NormalizerJson::read).orElse(Normalizer.NONE),
                        root.part("pre_tokenizer").map(PreTokenizerJson::read).orElse(List.of()),
                        model.build(vocabulary));
        return new Tokenizer(
                vocabulary,
                encoding,
                DecoderJson.read(root.part("decoder"), vocabulary),
                framing(names, vocabulary));
    }

    private Tokenizer.Framing framing(SpecialNames names, Vocabulary vocabulary) {
        OptionalInt bos = names.bos().map(vocabulary::find).orElse(OptionalInt.empty());
        FramingJson template = FramingJson.read(root.part("post_processor"), vocabulary);
        List<Integer> prefix = new ArrayList<>(template.prefix());
        if (bos.isPresent() && names.addBos().isPresent()) {
            prefix.removeIf(id -> id == bos.getAsInt());
            if (names.addBos().get()) {
                prefix.addFirst(bos.getAsInt());
            }
        }
        OptionalInt eos = names.eos().map(vocabulary::find).orElse(OptionalInt.empty());
        List<Integer> suffix = new ArrayList<>(template.suffix());
        if (eos.isPresent() && names.addEos() && !suffix.contains(eos.getAsInt())) {
            suffix.add(eos.getAsInt());
        }
        // Where other settings changed the tokens around a text, nothing says those of a pair.
        boolean changed = !prefix.equals(template.prefix()) || !suffix.equals(template.suffix());
        return new Tokenizer.Framing(
                bos, eos, prefix, suffix, changed ? Optional.empty() : template.pair());
    }

    private Vocabulary vocabulary(List<AddedToken> added) {
        Map<Integer, String> pieces = new LinkedHashMap<>();
        Map<Integer, Vocabulary.Kind> kinds = new LinkedHashMap<>();
        model.forEachToken(
                (id, piece) -> {
                    pieces.put(id, piece);
                    boolean isByte = model.byteFallback() && Vocabulary.byteOf(piece) >= 0;
                    kinds.put(id, isByte ? Vocabulary.Kind.BYTE : Vocabulary.Kind.NORMAL);
                });
        var outsideModel = new BitSet();
        for (AddedToken token : added) {
            if (pieces.put(token.id(), token.content()) == null && token.id() >= 0) {
                outsideModel.set(token.id());
            }
            kinds.put(
                    token.id(), token.special() ? Vocabulary.Kind.SPECIAL : Vocabulary.Kind.ADDED);
        }
        int size = 0;
        long limit = (long) pieces.size() * HOLES_PER_TOKEN + FREE_HOLES;
        for (int id : pieces.keySet()) {
            if (id < 0 || id >= limit) {
                throw new IllegalArgumentException(
                        "token id "
                                + id
                                + " is not between 0 and "
                                + limit
                                + ", the limit for "
                                + pieces.size()
                                + " tokens");
            }
            size = Math.max(size, id + 1);
        }
        List<String> all = new ArrayList<>(size);
        List<Vocabulary.Kind> allKinds = new ArrayList<>(size);
        for (int id = 0; id < size; id++) {
            all.add(pieces.getOrDefault(id, ""));
            allKinds.add(kinds.getOrDefault(id, Vocabulary.Kind.UNUSED));
        }
        return Vocabulary.of(all, allKinds, outsideModel);
    }

    /// Returns the added tokens: those of the file, then those of `names` that it lacks. One that
    /// the model also contains keeps the model's id.
    private List<AddedToken> added(SpecialNames names) {
        List<AddedToken> added = new ArrayList<>();
        for (JsonPart part : root.list("added_tokens")) {
            added.add(withModelId(AddedToken.read(part, part.require("id").integer())));
        }
        Set<String> contents = new HashSet<>();
        Map<Integer, String> taken = new HashMap<>();
        known.forEach((piece, id) -> taken.put(id, piece));
        for (AddedToken token : added) {
            contents.add(token.content());
            taken.put(token.id(), token.content());
        }
        for (AddedToken declared : names.added()) {
            AddedToken token = withModelId(declared);
            if (!contents.add(token.content())) {
                continue;
            }
            String other = taken.putIfAbsent(token.id(), token.content());
            if (other != null && !other.equals(token.content())) {
                throw new IllegalArgumentException(
                        "token %d is \"%s\", and a file next to it adds \"%s\" with this id: one of the two files is wrong"
                                .formatted(token.id(), other, token.content()));
            }
            added.add(token);
        }
        for (AddedToken token : names.named()) {
            if (known.containsKey(token.content()) && contents.add(token.content())) {
                added.add(withModelId(token));
            }
        }
        return added;
    }

    private AddedToken withModelId(AddedToken token) {
        return token.withId(known.getOrDefault(token.content(), token.id()));
    }
}

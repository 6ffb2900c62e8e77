// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import java.util.Arrays;
import java.util.BitSet;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;

/// The tokens by id and by piece, their form in the tokenizer file; immutable once built.
///
/// An id without a token (a hole in the numbering) is [Kind#UNUSED], with an empty piece that no
/// lookup finds.
final class Vocabulary {
    /// The role of a token in text.
    enum Kind {
        /// Text in the vocabulary's alphabet, produced by the model.
        NORMAL,
        /// A structural marker; produced from text only if the caller recognises special tokens.
        SPECIAL,
        /// A literal addition, matched in the text before the model runs.
        ADDED,
        /// One raw byte.
        BYTE,
        UNUSED
    }

    static final int NONE = -1;

    private final String[] pieces;
    private final Kind[] kinds;
    private final Map<String, Integer> ids;
    private final BitSet outsideModel;

    private Vocabulary(
            String[] pieces, Kind[] kinds, Map<String, Integer> ids, BitSet outsideModel) {
        this.pieces = pieces;
        this.kinds = kinds;
        this.ids = ids;
        this.outsideModel = outsideModel;
    }

    /// Creates a vocabulary; if two ids share a piece, lookups find the later id.
    static Vocabulary of(List<String> pieces, List<Kind> kinds) {
        return of(pieces, kinds, new BitSet());
    }

    /// Creates a vocabulary with some tokens that the model does not know.
    ///
    /// @param outsideModel ids that only added tokens have, not the model
    static Vocabulary of(List<String> pieces, List<Kind> kinds, BitSet outsideModel) {
        if (pieces.size() != kinds.size() || pieces.isEmpty()) {
            throw new IllegalArgumentException(
                    "a vocabulary of "
                            + pieces.size()
                            + " tokens with "
                            + kinds.size()
                            + " token types");
        }
        Map<String, Integer> ids = HashMap.newHashMap(pieces.size());
        for (int id = 0; id < pieces.size(); id++) {
            if (kinds.get(id) != Kind.UNUSED || !pieces.get(id).isEmpty()) {
                ids.put(pieces.get(id), id);
            }
        }
        return new Vocabulary(
                pieces.toArray(new String[0]),
                kinds.toArray(new Kind[0]),
                ids,
                (BitSet) outsideModel.clone());
    }

    int size() {
        return pieces.length;
    }

    String piece(int id) {
        return pieces[requireId(id)];
    }

    Kind kind(int id) {
        return kinds[requireId(id)];
    }

    OptionalInt find(String piece) {
        int id = id(piece);
        return id == NONE ? OptionalInt.empty() : OptionalInt.of(id);
    }

    /// Returns the id of the piece, or [#NONE].
    int id(String piece) {
        return ids.getOrDefault(piece, NONE);
    }

    /// Returns the id of the piece if the model may produce it from text, or [#NONE].
    int textId(String piece) {
        int id = id(piece);
        boolean produced =
                id != NONE
                        && (kinds[id] == Kind.NORMAL || kinds[id] == Kind.ADDED)
                        && !outsideModel.get(id);
        return produced ? id : NONE;
    }

    /// Returns the id of a single character if the model knows it, or [#NONE]: also of a special
    /// token, because a text with this character has no other spelling.
    int characterId(String piece) {
        int id = id(piece);
        boolean special = id != NONE && kinds[id] == Kind.SPECIAL && !outsideModel.get(id);
        return special ? id : textId(piece);
    }

    /// Returns the ids of `<0x00>` to `<0xFF>`, [#NONE] if the vocabulary has no such token.
    int[] byteIds() {
        int[] byteIds = new int[256];
        Arrays.setAll(byteIds, b -> id(bytePiece(b)));
        return byteIds;
    }

    boolean hasAllBytes() {
        return Arrays.stream(byteIds()).noneMatch(id -> id == NONE);
    }

    /// Returns the byte that a piece of the form `<0xNN>` represents, or -1.
    static int byteOf(String piece) {
        if (piece.length() != 6 || !piece.startsWith("<0x") || piece.charAt(5) != '>') {
            return -1;
        }
        boolean digits =
                HexFormat.isHexDigit(piece.charAt(3)) && HexFormat.isHexDigit(piece.charAt(4));
        return digits ? HexFormat.fromHexDigits(piece, 3, 5) : -1;
    }

    private static String bytePiece(int unsignedByte) {
        return "<0x%02X>".formatted(unsignedByte);
    }

    private int requireId(int id) {
        if (id < 0 || id >= pieces.length) {
            throw new IllegalArgumentException(
                    "token id " + id + " is not in the vocabulary of " + pieces.length + " tokens");
        }
        return id;
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

/// A pre-tokenizer that writes spaces as a symbol and prepends it to pieces that do not begin with
/// it.
///
/// Byte-level files use a plain space (`add_prefix_space`), SentencePiece-like files use `▁`
/// (Metaspace).
///
/// @param symbol the replacement of a space
/// @param where the pieces that get the symbol as a prefix
record SpacePrefix(String symbol, Where where) implements PreTokenizer {
    /// The pieces that get the prefix.
    enum Where {
        NEVER,
        /// The piece at the very start of the input, not one after an added token.
        FIRST,
        ALWAYS
    }

    @Override
    public Pieces apply(Pieces pieces) {
        var text = new StringBuilder(pieces.text().length + pieces.count());
        var result = new Pieces(new char[0], pieces.startsInput(), pieces.count());
        for (int i = 0; i < pieces.count(); i++) {
            int start = text.length();
            String piece =
                    new String(pieces.text(), pieces.start(i), pieces.end(i) - pieces.start(i))
                            .replace(" ", symbol);
            if (prefixes(pieces, i) && !piece.startsWith(symbol)) {
                text.append(symbol);
            }
            text.append(piece);
            result.add(start, text.length());
        }
        return result.withText(text.toString().toCharArray());
    }

    private boolean prefixes(Pieces pieces, int piece) {
        return switch (where) {
            case NEVER -> false;
            case FIRST -> pieces.startsInput() && pieces.start(piece) == 0;
            case ALWAYS -> true;
        };
    }
}
